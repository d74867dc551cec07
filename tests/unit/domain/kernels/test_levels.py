"""Figures of samples as they are, against Python's own arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from waveflow.domain.kernels.levels import (
    PEAK,
    SQUARES,
    SUM,
    after_last_sound,
    first_sound,
    survey,
)

PLANES = hnp.arrays(
    "float32",
    st.tuples(st.integers(1, 3), st.integers(1, 100)),
    elements=st.sampled_from([0.0, 0.25, -0.5, 1.0, -1.0, 1.5, -3.0, 1e-4, 0.999]),
)


def surveyed(
    planes: NDArray[np.float32], start: int, stop: int, highest: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64], bool]:
    figures = np.zeros((len(planes), 3))
    clipped = np.zeros(len(planes), np.int64)
    finite = survey(planes, start, stop, highest, figures, clipped)
    return figures, clipped, finite


@given(PLANES, st.data())
def test_figures_are_of_the_columns_that_are_named(
    planes: NDArray[np.float32], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, planes.shape[1]))
    stop = data.draw(st.integers(start, planes.shape[1]))
    figures, clipped, finite = surveyed(planes, start, stop, highest=0.999)
    assert finite
    for channel, all_samples in enumerate(planes.astype(np.float64).tolist()):
        samples = all_samples[start:stop]
        assert figures[channel, SUM] == pytest.approx(math.fsum(samples))
        assert figures[channel, SQUARES] == pytest.approx(math.fsum(x * x for x in samples))
        assert figures[channel, PEAK] == max((abs(x) for x in samples), default=0.0)
        highest = float(np.float32(0.999))
        assert clipped[channel] == sum(x >= highest or x <= -1.0 for x in samples)


@given(PLANES, st.data())
def test_sound_begins_and_ends_where_any_channel_reaches_the_threshold(
    planes: NDArray[np.float32], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, planes.shape[1]))
    stop = data.draw(st.integers(start, planes.shape[1]))
    loud = [at for at in range(start, stop) if np.abs(planes[:, at]).max() >= 0.5]
    assert first_sound(planes, start, stop, 0.5) == (loud[0] if loud else stop)
    assert after_last_sound(planes, start, stop, 0.5) == (loud[-1] + 1 if loud else start)


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 50, 99])
def test_what_is_no_number_is_told(strange: float, at: int) -> None:
    planes = np.zeros((2, 100), np.float32)
    planes[1, at] = strange
    assert not surveyed(planes, 0, 100)[2]


def test_figures_are_added_to_what_there_was() -> None:
    planes = np.full((1, 40), 0.5, np.float32)
    figures, clipped = np.array([[1.0, 2.0, 0.75]]), np.array([3])
    assert survey(planes, 0, 40, 0.5, figures, clipped)
    assert figures.tolist() == [[21.0, 12.0, 0.75]]
    assert clipped.tolist() == [43]
