"""Adding stems up in mono, and rounding the sum to 16 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.layouts import ANY, LAYOUTS, Layout, samples_of
from waveflow.domain.kernels.native import Kernel
from waveflow.domain.kernels.peaks import bits_of_size, is_finite


def _of_integers(layout: Layout) -> Callable[..., Any]:
    sum_of_frame = layout.sum

    def add_integers(samples: Any, channels: Any, frames: Any, scale: Any, total: Any) -> Any:
        for frame in range(frames):
            total[frame] += np.float64(sum_of_frame(samples, frame, channels)) * scale
        return True

    return add_integers


def _of_floats(layout: Layout) -> Callable[..., Any]:
    sum_of_frame = layout.sum

    def add_floats(samples: Any, channels: Any, frames: Any, scale: Any, total: Any) -> Any:
        largest = np.int64(0)
        for frame in range(frames):
            value = np.float64(sum_of_frame(samples, frame, channels))
            largest = max(largest, bits_of_size(value))
            total[frame] += value * scale
        return is_finite(largest)

    return add_floats


def _kernel(layout: Layout) -> Kernel:
    of_this_kind = _of_floats if layout.total is np.float64 else _of_integers
    signature = ("bool", f"{layout.word}*", "i64", "i64", "f64", "float64*")
    return Kernel(f"add_{layout.name}", signature, of_this_kind(layout))


_OF_ANY_CHANNELS = {
    layout.word: _kernel(layout) for name, layout in LAYOUTS.items() if name.endswith(ANY)
}
ADDITIONS = {
    name: _kernel(layout) for name, layout in LAYOUTS.items() if name.endswith(("_1", "_2"))
}
"""Stems of three channels and more are too rare to be worth a kernel for each number."""


def add_mono(block: NDArray[Any], scale: float, total: NDArray[Any]) -> bool:
    """Add the channel sums of `block`, times `scale`, to the first frames of `total`.

    Args:
        block: (frames, channels), int16, int32, float32 or float64; or packed 24-bit stereo,
            uint8 (frames, 2, 3).
        scale: amplitude of a channel sum of 1: 1 / (channels * full scale).
        total: float64 (at least frames,), updated in place.

    Returns:
        False if a sample of the block is NaN or infinite.
    """
    if not len(block):
        return True
    layout, samples, channels = samples_of(block)
    add = ADDITIONS.get(layout.name) or _OF_ANY_CHANNELS[layout.word]
    return bool(add(samples, channels, len(block), scale, total))


def _divide(total: Any, frames: Any, count: Any, mixed: Any) -> Any:
    largest = np.int64(0)
    for frame in range(frames):
        value = np.float64(total[frame] / count)
        mixed[frame] = np.float32(value)
        largest = max(largest, bits_of_size(value))
    return np.int64(largest).view(np.float64)


_DIVISION = Kernel("divide", ("f64", "float64*", "i64", "f64", "float32*"), _divide)


def divide(total: NDArray[Any], count: int, mixed: NDArray[Any]) -> float:
    """Write `total / count` to `mixed` and return its largest absolute value.

    Args:
        total: float64 (frames,).
        mixed: float32 (frames,), overwritten.

    Returns:
        The largest absolute value, before it is rounded to float32.
    """
    return float(_DIVISION(total, len(total), float(count), mixed))


def _quantise(mixed: Any, frames: Any, gain: Any, pcm: Any) -> Any:
    for frame in range(frames):
        value = np.rint(np.float64(mixed[frame]) * gain * 32767.0)
        pcm[frame] = np.int16(min(max(value, -32768.0), 32767.0))
    return 0


_QUANTISATION = Kernel("quantise", ("i64", "float32*", "i64", "f64", "int16*"), _quantise)


def quantise(mixed: NDArray[Any], gain: float, pcm: NDArray[Any]) -> None:
    """Write `mixed * gain * 32767`, rounded half to even and clipped, to `pcm`.

    Args:
        mixed: float32 (frames,).
        gain: linear gain.
        pcm: int16 (frames,), overwritten.
    """
    _QUANTISATION(mixed, len(mixed), gain, pcm)


KERNELS = (*ADDITIONS.values(), *_OF_ANY_CHANNELS.values(), _DIVISION, _QUANTISATION)
