"""The packets of an Ogg file in which nothing is wrong, for a decoder that takes just these."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.ogg_durations import (
    Durations,
    opus_frames,
    vorbis_durations,
)
from waveflow.adapters.codec.containers.ogg_pages import (
    LAST,
    flags_of,
    follow_in_order,
    granule_of,
    lacing_of,
    packets_of,
    pages,
)
from waveflow.adapters.codec.containers.packets import LARGEST_PACKET_BYTES, PacketStream
from waveflow.domain.audio import Encoding

_HEADERS = {Encoding.VORBIS: 3, Encoding.OPUS: 2}
_MOST_HEADER_PAGES = 256
"""16 MiB: comments hold pictures."""
_MOST_PAGES = 500_000
"""Nearly three hours of Opus with a page for each packet: walking through them takes 3 s."""
_NO_COMMENTS = b"\x03vorbis" + bytes(8) + b"\x01"


@frozen
class OggPackets(PacketStream):
    """A Vorbis or Opus stream.

    Attributes:
        start: offset of the first page with audio.
        frames: frames of the recording.
    """

    setup: bytes
    skipped: int
    start: int
    frames: int
    lenient: bool = True

    def packets(self, file: BinaryIO) -> Iterator[bytes]:
        return (packet for packet in packets_of(pages(file, self.start)) if packet)


@frozen
class _Headers:
    packets: list[bytes]
    end: int


class _Course:
    """What the pages with audio say of the whole.

    Attributes:
        opening: the pages up to the first that gives a position.
        start_granule: that position.
        granule: the last position.
        end: where the last page ends.
    """

    def __init__(self, headers_end: int) -> None:
        self.opening: list[bytes] = []
        self.start_granule = self.granule = -1
        self.end = 0
        self.has_ended = False
        self._headers_end = headers_end
        self._unfinished_bytes = 0

    @property
    def is_one_page(self) -> bool:
        return self.granule == self.start_granule and self.has_ended

    def add(self, page: bytes) -> bool:
        """Take in the next page; False when it holds a packet that is too large."""
        self.end += len(page)
        if self.end <= self._headers_end:
            return True
        if self.start_granule < 0:
            self.opening.append(page)
            self.start_granule = granule_of(page)
        self.granule = max(self.granule, granule_of(page))
        self.has_ended = bool(flags_of(page) & LAST)
        self._unfinished_bytes = len(page) + (self._unfinished_bytes if granule_of(page) < 0 else 0)
        return self._unfinished_bytes <= LARGEST_PACKET_BYTES


def flawless(file: BinaryIO, size: int, encoding: Encoding, skipped: int) -> OggPackets | None:
    """The stream, when all of the file is in order and it starts at position 0.

    None otherwise, whatever the reason. There is damage that can be lived with, and it isn't
    decided here what becomes of it: such a file takes another decoder.

    Args:
        skipped: frames before the recording.
    """
    headers = _headers(file, _HEADERS[encoding])
    if headers is None:
        return None
    course = _Course(headers.end)
    in_order = all(course.add(page) for page in islice(follow_in_order(pages(file)), _MOST_PAGES))
    if not (in_order and course.has_ended and course.end == size and course.granule > skipped):
        return None
    durations = _durations(encoding, headers.packets)
    if durations is None or not _starts_at_zero(course, durations):
        return None
    setup = _setup(encoding, headers.packets)
    return OggPackets(setup, skipped, headers.end, course.granule - skipped)


def _headers(file: BinaryIO, count: int) -> _Headers | None:
    """The header packets, which have to end where a page ends."""
    found: list[bytes] = []
    ends = 0
    for page in islice(pages(file), _MOST_HEADER_PAGES):
        found.append(page)
        lacing = lacing_of(page)
        ends += sum(length < 255 for length in lacing)
        if ends >= count:
            whole = ends == count and lacing[-1] < 255
            return _Headers(list(packets_of(found)), sum(map(len, found))) if whole else None
    return None


def _durations(encoding: Encoding, headers: list[bytes]) -> Durations | None:
    if encoding is Encoding.OPUS:
        return opus_frames if _is_plain_opus(headers[0]) else None
    return vorbis_durations(headers[0], headers[2])


def _is_plain_opus(head: bytes) -> bool:
    """Whether it is a header of version 1 for one or two channels in one stream (RFC 7845, 5.1)."""
    return len(head) == 19 and head[8] == 1 and head[9] in (1, 2) and head[18] == 0


def _starts_at_zero(course: _Course, durations: Durations) -> bool:
    frames = durations(list(packets_of(course.opening)))
    # Of a stream's last page, some of the frames may be padding.
    return frames >= course.start_granule if course.is_one_page else frames == course.start_granule


def _setup(encoding: Encoding, headers: list[bytes]) -> bytes:
    if encoding is Encoding.OPUS:
        return headers[0]
    packets = (headers[0], _NO_COMMENTS, headers[2])
    lengths = b"".join(
        b"\xff" * (len(each) // 255) + bytes([len(each) % 255]) for each in packets[:2]
    )
    return bytes([len(packets) - 1]) + lengths + b"".join(packets)
