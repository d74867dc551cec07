"""The energy of K-weighted channels against the difference equations, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support import level_twins
from waveflow.domain.k_weighting import KWeighting
from waveflow.domain.kernels.loudness import HISTORY, LANES, ROWS

FILTERS = np.array(
    [
        [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            -1.69065929318241,
            0.73248077421585,
        ],
        [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)
"""Those of BS.1770 for 48 kHz."""


def planes_of(signal: NDArray[np.float64]) -> NDArray[np.float32]:
    """With the room that the kernel reads before and after."""
    return np.pad(signal.astype(np.float32).T, ((0, 0), (HISTORY, LANES)))


def noise(frames: int, channels: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.1, 0.2, (frames, channels)).astype(np.float32).astype(np.float64)


def measured(
    signal: NDArray[np.float64], weights: list[float], bounds: list[int]
) -> NDArray[np.float64]:
    weighting = KWeighting(FILTERS, np.array(weights))
    return weighting.energies(planes_of(signal), np.array(bounds) + HISTORY)


def decibels_apart(one: NDArray[np.float64], other: list[float]) -> float:
    return float(np.abs(10.0 * np.log10(one / np.array(other))).max())


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    channels=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_it_is_what_the_filters_leave(lengths: list[int], channels: int, seed: int) -> None:
    bounds = [0, *np.cumsum(lengths).tolist()]
    signal = noise(bounds[-1], channels, seed)
    weights = [1.0, 1.41, 0.5][:channels]
    expected = level_twins.hop_energies(signal, FILTERS.tolist(), weights, bounds)
    assert decibels_apart(measured(signal, weights, bounds), expected) < 1e-9


@pytest.mark.parametrize(
    "frames", [1, LANES - 1, LANES, LANES + 1, LANES * ROWS, LANES * ROWS + 1, 2 * LANES * ROWS + 7]
)
def test_any_length_of_a_hop_is_cut_into_pieces(frames: int) -> None:
    signal = noise(2 * frames, 1, seed=frames)
    bounds = [0, frames, 2 * frames]
    expected = level_twins.hop_energies(signal, FILTERS.tolist(), [1.0], bounds)
    assert decibels_apart(measured(signal, [1.0], bounds), expected) < 1e-9


def test_the_filters_go_on_from_one_call_to_the_next() -> None:
    signal = noise(900, 2, seed=5)
    whole = measured(signal, [1.0, 1.0], [0, 300, 600, 900])
    weighting = KWeighting(FILTERS, np.ones(2))
    planes = planes_of(signal)
    first = weighting.energies(planes, np.array([HISTORY, HISTORY + 300]))
    rest = weighting.energies(planes, np.array([300, 600, 900]) + HISTORY)
    assert np.array_equal(np.concatenate([first, rest]), whole)


def test_a_channel_that_does_not_count_changes_nothing() -> None:
    signal = noise(500, 2, seed=6)
    alone = measured(signal[:, :1], [1.0], [0, 500])
    assert np.array_equal(measured(signal, [1.0, 0.0], [0, 500]), alone)


def test_no_hop_has_no_energy() -> None:
    assert measured(noise(10, 1, seed=7), [1.0], [0]).size == 0


def test_what_comes_after_the_last_hop_makes_no_difference() -> None:
    signal = noise(400, 1, seed=8)
    louder = signal.copy()
    louder[333:] = 1e6
    assert measured(signal, [1.0], [0, 333]) == measured(louder, [1.0], [0, 333])


def test_a_sound_fades_to_silence_before_it_slows_a_processor_down() -> None:
    signal = np.zeros((48_000, 1))
    signal[:100] = 1.0
    energies = measured(signal, [1.0], list(range(0, 48_001, 4800)))
    assert energies[0] > 1.0
    assert (np.diff(energies[:5]) < 0).all()
    assert energies[-1] == 0.0
