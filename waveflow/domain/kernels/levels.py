"""What a channel's samples say as they are: the largest, sums, clipping, where sound begins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.native import Kernel
from waveflow.domain.kernels.true_peak import largest_of

LANES = 32
"""Sums are made side by side: each addition waits for the one before."""

SUM, SQUARES, PEAK = range(3)
"""Columns of the figures of `survey`."""


@inlined
def _clipped(samples: Any, start: Any, stop: Any, highest: Any) -> Any:
    count = np.int32(0)
    limit = np.float32(highest)
    for at in range(start, stop):
        sample = samples[at]
        count = np.int32(count + np.int32((sample >= limit) | (sample <= np.float32(-1.0))))
    return np.int64(count)


@inlined
def _add_up(samples: Any, start: Any, stop: Any, lanes: Any) -> Any:
    for lane in range(2 * LANES):
        lanes[lane] = 0.0
    while start + LANES <= stop:
        for lane in range(LANES):
            sample = np.float64(samples[start + lane])
            lanes[lane] += sample
            lanes[LANES + lane] += sample * sample
        start += LANES
    for lane in range(stop - start):
        sample = np.float64(samples[start + lane])
        lanes[lane] += sample
        lanes[LANES + lane] += sample * sample
    return 0


def _survey(
    planes: Any, distance: Any, channels: Any, start: Any, stop: Any, highest: Any, lanes: Any,
    figures: Any, clipped: Any,
) -> Any:  # fmt: skip
    finite = True
    for channel in range(channels):
        first, end = channel * distance + start, channel * distance + stop
        largest = largest_of(planes, first, end)
        finite = finite and largest < np.inf
        figures[3 * channel + PEAK] = max(figures[3 * channel + PEAK], largest)
        clipped[channel] += _clipped(planes, first, end, highest)
        _add_up(planes, first, end, lanes)
        for lane in range(LANES):
            figures[3 * channel + SUM] += lanes[lane]
            figures[3 * channel + SQUARES] += lanes[LANES + lane]
    return finite


def _first_sound(
    planes: Any, distance: Any, channels: Any, start: Any, stop: Any, threshold: Any
) -> Any:
    found = stop
    for channel in range(channels):
        at = start
        while at < found and abs(planes[channel * distance + at]) < threshold:
            at += 1
        found = min(found, at)
    return found


def _last_sound(
    planes: Any, distance: Any, channels: Any, start: Any, stop: Any, threshold: Any
) -> Any:
    after = start
    for channel in range(channels):
        at = stop
        while at > after and abs(planes[channel * distance + at - 1]) < threshold:
            at -= 1
        after = max(after, at)
    return after


_OF_PLANES = ("float32*", "i64", "i64", "i64", "i64", "f64")
_SURVEY = Kernel(
    "survey", ("bool", *_OF_PLANES, "float64*", "float64*", "int64*"), _survey, fused=True
)
_FIRST_SOUND = Kernel("first_sound", ("i64", *_OF_PLANES), _first_sound)
_LAST_SOUND = Kernel("last_sound", ("i64", *_OF_PLANES), _last_sound)

KERNELS = (_SURVEY, _FIRST_SOUND, _LAST_SOUND)


def survey(
    planes: NDArray[np.float32],
    start: int,
    stop: int,
    highest: float,
    figures: NDArray[np.float64],
    clipped: NDArray[np.int64],
) -> bool:
    """Add what columns `start` to `stop` hold to the figures of each channel.

    Args:
        planes: float32 (channels, …), C-contiguous.
        highest: samples that reach this or -1.0 count as clipped.
        figures: float64 (channels, 3): sum, sum of squares, largest absolute value; updated.
        clipped: int64 (channels,): how many samples are clipped; updated.

    Returns:
        False if a sample is NaN or infinite.
    """
    channels, distance = planes.shape
    lanes = np.empty(2 * LANES)
    finite = _SURVEY(
        planes.reshape(-1), distance, channels, start, stop, highest, lanes,
        figures.reshape(-1), clipped,
    )  # fmt: skip
    return bool(finite)


def first_sound(planes: NDArray[np.float32], start: int, stop: int, threshold: float) -> int:
    """The first column of `start` to `stop` where a channel reaches ±threshold; `stop` if none."""
    channels, distance = planes.shape
    return int(_FIRST_SOUND(planes.reshape(-1), distance, channels, start, stop, threshold))


def after_last_sound(planes: NDArray[np.float32], start: int, stop: int, threshold: float) -> int:
    """The column after the last where a channel reaches ±threshold; `start` if none does."""
    channels, distance = planes.shape
    return int(_LAST_SOUND(planes.reshape(-1), distance, channels, start, stop, threshold))
