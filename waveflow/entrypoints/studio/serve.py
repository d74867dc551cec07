"""Serving the studio on this machine, until somebody ends it."""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from pathlib import Path

import uvicorn
from attrs import frozen

from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.studio.app import application
from waveflow.entrypoints.studio.events import Streams
from waveflow.entrypoints.studio.front_end import VENDOR
from waveflow.entrypoints.studio.guard import Guard
from waveflow.entrypoints.studio.opening import opened
from waveflow.entrypoints.studio.studio import Studio

HOST = "127.0.0.1"
"""Never another one: whoever reaches the page may hear and delete nothing, but fill the disk."""
_LAST_ANSWERS_S = 2.0
"""For downloads and uploads that run when the studio ends."""

_LIBRARY_LOG = logging.getLogger("uvicorn.error")


@frozen
class Address:
    """Where the page is; `url` lets whoever opens it in."""

    port: int
    token: str

    @property
    def url(self) -> str:
        """With the token."""
        return f"http://{HOST}:{self.port}/?token={self.token}"


def listening(port: int, *, or_any: bool) -> socket.socket:
    """A socket of this machine alone, at `port` (0 for any that is free).

    Args:
        or_any: take another port when that one is taken.

    Raises:
        PermanentError: when the port can't be had.
    """
    # Where the protocol is named, asyncio sends answers at once; else each would wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if or_any and error.errno == EADDRINUSE:
            return listening(0, or_any=False)
        raise PermanentError(
            f"Nothing can listen at {HOST}:{port}: {error.strerror}. Choose another port with"
            " --port, or 0 for any that is free."
        ) from error
    return listener


class StudioServer(uvicorn.Server):
    """Ends its streams when it is told to end: they would keep it for ever."""

    def __init__(
        self,
        studio: Studio,
        listener: socket.socket,
        on_start: Callable[[Address], object],
        vendor: Path = VENDOR,
    ) -> None:
        """Serve `studio` at `listener`.

        Args:
            on_start: told where the page is, once it is.
            vendor: the folder with the libraries of others.
        """
        self.address = Address(listener.getsockname()[1], secrets.token_urlsafe(32))
        self.streams = Streams(studio.board)
        app = application(studio, self.streams, vendor)
        super().__init__(
            uvicorn.Config(
                Guard(app, self.address.token, self.address.port),
                lifespan="off",
                ws="none",
                http="h11",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(_LAST_ANSWERS_S),
            )
        )
        self._studio = studio
        self._listener = listener
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell where."""
        await super().startup(sockets)
        self._on_start(self.address)

    async def on_tick(self, counter: int) -> bool:
        """Whether to end. Without its worker the studio would only look as if it worked."""
        return await super().on_tick(counter) or not self._studio.worker.is_alive

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing more, end what never ends by itself, and give the rest its time."""
        self._studio.worker.stop()
        self.streams.end()
        # It would tell of each answer that is cut off, as of an error.
        _LIBRARY_LOG.setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the server, and nothing else: that is how it is meant to end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def serve_until_ended(self) -> None:
        """Serve until a signal comes.

        Raises:
            PermanentError: when the worker has ended by itself.
        """
        level = _LIBRARY_LOG.level
        try:
            self.run([self._listener])
        finally:
            _LIBRARY_LOG.setLevel(level)
        if not self.should_exit:
            raise PermanentError(
                "The studio's worker has ended by itself; the lines above say why. Nothing that"
                " was uploaded is lost: start the studio again."
            )


def serve_studio(
    folder: Path,
    listener: socket.socket,
    *,
    max_upload_bytes: int,
    on_start: Callable[[Address], object],
) -> None:
    """Open the studio of `folder`, and serve it until SIGINT or SIGTERM.

    Raises:
        PermanentError: when the folder can't be used, or the worker has ended by itself.
    """
    with opened(folder, max_upload_bytes=max_upload_bytes) as studio:
        StudioServer(studio, listener, on_start).serve_until_ended()
