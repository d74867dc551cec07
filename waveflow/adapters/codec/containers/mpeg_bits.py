"""Whether every frame of an MP3 stream is given the bits that it says it consists of.

A Layer III frame's main data may begin in the frames before it. Decoders differ in what they make
of a frame that reaches back to bits which aren't there: some leave it out, others play silence.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.mpeg_frame import FrameHeader

_HEAD_BYTES = 4 + 2 + 32 + 7
_LARGEST_RESERVE_BYTES = 511
_MOST_BIG_VALUES = 288
_WRONG_WINDOW = 0b100

Bits = NDArray[np.int64]


class BitSupply:
    """Follows a stream, and notes what each frame leaves to those behind it.

    Attributes:
        suffices: whether all frames so far can be decoded in full.
    """

    def __init__(self, first: FrameHeader) -> None:
        """Begin a stream of frames like `first`, with nothing in reserve."""
        self.suffices = True
        self._is_mpeg_1 = first.version == 3
        self._channels = first.channels
        self._has_checksums = not first.raw[1] & 1
        self._head_bytes = 6 if self._has_checksums else 4
        self._side_info_bytes = first.side_info_bytes
        self._reserve_bytes = 0

    def add(self, chunk: bytes, ends: list[int]) -> None:
        """Take the next frames: they fill `chunk` from its start, and end at these offsets."""
        if not self.suffices:
            return
        offsets = np.array([0, *ends])
        content = np.frombuffer(chunk + bytes(_HEAD_BYTES), np.uint8)
        rows = sliding_window_view(content, _HEAD_BYTES)[offsets[:-1]]
        is_mono = rows[:, 3] >> 6 == 3
        has_checksums = rows[:, 1] & 1 == 0
        payload_bytes = np.diff(offsets) - self._head_bytes - self._side_info_bytes
        begins_bytes, used_bits, is_sound = self._side_info(rows)
        left_bytes = begins_bytes + payload_bytes - (used_bits + 7) // 8
        reserves = np.minimum(left_bytes, _LARGEST_RESERVE_BYTES)
        before = np.append(self._reserve_bytes, reserves[:-1])
        self._reserve_bytes = int(reserves[-1])
        self.suffices = bool(
            is_sound
            and (is_mono == (self._channels == 1)).all()
            and (has_checksums == self._has_checksums).all()
            and payload_bytes.min() >= 0
            and left_bytes.min() >= 0
            and (begins_bytes <= before).all()
        )

    def _side_info(self, rows: NDArray[np.uint8]) -> tuple[Bits, Bits, bool]:
        """How many bytes back the main data begin, their bits, and whether all of it is possible.

        ISO/IEC 11172-3, 2.4.1.7, and 13818-3, 2.4.1.7, whose granules have longer scale factors.
        """
        start, is_mono = self._head_bytes * 8, self._channels == 1
        if self._is_mpeg_1:
            begins, first_part, parts, width, switch = 9, (18 if is_mono else 20), 2, 59, 33
        else:
            begins, first_part, parts, width, switch = 8, (9 if is_mono else 10), 1, 63, 38
        used = np.zeros(len(rows), np.int64)
        is_sound = True
        for part in range(parts * self._channels):
            at = start + first_part + part * width
            used += _bits(rows, at, 12)
            is_sound &= bool(_bits(rows, at + 12, 9).max() <= _MOST_BIG_VALUES)
            is_sound &= not (_bits(rows, at + switch, 3) == _WRONG_WINDOW).any()
        return _bits(rows, start, begins), used, is_sound


def _bits(rows: NDArray[np.uint8], at: int, count: int) -> Bits:
    """`count` bits, 17 at most, of each row from the bit `at` on."""
    byte = at // 8
    word = np.ascontiguousarray(rows[:, byte : byte + 4]).view(">u4")[:, 0].astype(np.int64)
    taken: Bits = word >> (32 - at % 8 - count) & ((1 << count) - 1)
    return taken
