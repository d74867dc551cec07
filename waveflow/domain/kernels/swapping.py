"""Turning the byte order of samples round, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.kernels.native import Kernel


def _swap_16(words: Any, count: Any) -> Any:
    for at in range(count):
        word = np.uint32(words[at])
        words[at] = np.uint16((word >> 8) | (word << 8 & 0xFF00))
    return 0


def _swap_32(words: Any, count: Any) -> Any:
    for at in range(count):
        word = np.int64(words[at])
        outer = word >> 24 | (word & 0xFF) << 24
        words[at] = np.uint32(outer | (word >> 8 & 0xFF00) | (word & 0xFF00) << 8)
    return 0


def _swap_24(octets: Any, words: Any, count: Any) -> Any:
    """Three words of 32 bits hold four samples; the last few samples are taken octet by octet."""
    for group in range(count // 4):
        first = np.int64(words[3 * group])
        second = np.int64(words[3 * group + 1])
        third = np.int64(words[3 * group + 2])
        words[3 * group] = np.uint32(
            (first >> 16 & 0xFF) | (first & 0xFF00) | (first & 0xFF) << 16 | (second & 0xFF00) << 16
        )
        words[3 * group + 1] = np.uint32(
            (second & 0xFF) | (first >> 16 & 0xFF00) | (third & 0xFF) << 16 | (second & 0xFF000000)
        )
        words[3 * group + 2] = np.uint32(
            (second >> 16 & 0xFF)
            | (third >> 16 & 0xFF00)
            | (third & 0xFF0000)
            | (third & 0xFF00) << 16
        )
    for sample in range(count // 4 * 4, count):
        first_octet = octets[3 * sample]
        octets[3 * sample] = octets[3 * sample + 2]
        octets[3 * sample + 2] = first_octet
    return 0


_OF_16 = Kernel("swap_16", ("i64", "uint16*", "i64"), _swap_16)
_OF_32 = Kernel("swap_32", ("i64", "uint32*", "i64"), _swap_32)
_OF_24 = Kernel("swap_24", ("i64", "uint8*", "uint32*", "i64"), _swap_24)

KERNELS = (_OF_16, _OF_24, _OF_32)


def swap_bytes(octets: NDArray[np.uint8], sample_bytes: int) -> None:
    """Turn each sample of 2, 3, 4 or 8 bytes round: from big-endian to little, and back.

    Args:
        octets: uint8 (samples * sample_bytes,), C-contiguous; updated in place.
    """
    count = len(octets) // sample_bytes
    if sample_bytes == 2:
        _OF_16(octets.view(np.uint16), count)
    elif sample_bytes == 4:
        _OF_32(octets.view(np.uint32), count)
    elif sample_bytes == 3:
        _OF_24(octets, octets[: count // 4 * 12].view(np.uint32), count)
    else:
        octets.view(np.uint64).byteswap(inplace=True)
