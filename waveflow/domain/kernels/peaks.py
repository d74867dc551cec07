"""The largest absolute value of the mono signal in each bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.layouts import LAYOUTS, Layout, samples_of
from waveflow.domain.kernels.native import Kernel

MOST_FRAMES = 2**50
"""Kernels count in 64 bits, and multiply frames by buckets. Beyond, they would miss the buckets."""

_WITHOUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_INFINITY = np.int64(0x7FF0_0000_0000_0000)


@inlined
def bits_of_size(value: Any) -> Any:
    """The bits of |value|, as an integer: in the order of the values, infinity and NaN on top.

    Processors compare integers many at a time; of floats, NaN would have to be looked for.
    """
    return np.float64(value).view(np.int64) & _WITHOUT_SIGN


@inlined
def is_finite(bits: Any) -> Any:
    """Whether bits of `bits_of_size`, or the largest of many, are of a finite value."""
    return bits < _INFINITY


def _largest_integer(layout: Layout) -> Callable[..., Any]:
    number, sum_of_frame = layout.total, layout.sum

    @inlined
    def largest_integer(samples: Any, channels: Any, start: Any, stop: Any) -> Any:
        highest = number(0)
        lowest = number(0)
        for frame in range(start, stop):
            value = sum_of_frame(samples, frame, channels)
            highest = max(highest, value)
            lowest = min(lowest, value)
        return max(np.float64(highest), -np.float64(lowest)), True

    return largest_integer


def _largest_float(layout: Layout) -> Callable[..., Any]:
    sum_of_frame = layout.sum

    @inlined
    def largest_float(samples: Any, channels: Any, start: Any, stop: Any) -> Any:
        largest = np.int64(0)
        for frame in range(start, stop):
            largest = max(largest, bits_of_size(sum_of_frame(samples, frame, channels)))
        return np.int64(largest).view(np.float64), is_finite(largest)

    return largest_float


def _kernel(layout: Layout) -> Kernel:
    of_this_kind = _largest_float if layout.total is np.float64 else _largest_integer
    largest_in_run = of_this_kind(layout)

    def peaks_of_runs(
        samples: Any,
        channels: Any,
        frames: Any,
        first_frame: Any,
        total_frames: Any,
        scale: Any,
        buckets: Any,
        peaks: Any,
    ) -> Any:
        stop_frame = min(first_frame + frames, total_frames)
        frame = first_frame
        finite = True
        while frame < stop_frame:
            # The only bucket i with i*N//n <= frame < (i+1)*N//n, empty ones skipped.
            bucket = ((frame + 1) * buckets + total_frames - 1) // total_frames - 1
            run_stop = min((bucket + 1) * total_frames // buckets, stop_frame)
            largest, run_finite = largest_in_run(
                samples, channels, frame - first_frame, run_stop - first_frame
            )
            finite = finite and run_finite
            peaks[bucket] = max(peaks[bucket], largest * scale)
            frame = run_stop
        return finite

    samples = f"{layout.word}*"
    signature = ("bool", samples, "i64", "i64", "i64", "i64", "f64", "i64", "float64*")
    return Kernel(f"peaks_{layout.name}", signature, peaks_of_runs)


PEAKS = {name: _kernel(layout) for name, layout in LAYOUTS.items()}
KERNELS = tuple(PEAKS.values())


def accumulate_peaks(
    block: NDArray[Any], first_frame: int, total_frames: int, scale: float, peaks: NDArray[Any]
) -> bool:
    """Raise `peaks[i]` to the largest |mean of the channels| that `block` adds to bucket i.

    Args:
        block: (frames, channels), int16, int32, float32 or float64; or packed 24-bit stereo,
            uint8 (frames, 2, 3).
        first_frame: index in the whole signal of the block's first frame.
        total_frames: frames of the whole signal, N, 0 to `MOST_FRAMES`. Frames at N and beyond
            are left out.
        scale: amplitude of a channel sum of 1: 1 / (channels * full scale).
        peaks: float64 (n,), updated in place. Bucket i is frames [i*N//n, (i+1)*N//n).

    Returns:
        False if a sample of the block is NaN or infinite.
    """
    if not len(block):
        return True
    layout, samples, channels = samples_of(block)
    frames, buckets = len(block), len(peaks)
    finite: bool = PEAKS[layout.name](
        samples, channels, frames, first_frame, total_frames, scale, buckets, peaks
    )
    return bool(finite)
