"""A main server of flesh and blood for tests: HTTP/1.1 on 127.0.0.1, with every bad habit.

    with HttpReceiver() as receiver:
        receiver.answer(503, headers={"Retry-After": "7"})   # to everything from here on
        receiver.next(Answer(500), Reset(), Stall())         # to the next three requests first
        receiver.decide(lambda path, body: (200, {"success": True}))
        ...
        [request] = receiver.wait_for(1)
        assert request.path == "/hash-check" and request.json()["stemId"] == "s1"

What it can do is in `http_exchange`. A request is recorded once it was read whole, before anything
is answered. All methods may be called from any thread. Nothing is printed; a `decide` that raises
answers 500 with its text.
"""

from __future__ import annotations

import http.client
import itertools
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from tests.support.http_exchange import (
    Answer,
    Behaviour,
    Decide,
    Decided,
    Raw,
    ReceivedRequest,
    Replied,
    Reset,
    Stall,
    Trickle,
    answer_to,
    read_request,
    written,
)

PATIENCE_S = 10.0
"""For what a test waits for, and surely comes."""


class HttpReceiver:
    """The server. It listens from the start; `close()` or a `with` ends it at once."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Answer 200 to everything; with `tls`, as an https server."""
        self._tls = tls
        # Bound for good but never listening: keeps the port ours while the server is away.
        self._reservation = _bound(0)
        self.port: int = self._reservation.getsockname()[1]
        self._changed = threading.Condition()
        self._requests: list[ReceivedRequest] = []
        self._scripted: deque[Behaviour] = deque()
        self._otherwise: Behaviour = Answer()
        self._refused = 0
        self._released = False
        self._away = False
        self._numbers = itertools.count(1)
        self._accepted = 0
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener: socket.socket | None = None
        self.come_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    # What it does

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer like this from here on."""
        self.behave(Answer(status, body, headers or {}))

    def decide(self, decide: Decide) -> None:
        """Let `decide` answer from here on; it is called in the connection's thread."""
        self.behave(Decided(decide))

    def behave(self, behaviour: Behaviour) -> None:
        """Do this from here on, once what `next` was told is done."""
        with self._changed:
            self._otherwise = behaviour

    def next(self, *behaviours: Behaviour) -> None:
        """Do these first, one per request, in order."""
        with self._changed:
            self._scripted.extend(behaviours)

    def refuse(self, connections: int = 1) -> None:
        """Close the next `connections` as soon as they are made, before reading anything."""
        with self._changed:
            self._refused += connections

    def release(self) -> None:
        """End every stall, of now and later."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def hang_up(self) -> None:
        """Close every connection, as servers do with idle ones; go on listening."""
        with self._changed:
            for connection in self._open:
                _shut_down(connection)

    def go_away(self) -> None:
        """Stop listening and close every connection: nothing more is accepted until `come_back`."""
        with self._changed:
            self._away = True
            self._changed.notify_all()
            listener, self._listener = self._listener, None
            if listener is not None:
                _shut_down(listener)
            threads = self._threads - {threading.current_thread()}
        self.hang_up()
        for thread in threads:
            thread.join(PATIENCE_S)

    def come_back(self) -> None:
        """Listen again, on the same port."""
        listener = _bound(self.port)
        listener.listen(128)
        with self._changed:
            self._away = False
            self._listener = listener
            self._start(lambda: self._accept(listener))

    def close(self) -> None:
        """The end: no thread and no socket is left."""
        self.go_away()
        self._reservation.close()

    # What it saw

    def requests(self) -> list[ReceivedRequest]:
        """Everything recorded so far, in order."""
        with self._changed:
            return list(self._requests)

    def connections(self) -> int:
        """How many connections were accepted so far."""
        with self._changed:
            return self._accepted

    def wait_for(self, count: int, timeout_s: float = PATIENCE_S) -> list[ReceivedRequest]:
        """All requests, once there are at least `count`.

        Raises:
            AssertionError: when there are fewer after `timeout_s`.
        """
        return self.wait_until(lambda requests: len(requests) >= count, timeout_s)

    def wait_until(
        self,
        enough: Callable[[list[ReceivedRequest]], bool],
        timeout_s: float = PATIENCE_S,
    ) -> list[ReceivedRequest]:
        """All requests, once `enough` says yes to them. Raises `AssertionError` like `wait_for`."""
        with self._changed:
            came = self._changed.wait_for(lambda: enough(list(self._requests)), timeout_s)
            targets = [request.target for request in self._requests]
            assert came, f"Not in {timeout_s} s; {len(targets)} requests: {targets[-20:]}"
            return list(self._requests)

    # How it works

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._changed:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name="http-receiver", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with self._changed:
                    self._accepted += 1
                    if self._refused:
                        self._refused -= 1
                        _shut_down(connection)
                        connection.close()
                    elif self._away:
                        connection.close()
                    else:
                        self._open.add(connection)
                        self._serve_in_thread(connection)

    def _serve_in_thread(self, connection: socket.socket) -> None:
        number = next(self._numbers)
        self._start(lambda: self._serve(connection, number))

    def _serve(self, connection: socket.socket, number: int) -> None:
        # What breaks a connection is told to nobody: tests look at what the client says of it.
        with self._kept(connection), suppress(OSError, ValueError, http.client.HTTPException):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._secured(connection) as plain, plain.makefile("rb") as stream:
                while (request := read_request(stream, number)) is not None:
                    if not self._act(plain, request, self._record(request)):
                        return

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(connection)
                connection.close()

    @contextmanager
    def _secured(self, connection: socket.socket) -> Iterator[socket.socket]:
        if self._tls is None:
            yield connection
            return
        # A second socket on the same connection: wrapping takes the one it is given away.
        with self._tls.wrap_socket(connection.dup(), server_side=True) as secured:
            yield secured

    def _record(self, request: ReceivedRequest) -> Behaviour:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()
            return self._scripted.popleft() if self._scripted else self._otherwise

    def _act(self, to: socket.socket, request: ReceivedRequest, behaviour: Behaviour) -> bool:
        """Do it. Returns whether the connection is kept."""
        match behaviour:
            case Answer() | Decided() | Replied():
                return self._answer(to, request, answer_to(request, behaviour))
            case Stall():
                self._wait(None)
                return self._answer(to, request, Answer())
            case Reset(politely):
                if not politely:
                    _reset_on_close(to)
            case Trickle():
                self._trickle(to, behaviour)
            case Raw(sent):
                to.sendall(sent)
        return False

    def _answer(self, to: socket.socket, request: ReceivedRequest, answer: Answer) -> bool:
        if answer.delay_s:
            self._wait(answer.delay_s)
        to.sendall(written(answer))
        return not answer.hang_up and request.headers.get("connection", "").lower() != "close"

    def _wait(self, timeout_s: float | None) -> None:
        """Wait that long, or (None) to be released; going away ends either."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._away or (timeout_s is None and self._released), timeout_s
            )

    def _trickle(self, to: socket.socket, trickle: Trickle) -> None:
        to.sendall(trickle.first)
        while not self._away:
            to.sendall(trickle.sent)
            if trickle.interval_s:
                self._wait(trickle.interval_s)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
