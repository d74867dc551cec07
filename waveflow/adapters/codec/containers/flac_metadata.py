"""The metadata blocks before a FLAC stream's audio, as far as they say what they should."""

from __future__ import annotations

import struct
from typing import BinaryIO

from waveflow.adapters.codec.containers.parsed import bytes_at

_PADDING, _APPLICATION, _SEEK_TABLE, _COMMENTS, _PICTURE = 1, 2, 3, 4, 6
_SEEK_POINT_BYTES = 18
_MOST_BLOCKS = 1000
_MOST_COMMENTS = 10_000


def start_of_audio(file: BinaryIO, position: int, end: int) -> int | None:
    """Where the metadata end that start at `position`; None where a decoder might refuse them.

    Decoders differ in what they make of blocks that contradict themselves.
    """
    for _ in range(_MOST_BLOCKS):
        head = bytes_at(file, position, 4)
        if len(head) < 4:
            return None
        start, length = position + 4, int.from_bytes(head[1:], "big")
        position = start + length
        if position > end or not _is_sound(file, head[0] & 0x7F, start, length):
            return None
        if head[0] & 0x80:
            return position
    return None


def _is_sound(file: BinaryIO, kind: int, start: int, length: int) -> bool:
    if kind == _SEEK_TABLE:
        return length % _SEEK_POINT_BYTES == 0
    if kind == _COMMENTS:
        return _are_sound_comments(bytes_at(file, start, length))
    if kind == _PICTURE:
        return _is_sound_picture(file, start, length)
    return kind in (_PADDING, _APPLICATION)


def _are_sound_comments(content: bytes) -> bool:
    position = _after_text(content, 0)
    if position + 4 > len(content):
        return False
    (count,) = struct.unpack_from("<I", content, position)
    if count > _MOST_COMMENTS:
        return False
    position += 4
    for _ in range(count):
        position = _after_text(content, position)
    return position <= len(content)


def _after_text(content: bytes, position: int) -> int:
    """Where a text ends whose length is in front of it; past all ends when that is cut off."""
    if position + 4 > len(content):
        return len(content) + 1
    return position + 4 + int.from_bytes(content[position : position + 4], "little")


def _is_sound_picture(file: BinaryIO, start: int, length: int) -> bool:
    """Whether type, MIME type, description, four figures and the picture fill the block."""
    used = 4
    for figures in (0, 0, 16):
        used += figures
        content = bytes_at(file, start + used, 4)
        if len(content) < 4 or used + 4 > length:
            return False
        used += 4 + int.from_bytes(content, "big")
    return used == length
