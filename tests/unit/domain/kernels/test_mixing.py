"""The mixing kernels against their slow twins, compiled and not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from waveflow.domain.kernels.mixing import add_mono, divide, quantise

ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "int16": hnp.from_dtype(np.dtype(np.int16)),
    "int32": hnp.from_dtype(np.dtype(np.int32)),
    "float32": st.floats(-(2.0**120), 2.0**120, width=32),
    "float64": st.floats(-1e300, 1e300),
}
PACKED = hnp.arrays("uint8", st.tuples(st.integers(0, 30), st.just(2), st.just(3)))
SIGNALS = hnp.arrays("float64", st.integers(0, 40), elements=st.floats(-1e30, 1e30))


@st.composite
def blocks(draw: st.DrawFn) -> NDArray[Any]:
    dtype = draw(st.sampled_from(sorted(ELEMENTS)))
    shape = (draw(st.integers(0, 30)), draw(st.integers(1, 20)))
    block = draw(hnp.arrays(dtype, shape, elements=ELEMENTS[dtype]))
    return np.asfortranarray(block) if draw(st.booleans()) else block


def added(block: NDArray[Any], total: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """`total` after the mean of the block's channels was added, and whether all was finite."""
    after = total.copy()
    scale = 1.0 / (block.shape[1] * twins.full_scale(block))
    with np.errstate(invalid="ignore", over="ignore"):
        finite = bool(add_mono(block, scale, after))
    return after, finite


def divided(total: list[float], count: int) -> tuple[list[float], float]:
    mixed = np.full(len(total), 9.0, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = divide(np.array(total, np.float64), count, mixed)
    return mixed.tolist(), float(largest)


def quantised(samples: NDArray[Any] | list[float], gain: float = 1.0) -> list[int]:
    mixed = np.array(samples, np.float32)
    pcm = np.full(len(mixed), 7, np.int16)
    quantise(mixed, gain, pcm)
    return pcm.tolist()


class TestAddMono:
    @given(block=blocks() | PACKED, longer_by=st.integers(0, 3), before=st.floats(-1.0, 1.0))
    def test_the_mean_of_the_channels_is_added(
        self, block: NDArray[Any], longer_by: int, before: float
    ) -> None:
        total = np.full(len(block) + longer_by, before)
        after, finite = added(block, total)
        scale = 1.0 / (block.shape[1] * twins.full_scale(block))
        loudest = np.abs(block.astype(np.float64)).max(initial=0.0) / twins.full_scale(block)
        tolerance = 1e-12
        assert finite
        np.testing.assert_allclose(
            after,
            twins.add_mono(block, scale, total),
            rtol=tolerance,
            atol=(loudest + abs(before)) * tolerance,
        )

    @pytest.mark.parametrize("channels", range(1, 9))
    @pytest.mark.parametrize(
        ("dtype", "sample", "amplitude"),
        [
            ("int16", -(2**15), -1.0),
            ("int16", 2**15 - 1, 1.0 - 2**-15),
            ("int32", -(2**31), -1.0),
            ("int32", 2**31 - 1, 1.0 - 2**-31),
            ("float32", 1.0, 1.0),
            ("float64", -1.0, -1.0),
            ("float64", 1e-310, 1e-310),
        ],
    )
    def test_the_extremes_of_a_type_dont_overflow(
        self, dtype: str, sample: float, amplitude: float, channels: int
    ) -> None:
        after, finite = added(np.full((2, channels), sample, dtype), np.zeros(3))
        assert finite
        np.testing.assert_allclose(after, [amplitude, amplitude, 0.0], rtol=1e-12)

    @pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
    def test_opposite_channels_cancel(self, dtype: str) -> None:
        left = np.array([[7], [-9]], dtype)
        after, _ = added(np.hstack([left, -left]), np.array([0.5, 0.25]))
        assert after.tolist() == [0.5, 0.25]

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("channels", range(1, 9))
    def test_nan_and_infinity_are_seen_at_every_position(
        self, value: float, dtype: str, channels: int
    ) -> None:
        for position in range(4 * channels):
            block = np.full((4, channels), 0.25, dtype)
            block.flat[position] = value
            assert not added(block, np.zeros(4))[1]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("channels", [2, 3, 8])
    def test_infinity_minus_infinity_is_seen(self, dtype: str, channels: int) -> None:
        block = np.zeros((4, channels), dtype)
        block[3, 0], block[3, -1] = np.inf, -np.inf
        assert not added(block, np.zeros(4))[1]

    def test_no_frames_add_nothing(self) -> None:
        after, finite = added(np.empty((0, 2), np.int16), np.array([0.5]))
        assert finite
        assert after.tolist() == [0.5]


class TestDivide:
    @given(total=SIGNALS, count=st.integers(1, 300))
    def test_each_value_is_divided_and_the_largest_found(
        self, total: NDArray[np.float64], count: int
    ) -> None:
        expected, expected_largest = twins.divide(total, count)
        mixed, largest = divided(total.tolist(), count)
        assert largest == expected_largest
        assert mixed == expected.astype(np.float32).tolist()

    @pytest.mark.parametrize(
        ("total", "count", "mixed", "largest"),
        [
            ([], 3, [], 0.0),
            ([0.0], 3, [0.0], 0.0),
            ([-3.0, 1.5], 3, [-1.0, 0.5], 1.0),
            ([5e-324], 1, [0.0], 5e-324),
            ([2.0**-149], 1, [2.0**-149], 2.0**-149),
        ],
    )
    def test_it_divides_literal_input(
        self, total: list[float], count: int, mixed: list[float], largest: float
    ) -> None:
        assert divided(total, count) == (mixed, largest)

    def test_the_largest_value_is_not_rounded_to_float32(self) -> None:
        assert divided([0.95 + 1e-12], 1)[1] == 0.95 + 1e-12

    def test_a_value_too_large_for_float32_shows_in_the_largest(self) -> None:
        assert divided([1e300, -0.5], 2)[1] == 5e299


class TestQuantise:
    @given(
        samples=hnp.arrays("float32", st.integers(0, 40), elements=st.floats(-2, 2, width=32)),
        gain=st.floats(0.001, 1.0),
    )
    def test_it_rounds_as_the_twin_does(self, samples: NDArray[Any], gain: float) -> None:
        assert quantised(samples, gain) == twins.quantise(samples, gain)

    @pytest.mark.parametrize(
        ("sample", "gain", "expected"),
        [
            (0.0, 1.0, 0),
            (1.0, 1.0, 32_767),
            (-1.0, 1.0, -32_767),
            (0.5, 1.0, 16_384),  # 16383.5: half to even
            (-0.5, 1.0, -16_384),
            (0.5, 3 / 32_767, 2),  # 1.5
            (0.5, 5 / 32_767, 2),  # 2.5
            (-0.5, 5 / 32_767, -2),
            (0.5, 1 / 32_767, 0),
            (0.95, 1.0, 31_129),
            (1.9, 0.5, 31_129),
            (1.5, 1.0, 32_767),
            (-1.5, 1.0, -32_768),
            (2.0**-149, 1.0, 0),
            (3e38, 0.95 / 3e38, 31_129),
        ],
    )
    def test_it_rounds_half_to_even_and_clips(
        self, sample: float, gain: float, expected: int
    ) -> None:
        assert quantised([sample], gain) == [expected]
