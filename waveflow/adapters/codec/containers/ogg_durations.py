"""How many frames the packets of a Vorbis or an Opus stream hold, from their first bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

_OPUS_FRAMES = (
    *(480, 960, 1920, 2880) * 3,
    *(480, 960) * 2,
    *(120, 240, 480, 960) * 4,
)
"""Frames at 48 kHz of one Opus frame, by its configuration (RFC 6716, 3.1)."""

_MODE_BITS = 1 + 16 + 16 + 8
_MOST_MODES = 64
_COUNT_BITS = 6
_TAIL_BYTES = (_MOST_MODES * _MODE_BITS + _COUNT_BITS) // 8 + 2

Durations = Callable[[Sequence[bytes]], int]
"""Frames that come of a stream's first packets."""


def opus_frames(packets: Sequence[bytes]) -> int:
    """Frames at 48 kHz of Opus packets."""
    return sum(_OPUS_FRAMES[packet[0] >> 3] * _opus_count(packet) for packet in packets if packet)


def _opus_count(packet: bytes) -> int:
    code = packet[0] & 3
    if code == 3:
        return packet[1] & 0x3F if len(packet) > 1 else 0
    return 2 if code else 1


def vorbis_durations(identification: bytes, setup: bytes) -> Durations | None:
    """What tells a Vorbis stream's durations; None when its headers can't be made sense of.

    Neighbouring blocks overlap: each packet but the first gives a quarter of its block and of the
    one before (Vorbis I, 1.3.2 and 4.3.8).
    """
    modes = _block_flags(setup)
    if modes is None or not _is_identification(identification):
        return None
    sizes = (1 << (identification[28] & 0x0F), 1 << (identification[28] >> 4))
    blocks = [sizes[flag] for flag in modes]
    mask = (1 << (len(modes) - 1).bit_length()) - 1

    def frames(packets: Sequence[bytes]) -> int:
        numbers = [packet[0] >> 1 & mask for packet in packets if packet and not packet[0] & 1]
        used = [blocks[number] for number in numbers if number < len(blocks)]
        return sum((one + next_one) // 4 for one, next_one in pairwise(used))

    return frames


def _is_identification(packet: bytes) -> bool:
    """Whether it is a header of the one version that there is (Vorbis I, 4.2.2)."""
    if len(packet) != 30 or packet[:11] != b"\x01vorbis" + bytes(4) or not packet[29] & 1:
        return False
    short, long = packet[28] & 0x0F, packet[28] >> 4
    return 6 <= short <= long <= 13


def _block_flags(setup: bytes) -> list[int] | None:
    """Of each mode, whether its blocks are long.

    Modes come last in the setup header (Vorbis I, 4.2.4) and have fields that must be 0; what is
    in front of them can be read only codebook by codebook. So they are found from the end, the
    way ffmpeg does it.
    """
    if setup[:7] != b"\x05vorbis":
        return None
    bits = int.from_bytes(setup[7:][-_TAIL_BYTES:], "little")
    framing = bits.bit_length() - 1
    for count in range(_MOST_MODES, 0, -1):
        start = framing - count * _MODE_BITS
        if start < _COUNT_BITS or (bits >> start - _COUNT_BITS & 0x3F) + 1 != count:
            continue
        modes = [bits >> start + index * _MODE_BITS for index in range(count)]
        if all(_is_mode(mode) for mode in modes):
            return [mode & 1 for mode in modes]
    return None


def _is_mode(bits: int) -> bool:
    window_and_transform, mapping = bits >> 1 & 0xFFFFFFFF, bits >> 33 & 0xFF
    return window_and_transform == 0 and mapping < 64
