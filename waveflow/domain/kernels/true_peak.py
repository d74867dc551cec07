"""The largest absolute value of a signal between its samples, by interpolation.

Most stretches can't hold it: interpolation makes a signal larger by a known factor at most. Where
the samples are smaller than what was found before, by that factor, nothing is interpolated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.inlining import inlined
from waveflow.domain.kernels.native import Kernel

TAPS = 16
"""Samples that an interpolated value is made of; half of them come after it."""

PHASES = 3
"""Values between two samples: four times the sample rate."""

_STRETCH = 256
_SIZE_32 = np.int32(0x7FFF_FFFF)


@inlined
def bits_of_size_32(value: Any) -> Any:
    """As `peaks.bits_of_size`, of a 32-bit float."""
    return np.int32(np.float32(value).view(np.int32) & _SIZE_32)


@inlined
def largest_of(samples: Any, start: Any, stop: Any) -> Any:
    """The largest absolute value; NaN if there is one."""
    largest = np.int32(0)
    for at in range(start, stop):
        largest = np.int32(max(largest, bits_of_size_32(samples[at])))
    return np.float64(np.int32(largest).view(np.float32))


@inlined
def _largest_between(samples: Any, start: Any, stop: Any, filters: Any) -> Any:
    largest = np.int32(0)
    for at in range(start, stop):
        first = np.float32(0.0)
        second = np.float32(0.0)
        third = np.float32(0.0)
        for tap in range(TAPS):
            sample = samples[at - TAPS + 1 + tap]
            first = np.float32(first + filters[tap] * sample)
            second = np.float32(second + filters[TAPS + tap] * sample)
            third = np.float32(third + filters[2 * TAPS + tap] * sample)
        either = np.int32(max(bits_of_size_32(first), bits_of_size_32(second)))
        either = np.int32(max(either, bits_of_size_32(third)))
        largest = np.int32(max(largest, either))
    return np.float64(np.int32(largest).view(np.float32))


def _search(
    planes: Any, distance: Any, channels: Any, start: Any, stop: Any, filters: Any, bound: Any,
    scale: Any, peaks: Any,
) -> Any:  # fmt: skip
    for channel in range(channels):
        first = channel * distance + start
        end = channel * distance + stop
        while first < end:
            after = min(first + _STRETCH, end)
            # The latest samples alone might be NaN: then this is false, and nothing is lost.
            if largest_of(planes, first - TAPS + 1, after) * bound > peaks[channel]:
                found = _largest_between(planes, first, after, filters) * scale
                peaks[channel] = max(peaks[channel], found)
            first = after
    return 0


_SEARCH = Kernel(
    "true_peak",
    ("i64", "float32*", "i64", "i64", "i64", "i64", "float32*", "f64", "f64", "float64*"),
    _search,
    fused=True,
)

KERNELS = (_SEARCH,)

_HEADROOM = 2.0**8
"""Samples may be as large as 32 bits hold, and interpolation makes them larger."""


def raise_true_peaks(
    planes: NDArray[np.float32],
    start: int,
    stop: int,
    filters: NDArray[np.float64],
    peaks: NDArray[np.float64],
) -> None:
    """Raise `peaks` to the largest absolute values between the samples that are known by now.

    Args:
        planes: float32 (channels, …), C-contiguous.
        start, stop: columns of the new samples, with at least TAPS - 1 before them. What lies
            between the last TAPS / 2 samples isn't looked at: more samples have to come first.
        filters: float64 (PHASES, TAPS), the oldest sample's factor first.
        peaks: float64 (channels,), updated in place.
    """
    bound = float(np.abs(filters).sum(axis=1).max()) * (1.0 + 1e-6)
    scaled = (filters / _HEADROOM).astype(np.float32).reshape(-1)
    channels, distance = planes.shape
    _SEARCH(planes.reshape(-1), distance, channels, start, stop, scaled, bound, _HEADROOM, peaks)
