"""Tags that lie around the audio: ID3v2 in front, ID3v1, APE and Lyrics3 behind."""

from __future__ import annotations

from typing import BinaryIO

from waveflow.adapters.codec.containers.parsed import bytes_at

_MAX_TAGS = 64
_FOOTER = 0x10


def end_of_leading_tags(file: BinaryIO, *, at_most: int = _MAX_TAGS) -> int:
    """Offset of the first byte after the ID3v2 tags; their contents are skipped unread."""
    position = 0
    for _ in range(at_most):
        head = bytes_at(file, position, 10)
        if not is_id3v2(head):
            break
        position += id3v2_length(head)
    return position


def is_id3v2(head: bytes) -> bool:
    """Whether ten bytes are the header of an ID3v2 tag."""
    return (
        len(head) == 10
        and head[:3] == b"ID3"
        and head[3] != 0xFF
        and head[4] != 0xFF
        and all(byte < 0x80 for byte in head[6:])
    )


def id3v2_length(head: bytes) -> int:
    """Bytes of a whole ID3v2 tag, header and footer included."""
    length = 10
    for shift, byte in zip((21, 14, 7, 0), head[6:10], strict=True):
        length += byte << shift
    return length + 10 if head[5] & _FOOTER else length


def starts_with_footed_tag(file: BinaryIO) -> bool:
    """Whether the first ID3v2 tag has a footer, which some decoders don't know."""
    head = bytes_at(file, 0, 10)
    return is_id3v2(head) and bool(head[5] & _FOOTER)


def start_of_trailing_tags(file: BinaryIO, start: int, end: int) -> int:
    """Offset at which the tags begin that end at `end`; `end` itself when there are none."""
    for _ in range(_MAX_TAGS):
        length = _trailing_tag_length(file, end)
        if length == 0 or end - length < start:
            break
        end -= length
    return end


def _trailing_tag_length(file: BinaryIO, end: int) -> int:
    if end >= 128 and bytes_at(file, end - 128, 3) == b"TAG":
        return 128
    tail = bytes_at(file, max(0, end - 32), min(32, end))
    if len(tail) == 32 and tail[:8] == b"APETAGEX":
        has_header = tail[23] & 0x80
        return int.from_bytes(tail[12:16], "little") + (32 if has_header else 0)
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return int(tail[-15:-9]) + 15
    return 0
