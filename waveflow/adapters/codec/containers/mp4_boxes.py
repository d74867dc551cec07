"""The boxes that MP4 files consist of (ISO/IEC 14496-12): found one by one, read within limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import bytes_at, damaged
from waveflow.domain.audio import Container
from waveflow.domain.errors import InvalidAudio

MOST_BOXES = 1000
"""In one box; a writer makes a dozen."""

_LARGEST_CONTENT_BYTES = 64 * 1024**2
_TO_THE_END, _LONG = 0, 1


@frozen
class Box:
    """A box: its kind, and where its content starts and ends, in bytes of the file."""

    kind: bytes
    start: int
    end: int


def broken(what: str) -> InvalidAudio:
    """The error for a file that contradicts itself."""
    return damaged(Container.M4A, what)


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two offsets, in order; contents are skipped, not read.

    One that claims to end behind `end` is given as it claims, and is the last.

    Raises:
        InvalidAudio: when one claims to be shorter than its own head, and after `MOST_BOXES`.
    """
    for _ in range(MOST_BOXES):
        head = bytes_at(file, start, 16) if end - start >= 8 else b""
        if len(head) < 8:
            return
        size, content = int.from_bytes(head[:4], "big"), start + 8
        if size == _LONG:
            size, content = int.from_bytes(head[8:], "big"), start + 16
        elif size == _TO_THE_END:
            size = end - start
        if start + size < content:
            raise broken("one of its parts claims to have less than no content")
        yield Box(head[4:8], content, start + size)
        start += size
    raise broken(f"one of its parts has more than {MOST_BOXES} parts")


def children(file: BinaryIO, box: Box, *, skipped: int = 0) -> dict[bytes, list[Box]]:
    """The boxes within a box, by kind; `skipped` bytes of its own are in front of them.

    Raises:
        InvalidAudio: when one is larger than the box that it is in.
    """
    found: dict[bytes, list[Box]] = {}
    for child in boxes(file, box.start + skipped, box.end):
        if child.end > box.end:
            raise broken("one of its parts claims more bytes than what it is part of")
        found.setdefault(child.kind, []).append(child)
    return found


def only(found: dict[bytes, list[Box]], kind: bytes) -> Box:
    """The one box of its kind.

    Raises:
        InvalidAudio: when there is none, or more than one.
    """
    if len(found.get(kind, ())) != 1:
        raise broken(f"it should have one {kind.decode()} part, and has {len(found.get(kind, ()))}")
    return found[kind][0]


def content_of(file: BinaryIO, box: Box, at_least: int = 0) -> bytes:
    """The whole content of a box.

    Raises:
        InvalidAudio: when it has fewer bytes than `at_least`, or far too many.
    """
    size = box.end - box.start
    if not at_least <= size <= _LARGEST_CONTENT_BYTES:
        raise broken(f"its {box.kind.decode('ascii', 'replace')} part has {size} bytes")
    content = bytes_at(file, box.start, size)
    if len(content) < size:
        raise broken("its index is cut off")
    return content


Table = NDArray[np.unsignedinteger]


def numbers(content: bytes, start: int, count: int, columns: int, bytes_each: int = 4) -> Table:
    """A table of unsigned big-endian integers, shape (count, columns), uint32 or uint64.

    Raises:
        InvalidAudio: when the content has not so many.
    """
    if start + count * columns * bytes_each > len(content):
        raise broken("one of its tables claims more entries than it has")
    found = np.frombuffer(content, f">u{bytes_each}", count * columns, start)
    return found.reshape(count, columns)
