"""Where the parts of an audio file lie, and putting their checksums right after they were changed.

Shares no code with the product's parsers: these take any file, however broken.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

Unit = tuple[int, int]
"""Offset of a part, and the offset after it."""

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MPEG_HEADER = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]", re.DOTALL)
_FLAC_SYNC = re.compile(rb"\xff[\xf8\xf9]", re.DOTALL)
_FLAC_LONGEST_HEADER = 16


def _crc16_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
        table.append(crc)
    return table


_CRC16 = _crc16_table()


def ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 of a page whose checksum field is zero: zlib's, with all bits mirrored."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def flac_crc8(content: bytes) -> int:
    """The checksum of a FLAC frame's header."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def flac_crc16(content: bytes) -> int:
    """The checksum of a whole FLAC frame."""
    crc = 0
    for byte in content:
        crc = (crc << 8 & 0xFF00) ^ _CRC16[crc >> 8 ^ byte]
    return crc


def units_of(content: bytes) -> list[Unit]:
    """Chunks, pages, frames or metadata blocks, as the file's beginning suggests."""
    for magic, find in _FINDERS:
        if content.startswith(magic):
            return list(find(content))
    return []


def _chunks(order: str) -> Callable[[bytes], Iterator[Unit]]:
    def find(content: bytes) -> Iterator[Unit]:
        position = 12
        while position + 8 <= len(content):
            size = int.from_bytes(content[position + 4 : position + 8], order)  # type: ignore[arg-type]
            end = min(position + 8 + size + size % 2, len(content))
            yield position, end
            position = end

    return find


def ogg_pages(content: bytes) -> Iterator[Unit]:
    """Each page, from one capture pattern to where its lacing values say that it ends."""
    position = content.find(b"OggS")
    while 0 <= position <= len(content) - 27:
        segments = content[position + 26]
        lacing = content[position + 27 : position + 27 + segments]
        end = min(position + 27 + segments + sum(lacing), len(content))
        yield position, end
        position = content.find(b"OggS", end)


def flac_parts(content: bytes) -> Iterator[Unit]:
    """The metadata blocks, then the frames."""
    position = content.find(b"fLaC") + 4
    last = False
    while not last and position + 4 <= len(content):
        last = bool(content[position] & 0x80)
        end = position + 4 + int.from_bytes(content[position + 1 : position + 4], "big")
        yield position, min(end, len(content))
        position = end
    yield from flac_frames(content, position)


def flac_frames(content: bytes, start: int = 0) -> Iterator[Unit]:
    """Each frame whose header has the right checksum, up to the next."""
    starts = [
        match.start()
        for match in _FLAC_SYNC.finditer(content, start)
        if flac_header_end(content, match.start()) is not None
    ]
    yield from pairwise([*starts, len(content)])


def flac_header_end(content: bytes, start: int) -> int | None:
    """The offset of a frame header's checksum, found by trying; None when there is none."""
    for length in range(5, _FLAC_LONGEST_HEADER):
        head = content[start : start + length + 1]
        if len(head) == length + 1 and flac_crc8(head[:-1]) == head[-1]:
            return start + length
    return None


def _mpeg_frames(content: bytes) -> Iterator[Unit]:
    starts = [match.start() for match in _MPEG_HEADER.finditer(content)]
    yield from pairwise([*starts, len(content)])


_FINDERS: tuple[tuple[bytes, Callable[[bytes], Iterator[Unit]]], ...] = (
    (b"RIFF", _chunks("little")),
    (b"RF64", _chunks("little")),
    (b"BW64", _chunks("little")),
    (b"FORM", _chunks("big")),
    (b"OggS", ogg_pages),
    (b"fLaC", flac_parts),
    (b"ID3", _mpeg_frames),
    (b"\xff", _mpeg_frames),
)


def repaired(content: bytes, original: bytes) -> bytes:
    """`content` with the checksums of its Ogg pages or FLAC frames put right.

    So a change gets past them, to the decoder. Of FLAC only frames that lie where they lay in
    `original` are repaired.
    """
    if content.startswith(b"OggS"):
        return _repaired_ogg(bytearray(content))
    if original.startswith(b"fLaC") and len(content) == len(original):
        return _repaired_flac(bytearray(content), original)
    return content


def _repaired_ogg(content: bytearray) -> bytes:
    for start, end in list(ogg_pages(bytes(content))):
        content[start + 22 : start + 26] = bytes(4)
        checksum = ogg_checksum(bytes(content[start:end]))
        content[start + 22 : start + 26] = checksum.to_bytes(4, "little")
    return bytes(content)


def _repaired_flac(content: bytearray, original: bytes) -> bytes:
    for start, end in flac_frames(original, original.find(b"fLaC") + 42):
        if content[start:end] == original[start:end]:
            continue
        header_end = flac_header_end(original, start)
        assert header_end is not None
        content[header_end] = flac_crc8(bytes(content[start:header_end]))
        content[end - 2 : end] = flac_crc16(bytes(content[start : end - 2])).to_bytes(2, "big")
    return bytes(content)
