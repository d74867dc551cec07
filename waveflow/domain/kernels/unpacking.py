"""Packed 24-bit samples as 32-bit ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.native import Kernel


@inlined
def _signed(word: Any) -> Any:
    """The lower 32 bits, as a signed number."""
    return np.int32((np.int64(word) << 32) >> 32)


def _unpack(octets: Any, words: Any, count: Any, samples: Any) -> Any:
    """Three words of 32 bits hold four samples; the last few samples are taken octet by octet."""
    for group in range(count // 4):
        first = np.int64(words[3 * group])
        second = np.int64(words[3 * group + 1])
        third = np.int64(words[3 * group + 2])
        samples[4 * group] = _signed(first << 8)
        samples[4 * group + 1] = _signed((first >> 16 & 0xFF00) | second << 16)
        samples[4 * group + 2] = _signed((second >> 8 & 0xFFFF00) | third << 24)
        samples[4 * group + 3] = _signed(third & 0xFFFFFF00)
    for sample in range(count // 4 * 4, count):
        low = np.int64(octets[3 * sample])
        middle = np.int64(octets[3 * sample + 1])
        high = np.int64(octets[3 * sample + 2])
        samples[sample] = _signed(low << 8 | middle << 16 | high << 24)
    return 0


_UNPACKING = Kernel("unpack_24_bit", ("i64", "uint8*", "uint32*", "i64", "int32*"), _unpack)


def unpacked(block: NDArray[np.uint8], into: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """Packed 24-bit samples, lower byte first, as left-justified 32-bit ones.

    Args:
        block: uint8 (frames, channels, 3).
        into: int32 (at least frames * channels,) to write to; a new array without it.

    Returns:
        int32 (frames, channels).
    """
    frames, channels, _ = block.shape
    count = frames * channels
    samples = np.empty(count, np.int32) if into is None else into[:count]
    octets = np.ascontiguousarray(block).reshape(-1)
    words = octets[: count // 4 * 12].view(np.uint32)
    if count:
        _UNPACKING(octets, words, count, samples)
    return samples.reshape(frames, channels)


KERNELS = (_UNPACKING,)
