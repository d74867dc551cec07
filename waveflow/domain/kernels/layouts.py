"""The ways in which samples lie in memory, and which of them a block of audio has."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain.kernels.native import JIT_IS_OFF
from waveflow.domain.kernels.sums import (
    Sum,
    packed_16_bit_pair,
    packed_24_bit_pair,
    planar_pair,
    sum_of,
    sum_of_any,
)


@frozen
class Layout:
    """How samples lie, and how a kernel adds up the channels of a frame.

    Attributes:
        name: type of a sample and number of channels, or `ANY`.
        word: what the kernel reads at a time, a NumPy type.
        total: type of the sum: integers are added and compared as such.
    """

    name: str
    word: str
    total: type[Any]
    sum: Sum


def _interleaved(word: str, total: type[Any], *fixed: int) -> tuple[Layout, ...]:
    known = (Layout(f"{word}_{count}", word, total, sum_of(count, total)) for count in fixed)
    return *known, Layout(f"{word}_{ANY}", word, total, sum_of_any(total))


ANY = "x"

LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("int16_2", "int32", np.int32, packed_16_bit_pair),
        *_interleaved("int16", np.int32, 1, 3, 4, 5, 6, 7, 8),
        Layout("packed24_2", "uint16", np.int32, packed_24_bit_pair),
        *_interleaved("int32", np.int64, 1, 2, 3, 4, 5, 6, 7, 8),
        *_interleaved("float32", np.float64, 1, 2, 3, 4, 5, 6, 7, 8),
        Layout("planar_2", "float32", np.float64, planar_pair),
        *_interleaved("float64", np.float64, 1, 2, 3, 4, 5, 6, 7, 8),
    )
}
"""Type of a sample and number of channels -> kernels. A new row here is a new fast path."""


Samples = tuple[Layout, NDArray[Any], int]
"""A layout, samples that begin where the kernel does, and the number of channels; in the planar
layout, the distance from one channel to the next."""

_known: dict[tuple[str, bool, tuple[int, ...]], Layout] = {}
"""By type and channels of contiguous blocks: blocks come by the thousand, and are all alike."""


def samples_of(block: NDArray[Any]) -> Samples:
    """Find the layout of a block, a `pcm.PcmBlock`.

    Blocks that aren't contiguous are copied, but for two channels of float32.

    Raises:
        KeyError: for a type of samples that no kernel reads; of packed samples, all but stereo,
            and all whose bytes are in another order than the processor's.
    """
    if not block.flags.c_contiguous:
        return _planar(block) if _is_planar_pair(block) else samples_of(block.copy(order="C"))
    kind = block.dtype.char, block.dtype.isnative, block.shape[1:]
    layout = _known.get(kind)
    if layout is None:
        layout = _known[kind] = _layout_of(block)
    return layout, _words(block, layout), block.shape[1]


def _layout_of(block: NDArray[Any]) -> Layout:
    if not block.dtype.isnative:
        raise KeyError(block.dtype.str)
    if block.ndim == 3:
        return LAYOUTS[f"packed24_{block.shape[1]}"]
    name = f"{block.dtype.name}_{block.shape[1]}"
    return LAYOUTS[name] if name in LAYOUTS else LAYOUTS[f"{block.dtype.name}_{ANY}"]


def _words(block: NDArray[Any], layout: Layout) -> NDArray[Any]:
    # Machine code takes an address, and nothing else matters to it.
    return block.reshape(-1).view(layout.word) if JIT_IS_OFF else block


def _is_planar_pair(block: NDArray[Any]) -> bool:
    return (
        block.dtype == np.float32
        and block.shape[1] == 2
        and block.strides[0] == block.itemsize
        and block.strides[1] > 0
        and block.strides[1] % block.itemsize == 0
    )


def _planar(block: NDArray[Any]) -> Samples:
    distance = block.strides[1] // block.itemsize
    reach = distance + len(block)
    words = np.lib.stride_tricks.as_strided(block, (reach,), (block.itemsize,), writeable=False)
    return LAYOUTS["planar_2"], words, distance
