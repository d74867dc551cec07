"""Taking channels apart, for every way in which samples lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from tests.unit.domain.kernels.test_peaks import PACKED, blocks
from waveflow.domain.kernels.planes import take_apart

BEFORE, AFTER = 3, 2


def taken_apart(block: NDArray[Any]) -> NDArray[np.float32]:
    """The channels between columns that have to stay as they are."""
    planes = np.full((block.shape[1], BEFORE + len(block) + AFTER), 7.0, np.float32)
    with np.errstate(over="ignore"):
        take_apart(block, 1.0 / twins.full_scale(block), planes, BEFORE)
    assert (planes[:, :BEFORE] == 7.0).all()
    assert (planes[:, BEFORE + len(block) :] == 7.0).all()
    return planes[:, BEFORE : BEFORE + len(block)]


def expected(block: NDArray[Any]) -> NDArray[np.float32]:
    samples = twins.from_packed(block) if block.ndim == 3 else block.astype(np.float64)
    with np.errstate(over="ignore"):
        return (samples / twins.full_scale(block)).astype(np.float32).T


@given(blocks() | PACKED)
def test_each_channel_gets_its_samples_as_amplitudes(block: NDArray[Any]) -> None:
    assert np.array_equal(taken_apart(block), expected(block))


@given(
    hnp.arrays("float32", st.tuples(st.just(2), st.integers(1, 40)), elements=st.floats(width=32))
)
def test_channels_that_lie_apart_already_are_taken_as_they_are(planes: NDArray[Any]) -> None:
    assert np.array_equal(taken_apart(planes.T), planes, equal_nan=True)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 9, 32])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_any_number_of_channels_is_taken_apart(dtype: str, channels: int) -> None:
    rng = np.random.default_rng(channels)
    samples = (rng.uniform(-1, 1, (33, channels)) * (2**15 if dtype == "int16" else 1)).astype(
        dtype
    )
    assert np.array_equal(taken_apart(samples), expected(samples))


def test_part_of_an_array_is_taken_apart_without_the_rest() -> None:
    samples = np.arange(24, dtype=np.int16).reshape(12, 2)
    assert np.array_equal(taken_apart(samples[3:7]), expected(samples[3:7]))
