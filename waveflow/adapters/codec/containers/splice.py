"""Pieces of a file (and bytes that replace others), presented as one read-only file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

from attrs import frozen


@frozen
class Span:
    """The bytes of the underlying file from `start` (inclusive) to `end` (exclusive)."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@frozen
class Gap:
    """Bytes that count towards the length, but read as the end of the file."""

    length: int


Piece = bytes | Span | Gap


def piece_length(piece: Piece) -> int:
    """Bytes that `piece` contributes."""
    return len(piece) if isinstance(piece, bytes) else piece.length


class SplicedFile(io.RawIOBase):
    """A raw read-only file that consists of `pieces`, one after the other.

    Memory stays constant whatever the spans cover. `file` must outlive it, and isn't closed.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._file = file
        self._pieces = [piece for piece in pieces if piece_length(piece) > 0]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + piece_length(piece))
        self._position = 0
        self._current = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}
        target = origin[whence] + offset
        if target < 0:
            raise OSError("seek before the start of the file")
        self._position = target
        return target

    # The buffer protocol has no public type before Python 3.12.
    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fills `buffer` from one piece, so possibly partly; 0 only at the end."""
        if self._position >= self._starts[-1]:
            return 0
        piece, start = self._piece_here()
        if isinstance(piece, Gap):
            return 0
        offset = self._position - start
        wanted = min(len(buffer), piece_length(piece) - offset)
        if isinstance(piece, Span):
            self._file.seek(piece.start + offset)
            content = self._file.read(wanted)
        else:
            content = piece[offset : offset + wanted]
        memoryview(buffer).cast("B")[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _piece_here(self) -> tuple[Piece, int]:
        # Reading goes forward, nearly always within the same piece: no search needed.
        if self._position < self._starts[self._current]:
            self._current = 0
        while self._position >= self._starts[self._current + 1]:
            self._current += 1
        return self._pieces[self._current], self._starts[self._current]
