"""MPEG audio frame headers: what four bytes say of a frame."""

from __future__ import annotations

from attrs import frozen

_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_V1_LAYER_1 = (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_V1_LAYER_2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_V1_LAYER_3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_V2_LAYER_1 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_V2_LAYERS_2_3 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@frozen
class FrameHeader:
    """One frame's header.

    Attributes:
        raw: the four bytes.
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5, as coded.
        layer: 1, 2 or 3.
        frames: PCM frames that it decodes to.
        length: bytes, header included.
    """

    raw: bytes
    version: int
    layer: int
    sample_rate_hz: int
    channels: int
    frames: int
    length: int

    @property
    def side_info_bytes(self) -> int:
        """Bytes between the header and the main data of a Layer III frame."""
        if self.version == 3:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def continues(self, other: FrameHeader) -> bool:
        """Whether both belong to the same stream."""
        return (self.version, self.layer, self.sample_rate_hz) == (
            other.version,
            other.layer,
            other.sample_rate_hz,
        )


def read_frame_header(raw: bytes) -> FrameHeader | None:
    """What four bytes say; None when they aren't the header of a frame.

    Free-format frames (no bit rate in the header) count as no frame.
    """
    if len(raw) < 4 or raw[0] != 0xFF or raw[1] & 0xE0 != 0xE0:
        return None
    version, layer = raw[1] >> 3 & 3, 4 - (raw[1] >> 1 & 3)
    bit_rate_code, rate_code = raw[2] >> 4, raw[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate_code in (0, 15) or rate_code == 3 or raw[3] & 3 == 2:
        return None
    sample_rate_hz = _RATES_HZ[version][rate_code]
    bit_rate = _bit_rates(version, layer)[bit_rate_code - 1] * 1000
    padding = raw[2] >> 1 & 1
    frames = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    if layer == 1:
        length = (12 * bit_rate // sample_rate_hz + padding) * 4
    else:
        length = frames // 8 * bit_rate // sample_rate_hz + padding
    channels = 1 if raw[3] >> 6 == 3 else 2
    return FrameHeader(raw[:4], version, layer, sample_rate_hz, channels, frames, length)


def length_table(like: FrameHeader) -> list[int]:
    """Frame lengths by the third header byte, for frames of the same stream; 0: not one."""
    lengths = []
    for third in range(256):
        header = read_frame_header(bytes([0xFF, like.raw[1], third, like.raw[3]]))
        lengths.append(header.length if header is not None and header.continues(like) else 0)
    return lengths


def _bit_rates(version: int, layer: int) -> tuple[int, ...]:
    if version == 3:
        return (_V1_LAYER_1, _V1_LAYER_2, _V1_LAYER_3)[layer - 1]
    return _V2_LAYER_1 if layer == 1 else _V2_LAYERS_2_3
