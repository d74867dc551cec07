"""Live news for the page: the whole state at once and after each change, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from attrs import define, field
from starlette.types import Receive, Scope, Send

from waveflow.entrypoints.studio.board import Board

MOST_STREAMS = 4
"""At once. A browser has six connections to a host, for all of its tabs together."""
_SILENCE_S = 15.0
_BREATH_S = 0.05
"""Between two events: what changes in bursts is told once."""
_PATIENCE_S = 30.0
"""With a reader that takes nothing."""
_COME_BACK_MS = 3000
"""After so long a tab whose stream has ended asks for another one."""
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@define(eq=False)
class _Stream:
    """One that is open; its bell rings for news, and for its end."""

    bell: asyncio.Event = field(factory=asyncio.Event)
    is_over: bool = False

    def end(self) -> None:
        self.is_over = True
        self.bell.set()


@define
class Streams:
    """The streams that are open, all on one event loop.

    Where there are many tabs the newest stream takes the place of the oldest, whose tab comes back
    a little later: each is told of all changes, in turns.
    """

    board: Board
    silence_s: float = _SILENCE_S
    _open: list[_Stream] = field(factory=list)
    _has_ended: bool = False

    def end(self) -> None:
        """End all streams, and any that is opened later at once."""
        self._has_ended = True
        for stream in self._open:
            stream.end()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until its reader leaves, another one takes its place, or all end."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with self._opened() as stream:
            leaving = asyncio.create_task(_wait_for_leaving(receive, stream))
            try:
                # What a reader doesn't take in time, it doesn't get.
                with suppress(TimeoutError):
                    await self._serve(stream, send)
                async with asyncio.timeout(1.0):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                leaving.cancel()

    @contextmanager
    def _opened(self) -> Iterator[_Stream]:
        stream, loop = _Stream(), asyncio.get_running_loop()
        self._open.append(stream)
        while len(self._open) > MOST_STREAMS:
            self._open.pop(0).end()
        if self._has_ended:
            stream.end()

        def ring() -> None:
            # The loop may be closed already when the last threads end.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stream.bell.set)

        try:
            with self.board.told(ring):
                yield stream
        finally:
            if stream in self._open:
                self._open.remove(stream)

    async def _serve(self, stream: _Stream, send: Send) -> None:
        await _send(send, f"retry: {_COME_BACK_MS}\n\n".encode())
        told = -1
        while not stream.is_over:
            stream.bell.clear()
            version, state = self.board.state()
            if version != told:
                told = version
                await _send(send, b"event: state\ndata: " + state + b"\n\n")
                await asyncio.sleep(_BREATH_S)
            try:
                await asyncio.wait_for(stream.bell.wait(), self.silence_s)
            except TimeoutError:
                await _send(send, b": still here\n\n")


async def _send(send: Send, body: bytes) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _wait_for_leaving(receive: Receive, stream: _Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()
