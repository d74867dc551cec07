"""The chunks that RIFF (WAV) and IFF (AIFF) files consist of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.parsed import bytes_at, damaged
from waveflow.domain.audio import Container

MAX_CHUNKS = 10_000
"""More than any recorder writes; a hostile file could hold millions of empty ones."""

_NEAR = 4096
_PLACEHOLDERS = (0x7F000000, 2**31, 2**32)


@frozen
class Chunk:
    """A chunk's name, where its content starts, and how many bytes it claims to have."""

    name: bytes
    start: int
    claimed: int


def chunks(
    file: BinaryIO, file_size: int, *, first: int, big_endian: bool, container: Container
) -> Iterator[Chunk]:
    """The chunks from offset `first` on, in the file's order; contents are skipped, not read.

    Raises:
        InvalidAudio: after `MAX_CHUNKS`.
    """
    position = first
    for _ in range(MAX_CHUNKS):
        head = bytes_at(file, position, 8)
        if len(head) < 8:
            return
        name, claimed = struct.unpack(">4sI" if big_endian else "<4sI", head)
        yield Chunk(name, position + 8, claimed)
        position += 8 + claimed + claimed % 2
        if position >= file_size:
            return
    raise damaged(container, f"it has more than {MAX_CHUNKS} parts")


def is_placeholder(claimed: int, present: int) -> bool:
    """Whether a size is what programs write that stream and can't come back to fill it in.

    They write 0, or about 2 or 4 GiB, more or less a header's length.
    """
    if claimed == 0:
        return True
    return claimed > present and any(abs(claimed - size) <= _NEAR for size in _PLACEHOLDERS)
