"""AIFF headers, and those of AIFC as far as the audio in it isn't compressed."""

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

_INTEGERS = {
    1: Encoding.PCM_8,
    2: Encoding.PCM_16,
    3: Encoding.PCM_24,
    4: Encoding.PCM_32,
}
_BIG_INTEGERS = (b"NONE", b"twos", b"in24", b"in32")
_LITTLE_INTEGERS = (b"sowt", b"42ni", b"42n1", b"23ni")
_FIXED_BITS = {
    b"raw ": 8,
    b"in24": 24,
    b"42ni": 24,
    b"42n1": 24,
    b"in32": 32,
    b"23ni": 32,
    b"fl32": 32,
    b"FL32": 32,
    b"fl64": 64,
    b"FL64": 64,
}
_FLOATS = {
    b"fl32": Encoding.FLOAT_32,
    b"FL32": Encoding.FLOAT_32,
    b"fl64": Encoding.FLOAT_64,
    b"FL64": Encoding.FLOAT_64,
}


@frozen
class _Common:
    encoding: Encoding
    channels: int
    sample_rate_hz: int
    frames: int
    sample_bytes: int
    big_endian: bool
    unsigned: bool

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.sample_bytes


def parse_aiff(file: BinaryIO) -> ParsedFile:
    """The header of an AIFF or AIFC file.

    Raises:
        InvalidAudio: without a usable COMM chunk, or without an SSND chunk.
        UnsupportedAudio: for AIFC with compressed audio.
    """
    file_size = size_of(file)
    compressible = bytes_at(file, 8, 4) == b"AIFC"
    common: _Common | None = None
    sound: Chunk | None = None
    for chunk in chunks(file, file_size, first=12, big_endian=True, container=Container.AIFF):
        if chunk.name == b"COMM" and common is None:
            content = bytes_at(file, chunk.start, min(chunk.claimed, 22))
            common = _read_common(content, compressible=compressible)
        elif chunk.name == b"SSND":
            sound = chunk
        if sound is not None and common is not None:
            break
    if common is None:
        raise damaged(Container.AIFF, "it doesn't say how its audio is stored (no COMM chunk)")
    if sound is None:
        raise damaged(Container.AIFF, "it holds no audio (no SSND chunk)")
    return _with_sound(file, file_size, common, sound)


def _with_sound(file: BinaryIO, file_size: int, common: _Common, sound: Chunk) -> ParsedFile:
    head = bytes_at(file, sound.start, 8)
    # The samples may start later than the chunk does, to align them on blocks.
    start = sound.start + 8 + (int.from_bytes(head[:4], "big") if len(head) == 8 else 0)
    available = max(0, file_size - start)
    claimed = sound.claimed - (start - sound.start)
    announced: int | None
    if is_placeholder(sound.claimed, available):
        in_all = common.frames * common.frame_bytes
        announced = None if is_placeholder(in_all, available) else common.frames
        present = available
    elif claimed < 0:
        raise damaged(Container.AIFF, "its audio starts after its own end")
    else:
        announced, present = claimed // common.frame_bytes, min(claimed, available)
    layout = PcmLayout(
        start=start,
        frames=present // common.frame_bytes,
        sample_bytes=common.sample_bytes,
        big_endian=common.big_endian,
        unsigned=common.unsigned,
    )
    return uncompressed(
        Container.AIFF,
        common.encoding,
        common.channels,
        common.sample_rate_hz,
        layout,
        announced,
    )


def _read_common(content: bytes, *, compressible: bool) -> _Common:
    if len(content) < (22 if compressible else 18):
        raise damaged(Container.AIFF, "its COMM chunk is too short")
    channels, frames, bits = struct.unpack(">HIH", content[:8])
    kind = content[18:22] if compressible else b"NONE"
    if kind not in (*_BIG_INTEGERS, *_LITTLE_INTEGERS, *_FLOATS, b"raw "):
        name = kind.decode("ascii", "replace").strip()
        raise unsupported_encoding(Container.AIFF, f"compressed ({name!r})")
    bits = _FIXED_BITS.get(kind, bits)
    sample_rate_hz = _extended_to_int(content[8:18])
    if channels == 0 or bits == 0 or sample_rate_hz == 0:
        raise damaged(
            Container.AIFF,
            f"it claims {channels} channels, {bits} bits per sample and {sample_rate_hz} Hz",
        )
    sample_bytes = (bits + 7) // 8
    encoding = _FLOATS.get(kind) or _INTEGERS.get(sample_bytes)
    if encoding is None:
        raise unsupported_encoding(Container.AIFF, f"{bits}-bit PCM")
    return _Common(
        encoding=encoding,
        channels=channels,
        sample_rate_hz=sample_rate_hz,
        frames=frames,
        sample_bytes=sample_bytes,
        big_endian=kind not in _LITTLE_INTEGERS,
        unsigned=kind == b"raw ",
    )


def _extended_to_int(content: bytes) -> int:
    """The nearest integer to an 80-bit float; 0 for what no sample rate can be."""
    exponent = int.from_bytes(content[:2], "big") - 16383
    mantissa = int.from_bytes(content[2:], "big")
    if not 0 <= exponent <= 31:
        return 0
    shift = 63 - exponent
    return (mantissa + (1 << (shift - 1))) >> shift
