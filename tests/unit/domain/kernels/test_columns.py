"""The columns kernel against its slow twin, compiled and not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from waveflow.domain.kernels.columns import MOST_COLUMNS, MOST_FRAMES, accumulate_columns

ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "int16": hnp.from_dtype(np.dtype(np.int16)),
    "int32": hnp.from_dtype(np.dtype(np.int32)),
    "float32": st.floats(-(2.0**20), 2.0**20, width=32),
    "float64": st.floats(-1e30, 1e30),
}


@st.composite
def blocks(draw: st.DrawFn) -> NDArray[Any]:
    dtype = draw(st.sampled_from(list(ELEMENTS)))
    shape = (draw(st.integers(0, 40)), draw(st.integers(1, 5)))
    return draw(hnp.arrays(dtype, shape, elements=ELEMENTS[dtype]))


Result = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def run(
    block: NDArray[Any],
    channel: int,
    columns: int,
    cuts: tuple[int, ...] = (),
    total: int | None = None,
) -> Result:
    """Lowest, highest and squares, the block handed over in parts that end at `cuts`."""
    into = np.full(columns, np.inf), np.full(columns, -np.inf), np.zeros(columns)
    scale = 1.0 / twins.full_scale(block)
    frames = len(block) if total is None else total
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(block)]):
        accumulate_columns(block[start:stop], channel, start, frames, scale, into)
    return into


@given(block=blocks(), columns=st.integers(1, 60), data=st.data())
def test_columns_equal_those_of_the_twin(
    block: NDArray[Any], columns: int, data: st.DataObject
) -> None:
    channel = data.draw(st.integers(0, block.shape[1] - 1))
    cuts = tuple(data.draw(st.lists(st.integers(0, len(block)), max_size=5)))
    low, high, squares = run(block, channel, columns, cuts)
    signal = block[:, channel].astype(np.float64) / twins.full_scale(block)
    reached = np.isfinite(low)
    found = list(zip(low[reached], high[reached], squares[reached], strict=True))
    np.testing.assert_allclose(
        np.array(found).reshape(-1, 3),
        np.array(twins.extents(signal, columns)).reshape(-1, 3),
        rtol=1e-12,
        atol=1e-300,
    )


@pytest.mark.parametrize(
    ("samples", "columns", "low", "high", "squares"),
    [
        ([0.5], 1, [0.5], [0.5], [0.25]),
        ([0.25, -0.5], 2, [0.25, -0.5], [0.25, -0.5], [0.0625, 0.25]),
        ([0.5, -0.5, 1.0], 1, [-0.5], [1.0], [1.5]),
        ([0.5, -1.0, 0.0, 0.5], 2, [-1.0, 0.0], [0.5, 0.5], [1.25, 0.25]),
    ],
)
def test_a_column_reaches_from_its_lowest_to_its_highest_sample(
    samples: list[float], columns: int, low: list[float], high: list[float], squares: list[float]
) -> None:
    found = run(np.array(samples).reshape(-1, 1), 0, columns)
    assert [each.tolist() for each in found] == [low, high, squares]


def test_the_other_channels_are_left_alone() -> None:
    block = np.array([[1, 16_384, 3], [5, -8192, 7]], np.int16)
    low, high, squares = run(block, 1, 1)
    assert (low[0], high[0], squares[0]) == (-0.25, 0.5, 0.3125)


def test_the_extremes_of_a_type_dont_overflow() -> None:
    block = np.full((100_000, 1), -(2**31), np.int32)
    low, _, squares = run(block, 0, 1)
    assert (low[0], squares[0]) == (-1.0, 100_000.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("frame", [0, 1, 4])
def test_what_is_no_number_shows_in_the_squares(value: float, dtype: str, frame: int) -> None:
    block = np.full((5, 1), 0.25, dtype)
    block[frame] = value
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(run(block, 0, 1)[2]).all()
    assert not np.isfinite(run(block, 0, 3)[2]).all()


def test_frames_beyond_the_expected_length_are_left_out() -> None:
    block = np.array([[0.1], [0.2], [0.9]])
    assert run(block, 0, 2, total=2)[1].tolist() == [0.1, 0.2]
    assert run(block, 0, 2, total=0)[2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("total_frames", [2**36, MOST_FRAMES])
def test_a_huge_length_is_laid_out_without_overflow(total_frames: int) -> None:
    into = np.zeros(MOST_COLUMNS), np.zeros(MOST_COLUMNS), np.zeros(MOST_COLUMNS)
    for first in (0, total_frames - 3):
        accumulate_columns(np.ones((3, 1)), 0, first, total_frames, 1.0, into)
    assert np.flatnonzero(into[1]).tolist() == [0, MOST_COLUMNS - 1]
