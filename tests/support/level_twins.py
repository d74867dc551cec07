"""Slow, obvious twins of the levels: the recommendations restated sample by sample.

They share no code with the product. Signals are float64 (frames, channels), 1.0 is full scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.support.twins import Signal

Filters = Sequence[Sequence[float]]


def filtered(samples: Sequence[float], filters: Filters) -> list[float]:
    """One filter after the other, each b0, b1, b2, a1, a2, as its difference equation says."""
    result = [float(sample) for sample in samples]
    for b0, b1, b2, a1, a2 in filters:
        source, result = [0.0, 0.0, *result], [0.0, 0.0]
        for n in range(2, len(source)):
            driven = b0 * source[n] + b1 * source[n - 1] + b2 * source[n - 2]
            result.append(driven - a1 * result[n - 1] - a2 * result[n - 2])
        result = result[2:]
    return result


def hop_energies(
    signal: Signal, filters: Filters, weights: Sequence[float], bounds: Sequence[int]
) -> list[float]:
    """The weighted energy of the filtered channels from each bound to the next."""
    energies = [0.0] * (len(bounds) - 1)
    for channel, weight in enumerate(weights):
        after = filtered(signal[:, channel].tolist(), filters)
        for hop in range(len(energies)):
            piece = after[bounds[hop] : bounds[hop + 1]]
            energies[hop] += weight * math.fsum(value * value for value in piece)
    return energies


def lufs(mean_square: float) -> float:
    """Loudness of a K-weighted mean square."""
    return -0.691 + 10.0 * math.log10(mean_square)


def blocks(energies: Sequence[float], rate_hz: int, hops: int) -> list[float]:
    """Mean squares of all blocks of so many hops; hop i begins with frame ⌊i·rate/10⌋."""
    squares = []
    for first in range(len(energies) - hops + 1):
        frames = (first + hops) * rate_hz // 10 - first * rate_hz // 10
        squares.append(math.fsum(energies[first : first + hops]) / frames)
    return squares


def gated(squares: Sequence[float], relative_lu: float) -> list[float]:
    """What is above -70 LUFS, and above the loudness of that by more than `relative_lu`."""
    audible = [square for square in squares if square > 0.0 and lufs(square) > -70.0]
    if not audible:
        return []
    gate = lufs(math.fsum(audible) / len(audible)) + relative_lu
    return [square for square in audible if lufs(square) > gate]


def integrated_lufs(energies: Sequence[float], rate_hz: int) -> float | None:
    """BS.1770-4: blocks of 400 ms, a relative gate of -10 LU."""
    left = gated(blocks(energies, rate_hz, 4), -10.0)
    return lufs(math.fsum(left) / len(left)) if left else None


def loudness_range_lu(energies: Sequence[float], rate_hz: int) -> float | None:
    """Tech 3342: windows of 3 s, a relative gate of -20 LU, from the 10th to the 95th percent."""
    left = sorted(gated(blocks(energies, rate_hz, 30), -20.0))
    if not left:
        return None
    low, high = (left[math.floor((len(left) - 1) * p / 100 + 0.5)] for p in (10, 95))
    return lufs(high) - lufs(low)


def between(samples: Sequence[float], filters: NDArray[np.float64]) -> float:
    """The largest interpolated value of a channel that silence surrounds."""
    taps = filters.shape[1]
    padded = np.array([0.0] * (taps - 1) + list(samples) + [0.0] * (taps // 2))
    surroundings = np.lib.stride_tricks.sliding_window_view(padded, taps)
    return max(float(np.abs(surroundings @ factors).max()) for factors in filters)


def sound(signal: Signal, threshold: float) -> tuple[int, int]:
    """First frame in which a channel reaches the threshold, and the one after the last; 0, 0."""
    loud = [n for n, frame in enumerate(signal) if max(abs(frame)) >= threshold]
    return (loud[0], loud[-1] + 1) if loud else (0, 0)
