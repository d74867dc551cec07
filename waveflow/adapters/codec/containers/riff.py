"""WAV headers: RIFF, and RF64 and BW64 for files beyond 4 GiB."""

from __future__ import annotations

import struct
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.chunks import Chunk, chunks, is_placeholder
from waveflow.adapters.codec.containers.parsed import (
    ParsedFile,
    PcmLayout,
    bytes_at,
    damaged,
    size_of,
    uncompressed,
    unsupported_encoding,
)
from waveflow.domain.audio import Container, Encoding

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE

_SUBFORMAT_TAILS = (
    bytes.fromhex("000000001000800000aa00389b71"),
    bytes.fromhex("00002107d3118644c8c1ca000000"),
)
"""What follows the two-byte tag in a KSDATAFORMAT GUID, and in its ambisonic twin."""

_ENCODINGS = {
    (_PCM, 1): Encoding.PCM_8,
    (_PCM, 2): Encoding.PCM_16,
    (_PCM, 3): Encoding.PCM_24,
    (_PCM, 4): Encoding.PCM_32,
    (_FLOAT, 4): Encoding.FLOAT_32,
    (_FLOAT, 8): Encoding.FLOAT_64,
}

_REFUSED = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "u-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM",
    0x0050: "MPEG Layer II",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0161: "Windows Media",
    0x0162: "Windows Media",
    0x674F: "Vorbis",
    0xF1AC: "FLAC",
}


@frozen
class _Format:
    encoding: Encoding
    channels: int
    sample_rate_hz: int
    sample_bytes: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.sample_bytes


def parse_riff(file: BinaryIO) -> ParsedFile:
    """The header of a WAV file, which starts with RIFF, RF64 or BW64.

    Raises:
        InvalidAudio: without a usable fmt chunk, or without a data chunk.
        UnsupportedAudio: for anything but PCM and IEEE float.
    """
    file_size = size_of(file)
    head = bytes_at(file, 0, 12)
    fmt: _Format | None = None
    data: Chunk | None = None
    long_data_bytes: int | None = None
    for chunk in chunks(file, file_size, first=12, big_endian=False, container=Container.WAV):
        if chunk.name == b"fmt " and fmt is None:
            fmt = _read_format(bytes_at(file, chunk.start, min(chunk.claimed, 40)))
        elif chunk.name == b"ds64" and head[:4] != b"RIFF":
            long_data_bytes = _read_long_size(bytes_at(file, chunk.start, min(chunk.claimed, 16)))
        elif chunk.name == b"data":
            data = chunk
        # Chunks after the data matter only as long as the format is still missing.
        if data is not None and (fmt is not None or chunk.claimed == 0xFFFFFFFF):
            break
    if fmt is None:
        raise damaged(Container.WAV, "it doesn't say how its audio is stored (no fmt chunk)")
    if data is None:
        raise damaged(Container.WAV, "it holds no audio (no data chunk)")
    announced, present = _data_bytes(file, data, long_data_bytes, file_size)
    layout = PcmLayout(
        start=data.start,
        frames=present // fmt.frame_bytes,
        sample_bytes=fmt.sample_bytes,
        unsigned=fmt.sample_bytes == 1,
    )
    frames = None if announced is None else announced // fmt.frame_bytes
    return uncompressed(
        Container.WAV, fmt.encoding, fmt.channels, fmt.sample_rate_hz, layout, frames
    )


def _read_format(content: bytes) -> _Format:
    if len(content) < 16:
        raise damaged(Container.WAV, "its fmt chunk is too short")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == _EXTENSIBLE:
        tag = _extended_tag(content)
    if tag not in (_PCM, _FLOAT):
        raise unsupported_encoding(Container.WAV, _REFUSED.get(tag, f"format 0x{tag:04X}"))
    sample_bytes = (bits + 7) // 8
    if channels == 0 or bits == 0 or rate == 0:
        raise damaged(
            Container.WAV, f"it claims {channels} channels, {bits} bits per sample and {rate} Hz"
        )
    if frame_bytes != channels * sample_bytes:
        raise damaged(
            Container.WAV,
            f"{frame_bytes} bytes can't hold {channels} channels of {bits} bits",
        )
    encoding = _ENCODINGS.get((tag, sample_bytes))
    if encoding is None:
        kind = "PCM" if tag == _PCM else "float"
        raise unsupported_encoding(Container.WAV, f"{bits}-bit {kind}")
    return _Format(encoding, channels, rate, sample_bytes)


def _extended_tag(content: bytes) -> int:
    if len(content) < 40:
        raise damaged(Container.WAV, "its extended fmt chunk is too short")
    if content[26:40] not in _SUBFORMAT_TAILS:
        raise unsupported_encoding(Container.WAV, "an unknown kind of")
    return int.from_bytes(content[24:26], "little")


def _read_long_size(content: bytes) -> int | None:
    if len(content) < 16:
        return None
    size = int.from_bytes(content[8:16], "little")
    return size if 0 < size < 2**63 else None


def _data_bytes(
    file: BinaryIO, data: Chunk, long_data_bytes: int | None, file_size: int
) -> tuple[int | None, int]:
    """Bytes of audio that the file announces (None: it doesn't), and that it has."""
    available = file_size - data.start
    claimed = data.claimed
    if claimed == 0xFFFFFFFF and long_data_bytes is not None:
        return long_data_bytes, min(long_data_bytes, available)
    if claimed == 0 and _only_chunks_follow(file, data.start, file_size):
        return 0, 0
    if is_placeholder(claimed, available):
        return None, available
    return claimed, min(claimed, available)


def _only_chunks_follow(file: BinaryIO, start: int, file_size: int) -> bool:
    """Whether what follows are well-formed chunks up to the end, and so not audio."""
    end = start
    for chunk in chunks(file, file_size, first=start, big_endian=False, container=Container.WAV):
        if not chunk.name.isascii() or not chunk.name.decode().isprintable():
            return False
        end = chunk.start + chunk.claimed
    return end <= file_size <= end + 1
