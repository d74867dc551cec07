"""Ogg headers: which codec the first page announces, and where the last page ends."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.ogg_packets import flawless
from waveflow.adapters.codec.containers.ogg_pages import checksum
from waveflow.adapters.codec.containers.parsed import (
    SAMPLE_TYPES,
    ParsedFile,
    bytes_at,
    damaged,
    size_of,
    unsupported_encoding,
)
from waveflow.adapters.codec.containers.splice import Piece, Span
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding

_PAGE_HEAD = struct.Struct("<4sBBqIIIB")
_MAX_PAGE_HEAD_BYTES = 27 + 255
_MAX_PAGE_BYTES = _MAX_PAGE_HEAD_BYTES + 255 * 255
_TAIL_BYTES = 2 * _MAX_PAGE_BYTES
_SEARCH_BYTES = 1024 * 1024
_FIRST = 0x02
_CHECKSUM = slice(22, 26)
_OPUS_RATE_HZ = 48_000
_SURROUND_FAMILY = b"\x01"
_CAPTURE = re.compile(rb"OggS\x00")
_STREAM_START = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")

_REFUSED = {
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "video (Theora)",
    b"fishead\x00": "several streams of",
    b"\x80kate": "text (Kate)",
    b"CELT    ": "CELT",
    b"PCM     ": "PCM",
    b"BBCD\x00": "video (Dirac)",
    b"\x01video": "video",
}


@frozen
class _Page:
    flags: int
    granule: int
    length: int


@frozen
class _Stream:
    encoding: Encoding
    channels: int
    sample_rate_hz: int
    skipped: int = 0
    vorbis_order: bool = True


def parse_ogg(file: BinaryIO) -> ParsedFile:
    """The header of an Ogg file with a single Vorbis or Opus stream.

    Raises:
        InvalidAudio: when the first page doesn't hold a usable header.
        UnsupportedAudio: for other codecs, and for several streams in one file, of which a
            decoder would return the first only.
    """
    first = _read_page(bytes_at(file, 0, _MAX_PAGE_HEAD_BYTES))
    if first is None or not first.flags & _FIRST:
        raise damaged(Container.OGG, "its first page is missing")
    stream = _identify(_first_packet(file))
    if stream.channels == 0 or stream.sample_rate_hz == 0:
        raise damaged(
            Container.OGG,
            f"it claims {stream.channels} channels and {stream.sample_rate_hz} Hz",
        )
    size = size_of(file)
    packets = flawless(file, size, stream.encoding, stream.skipped)
    if packets is None and _has_another_start(file, size):
        raise unsupported_encoding(Container.OGG, "several streams of")
    header = AudioHeader(
        format=AudioFormat(Container.OGG, stream.encoding),
        channels=stream.channels,
        sample_rate_hz=stream.sample_rate_hz,
        likely_frames=max(0, (_last_granule(file, size) or 0) - stream.skipped),
    )
    corrected: tuple[Piece, ...] = ()
    if stream.encoding is Encoding.OPUS:
        corrected = (_at_full_rate(bytes_at(file, 0, first.length)), Span(first.length, size))
    return ParsedFile(
        header,
        SAMPLE_TYPES[stream.encoding],
        corrected=corrected,
        exact_frames=None if packets is None else packets.frames,
        stream=packets,
        vorbis_order=stream.vorbis_order,
    )


def _read_page(head: bytes) -> _Page | None:
    if len(head) < _PAGE_HEAD.size:
        return None
    capture, version, flags, granule, *_, segments = _PAGE_HEAD.unpack(head[: _PAGE_HEAD.size])
    if capture != b"OggS" or version != 0:
        return None
    lacing = head[_PAGE_HEAD.size : _PAGE_HEAD.size + segments]
    return _Page(flags, granule, _PAGE_HEAD.size + segments + sum(lacing))


def _first_packet(file: BinaryIO) -> bytes:
    """The start of the first packet; all that is needed of it fits in 64 bytes."""
    segments = bytes_at(file, 26, 1)[0]
    return bytes_at(file, 27 + segments, 64)


def _identify(packet: bytes) -> _Stream:
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        channels, rate = struct.unpack("<BI", packet[11:16])
        return _Stream(Encoding.VORBIS, channels, rate)
    if packet.startswith(b"OpusHead") and len(packet) >= 16:
        channels, skipped = struct.unpack("<BH", packet[9:12])
        # Other mapping families are ambisonics, or leave open what each channel is.
        in_order = packet[18:19] == _SURROUND_FAMILY
        return _Stream(Encoding.OPUS, channels, _OPUS_RATE_HZ, skipped, in_order)
    for magic, name in _REFUSED.items():
        if packet.startswith(magic):
            raise unsupported_encoding(Container.OGG, name)
    raise unsupported_encoding(Container.OGG, "an unknown kind of")


def _at_full_rate(page: bytes) -> bytes:
    """The first page of an Opus stream, its original sample rate set to 48 kHz.

    That field only informs (RFC 7845, 5.1), and 0 stands for unknown; but libsndfile decodes at
    the rate that it names, and drops what lies above half of it.
    """
    packet = _PAGE_HEAD.size + page[26]
    corrected = bytearray(page)
    corrected[packet + 12 : packet + 16] = _OPUS_RATE_HZ.to_bytes(4, "little")
    corrected[_CHECKSUM] = bytes(4)
    corrected[_CHECKSUM] = checksum(bytes(corrected)).to_bytes(4, "little")
    return bytes(corrected)


def _last_granule(file: BinaryIO, size: int) -> int | None:
    """The position at the end of the last whole page that completes a packet.

    Raises:
        InvalidAudio: when an earlier page claims to end later: a decoder would stop early.
    """
    window = max(0, size - _TAIL_BYTES)
    tail = bytes_at(file, window, size - window)
    granules = [
        page.granule
        for match in _CAPTURE.finditer(tail)
        if (page := _read_page(tail[match.start() : match.start() + _MAX_PAGE_HEAD_BYTES]))
        and match.start() + page.length <= len(tail)
        and page.granule >= 0
    ]
    if not granules:
        return None
    if granules[-1] < max(granules):
        raise damaged(Container.OGG, "its last page claims to end before an earlier one")
    return granules[-1]


def _has_another_start(file: BinaryIO, size: int) -> bool:
    """Whether a stream starts anywhere behind the first page."""
    position = 1
    while position < size:
        part = bytes_at(file, position, _SEARCH_BYTES)
        if _STREAM_START.search(part):
            return True
        # A page's start may straddle two parts.
        position += max(len(part) - 5, 1)
    return False
