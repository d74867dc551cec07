"""FLAC streams made frame by frame, of constant subframes: any length, any lie, in few bytes."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from tests.support.audio_units import flac_crc8, flac_crc16

_RATE_CODES = {8_000: 4, 16_000: 5, 22_050: 6, 24_000: 7, 32_000: 8, 44_100: 9, 48_000: 10}
_BITS_CODES = {8: 1, 16: 4, 24: 6}
UNKNOWN = 0


@frozen
class Frame:
    """One frame, each of whose channels holds one value throughout."""

    number: int
    values: tuple[int, ...] = (0, 0)
    length: int = 4096
    bits: int = 16
    sample_rate_hz: int = 44_100

    def encoded(self) -> bytes:
        """The frame's bytes, both checksums right."""
        rate_code = _RATE_CODES.get(self.sample_rate_hz, 0)
        bits_code = _BITS_CODES[self.bits]
        length_code, length = (12, b"") if self.length == 4096 else (7, self._length_in_full())
        layout = (len(self.values) - 1) << 4 | bits_code << 1
        head = bytes([0xFF, 0xF8, length_code << 4 | rate_code, layout])
        head += _coded(self.number) + length
        head += bytes([flac_crc8(head)])
        body = b"".join(
            b"\x00" + value.to_bytes(self.bits // 8, "big", signed=True) for value in self.values
        )
        return head + body + flac_crc16(head + body).to_bytes(2, "big")

    def _length_in_full(self) -> bytes:
        return (self.length - 1).to_bytes(2, "big")


def _coded(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    tail: list[int] = []
    lead_bits = 6
    while number >= 1 << lead_bits:
        tail.insert(0, 0x80 | number & 0x3F)
        number >>= 6
        lead_bits -= 1
    tail.insert(0, 0x80 | number & 0x3F)
    number >>= 6
    lead = (0xFF << (7 - len(tail))) & 0xFF
    return bytes([lead | number, *tail])


def stream_info(
    total: int,
    *,
    channels: int = 2,
    bits: int = 16,
    sample_rate_hz: int = 44_100,
    block: tuple[int, int] = (4096, 4096),
    frame_bytes: tuple[int, int] = (UNKNOWN, UNKNOWN),
    last: bool = True,
) -> bytes:
    """A STREAMINFO block without an MD5 sum."""
    packed = sample_rate_hz << 44 | (channels - 1) << 41 | (bits - 1) << 36 | total
    content = b"".join(frames.to_bytes(2, "big") for frames in block)
    content += b"".join(size.to_bytes(3, "big") for size in frame_bytes)
    content += packed.to_bytes(8, "big") + bytes(16)
    return metadata(0, content, last=last)


def metadata(kind: int, content: bytes, *, last: bool = False, claimed: int | None = None) -> bytes:
    """A metadata block."""
    size = len(content) if claimed is None else claimed
    return bytes([kind | (0x80 if last else 0)]) + size.to_bytes(3, "big") + content


def constant(count: int, like: Frame) -> bytes:
    """So many frames alike, numbered from 0."""
    return b"".join(evolve(like, number=number).encoded() for number in range(count))


def flac(info: bytes, frames: Iterable[bytes] | bytes, *blocks: bytes) -> bytes:
    """A stream."""
    audio = frames if isinstance(frames, bytes) else b"".join(frames)
    return b"fLaC" + info + b"".join(blocks) + audio
