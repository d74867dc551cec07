"""K-weighting by ITU-R BS.1770-4: what the head and the ear do to a sound, as two filters.

They follow the analogue prototype behind the recommendation's table for 48 kHz, so that every rate
has the same response; at 48 kHz they are the table's.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain.kernels.loudness import HISTORY, ROWS, SCRATCH_SIZES, STATE, weigh

_LINE = 8
"""Numbers in a line of the cache, and in the largest registers."""


@frozen
class _Prototype:
    """(high s² + band w/Q s + low w²) / (s² + w/Q s + w²), where w is 2π `frequency_hz`."""

    frequency_hz: float
    q: float
    high: float
    band: float
    low: float

    def digital(self, sample_rate_hz: int) -> tuple[float, float, float, float, float]:
        """b0, b1, b2, a1, a2 of the bilinear transform that keeps `frequency_hz` in its place."""
        k = float(np.tan(np.pi * self.frequency_hz / sample_rate_hz))
        high, band, low = self.high, self.band * k / self.q, self.low * k * k
        a0 = 1.0 + k / self.q + k * k
        return (
            (high + band + low) / a0,
            2.0 * (low - high) / a0,
            (high - band + low) / a0,
            2.0 * (k * k - 1.0) / a0,
            (1.0 - k / self.q + k * k) / a0,
        )


_HEAD = _Prototype(
    frequency_hz=1681.974450955533,
    q=0.7071752369554196,
    high=1.584864701130855,
    band=1.258720930232562,
    low=1.0,
)
"""A shelf of +4 dB: the head before the ear. Constants: BS.1770's table, transformed back."""

_LOW_CUT = _Prototype(
    frequency_hz=38.13547087602444, q=0.5003270373238773, high=1.0049948987146884, band=0.0, low=0.0
)
"""Less bass. At 48 kHz the table has a numerator of 1, -2, 1, which is this factor."""


def k_weighting(sample_rate_hz: int) -> NDArray[np.float64]:
    """Both filters, float64 (2, 5): b0, b1, b2, a1, a2 each, where a0 is 1.

    Half the rate must be above the shelf's 1.7 kHz, as it is of all files that are accepted.
    """
    filters = (_HEAD, _LOW_CUT)
    return np.array([each.digital(sample_rate_hz) for each in filters])


class KWeighting:
    """The energy of a signal after two filters, with their state between calls."""

    def __init__(self, filters: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
        """Begin after silence.

        Args:
            filters: float64 (2, 5), as of `k_weighting`.
            weights: float64 (channels,): what a channel counts for. Those of 0 aren't filtered.
        """
        self._filters = filters
        self._weights = weights
        self._responses = _responses(filters)
        self._states = np.zeros((len(weights), STATE))
        self._scratch = [_aligned(size) for size in SCRATCH_SIZES]

    def energies(
        self, planes: NDArray[np.float32], bounds: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """As `weigh`, of hops that follow on those of the call before."""
        return weigh(
            planes,
            bounds,
            self._weights,
            self._filters,
            self._responses,
            self._states,
            self._scratch,
        )


def _responses(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each number of a state adds to the outputs after it, as `weigh` takes it."""
    (_, _, _, a1, a2), (b0, b1, b2, c1, c2) = filters
    head = np.zeros((HISTORY + ROWS, STATE))
    whole = np.zeros((HISTORY + ROWS, STATE))
    head[1, 0] = head[0, 1] = whole[1, 2] = whole[0, 3] = 1.0
    for row in range(HISTORY, HISTORY + ROWS):
        head[row] = -a1 * head[row - 1] - a2 * head[row - 2]
        driven = b0 * head[row] + b1 * head[row - 1] + b2 * head[row - 2]
        whole[row] = driven - c1 * whole[row - 1] - c2 * whole[row - 2]
    return np.array([head, whole])


def _aligned(size: int) -> NDArray[np.float64]:
    """Room that begins with a line of the cache: else each register would come from two."""
    room = np.empty(size + _LINE)
    first = -room.ctypes.data % (8 * _LINE) // 8
    return room[first : first + size]
