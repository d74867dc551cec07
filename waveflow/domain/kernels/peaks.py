"""The largest absolute value of the mono signal in each bucket."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _largest_in_run(block: Any, start: int, stop: int) -> Any:
    """Largest |sum of the channels| over frames `start` to `stop`, and 0 or NaN.

    The second value is NaN if any sample is NaN or infinite (x - x is 0 for all others).
    One and two channels have loops of their own, without an inner one.
    """
    channels = block.shape[1]
    largest = 0.0
    spoilt = 0.0
    if channels == 1:
        for frame in range(start, stop):
            total = np.float64(block[frame, 0])
            spoilt += total - total
            largest = max(largest, abs(total))
    elif channels == 2:
        for frame in range(start, stop):
            total = np.float64(block[frame, 0]) + np.float64(block[frame, 1])
            spoilt += total - total
            largest = max(largest, abs(total))
    else:
        for frame in range(start, stop):
            total = np.float64(0.0)
            for channel in range(channels):
                total += np.float64(block[frame, channel])
            spoilt += total - total
            largest = max(largest, abs(total))
    return largest, spoilt


@njit(cache=True, nogil=True)
def accumulate_peaks(
    block: NDArray[Any], first_frame: int, total_frames: int, scale: float, peaks: NDArray[Any]
) -> bool:
    """Raise `peaks[i]` to the largest |mean of the channels| that `block` adds to bucket i.

    Args:
        block: (frames, channels), int16, int32, float32 or float64.
        first_frame: index in the whole signal of the block's first frame.
        total_frames: frames of the whole signal, N. Frames at N and beyond are left out.
        scale: amplitude of a channel sum of 1: 1 / (channels * full scale).
        peaks: float64 (n,), updated in place. Bucket i is frames [i*N//n, (i+1)*N//n).

    Returns:
        False if a sample of the block is NaN or infinite.
    """
    buckets = peaks.shape[0]
    stop_frame = min(first_frame + block.shape[0], total_frames)
    frame = first_frame
    spoilt = 0.0
    while frame < stop_frame:
        # The only bucket i with i*N//n <= frame < (i+1)*N//n, empty ones skipped.
        bucket = ((frame + 1) * buckets + total_frames - 1) // total_frames - 1
        run_stop = min((bucket + 1) * total_frames // buckets, stop_frame)
        largest, run_spoilt = _largest_in_run(block, frame - first_frame, run_stop - first_frame)
        peaks[bucket] = max(peaks[bucket], largest * scale)
        spoilt += run_spoilt
        frame = run_stop
    return spoilt == 0.0
