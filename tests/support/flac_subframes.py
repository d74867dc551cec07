"""FLAC frames of every kind of subframe, with numbers at random: each is a valid stream.

Only what comes out of two decoders can be compared: nobody says what it should sound like.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

from tests.support.audio_units import flac_crc8, flac_crc16
from tests.support.flac_writer import flac, stream_info

_BITS_CODES = {8: 1, 16: 4, 24: 6}
_INDEPENDENT, _LEFT_SIDE, _RIGHT_SIDE, _MID_SIDE = 0, 8, 9, 10


def _number(value: int, width: int) -> str:
    """`value` in two's complement, as a text of zeros and ones."""
    return f"{value & ((1 << width) - 1):0{width}b}" if width else ""


def _soft(chance: Random, width: int) -> int:
    """A sample far from full scale, so that no predictor runs out of range."""
    most = 1 << max(width - 8, 1)
    return chance.randrange(-most, most)


def _constant(chance: Random, frames: int, width: int) -> str:
    return "000000" + "0" + _number(_soft(chance, width), width)


def _verbatim(chance: Random, frames: int, width: int) -> str:
    samples = (_number(chance.getrandbits(width), width) for _ in range(frames))
    return "000001" + "0" + "".join(samples)


def _fixed(chance: Random, frames: int, width: int) -> str:
    order = chance.randrange(min(5, frames))
    samples = [_soft(chance, width) for _ in range(frames)]
    residual = samples
    for _ in range(order):
        residual = [after - before for before, after in pairwise(residual)]
    warm_up = (_number(sample, width) for sample in samples[:order])
    return f"001{order:03b}" + "0" + "".join(warm_up) + _residual(chance, residual, order)


def _lpc(chance: Random, frames: int, width: int) -> str:
    order = chance.randint(1, min(32, frames - 1))
    precision, shift = 15, chance.randint(6, 14)
    # Half of what was there before, at most: the signal stays within a factor of two.
    most = (1 << shift) // (2 * order)
    coefficients = (chance.randint(-most, most) for _ in range(order))
    warm_up = (_number(_soft(chance, width), width) for _ in range(order))
    head = f"1{order - 1:05b}" + "0" + "".join(warm_up)
    head += _number(precision - 1, 4) + _number(shift, 5)
    head += "".join(_number(value, precision) for value in coefficients)
    residual = [_soft(chance, width) for _ in range(frames - order)]
    return head + _residual(chance, residual, order)


def _wasted(chance: Random, frames: int, width: int) -> str:
    wasted = chance.randint(1, min(6, width - 3))
    subframe = chance.choice((_constant, _verbatim))(chance, frames, width - wasted)
    return subframe[:6] + "1" + "0" * (wasted - 1) + "1" + subframe[7:]


def _residual(chance: Random, values: list[int], order: int) -> str:
    """Rice codes with 4 or 5 bits for the parameter, in partitions, some of them written out."""
    frames = len(values) + order
    wide = chance.randrange(2)
    splits = 0
    while (
        splits < 4
        and frames % (2 << splits) == 0
        and frames >> (splits + 1) > order
        and chance.random() < 0.7
    ):
        splits += 1
    parts = [f"{wide:02b}{splits:04b}"]
    start = 0
    for end in range((frames >> splits) - order, len(values) + 1, frames >> splits):
        parts.append(_partition(chance, values[start:end], 5 if wide else 4))
        start = end
    return "".join(parts)


def _partition(chance: Random, values: list[int], parameter_bits: int) -> str:
    width = max((value.bit_length() + 1 for value in values), default=0)
    if chance.random() < 0.3:
        width = 0 if not any(values) else width
        written_out = (_number(value, width) for value in values)
        return "1" * parameter_bits + f"{width:05b}" + "".join(written_out)
    parameter = max(0, min(width - chance.randrange(4), (1 << parameter_bits) - 2))
    folded = (value << 1 if value >= 0 else -2 * value - 1 for value in values)
    codes = ("0" * (each >> parameter) + "1" + _number(each, parameter) for each in folded)
    return _number(parameter, parameter_bits) + "".join(codes)


_SUBFRAMES: tuple[Callable[[Random, int, int], str], ...] = (
    _constant, _verbatim, _fixed, _lpc, _wasted,
)  # fmt: skip


def _frame(chance: Random, number: int, frames: int, channels: int, bits: int) -> bytes:
    stereo = (_INDEPENDENT + 1, _LEFT_SIDE, _RIGHT_SIDE, _MID_SIDE)
    assignment = chance.choice(stereo) if channels == 2 else channels - 1
    head = bytes([0xFF, 0xF8, 0x79, assignment << 4 | _BITS_CODES[bits] << 1, number])
    head += (frames - 1).to_bytes(2, "big")
    head += bytes([flac_crc8(head)])
    side = {_LEFT_SIDE: 1, _RIGHT_SIDE: 0, _MID_SIDE: 1}.get(assignment)
    body = ""
    for channel in range(channels):
        width = bits + (channel == side)
        # At the full range of both channels, left and side would add up to more than there is.
        kinds = _SUBFRAMES if side is None else (_constant, _fixed, _lpc)
        body += "0" + chance.choice(kinds)(chance, frames, width)
    body += "0" * (-len(body) % 8)
    content = head + int(body, 2).to_bytes(len(body) // 8, "big")
    return content + flac_crc16(content).to_bytes(2, "big")


def random_flac(seed: int, *, block_frames: int, channels: int, bits: int) -> bytes:
    """Some frames of random subframes, the last one shorter, at 44.1 kHz."""
    chance = Random(seed)
    lengths = [block_frames] * chance.randint(1, 5) + [chance.randint(16, block_frames)]
    frames = [
        _frame(chance, number, length, channels, bits) for number, length in enumerate(lengths)
    ]
    sizes = [len(frame) for frame in frames]
    info = stream_info(
        sum(lengths),
        channels=channels,
        bits=bits,
        block=(block_frames, block_frames),
        frame_bytes=(min(sizes), max(sizes)),
    )
    return flac(info, frames)
