"""Reading a stretch of one version of an object, over connections that break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from attrs import frozen

from waveflow.adapters.storage.s3_errors import outside_errors
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import StorageUnavailable

MOST_BYTES = 256 * 1024
"""In one piece."""

RESUMPTIONS = 4
"""In a row, with less than `PACE_BYTES` between one break and the next."""
PAUSE_S = 0.25
"""Before the first resumption; doubled for each one after."""

PACE_BYTES = 1024 * 1024
PACE_WINDOW_S = 60.0
"""In each window of this length at least `PACE_BYTES` have to arrive."""


class RawBody(Protocol):
    """The body of an answer, as it comes from the network."""

    def read1(self, amt: int, /) -> bytes:
        """What has arrived, at most `amt` bytes; waits for the first only."""

    def shutdown(self) -> None:
        """Wake up whoever waits for more in another thread: nothing more comes."""
        return  # A body that has nobody waiting in another thread needs none.

    def close(self) -> None:
        """Close the connection, unless the body was read to its end."""


@frozen
class Timing:
    """The clock that a slow body is measured by (seconds, monotonic), and how to wait."""

    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


class _BodyBroke(Exception):
    """Raised when a body ends early, or comes too slowly to wait for the rest of it."""


class _Pace:
    """Whether bytes arrive fast enough.

    The time-out of a socket starts anew with every byte: a server that sends one now and then
    could hold a reader for days. Only the time spent waiting for the network counts, and a body
    that ends within the first window may be as slow as it likes.
    """

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._arrived_bytes = 0

    def add(self, waited_s: float, arrived_bytes: int) -> None:
        self._waited_s += waited_s
        self._arrived_bytes += arrived_bytes

    def require(self) -> None:
        if self._waited_s < PACE_WINDOW_S:
            return
        if self._arrived_bytes < PACE_BYTES:
            raise _BodyBroke(f"{self._arrived_bytes} bytes in {self._waited_s:.0f} seconds")
        self._waited_s = 0.0
        self._arrived_bytes = 0


class Span:
    """The bytes from one position to another, asked for again from where they broke off."""

    def __init__(
        self,
        stat: ObjectStat,
        start: int,
        end: int,
        *,
        body: RawBody | None = None,
        resume: Callable[[int], RawBody],
        timing: Timing,
    ) -> None:
        """Nothing is asked for yet.

        Args:
            body: begins with the byte at `start`, and is taken over; it may go on after `end`.
            resume: opens the same version anew, from a position on.
        """
        self.start = start
        self.end = end
        self._stat = stat
        self._body = body
        self._resume = resume
        self._timing = timing
        self._pace = _Pace()
        self._position = self._resumed_at = start
        self._breaks = 0
        self._is_over = False

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come from the network, none empty, each of 256 KiB at most.

        After a `cancel` the rest may be missing.

        Raises:
            StorageUnavailable: when they break off again and again.
            ObjectChanged: when they break off, and the rest of this version is gone.
        """
        while self._position < self.end and not self._is_over:
            if piece := self._piece():
                self._position += len(piece)
                yield piece
        self.close()

    def cancel(self) -> None:
        """Have another thread that iterates end soon, also while it waits for bytes.

        What a request is answered is waited for.
        """
        self._is_over = True
        if self._body is not None:
            # It may have come to its end by itself just now.
            with suppress(OSError, RuntimeError, ValueError):
                self._body.shutdown()

    def close(self) -> None:
        """Leave the rest of the body, however much it is, on the other side."""
        self._is_over = True
        if self._body is not None:
            self._body.close()

    def _piece(self) -> bytes:
        if self._body is None:
            self._body = self._resume(self._position)
            return b""
        try:
            return self._arrived(self._body)
        except outside_errors(_BodyBroke) as exc:
            if not self._is_over:
                self._take_up_again(self._body, exc)
            return b""

    def _arrived(self, body: RawBody) -> bytes:
        self._pace.require()
        asked_s = self._timing.monotonic_s()
        piece = body.read1(min(MOST_BYTES, self.end - self._position))
        if not piece:
            raise _BodyBroke("ended early")
        self._pace.add(self._timing.monotonic_s() - asked_s, len(piece))
        return piece

    def _take_up_again(self, body: RawBody, exc: Exception) -> None:
        body.close()
        if self._position - self._resumed_at >= PACE_BYTES:
            self._breaks = 0
        self._breaks += 1
        if self._breaks > RESUMPTIONS:
            raise StorageUnavailable(
                f"{self._stat.key!r} broke off after {self._position} of its"
                f" {self._stat.size_bytes} bytes, {self._breaks} times in a row; check the"
                " network, and try again later."
            ) from exc
        self._timing.sleep(PAUSE_S * 2 ** (self._breaks - 1))
        self._body = None if self._is_over else self._resume(self._position)
        self._resumed_at = self._position
        self._pace = _Pace()
