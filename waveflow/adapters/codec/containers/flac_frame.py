"""FLAC frame headers: how far into the audio the last frames of a stream reach."""

from __future__ import annotations

from attrs import frozen

_BITS_CODES = {8: 1, 16: 4, 24: 6}
_SMALLEST_FRAME_BYTES = 8


def _crc16_of(byte: int) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = (crc << 1 ^ 0x8005) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def _crc8_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ 0x07) & 0xFF if byte & 0x80 else byte << 1
    return byte


CRC8 = [_crc8_of(byte) for byte in range(256)]
"""The checksum of each byte alone."""

_CRC16 = [_crc16_of(byte) for byte in range(256)]


@frozen
class StreamInfo:
    """What the STREAMINFO block says; totals and sizes are 0 when it doesn't know.

    Attributes:
        block_frames: PCM frames in the longest frame.
    """

    block_frames: int
    min_frame_bytes: int
    max_frame_bytes: int
    sample_rate_hz: int
    channels: int
    bits: int
    total_frames: int


@frozen
class LastFrame:
    """The last FLAC frame in a piece of a stream.

    Attributes:
        start: its offset within the piece.
        end: the offset after it; None when it's cut off for sure.
        is_whole: whether it's there for sure.
        frames_before: PCM frames of the whole stream up to it.
        frames: PCM frames in it.
    """

    start: int
    end: int | None
    is_whole: bool
    frames_before: int
    frames: int

    @property
    def frames_after(self) -> int:
        """PCM frames of the whole stream up to its end."""
        return self.frames_before + self.frames


def last_frame(tail: bytes, info: StreamInfo) -> LastFrame | None:
    """The last frame that starts in `tail`, which reaches to the stream's end; None without one."""
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        if tail[position + 1 : position + 2] in (b"\xf8", b"\xf9"):
            extent = frame_extent(tail[position : position + 16], info)
            if extent is not None:
                length, certain = possible_end(tail[position:])
                end = None if length is None else position + length
                return LastFrame(position, end, certain, *extent)
    return None


def frame_extent(head: bytes, info: StreamInfo) -> tuple[int, int] | None:
    """PCM frames before and in the frame with this header; None when it isn't one."""
    if len(head) < 6 or head[3] & 1 or head[2] & 0x0F == 0x0F:
        return None
    channels, bits_code = head[3] >> 4, head[3] >> 1 & 0x7
    if channels > 10 or (channels + 1 if channels < 8 else 2) != info.channels:
        return None
    if bits_code not in (0, _BITS_CODES[info.bits]):
        return None
    number, position = _coded_number(head)
    frames, position = _block_frames(head, position)
    position += {12: 1, 13: 2, 14: 2}.get(head[2] & 0x0F, 0)
    if frames == 0 or position >= len(head) or _crc8(head[:position]) != head[position]:
        return None
    is_variable = head[1] & 1
    return (number if is_variable else number * info.block_frames), frames


def _coded_number(head: bytes) -> tuple[int, int]:
    """The frame's or sample's number, in UTF-8's scheme stretched to 36 bits; and where it ends."""
    lead = head[4]
    extra = max(0, 8 - (lead ^ 0xFF).bit_length() - 1)
    number = lead if extra == 0 else lead & (0x3F >> extra)
    for byte in head[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    return number, 5 + extra


def _block_frames(head: bytes, position: int) -> tuple[int, int]:
    code = head[2] >> 4
    if code == 1:
        return 192, position
    if 2 <= code <= 5:
        return 576 << (code - 2), position
    if code >= 8:
        return 256 << (code - 8), position
    if code == 0:
        return 0, position
    width = code - 5
    return int.from_bytes(head[position : position + width], "big") + 1, position + width


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc = CRC8[crc ^ byte]
    return crc


def possible_end(content: bytes) -> tuple[int | None, bool]:
    """Where the frame at the start of `content` may end, and whether that's beyond doubt.

    A frame ends with a CRC-16 that makes its own come to 0; zeros behind it leave it there.
    By chance it is 0 in other places too, so only one that lasts to the end is beyond doubt.
    """
    crc = 0
    first_zero = lasting_zero = None
    for index, byte in enumerate(content, start=1):
        crc = (crc << 8 & 0xFF00) ^ _CRC16[crc >> 8 ^ byte]
        if crc:
            lasting_zero = None
        elif index >= _SMALLEST_FRAME_BYTES:
            lasting_zero = lasting_zero or index
            first_zero = first_zero or index
    return (lasting_zero, True) if lasting_zero else (first_zero, False)
