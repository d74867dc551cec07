"""Taking the channels apart: each one's samples side by side, as amplitudes in 32-bit floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.layouts import ANY, LAYOUTS, Layout, samples_of
from waveflow.domain.kernels.native import Kernel


def _one(samples: Any, _: Any, frames: Any, scale: Any, planes: Any, __: Any) -> Any:
    for frame in range(frames):
        planes[frame] = np.float32(samples[frame] * scale)
    return 0


def _pair(samples: Any, _: Any, frames: Any, scale: Any, planes: Any, distance: Any) -> Any:
    for frame in range(frames):
        planes[frame] = np.float32(samples[2 * frame] * scale)
        planes[distance + frame] = np.float32(samples[2 * frame + 1] * scale)
    return 0


def _any(samples: Any, channels: Any, frames: Any, scale: Any, planes: Any, distance: Any) -> Any:
    for channel in range(channels):
        for frame in range(frames):
            sample = samples[frame * channels + channel]
            planes[channel * distance + frame] = np.float32(sample * scale)
    return 0


def _planar_pair(
    samples: Any, apart: Any, frames: Any, scale: Any, planes: Any, distance: Any
) -> Any:
    for frame in range(frames):
        planes[frame] = np.float32(samples[frame] * scale)
    for frame in range(frames):
        planes[distance + frame] = np.float32(samples[apart + frame] * scale)
    return 0


def _packed_16_bit_pair(
    words: Any, _: Any, frames: Any, scale: Any, planes: Any, distance: Any
) -> Any:
    for frame in range(frames):
        word = words[frame]
        left = np.int32(np.int32(word << 16) >> 16)
        planes[frame] = np.float32(np.float32(left) * np.float32(scale))
        planes[distance + frame] = np.float32(np.float32(word >> 16) * np.float32(scale))
    return 0


def _packed_24_bit_pair(
    halves: Any, _: Any, frames: Any, scale: Any, planes: Any, distance: Any
) -> Any:
    for frame in range(frames):
        first = np.int32(halves[3 * frame])
        middle = np.int32(halves[3 * frame + 1])
        last = np.int32(halves[3 * frame + 2])
        left = np.int32(np.int32((first << 8) | (middle << 24)) >> 8)
        right = np.int32(np.int32((middle & 0xFF00) | (last << 16)) >> 8)
        planes[frame] = np.float32(np.float32(left) * np.float32(scale))
        planes[distance + frame] = np.float32(np.float32(right) * np.float32(scale))
    return 0


_SPECIAL: dict[str, Callable[..., Any]] = {
    "int16_2": _packed_16_bit_pair,
    "packed24_2": _packed_24_bit_pair,
    "planar_2": _planar_pair,
}
_BY_CHANNELS: dict[str, Callable[..., Any]] = {"1": _one, "2": _pair, ANY: _any}


def _kernel(layout: Layout) -> Kernel:
    function = _SPECIAL.get(layout.name) or _BY_CHANNELS[layout.name.rpartition("_")[2]]
    signature = ("i64", f"{layout.word}*", "i64", "i64", "f64", "float32*", "i64")
    return Kernel(f"planes_{layout.name}", signature, function)


_KNOWN = {
    name: _kernel(layout)
    for name, layout in LAYOUTS.items()
    if name.rpartition("_")[2] in _BY_CHANNELS
}
KERNELS = tuple(_KNOWN.values())


def take_apart(block: NDArray[Any], scale: float, planes: NDArray[np.float32], at: int) -> None:
    """Write each channel of `block`, times `scale`, to a row of `planes`, from column `at` on.

    Samples of more than 24 bits are rounded to the nearest 32-bit float.

    Args:
        block: a `pcm.PcmBlock`, (frames, channels).
        scale: amplitude of a sample of 1: 1 / full scale.
        planes: float32 (channels, at least at + frames), C-contiguous; updated in place.
    """
    if not len(block):
        return
    layout, samples, channels = samples_of(block)
    kernel = _KNOWN.get(layout.name) or _KNOWN[f"{layout.word}_{ANY}"]
    kernel(samples, channels, len(block), scale, planes.reshape(-1)[at:], planes.shape[1])
