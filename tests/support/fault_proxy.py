"""A reverse proxy on loopback that lets requests go wrong the way a rule says.

It stands between a client (boto3, httpx, a worker's process) and a server. What no rule is about
passes through unchanged, byte by byte: path, query, headers with `Host`, and the framing of the
bodies, so that signatures stay valid.

    with FaultProxy(server.endpoint_url) as proxy:
        proxy.add(Rule(Fault.RESET_AFTER, method="PUT", path="/stems/"))
        ...  # talk to proxy.url
        proxy.wait_for(lambda seen: len(seen) == 2, timeout_s=5)
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from tests.support.fault_connection import Connection
from tests.support.fault_rules import Fault, FaultBook, Rule, Seen
from tests.support.fault_wire import Wire

__all__ = ["Fault", "FaultProxy", "Rule", "Seen"]

_BACKLOG: Final = 512
_END_TIMEOUT_S: Final = 10.0


class FaultProxy:
    """Forwards requests to `upstream_url`, but for those that a rule is about.

    Every connection has a thread, and one connection upstream. Requests are read whole before
    anything happens; answers are passed on as they come.
    """

    def __init__(self, upstream_url: str, seed: int = 0) -> None:
        parts = urlsplit(upstream_url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"not the address of a plain HTTP server: {upstream_url}")
        self._upstream = (parts.hostname, parts.port or 80)
        self._book = FaultBook(seed)
        self._connections: set[Connection] = set()
        self._port_holder: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._port = 0

    def __enter__(self) -> Self:
        # Bound for good, but never listening: nobody else gets the port while we are away.
        self._port_holder = _bound(0)
        self._port = self._port_holder.getsockname()[1]
        self.come_back()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go_away()
        if self._port_holder is not None:
            self._port_holder.close()
            self._port_holder = None

    @property
    def url(self) -> str:
        """Where clients reach it; stays the same while it is away."""
        return f"http://127.0.0.1:{self._port}"

    def add(self, rule: Rule) -> None:
        """Adds a rule: the first one that matches and isn't used up wins."""
        self._book.add(rule)

    def clear(self) -> None:
        """Drops all rules: stalled requests go on, trickling answers come at once.

        What was seen and counted stays.
        """
        self._book.clear()

    @property
    def requests(self) -> list[Seen]:
        """All requests so far, in the order in which they were complete."""
        return self._book.requests

    @property
    def faults(self) -> Counter[Fault]:
        """How many requests met which fault so far."""
        return self._book.faults

    def wait_for(self, predicate: Callable[[list[Seen]], object], timeout_s: float) -> list[Seen]:
        """Waits until the predicate holds for the requests so far, and returns them.

        Raises:
            AssertionError: if it doesn't in time, with what was seen.
        """
        return self._book.wait_for(predicate, timeout_s)

    def come_back(self) -> None:
        """Listens (again), on the same port as ever."""
        if self._listener is not None:
            return
        self._listener = _bound(self._port)
        self._listener.listen(_BACKLOG)
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="fault-proxy", daemon=True
        )
        self._acceptor.start()

    def go_away(self) -> None:
        """Refuses connections, and cuts those that there are; returns when all have ended."""
        if self._listener is None or self._acceptor is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)  # Wakes the acceptor; a mere close doesn't.
        self._acceptor.join(_END_TIMEOUT_S)
        self._listener.close()
        self._listener = self._acceptor = None
        with self._book.changed:
            connections = list(self._connections)
            for connection in connections:
                connection.cut()
            self._book.changed.notify_all()
        for connection in connections:
            connection.thread.join(_END_TIMEOUT_S)
            if connection.thread.is_alive():
                raise AssertionError("a connection of the proxy doesn't end")

    def _connection(self, client: Wire) -> Connection:
        return Connection(client, self._upstream, self._book, self._ended)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return  # shut down
            connection = self._connection(Wire(client))
            with self._book.changed:
                self._connections.add(connection)
            connection.thread.start()

    def _ended(self, connection: Connection) -> None:
        with self._book.changed:
            self._connections.discard(connection)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
