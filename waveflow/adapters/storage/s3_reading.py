"""Reading one version of an object to its end: its pieces put together, and their checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from waveflow.adapters.storage.s3_checksum import Checksum
from waveflow.adapters.storage.s3_parts import PART_BYTES, ReadAhead
from waveflow.adapters.storage.s3_span import (
    MOST_BYTES,
    PACE_BYTES,
    PACE_WINDOW_S,
    RESUMPTIONS,
    RawBody,
    Span,
    Timing,
)
from waveflow.application.ports import ObjectStat, ObjectStream
from waveflow.domain.errors import StorageUnavailable

__all__ = [
    "PACE_BYTES",
    "PACE_WINDOW_S",
    "RESUMPTIONS",
    "RawBody",
    "S3ObjectStream",
    "Timing",
]

_LARGE_BYTES = 64 * 1024
"""A piece of this size is handed on as it is: putting it together with others is a copy."""


class S3ObjectStream(ObjectStream):
    """The bytes of one version of an object; those of a large one come in parts, side by side."""

    def __init__(
        self,
        stat: ObjectStat,
        body: RawBody,
        checksum: Checksum | None,
        *,
        resume: Callable[[ObjectStat, int], RawBody],
        timing: Timing,
        ahead: ReadAhead | None = None,
    ) -> None:
        """Take over `body`, which begins with the object's first byte.

        Args:
            resume: opens the same version anew, from a position on.
            ahead: reads what comes after the first part of a large object; None for a small one.
        """
        self._stat = stat
        self._checksum = checksum
        self._ahead = ahead
        self._first = Span(
            stat,
            0,
            stat.size_bytes if ahead is None else PART_BYTES,
            body=body,
            resume=partial(resume, stat),
            timing=timing,
            pace=None if ahead is None else ahead.pace,
        )
        self._handed_out = 0

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
        for chunk in _chunks_of(self._pieces()):
            self._check(chunk)
            yield chunk

    def close(self) -> None:
        """Leave the rest of the object, however much it is, on the other side."""
        try:
            self._first.close()
        finally:
            if self._ahead is not None:
                self._ahead.close()

    def _pieces(self) -> Iterator[bytes]:
        if self._ahead is not None:
            self._ahead.begin()
        yield from self._first.pieces()
        if self._ahead is not None:
            yield from self._ahead.pieces()

    def _check(self, chunk: bytes) -> None:
        self._handed_out += len(chunk)
        if self._checksum is None:
            return
        self._checksum.update(chunk)
        if self._handed_out == self._stat.size_bytes and not self._checksum.matches():
            raise StorageUnavailable(
                f"The bytes of {self._stat.key!r} don't match the checksum that S3 keeps of them;"
                " try again."
            )


def _chunks_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Large pieces as they are, small ones together; none is copied more than once."""
    small: list[bytes] = []
    small_bytes = 0
    for piece in pieces:
        if small and (small_bytes + len(piece) > MOST_BYTES or len(piece) >= _LARGE_BYTES):
            yield b"".join(small)
            small, small_bytes = [], 0
        if len(piece) >= _LARGE_BYTES:
            yield piece
            continue
        small.append(piece)
        small_bytes += len(piece)
        if small_bytes == MOST_BYTES:
            yield b"".join(small)
            small, small_bytes = [], 0
    if small:
        yield b"".join(small)
