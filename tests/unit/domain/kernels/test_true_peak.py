"""Values between samples against sums that are written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support import level_twins
from waveflow.domain.kernels.true_peak import TAPS, raise_true_peaks
from waveflow.domain.true_peak import interpolators


def searched(signal: NDArray[np.float32], cuts: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """True peaks of (frames, channels), looked for in parts that end at `cuts`."""
    planes = np.pad(signal.T, ((0, 0), (TAPS - 1, TAPS // 2)))
    peaks = np.zeros(len(planes))
    columns = [TAPS - 1, *(TAPS - 1 + cut for cut in sorted(cuts)), planes.shape[1]]
    for start, stop in itertools.pairwise(columns):
        raise_true_peaks(planes, start, stop, interpolators(), peaks)
    return peaks


def noise(frames: int, channels: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    loudness = rng.uniform(0.01, 1.0, channels) * 10.0 ** rng.uniform(-3, 0, (frames, 1))
    return (rng.uniform(-1, 1, (frames, channels)) * loudness).astype(np.float32)


@given(frames=st.integers(1, 700), channels=st.integers(1, 2), seed=st.integers(0, 500))
def test_the_largest_value_between_samples_is_found(frames: int, channels: int, seed: int) -> None:
    signal = noise(frames, channels, seed)
    found = searched(signal)
    for channel in range(channels):
        expected = level_twins.between(signal[:, channel].tolist(), interpolators())
        assert found[channel] == pytest.approx(expected, rel=2e-6)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 50))
def test_where_the_signal_is_cut_makes_no_difference(cuts: list[int], seed: int) -> None:
    signal = noise(400, 1, seed)
    assert np.array_equal(searched(signal, tuple(cuts)), searched(signal))


def test_a_quiet_stretch_after_a_loud_one_is_passed_over() -> None:
    signal = np.zeros((2000, 1), np.float32)
    signal[100] = 1.0
    signal[1000:] = 0.1
    loud = searched(signal[:500])
    assert 0.6 < loud[0] < 1.0
    assert np.array_equal(searched(signal), loud)


def test_the_largest_samples_that_there_are_do_not_become_infinite() -> None:
    limit = float(np.finfo(np.float32).max)
    signal = np.full((64, 1), limit, np.float32)
    signal[1::2] = -limit
    signal[32:] *= -1
    assert limit < searched(signal)[0] < 3 * limit
