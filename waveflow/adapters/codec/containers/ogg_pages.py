"""Ogg pages (RFC 3533): found, checked, and taken apart into packets."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from waveflow.adapters.codec.containers.parsed import bytes_at

FIRST, LAST = 0x02, 0x04
HEAD_BYTES = 27

_CONTINUED = 0x01
_FIELDS = struct.Struct("<qII")
_FIELDS_AT, _CHECKSUM_AT, _SEGMENTS_AT = 6, 22, 26
_WINDOW_BYTES = 1 << 20
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def pages(file: BinaryIO, start: int = 0) -> Iterator[bytes]:
    """The pages from `start` on, as far as one follows the other without a gap."""
    while True:
        window = bytes_at(file, start, _WINDOW_BYTES)
        offset = 0
        while length := _page_length(window, offset):
            yield window[offset : offset + length]
            offset += length
        if offset == 0:
            return
        start += offset


def _page_length(window: bytes, offset: int) -> int:
    """Bytes of the page that begins there; 0 when none does, or when it isn't whole."""
    if window[offset : offset + 5] != b"OggS\0" or len(window) < offset + HEAD_BYTES:
        return 0
    segments = window[offset + _SEGMENTS_AT]
    body = offset + HEAD_BYTES + segments
    length = HEAD_BYTES + segments + sum(window[offset + HEAD_BYTES : body])
    return length if offset + length <= len(window) else 0


def flags_of(page: bytes) -> int:
    """`FIRST`, `LAST` and others."""
    return page[5]


def granule_of(page: bytes) -> int:
    """The position at the end of the last packet that ends on the page; -1 when none does."""
    granule: int = _FIELDS.unpack_from(page, _FIELDS_AT)[0]
    return granule


def lacing_of(page: bytes) -> bytes:
    """The lengths of the page's segments; one below 255 ends a packet."""
    return page[HEAD_BYTES : HEAD_BYTES + page[_SEGMENTS_AT]]


def checksum(page: bytes) -> int:
    """CRC-32 of a page (RFC 3533, 6): polynomial 0x04c11db7, unreflected, starting from 0.

    zlib's is the mirror image of it, but for the inversion before and after.
    """
    return int(f"{_mirrored_checksum(page):032b}"[::-1], 2)


def _mirrored_checksum(page: bytes) -> int:
    mirrored = page.translate(_MIRROR)
    behind = _CHECKSUM_AT + 4
    crc = zlib.crc32(mirrored[:_CHECKSUM_AT] + bytes(4), 0xFFFFFFFF)
    return zlib.crc32(memoryview(mirrored)[behind:], crc) ^ 0xFFFFFFFF


def follow_in_order(found: Iterable[bytes]) -> Iterator[bytes]:
    """The pages of one stream, as long as nothing is wrong with any.

    That is: checksums, one serial number, no page left out, the marks of a first and a last page
    and of continued packets where they belong, positions that never go back.
    """
    before: bytes | None = None
    for page in found:
        whole = _mirrored_checksum(page) == int.from_bytes(
            page[_CHECKSUM_AT : _CHECKSUM_AT + 4].translate(_MIRROR), "big"
        )
        if not whole or not _follows(before, page):
            return
        yield page
        if granule_of(page) < 0 and before is not None:
            # The next one's position is compared with the last that was given.
            page = page[:_FIELDS_AT] + before[_FIELDS_AT : _FIELDS_AT + 8] + page[14:]
        before = page


def _follows(before: bytes | None, page: bytes) -> bool:
    flags, lacing = flags_of(page), lacing_of(page)
    granule, serial, number = _FIELDS.unpack_from(page, _FIELDS_AT)
    ends_packet = lacing.strip(b"\xff") != b""
    if ends_packet != (granule >= 0):
        return False
    if before is None:
        return flags == FIRST
    granule_before, serial_before, number_before = _FIELDS.unpack_from(before, _FIELDS_AT)
    continues = lacing_of(before).endswith(b"\xff")
    return (
        not flags & FIRST
        and not flags_of(before) & LAST
        and bool(flags & _CONTINUED) == continues
        and (serial, number) == (serial_before, number_before + 1 & 0xFFFFFFFF)
        and (granule >= granule_before or not ends_packet)
    )


def packets_of(found: Iterable[bytes]) -> Iterator[bytes]:
    """The packets on pages that follow each other; one that isn't whole is left out."""
    started = b""
    for page in found:
        lacing = lacing_of(page)
        start = end = HEAD_BYTES + len(lacing)
        for length in lacing:
            end += length
            if length < 255:
                yield started + page[start:end] if started else page[start:end]
                started = b""
                start = end
        if start < end:
            started += page[start:end]
