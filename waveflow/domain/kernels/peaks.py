"""The largest absolute value of the mono signal in each bucket, and its bounds in each pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.layouts import LAYOUTS, Layout, samples_of
from waveflow.domain.kernels.native import Kernel
from waveflow.domain.kernels.sums import Sum

MOST_FRAMES = 2**50
"""Kernels count in 64 bits, and multiply frames by buckets. Beyond, they would miss the buckets."""

_WITHOUT_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_INFINITY = np.int64(0x7FF0_0000_0000_0000)

_BITS: Mapping[type[Any], tuple[type[Any], type[Any], Any]] = MappingProxyType(
    {
        np.float32: (np.int32, np.uint32, np.int32(0x7F80_0000)),
        np.float64: (np.int64, np.uint64, _INFINITY),
    }
)
"""Integers of the same size as a float, and the bits of infinity."""


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


def _compared(layout: Layout) -> tuple[type[Any], Sum]:
    """In what type values are compared, and the value of a frame."""
    if layout.name != f"{layout.word}_1":
        return layout.total, layout.sum

    @inlined
    def sample(samples: Any, frame: Any, _: Any) -> Any:
        return samples[frame]

    # A sum of one is the sample: twice as many fit into a register as of a wider type.
    return getattr(np, layout.word), sample


def _bounds_of_integers(layout: Layout) -> Callable[..., Any]:
    number, value_of = _compared(layout)
    least, most = np.iinfo(number).min, np.iinfo(number).max

    @inlined
    def bounds_of_integers(samples: Any, channels: Any, start: Any, stop: Any) -> Any:
        lowest = number(most)
        highest = number(least)
        for frame in range(start, stop):
            value = value_of(samples, frame, channels)
            lowest = min(lowest, value)
            highest = max(highest, value)
        return np.float64(lowest), np.float64(highest), True

    return bounds_of_integers


def _bounds_of_floats(layout: Layout) -> Callable[..., Any]:
    """Bounds by the bits of the values, read in two ways, with nothing done to them before.

    As signed integers, values of 0 and more are in their order, above all below zero; those are
    the wrong way round. As unsigned integers, values below zero are above the others, the lowest
    on top. Infinity and NaN are at the far end of either.
    """
    number, value_of = _compared(layout)
    signed, unsigned, infinity = _BITS[number]
    least, most = np.iinfo(signed).min, np.iinfo(signed).max
    sign = unsigned(most) + unsigned(1)
    minus_infinity = sign + unsigned(infinity)

    @inlined
    def bounds_of_floats(samples: Any, channels: Any, start: Any, stop: Any) -> Any:
        top = signed(least)
        bottom = signed(most)
        farthest = unsigned(0)
        for frame in range(start, stop):
            value = number(value_of(samples, frame, channels))
            bits = value.view(signed)
            top = max(top, bits)
            bottom = min(bottom, bits)
            farthest = max(farthest, value.view(unsigned))
        lowest = farthest if farthest >= sign else unsigned(bottom)
        highest = top if top >= 0 else bottom
        return (
            np.float64(unsigned(lowest).view(number)),
            np.float64(signed(highest).view(number)),
            top < infinity and farthest < minus_infinity,
        )

    return bounds_of_floats


def _kernel(layout: Layout) -> Kernel:
    of_this_kind = _bounds_of_floats if layout.total is np.float64 else _bounds_of_integers
    bounds_in_run = of_this_kind(layout)

    def peaks_of_runs(
        samples: Any,
        channels: Any,
        frames: Any,
        first_frame: Any,
        total_frames: Any,
        scale: Any,
        buckets: Any,
        peaks: Any,
        samples_per_pixel: Any,
        low: Any,
        high: Any,
    ) -> Any:
        stop_frame = min(first_frame + frames, total_frames)
        if first_frame >= stop_frame:
            return True
        frame = first_frame
        pixel = frame // samples_per_pixel
        pixel_stop = (pixel + 1) * samples_per_pixel
        # The only bucket i with i*N//n <= frame < (i+1)*N//n, empty ones skipped.
        bucket = ((frame + 1) * buckets + total_frames - 1) // total_frames - 1
        bucket_stop = (bucket + 1) * total_frames // buckets
        # A division for each run would take as long as a dozen frames: boundaries are stepped to.
        width = total_frames // buckets
        width_rest = total_frames - width * buckets
        stop_rest = (bucket + 1) * total_frames - bucket_stop * buckets
        finite = True
        while frame < stop_frame:
            while frame == bucket_stop:
                bucket += 1
                bucket_stop += width
                stop_rest += width_rest
                if stop_rest >= buckets:
                    stop_rest -= buckets
                    bucket_stop += 1
            run_stop = min(min(bucket_stop, pixel_stop), stop_frame)
            lowest, highest, run_finite = bounds_in_run(
                samples, channels, frame - first_frame, run_stop - first_frame
            )
            finite = finite and run_finite
            peaks[bucket] = max(peaks[bucket], max(highest, -lowest) * scale)
            low[pixel] = min(low[pixel], lowest * scale)
            high[pixel] = max(high[pixel], highest * scale)
            frame = run_stop
            if frame == pixel_stop:
                pixel += 1
                pixel_stop += samples_per_pixel
        return finite

    samples = f"{layout.word}*"
    grids = ("i64", "float64*", "i64", "float64*", "float64*")
    signature = ("bool", samples, "i64", "i64", "i64", "i64", "f64", *grids)
    return Kernel(f"peaks_{layout.name}", signature, peaks_of_runs)


PEAKS = {name: _kernel(layout) for name, layout in LAYOUTS.items()}
KERNELS = tuple(PEAKS.values())


def accumulate_peaks(
    block: NDArray[Any],
    first_frame: int,
    total_frames: int,
    scale: float,
    peaks: NDArray[np.float64],
    samples_per_pixel: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> bool:
    """Bring peaks and pixels up to date with the mean of the channels of `block`, in one pass.

    Runs of frames are cut at the boundaries of both grids, so that each frame is read once.

    Args:
        block: (frames, channels), int16, int32, float32 or float64; or packed 24-bit stereo,
            uint8 (frames, 2, 3).
        first_frame: index in the whole signal of the block's first frame.
        total_frames: frames of the whole signal, N, 0 to `MOST_FRAMES`. Frames at N and beyond
            are left out.
        scale: amplitude of a channel sum of 1: 1 / (channels * full scale).
        peaks: float64 (n,), updated in place: the largest |mean| in each bucket. Bucket i is
            frames [i*N//n, (i+1)*N//n).
        samples_per_pixel: 1 or more.
        low: float64 (at least ceil(N / samples_per_pixel),), updated in place: the lowest mean in
            each pixel. Pixel j is frames [j*samples_per_pixel, (j+1)*samples_per_pixel).
        high: as `low`, the highest.

    Returns:
        False if a sample of the block is NaN or infinite; peaks and pixels are worthless then.
    """
    if not len(block):
        return True
    layout, samples, channels = samples_of(block)
    frames, buckets = len(block), len(peaks)
    finite: bool = PEAKS[layout.name](
        samples,
        channels,
        frames,
        first_frame,
        total_frames,
        scale,
        buckets,
        peaks,
        samples_per_pixel,
        low,
        high,
    )
    return bool(finite)
