"""The set-up of an AAC decoder, as MP4 files hold it (ISO/IEC 14496-3, AudioSpecificConfig)."""

from __future__ import annotations

from attrs import frozen

_RATES_HZ = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050,
    16_000, 12_000, 11_025, 8_000, 7_350,
)  # fmt: skip
_EXPLICIT_RATE = 15
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 11: 7}
_LC, _SBR, _PS = 2, 5, 29
_SYNC_EXTENSION = 0x2B7


@frozen
class AacConfig:
    """What comes out of the decoder: channels, rate, frames of each packet."""

    channels: int
    sample_rate_hz: int
    frames: int


class _Bits:
    """Reads numbers, first bit first; behind the end everything is 0."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content, "big")
        self.left = 8 * len(content)

    def take(self, count: int) -> int:
        self.left -= count
        shifted = self._value >> self.left if self.left >= 0 else 0
        return shifted & ((1 << count) - 1)


def read_aac_config(content: bytes) -> AacConfig | None:
    """None for other kinds of AAC than LC and HE, and for channels in an order of their own.

    HE-AAC doubles the rate (SBR), and one channel may hold what makes two of it (PS), announced
    or not: ffmpeg always makes two.
    """
    bits = _Bits(content)
    kind = bits.take(5)
    rate_hz = _rate_hz(bits)
    channels = _CHANNELS.get(bits.take(4), 0)
    core_rate_hz, is_doubled = rate_hz, kind in (_SBR, _PS)
    if is_doubled:
        rate_hz = _rate_hz(bits)
        kind = bits.take(5)
    short_frames, depends_on_core, is_extended = bits.take(1), bits.take(1), bits.take(1)
    if kind != _LC or channels == 0 or depends_on_core or is_extended:
        return None
    if not is_doubled and bits.left >= 16 and bits.take(11) == _SYNC_EXTENSION:
        is_doubled = bits.take(5) == _SBR and bool(bits.take(1))
        rate_hz = _rate_hz(bits) if is_doubled else rate_hz
    if bits.left < 0 or (is_doubled and (rate_hz != 2 * core_rate_hz or short_frames)):
        return None
    frames = 960 if short_frames else 1024
    if is_doubled:
        return AacConfig(max(channels, 2), rate_hz, 2 * frames)
    return AacConfig(channels, rate_hz, frames)


def _rate_hz(bits: _Bits) -> int:
    index = bits.take(4)
    if index == _EXPLICIT_RATE:
        return bits.take(24)
    return _RATES_HZ[index] if index < len(_RATES_HZ) else 0
