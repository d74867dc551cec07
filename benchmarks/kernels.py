"""The peaks kernel over a large array, as the product calls it: block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from benchmarks.twin import PeakTwin, mono_of

NUM_PEAKS = 4000
PACKED = "packed 24-bit"
_PATTERN_BYTES = 32 * 1024**2
_TWIN_BUCKETS = 50
_SAMPLE_BYTES = {"int16": 2, PACKED: 3, "int32": 4, "float32": 4, "float64": 8}


@define
class Buffers:
    """One large array of bytes for each family of samples; a layout is a view of one."""

    size_bytes: int
    _made: dict[str, NDArray[np.uint8]] = field(factory=dict, init=False)

    def view(self, layout: str, channels: int) -> NDArray[Any]:
        """(frames, channels) of a layout; uint8 (frames, channels, 3) for packed samples."""
        raw = self._bytes(layout)
        frames = len(raw) // (_SAMPLE_BYTES[layout] * channels)
        raw = raw[: frames * channels * _SAMPLE_BYTES[layout]]
        if layout == PACKED:
            return raw.reshape(frames, channels, 3)
        return raw.view(layout).reshape(frames, channels)

    def _bytes(self, layout: str) -> NDArray[np.uint8]:
        # Any bytes are integers, but not any are numbers as floats.
        family = layout if layout.startswith("float") else "integers"
        if family not in self._made:
            rng = np.random.default_rng(1)
            size = min(self.size_bytes, _PATTERN_BYTES)
            if family == "integers":
                pattern = rng.integers(0, 256, size, np.uint8)
            else:
                count = size // _SAMPLE_BYTES[layout]
                pattern = rng.uniform(-1, 1, count).astype(layout).view(np.uint8)
            self._made[family] = np.resize(pattern, self.size_bytes)
        return self._made[family]


def peaks(array: NDArray[Any], repeats: int = 1) -> list[float]:
    """The peaks of all of an array, as the product takes them."""
    from waveflow.domain.pcm import BLOCK_FRAMES
    from waveflow.domain.waveform import PeakAccumulator

    accumulator = PeakAccumulator(NUM_PEAKS, len(array) * repeats)
    prepared = unpacker(array)
    for _ in range(repeats):
        for start in range(0, len(array), BLOCK_FRAMES):
            accumulator.add(prepared(array[start : start + BLOCK_FRAMES]))
    found: list[float] = accumulator.waveform(48_000).peaks.tolist()
    return found


def unpacker(array: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What has to be done to a block before an accumulator takes it: nothing, or unpacking.

    A checkout whose kernels don't read packed samples gets them as its reader would give them.
    """
    from waveflow.domain.waveform import PeakAccumulator

    if array.dtype != np.uint8:
        return lambda block: block
    try:
        PeakAccumulator(NUM_PEAKS, len(array)).add(array[:1])
    except (KeyError, TypeError, ValueError, AssertionError):
        return _unpacked
    return lambda block: block


def _unpacked(block: NDArray[np.uint8]) -> NDArray[np.int32]:
    frames, channels, _ = block.shape
    count = frames * channels
    raw = np.empty(1 + 3 * count, np.uint8)
    raw[1:] = block.reshape(-1)
    # Each word is a stray byte, then the sample: overlapping, and not aligned.
    words: NDArray[np.int32] = np.ndarray((count,), "<i4", buffer=raw, strides=(3,))
    return (words & np.int32(-256)).reshape(frames, channels)


def twin_peaks(array: NDArray[Any]) -> NDArray[np.float64]:
    """The same by NumPy, a few buckets at a time."""
    twin = PeakTwin(NUM_PEAKS, len(array))
    step = max(1, len(array) // NUM_PEAKS * _TWIN_BUCKETS)
    for start in range(0, len(array), step):
        twin.add(mono_of(array[start : start + step]))
    return twin.peaks


def maximum(array: NDArray[Any]) -> float:
    """`numpy.max` over the same bytes; packed samples, which NumPy doesn't know, as int16."""
    if array.dtype == np.uint8:
        flat = array.reshape(-1)
        array = flat[: len(flat) // 2 * 2].view(np.int16)
    return float(array.max())
