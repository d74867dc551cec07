"""Adding stems up in mono, and rounding the sum to 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def add_mono(block: NDArray[Any], scale: float, total: NDArray[Any]) -> bool:
    """Add the channel sums of `block`, times `scale`, to the first frames of `total`.

    Args:
        block: (frames, channels), int16, int32, float32 or float64.
        scale: amplitude of a channel sum of 1: 1 / (channels * full scale).
        total: float64 (at least frames,), updated in place.

    Returns:
        False if a sample of the block is NaN or infinite.
    """
    frames, channels = block.shape
    spoilt = 0.0
    if channels == 1:
        for frame in range(frames):
            value = np.float64(block[frame, 0])
            spoilt += value - value
            total[frame] += value * scale
    elif channels == 2:
        for frame in range(frames):
            value = np.float64(block[frame, 0]) + np.float64(block[frame, 1])
            spoilt += value - value
            total[frame] += value * scale
    else:
        for frame in range(frames):
            value = np.float64(0.0)
            for channel in range(channels):
                value += np.float64(block[frame, channel])
            spoilt += value - value
            total[frame] += value * scale
    return spoilt == 0.0


@njit(cache=True, nogil=True)
def divide(total: NDArray[Any], count: int, mixed: NDArray[Any]) -> float:
    """Write `total / count` to `mixed` and return its largest absolute value.

    Args:
        total: float64 (frames,).
        mixed: float32 (frames,), overwritten.

    Returns:
        The largest absolute value, before it is rounded to float32.
    """
    largest = 0.0
    for frame in range(total.shape[0]):
        value = total[frame] / count
        mixed[frame] = value
        largest = max(largest, abs(value))
    return largest


@njit(cache=True, nogil=True)
def quantise(mixed: NDArray[Any], gain: float, pcm: NDArray[Any]) -> None:
    """Write `mixed * gain * 32767`, rounded half to even and clipped, to `pcm`.

    Args:
        mixed: float32 (frames,).
        gain: linear gain.
        pcm: int16 (frames,), overwritten.
    """
    for frame in range(mixed.shape[0]):
        value = np.rint(np.float64(mixed[frame]) * gain * 32767.0)
        pcm[frame] = np.int16(min(max(value, -32768.0), 32767.0))
