"""The worker's HTTP port: a few pages for those who look after it, and nothing else.

Whoever can reach it can't do more than read them. Clients that are slow, silent or many keep
nobody else from an answer, and take no more than a handful of threads and descriptors.
"""

from __future__ import annotations

import errno
import json
import socket
import socketserver
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

import structlog
from attrs import frozen

from waveflow.domain.errors import TransientError
from waveflow.entrypoints.settings import SettingsError

_log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 32
LONGEST_S = 10.0
"""For a whole connection: a request is one line, and an answer some kilobytes."""
_SILENT_S = 5.0
_TIDY_EVERY_S = 0.1
_NOTHING_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class PortInUse(TransientError):
    """Raised when something else listens where the worker is to."""


@frozen
class Page:
    """What is answered to a request."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of(cls, status: int, document: object) -> Page:
        """A page of JSON."""
        return cls(status, json.dumps(document, ensure_ascii=False).encode() + b"\n")


Pages = Mapping[str, Callable[[], Page]]
"""By path; each is made anew for each request, in a thread of its own."""


class HttpPort:
    """Serves pages from when it is made, in daemon threads, until it is closed."""

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        """Begin to listen.

        Args:
            port: 0 lets the system choose one; see `port`.

        Raises:
            PortInUse: when something else listens there.
            SettingsError: when this machine has no such address, or the port isn't allowed.
        """
        try:
            self._server = _Server(host, port, pages)
        except (OSError, UnicodeError) as error:
            raise _refusal(host, port, error) from error
        self._thread = Thread(
            target=self._server.serve_forever, args=[_TIDY_EVERY_S], name="http", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self._server.server_address[1]
        return number

    def is_alive(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Listen no more. Answers under way may still come to their end."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _refusal(host: str, port: int, error: OSError | UnicodeError) -> Exception:
    where = f"WAVEFLOW_HTTP_PORT is {port}, and WAVEFLOW_HTTP_HOST {host!r}"
    number = error.errno if isinstance(error, OSError) else None
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if number == errno.EADDRINUSE:
        return PortInUse(
            f"{where}: something else listens there. Stop it, or set another port; each worker of"
            " a machine needs its own."
        )
    if number == errno.EACCES:
        return SettingsError([f"{where}: ports below 1024 are not for everybody ({why})."])
    return SettingsError([f"{where}: this machine has no such address ({why})."])


class _Server(socketserver.TCPServer):
    """Accepts in one thread, answers each connection in another, and limits both."""

    allow_reuse_address = True  # A port that a worker left a moment ago is free.
    request_queue_size = 128

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.pages = pages
        self.address_family = family
        self._open: dict[socket.socket, float] = {}
        self._lock = Lock()
        super().__init__((str(address[0]), port), _Request)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            # All of the machine's addresses are those of IPv4, too.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _NOTHING_LEFT:  # It would be tried again at once, and again.
                time.sleep(_TIDY_EVERY_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_flooded = len(self._open) >= 2 * MOST_CONNECTIONS
            if not is_flooded:
                self._open[request] = time.monotonic()
            # Who came first has had the longest time to say something.
            for connection in list(self._open)[:-MOST_CONNECTIONS]:
                self._cut_off(connection)
        if is_flooded:  # Those that were cut off need a moment to go.
            self.shutdown_request(request)
            return
        answering = Thread(
            target=self._answer, args=[request, client_address], name="http-answer", daemon=True
        )
        try:
            answering.start()
        except RuntimeError:  # There is no room for another thread.
            self._forget(request)

    def service_actions(self) -> None:
        with self._lock:
            now_s = time.monotonic()
            for connection, since_s in list(self._open.items()):
                if now_s - since_s > LONGEST_S:
                    self._cut_off(connection)

    def handle_error(self, *_: Any) -> None:
        _log.error("defect", exc_info=True)

    def _answer(self, request: socket.socket, client_address: Any) -> None:
        try:
            with suppress(OSError):  # The client has gone.
                self.finish_request(request, client_address)
        except Exception:
            self.handle_error()
        finally:
            self._forget(request)

    def _cut_off(self, connection: socket.socket) -> None:
        # Its thread sees the end of it, and closes it: nobody else may, while it may be in use.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)
            self.shutdown_request(connection)


class _Request(BaseHTTPRequestHandler):
    """Answers one request, and closes the connection."""

    server: _Server
    timeout = _SILENT_S
    default_request_version = "HTTP/1.0"  # Of 0.9 there were no headers, nor a status.
    error_content_type = "application/json"

    def do_GET(self) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        if make is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            page = make()
        except Exception as error:
            _log.error("defect", exc_info=error)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._send(page)

    do_HEAD = do_GET  # noqa: N815 (http.server calls it so)

    def send_error(
        self,
        code: int,
        message: str | None = None,  # noqa: ARG002 (texts of the base class are not for us)
        explain: str | None = None,  # noqa: ARG002
    ) -> None:
        if code == HTTPStatus.NOT_IMPLEMENTED:  # What the base class says of other methods.
            code = HTTPStatus.METHOD_NOT_ALLOWED
        document = {"error": HTTPStatus(code).phrase, "pages": sorted(self.server.pages)}
        self._send(Page.of(code, document))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (it is called so there)
        """Nothing: a probe each second is no news."""

    def _send(self, page: Page) -> None:
        self.close_connection = True
        # Not `send_response`: it tells what answers, with versions.
        self.send_response_only(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)
