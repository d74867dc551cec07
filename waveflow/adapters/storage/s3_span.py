"""Reading a stretch of one version of an object, over connections that break."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import Protocol

from attrs import frozen

from waveflow.adapters.storage.s3_errors import outside_errors
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import StorageUnavailable

MOST_BYTES = 256 * 1024
"""In one piece."""

RESUMPTIONS = 4
"""Of one span in a row, with less than its share of `PACE_BYTES` between two breaks."""
PAUSE_S = 0.25
"""Before the first resumption; doubled for each one after."""

PACE_BYTES = 1024 * 1024
PACE_WINDOW_S = 60.0
"""In each window of this length at least `PACE_BYTES` of an object have to arrive."""


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


class Pace:
    """Whether the bytes of one object arrive fast enough, over all its connections together.

    The time-out of a socket starts anew with every byte: a server that sends one now and then
    could hold a reader for days. Only the time in which some connection is waited for counts,
    and an object that ends within the first window may be as slow as it likes.

    Attributes:
        share_bytes: what one of the connections brings in while all bring in `PACE_BYTES`.
        slow_windows: how many windows have brought too little.
        slow_in_a_row: how many of them since the last that brought enough.
    """

    def __init__(self, timing: Timing, connections: int = 1) -> None:
        """For so many connections at once, at most; thread-safe."""
        self.share_bytes = PACE_BYTES // connections
        self.slow_windows = 0
        self.slow_in_a_row = 0
        self._timing = timing
        self._counted_s = -math.inf
        self._waited_s = 0.0
        self._arrived_bytes = 0
        self._lock = Lock()

    def require(self, slow_windows: int) -> None:
        """Raises `_BodyBroke` when there are more slow windows than that by now."""
        with self._lock:
            if self._waited_s >= PACE_WINDOW_S:
                is_slow = self._arrived_bytes < PACE_BYTES
                self.slow_windows += is_slow
                self.slow_in_a_row = self.slow_in_a_row + 1 if is_slow else 0
                self._waited_s, self._arrived_bytes = 0.0, 0
            if self.slow_windows > slow_windows:
                raise _BodyBroke(f"less than {PACE_BYTES} bytes in {PACE_WINDOW_S:.0f} seconds")

    def add(self, asked_s: float, arrived_bytes: int) -> None:
        """So much has arrived just now, waited for since then; others may have waited as well."""
        with self._lock:
            now_s = self._timing.monotonic_s()
            self._waited_s += now_s - max(asked_s, self._counted_s)
            self._counted_s = now_s
            self._arrived_bytes += arrived_bytes


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
        pace: Pace | None = None,
    ) -> None:
        """Nothing is asked for yet.

        Args:
            body: begins with the byte at `start`, and is taken over; it may go on after `end`.
            resume: opens the same version anew, from a position on.
            pace: that of the object, if other spans of it are read at the same time.
        """
        self.start = start
        self.end = end
        self._stat = stat
        self._body = body
        self._resume = resume
        self._timing = timing
        self._pace = pace or Pace(timing)
        self._slow_windows = self._pace.slow_windows
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
        body = self._body  # The other thread may be giving it up just now,
        if body is not None:
            # or have come to its end by itself.
            with suppress(OSError, RuntimeError, ValueError):
                body.shutdown()

    def close(self) -> None:
        """Leave the rest of the body, however much it is, on the other side."""
        self._is_over = True
        body = self._body
        if body is not None:
            body.close()

    def _piece(self) -> bytes:
        if self._body is None:
            self._open()
            return b""
        try:
            return self._arrived(self._body)
        except outside_errors(_BodyBroke) as exc:
            if not self._is_over:
                self._take_up_again(self._body, exc)
            return b""

    def _arrived(self, body: RawBody) -> bytes:
        self._pace.require(self._slow_windows)
        asked_s = self._timing.monotonic_s()
        piece = body.read1(min(MOST_BYTES, self.end - self._position))
        if not piece:
            raise _BodyBroke("ended early")
        self._pace.add(asked_s, len(piece))
        return piece

    def _take_up_again(self, body: RawBody, exc: Exception) -> None:
        body.close()
        if self._position - self._resumed_at >= self._pace.share_bytes:
            self._breaks = 0
        self._breaks += 1
        in_a_row = max(self._breaks, self._pace.slow_in_a_row)
        if in_a_row > RESUMPTIONS:
            raise StorageUnavailable(
                f"{self._stat.key!r} broke off after {self._position} of its"
                f" {self._stat.size_bytes} bytes, {in_a_row} times in a row; check the"
                " network, and try again later."
            ) from exc
        self._timing.sleep(PAUSE_S * 2 ** (self._breaks - 1))
        self._body = None
        if not self._is_over:
            self._open()

    def _open(self) -> None:
        self._body = self._resume(self._position)
        self._slow_windows = self._pace.slow_windows
        self._resumed_at = self._position
