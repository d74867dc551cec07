"""Loudness by ITU-R BS.1770-4 and loudness range by EBU Tech 3342, from energies per 100 ms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.k_weighting import KWeighting, k_weighting
from waveflow.domain.kernels.loudness import HISTORY, LANES

HOPS_PER_SECOND = 10
"""Gating blocks of 400 ms overlap by three quarters: they begin every 100 ms."""

_FIRST_HOPS = 3000
"""Five minutes, before more room is made."""

_BLOCK_HOPS = 4
_SHORT_TERM_HOPS = 30
_OFFSET_LUFS = -0.691
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0
_RANGE_PERCENT = (10, 95)
_SURROUND = 1.41

_WEIGHTS: Mapping[int, tuple[float, ...]] = MappingProxyType(
    {
        4: (1.0, 1.0, _SURROUND, _SURROUND),  # L R Ls Rs
        5: (1.0, 1.0, 1.0, _SURROUND, _SURROUND),  # L R C Ls Rs
        6: (1.0, 1.0, 1.0, 0.0, _SURROUND, _SURROUND),  # L R C LFE Ls Rs
        7: (1.0, 1.0, 1.0, 0.0, 1.0, _SURROUND, _SURROUND),  # L R C LFE Cs Lss Rss
        8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, _SURROUND, _SURROUND),  # L R C LFE Lrs Rrs Lss Rss
    }
)
"""In the order of WAV files. 1.41 is for what stands 60° to 120° to the side, at the height of the
ears (annex 3): in 5.x both surrounds (±110°), and so in quadraphony; in 6.1 and 7.1 the side ones
(±90°), but not the rear ones (±135°, 180°)."""


def channel_weights(channels: int) -> NDArray[np.float64]:
    """What each channel counts for, float64 (channels,): 1 where no order is known."""
    return np.array(_WEIGHTS.get(channels, (1.0,) * channels))


class LoudnessMeter:
    """Collects the energy of each hop: some 8 bytes per 100 ms."""

    LOOKS_BACK = HISTORY
    """Columns that `add` reads before the first."""

    LOOKS_AHEAD = LANES
    """Columns that `add` reads after the last."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        """Nothing was heard yet."""
        self._rate_hz = sample_rate_hz
        self._weighting = KWeighting(k_weighting(sample_rate_hz), channel_weights(channels))
        self._energies = np.empty(_FIRST_HOPS)
        self._hops = 0

    def add(self, planes: NDArray[np.float32], bounds: NDArray[np.int64]) -> None:
        """Take the next hops, as `KWeighting.energies`."""
        energies = self._weighting.energies(planes, bounds)
        after = self._hops + len(energies)
        if after > len(self._energies):
            room = np.empty(after + after // 4)
            room[: self._hops] = self.energies
            self._energies = room
        self._energies[self._hops : after] = energies
        self._hops = after

    @property
    def energies(self) -> NDArray[np.float64]:
        """Of all hops so far, float64 (hops,)."""
        return self._energies[: self._hops]

    def integrated_lufs(self) -> float | None:
        """Of all hops so far."""
        return integrated_lufs(self.energies, self._rate_hz)

    def loudness_range_lu(self) -> float | None:
        """Of all hops so far."""
        return loudness_range_lu(self.energies, self._rate_hz)


def hop_bounds(first_hop: int, hops: int, sample_rate_hz: int) -> NDArray[np.int64]:
    """Where hops begin, and the last one ends, int64 (hops + 1,): frames ⌊i · rate / 10⌋.

    They drift from no clock: where 10 doesn't divide the rate, some are a frame longer.
    """
    numbers = np.arange(first_hop, first_hop + hops + 1)
    bounds: NDArray[np.int64] = numbers * sample_rate_hz // HOPS_PER_SECOND
    return bounds


def integrated_lufs(energies: NDArray[np.float64], sample_rate_hz: int) -> float | None:
    """Gated loudness of a programme, BS.1770-4 annex 1; None if nothing is above -70 LUFS.

    Args:
        energies: float64 (hops,), K-weighted and summed over the channels.
    """
    above = _above(_mean_squares(energies, _BLOCK_HOPS, sample_rate_hz), _ABSOLUTE_GATE_LUFS)
    if not len(above):
        return None
    gated = _above(above, _lufs(above.mean()) + _RELATIVE_GATE_LU)
    return _lufs(gated.mean())


def loudness_range_lu(energies: NDArray[np.float64], sample_rate_hz: int) -> float | None:
    """How much the loudness of 3 s varies, EBU Tech 3342; None if nothing is above -70 LUFS.

    Args:
        energies: as of `integrated_lufs`.
    """
    above = _above(_mean_squares(energies, _SHORT_TERM_HOPS, sample_rate_hz), _ABSOLUTE_GATE_LUFS)
    if not len(above):
        return None
    gated = np.sort(_above(above, _lufs(above.mean()) + _RANGE_GATE_LU))
    low, high = (gated[_rank(len(gated), percent)] for percent in _RANGE_PERCENT)
    return _lufs(high) - _lufs(low)


def _mean_squares(
    energies: NDArray[np.float64], hops: int, sample_rate_hz: int
) -> NDArray[np.float64]:
    """Of each block of so many hops; none if there are fewer. Each is summed up by itself:
    differences of running sums would leave of quiet blocks what loud ones were rounded by."""
    if len(energies) < hops:
        return np.empty(0)
    bounds = hop_bounds(0, len(energies), sample_rate_hz)
    frames = bounds[hops:] - bounds[:-hops]
    sums = np.lib.stride_tricks.sliding_window_view(energies, hops).sum(axis=1)
    mean_squares: NDArray[np.float64] = sums / frames
    return mean_squares


def _above(mean_squares: NDArray[np.float64], gate_lufs: float) -> NDArray[np.float64]:
    gate = 10.0 ** ((gate_lufs - _OFFSET_LUFS) / 10.0)
    above: NDArray[np.float64] = mean_squares[mean_squares > gate]
    return above


def _lufs(mean_square: float) -> float:
    return _OFFSET_LUFS + 10.0 * float(np.log10(mean_square))


def _rank(count: int, percent: int) -> int:
    """The index that stands for a percentile of sorted values: the nearest, halves upwards."""
    return ((count - 1) * percent + 50) // 100
