"""Slow, obvious float64 twins of the kernels and of what is built from them.

They restate the rules and share no code with the product. All of them take and give plain
numbers or float64 arrays.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") == "1"
"""Uncompiled, the kernels add float32 channels in float32: NumPy's rules, not Numba's."""

_FULL_SCALE = {
    "int16": 32_768.0,
    "uint8": 8_388_608.0,
    "int32": 2_147_483_648.0,
    "float32": 1.0,
    "float64": 1.0,
}


def full_scale(samples: NDArray[Any]) -> float:
    """The sample value that stands for 1.0."""
    return _FULL_SCALE[samples.dtype.name]


def is_finite(samples: NDArray[Any]) -> bool:
    """Whether no sample is NaN or infinite."""
    return bool(np.isfinite(samples).all())


def from_packed(samples: NDArray[Any]) -> Signal:
    """24-bit samples, three octets each, the lowest first, as numbers: (frames, channels)."""
    numbers = [
        [int.from_bytes(bytes(sample), "little", signed=True) for sample in frame]
        for frame in samples
    ]
    return np.array(numbers, np.float64).reshape(samples.shape[:2])


def channel_sums(samples: NDArray[Any]) -> Signal:
    """The sum of the channels of each frame, (frames,), from the first channel to the last."""
    if samples.ndim == 3:
        samples = from_packed(samples)
    sums = np.zeros(len(samples))
    for channel in range(samples.shape[1]):
        sums = sums + samples[:, channel].astype(np.float64)
    return sums


def mono(samples: NDArray[Any]) -> Signal:
    """The mean of the channels, (frames,), where 1.0 is full scale."""
    mean: Signal = channel_sums(samples) / samples.shape[1]
    return mean / full_scale(samples)


def bucket_bounds(frames: int, num_peaks: int) -> list[tuple[int, int]]:
    """First frame of each bucket, and the first that is no longer in it."""
    return [(i * frames // num_peaks, (i + 1) * frames // num_peaks) for i in range(num_peaks)]


def peaks(signal: Signal, num_peaks: int) -> Signal:
    """The largest absolute value in each bucket; 0 in a bucket without frames."""
    found = np.zeros(num_peaks)
    for i, (start, stop) in enumerate(bucket_bounds(len(signal), num_peaks)):
        if stop > start:
            found[i] = np.abs(signal[start:stop]).max()
    return found


def extents(signal: Signal, columns: int) -> list[tuple[float, float, float]]:
    """Lowest and highest value and the sum of the squares in each column that has a frame."""
    return [
        (min(run), max(run), math.fsum(value * value for value in run))
        for start, stop in bucket_bounds(len(signal), columns)
        if (run := signal[start:stop].tolist())
    ]


def normalised(found: Signal) -> list[float]:
    """Peaks divided by the largest of them and rounded to 4 decimals."""
    largest = max(found)
    return [round(float(peak / largest), 4) if largest > 0 else 0.0 for peak in found]


def add_mono(samples: NDArray[Any], scale: float, total: Signal) -> Signal:
    """`total` with the scaled channel sums of `samples` added to its first frames."""
    added = total.copy()
    added[: len(samples)] += channel_sums(samples) * scale
    return added


def divide(total: Signal, count: int) -> tuple[Signal, float]:
    """`total / count` and its largest absolute value."""
    divided = np.array([value / count for value in total])
    return divided, max((abs(float(value)) for value in divided), default=0.0)


def quantise(signal: NDArray[Any], gain: float) -> list[int]:
    """16-bit samples: times 32767, half to even (which is how Python rounds), clipped."""
    return [min(max(round(float(value) * gain * 32_767), -32_768), 32_767) for value in signal]


def padded_mean(stems: Sequence[Signal]) -> Signal:
    """Mono stems, padded with silence to the longest, added up and divided by their number."""
    total = np.zeros(max(len(stem) for stem in stems))
    for stem in stems:
        total += np.pad(stem, (0, len(total) - len(stem)))
    return total / len(stems)


def gain(mixed: Signal) -> float:
    """What brings a mix that is louder than 0.95 down to it."""
    largest = max((abs(float(value)) for value in mixed), default=0.0)
    return 0.95 / largest if largest > 0.95 else 1.0


def mix(stems: Sequence[Signal]) -> list[int]:
    """The finished 16-bit mix of mono stems at one sample rate."""
    mixed = padded_mean(stems)
    return quantise(mixed, gain(mixed))


def pixels(signal: Signal, samples_per_pixel: int) -> tuple[list[float], list[float]]:
    """The lowest and the highest value in each run of so many frames, the last run the rest."""
    runs = [
        signal[start : start + samples_per_pixel]
        for start in range(0, len(signal), samples_per_pixel)
    ]
    return [float(run.min()) for run in runs], [float(run.max()) for run in runs]


def shares(low: Signal, high: Signal, amplitude: float) -> list[int]:
    """low, high, low, high … in 127ths of `amplitude`; all zero for silence."""
    both = [float(each) for pair in zip(low, high, strict=True) for each in pair]
    return [round(each / amplitude * 127) if amplitude >= 2.0**-31 else 0 for each in both]


def whole_number(amplitude: float, bits: int) -> int:
    """An amplitude in so many bits: half to even (which is how Python rounds), clipped."""
    reach = 1 << (bits - 1)
    return min(max(round(amplitude * reach), -reach), reach - 1)


def dat(signals: Sequence[Signal], sample_rate_hz: int, samples_per_pixel: int, bits: int) -> bytes:
    """audiowaveform's file of these signals: version 1 of one, version 2 of several."""
    bounds = [pixels(signal, samples_per_pixel) for signal in signals]
    length = len(bounds[0][0])
    version = 1 if len(signals) == 1 else 2
    header = [version, int(bits == 8), sample_rate_hz, samples_per_pixel, length]
    content = struct.pack("<5i", *header)
    if version == 2:
        content += struct.pack("<i", len(signals))
    for pixel in range(length):
        for low, high in bounds:
            pair = whole_number(low[pixel], bits), whole_number(high[pixel], bits)
            content += struct.pack("<2b" if bits == 8 else "<2h", *pair)
    return content
