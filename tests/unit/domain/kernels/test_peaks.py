"""The kernel of peaks and pixels against its slow twins, compiled and not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from waveflow.domain.kernels.peaks import accumulate_peaks
from waveflow.domain.pixels import Pixels, empty_bounds

SAMPLE_TYPES = ["int16", "int32", "float32", "float64"]
ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "int16": hnp.from_dtype(np.dtype(np.int16)),
    "int32": hnp.from_dtype(np.dtype(np.int32)),
    "float32": st.floats(-(2.0**120), 2.0**120, width=32),
    "float64": st.floats(-1e300, 1e300),
}
PACKED = hnp.arrays("uint8", st.tuples(st.integers(0, 30), st.just(2), st.just(3)))


@st.composite
def blocks(draw: st.DrawFn, min_frames: int = 0) -> NDArray[Any]:
    dtype = draw(st.sampled_from(SAMPLE_TYPES))
    shape = (draw(st.integers(min_frames, 40)), draw(st.integers(1, 20)))
    block = draw(hnp.arrays(dtype, shape, elements=ELEMENTS[dtype]))
    return np.asfortranarray(block) if draw(st.booleans()) else block


def run(
    block: NDArray[Any], num_peaks: int, cuts: tuple[int, ...] = (), total: int | None = None
) -> tuple[NDArray[np.float64], bool]:
    """Peaks of `block`, handed over in parts that end at `cuts`, and whether all was finite."""
    peaks, _, finite = run_both(block, num_peaks, 7, cuts, total)
    return peaks, finite


def run_both(
    block: NDArray[Any],
    num_peaks: int,
    samples_per_pixel: int,
    cuts: tuple[int, ...] = (),
    total: int | None = None,
) -> tuple[NDArray[np.float64], Pixels, bool]:
    """Peaks and pixels of `block`, likewise."""
    peaks = np.zeros(num_peaks)
    low, high = empty_bounds(-(-len(block) // samples_per_pixel))
    total_frames = len(block) if total is None else total
    scale = 1.0 / (block.shape[1] * twins.full_scale(block))
    finite = True
    edges = [0, *sorted(cuts), len(block)]
    with np.errstate(invalid="ignore", over="ignore"):
        for start, stop in itertools.pairwise(edges):
            part = block[start:stop]
            grid = (samples_per_pixel, low, high)
            finite &= accumulate_peaks(part, start, total_frames, scale, peaks, *grid)
    return peaks, Pixels(low, high, samples_per_pixel), finite


def accumulate(
    block: NDArray[Any], first_frame: int, total_frames: int, peaks: NDArray[np.float64]
) -> bool:
    """Peaks alone, at a scale of 1: all frames are in one pixel."""
    return accumulate_peaks(
        block, first_frame, total_frames, 1.0, peaks, max(1, total_frames), *empty_bounds(1)
    )


def expected(block: NDArray[Any], num_peaks: int) -> NDArray[np.float64]:
    return twins.peaks(twins.mono(block), num_peaks)


@given(block=blocks() | PACKED, num_peaks=st.integers(1, 60))
def test_peaks_equal_those_of_the_twin(block: NDArray[Any], num_peaks: int) -> None:
    peaks, finite = run(block, num_peaks)
    assert finite
    np.testing.assert_allclose(
        peaks,
        expected(block, num_peaks),
        rtol=1e-12,
        atol=1e-320,
    )


@given(block=blocks() | PACKED, num_peaks=st.integers(1, 60), width=st.integers(1, 50))
def test_pixels_equal_those_of_the_twin(block: NDArray[Any], num_peaks: int, width: int) -> None:
    _, pixels, finite = run_both(block, num_peaks, width)
    low, high = twins.pixels(twins.mono(block), width)
    assert finite
    np.testing.assert_allclose(pixels.low, low, rtol=1e-12, atol=1e-320)
    np.testing.assert_allclose(pixels.high, high, rtol=1e-12, atol=1e-320)


@given(
    block=blocks() | PACKED,
    num_peaks=st.integers(1, 60),
    width=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_the_same_comes_out_wherever_the_blocks_are_cut(
    block: NDArray[Any], num_peaks: int, width: int, cuts: list[int]
) -> None:
    within = tuple(min(cut, len(block)) for cut in cuts)
    peaks, pixels, _ = run_both(block, num_peaks, width, within)
    whole_peaks, whole_pixels, _ = run_both(block, num_peaks, width)
    assert peaks.tolist() == whole_peaks.tolist()
    assert pixels == whole_pixels


@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
@pytest.mark.parametrize("channels", [1, 2, 8, 9])
def test_a_pixel_below_zero_throughout_has_a_high_below_zero(dtype: str, channels: int) -> None:
    block = np.full((5, channels), -1, dtype) * np.array([[3], [2], [4], [9], [7]], dtype)
    _, pixels, _ = run_both(block, 2, 3)
    unit = 1.0 / twins.full_scale(block)
    assert (pixels.low / unit).tolist() == [-4.0, -9.0]
    assert (pixels.high / unit).tolist() == [-2.0, -7.0]
    _, upside_down, _ = run_both(-block, 2, 3)
    assert (upside_down.low / unit).tolist() == [2.0, 7.0]
    assert (upside_down.high / unit).tolist() == [4.0, 9.0]


def test_pixels_and_buckets_have_boundaries_of_their_own() -> None:
    block = np.array([[0.1], [-0.2], [0.3], [-0.4], [0.5]])
    peaks, pixels, _ = run_both(block, 2, 3)
    assert peaks.tolist() == [0.2, 0.5]
    assert (pixels.low.tolist(), pixels.high.tolist()) == ([-0.2, -0.4], [0.3, 0.5])


@given(frames=st.integers(1, 200), num_peaks=st.integers(1, 400), data=st.data())
@example(frames=1, num_peaks=400, data=None)
@example(frames=200, num_peaks=200, data=None)
def test_a_click_shows_in_one_bucket_the_one_that_its_frame_belongs_to(
    frames: int, num_peaks: int, data: Any
) -> None:
    click = data.draw(st.integers(0, frames - 1)) if data else frames - 1
    block = np.zeros((frames, 1), np.int16)
    block[click] = 16_384
    bounds = twins.bucket_bounds(frames, num_peaks)
    home = [i for i, (start, stop) in enumerate(bounds) if start <= click < stop]
    peaks, _ = run(block, num_peaks)
    assert np.flatnonzero(peaks).tolist() == home
    assert peaks[home].tolist() == [0.5]


@pytest.mark.parametrize(
    ("samples", "num_peaks", "peaks"),
    [
        ([], 3, [0.0, 0.0, 0.0]),
        ([0.5], 1, [0.5]),
        ([0.5], 3, [0.0, 0.0, 0.5]),
        ([0.25, -0.5], 2, [0.25, 0.5]),
        ([0.25, -0.5], 5, [0.0, 0.0, 0.25, 0.0, 0.5]),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 2, [0.2, 0.5]),
        ([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7], 3, [0.2, 0.4, 0.7]),
        ([5e-324, 0.0, -5e-324], 3, [5e-324, 0.0, 5e-324]),
    ],
)
def test_buckets_begin_and_end_at_rounded_down_boundaries(
    samples: list[float], num_peaks: int, peaks: list[float]
) -> None:
    assert run(np.array(samples).reshape(-1, 1), num_peaks)[0].tolist() == peaks


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize(
    ("dtype", "sample", "peak"),
    [
        ("int16", -(2**15), 1.0),
        ("int16", 2**15 - 1, 1.0 - 2**-15),
        ("int32", -(2**31), 1.0),
        ("int32", 2**31 - 1, 1.0 - 2**-31),
        ("float32", -1.0, 1.0),
        ("float64", 1.0, 1.0),
    ],
)
def test_the_extremes_of_a_type_dont_overflow(
    dtype: str, sample: float, peak: float, channels: int
) -> None:
    block = np.full((3, channels), sample, dtype)
    peaks, finite = run(block, 2)
    assert finite
    np.testing.assert_allclose(peaks, [peak, peak], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("channels", [2, 4, 8])
def test_opposite_channels_are_silence(dtype: str, channels: int) -> None:
    left = np.array([[7], [-9], [11]], dtype)
    block = np.hstack([left, -left] * (channels // 2))
    assert run(block, 3)[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", range(1, 9))
def test_nan_and_infinity_are_seen_at_every_position(
    value: float, dtype: str, channels: int
) -> None:
    for position in range(5 * channels):
        block = np.full((5, channels), 0.25, dtype)
        block.flat[position] = value
        for num_peaks in (1, 3, 20):
            assert not run(block, num_peaks)[1]
            assert not run(block, num_peaks, cuts=(2,))[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [2, 3, 8])
def test_infinity_minus_infinity_is_seen(dtype: str, channels: int) -> None:
    block = np.zeros((4, channels), dtype)
    block[2, 0], block[2, 1] = np.inf, -np.inf
    assert not run(block, 2)[1]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_ordinary_samples_are_finite(dtype: str) -> None:
    assert run(np.ones((9, 3), dtype), 4)[1]


@pytest.mark.parametrize("channels", [2, 8])
def test_float32_channels_are_added_without_overflow(channels: int) -> None:
    peaks, finite = run(np.full((1, channels), 3e38, np.float32), 1)
    assert finite
    assert peaks[0] == pytest.approx(3e38, rel=1e-6)


def test_frames_beyond_the_expected_length_are_left_out() -> None:
    block = np.array([[0.1], [0.2], [0.9]])
    assert run(block, 2, total=2)[0].tolist() == [0.1, 0.2]
    assert run(block, 2, cuts=(1, 2), total=2)[0].tolist() == [0.1, 0.2]
    assert run(block, 2, total=0)[0].tolist() == [0.0, 0.0]


def test_buckets_that_no_frame_has_reached_yet_are_left_alone() -> None:
    peaks = np.array([0.75, 0.0, 0.5])
    assert accumulate(np.array([[0.25], [0.5]]), 0, 6, peaks)
    assert peaks.tolist() == [0.75, 0.0, 0.5]
    assert accumulate(np.array([[0.25], [0.5]]), 2, 6, peaks)
    assert peaks.tolist() == [0.75, 0.5, 0.5]


@pytest.mark.parametrize("total_frames", [2**36, 2**45, 2**50])
def test_a_huge_length_is_laid_out_without_overflow(total_frames: int) -> None:
    peaks = np.zeros(4000)
    assert accumulate(np.ones((3, 1)), 0, total_frames, peaks)
    assert accumulate(np.ones((3, 1)), total_frames - 3, total_frames, peaks)
    assert np.flatnonzero(peaks).tolist() == [0, 3999]
