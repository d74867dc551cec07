"""Reading one version of an object to its end, over connections that break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from attrs import frozen

from waveflow.adapters.storage.s3_checksum import Checksum
from waveflow.adapters.storage.s3_errors import outside_errors
from waveflow.application.ports import ObjectStat, ObjectStream
from waveflow.domain.errors import StorageUnavailable

_CHUNK_BYTES = 256 * 1024

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


class S3ObjectStream(ObjectStream):
    """The bytes of one version of an object, asked for again from where they broke off."""

    def __init__(
        self,
        stat: ObjectStat,
        body: RawBody,
        checksum: Checksum | None,
        *,
        resume: Callable[[ObjectStat, int], RawBody],
        timing: Timing,
    ) -> None:
        """Take over `body`, which begins with the object's first byte.

        Args:
            resume: opens the same version anew, from a position on.
        """
        self._stat = stat
        self._body = body
        self._checksum = checksum
        self._resume = resume
        self._timing = timing
        self._pace = _Pace()
        self._position = 0
        self._resumed_at = 0
        self._breaks = 0

    @property
    def stat(self) -> ObjectStat:
        """The version that is being read."""
        return self._stat

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, in chunks of at most 256 KiB; the last one only if the checksum is right.

        Raises:
            StorageUnavailable: when they break off again and again, or are not those stored.
            ObjectChanged: when they break off, and the rest of this version is gone.
        """
        while self._position < self._stat.size_bytes:
            yield self._chunk()

    def close(self) -> None:
        """Leave the rest of the body, however much it is, on the other side."""
        self._body.close()

    def _chunk(self) -> bytes:
        end = min(self._position + _CHUNK_BYTES, self._stat.size_bytes)
        chunk = bytearray()
        while self._position < end:
            try:
                piece = self._piece(end - self._position)
            except outside_errors(_BodyBroke) as exc:
                self._take_up_again(exc)
                continue
            self._position += len(piece)
            chunk += piece
        self._check(chunk)
        return bytes(chunk)

    def _piece(self, max_bytes: int) -> bytes:
        self._pace.require()
        asked_s = self._timing.monotonic_s()
        piece = self._body.read1(max_bytes)
        if not piece:
            raise _BodyBroke("ended early")
        self._pace.add(self._timing.monotonic_s() - asked_s, len(piece))
        return piece

    def _take_up_again(self, exc: Exception) -> None:
        self._body.close()
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
        self._body = self._resume(self._stat, self._position)
        self._resumed_at = self._position
        self._pace = _Pace()

    def _check(self, chunk: bytearray) -> None:
        if self._checksum is None:
            return
        self._checksum.update(chunk)
        if self._position == self._stat.size_bytes and not self._checksum.matches():
            raise StorageUnavailable(
                f"The bytes of {self._stat.key!r} don't match the checksum that S3 keeps of them;"
                " try again."
            )
