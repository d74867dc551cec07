"""Pixels: how many there are, and what their bounds are as whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import twins
from tests.support.waveforms import pixels_of
from waveflow.domain.pixels import Pixels, quantised


@given(frames=st.integers(0, 2**50), most=st.integers(1, 4000))
def test_each_pixel_has_a_whole_number_of_frames_and_there_are_no_more_than_asked_for(
    frames: int, most: int
) -> None:
    pixels = Pixels.laid_out(frames, most)
    width = pixels.samples_per_pixel
    assert len(pixels) <= most
    assert (len(pixels) - 1) * width < frames <= len(pixels) * width or frames == 0
    # One frame less in each, and they would be too many.
    assert width == 1 or -(-frames // (width - 1)) > most


@pytest.mark.parametrize(
    ("frames", "most", "length", "width"),
    [(0, 4000, 0, 1), (1, 4000, 1, 1), (4000, 4000, 4000, 1), (4001, 4000, 2001, 2), (9, 2, 2, 5)],
)
def test_so_many_frames_make_so_many_pixels(
    frames: int, most: int, length: int, width: int
) -> None:
    pixels = Pixels.laid_out(frames, most)
    assert (len(pixels), pixels.samples_per_pixel) == (length, width)


@pytest.mark.parametrize(
    ("amplitude", "in_16_bits", "in_8_bits"),
    [
        (0.0, 0, 0),
        (-1.0, -32_768, -128),
        (1.0, 32_767, 127),
        (1.9, 32_767, 127),
        (-3e38, -32_768, -128),
        (0.5, 16_384, 64),
        (0.5 / 32_768, 0, 0),
        (1.5 / 32_768, 2, 0),
        (-0.5 / 128, -128, 0),
        (1.5 / 128, 384, 2),
        (0.01, 328, 1),
    ],
)
def test_an_amplitude_is_rounded_half_to_even_and_clipped(
    amplitude: float, in_16_bits: int, in_8_bits: int
) -> None:
    both = np.array([amplitude]), np.array([amplitude])
    assert quantised(*both, 16).tolist() == [[in_16_bits] * 2]
    assert quantised(*both, 8).tolist() == [[in_8_bits] * 2]


@given(values=st.lists(st.floats(-2.0, 2.0), max_size=20), bits=st.sampled_from([8, 16]))
def test_whole_numbers_are_those_of_the_twin(values: list[float], bits: int) -> None:
    signal = np.array(values)
    found = quantised(signal, -signal, bits)
    expected = [
        [twins.whole_number(each, bits), twins.whole_number(-each, bits)] for each in values
    ]
    assert found.tolist() == expected
    assert found.dtype == f"int{bits}"


@pytest.mark.parametrize(
    ("low", "high", "shares"),
    [
        (-0.5, 0.5, [-127, 127]),
        (-0.25, 0.0, [-64, 0]),
        (0.5 / 254, 1.5 / 254, [0, 2]),
        (-0.5000001, 0.6, [-127, 127]),
        (-3e38, 3e38, [-127, 127]),
    ],
)
def test_shares_are_127ths_of_an_amplitude_rounded_half_to_even_and_cut(
    low: float, high: float, shares: list[int]
) -> None:
    assert pixels_of((low, high)).shares_of(0.5) == shares


def test_shares_are_plain_numbers_that_json_can_hold() -> None:
    assert {type(each) for each in pixels_of((-0.5, 0.5)).shares_of(0.5)} == {int}


def test_a_gain_scales_both_bounds() -> None:
    assert pixels_of((-0.5, 0.25), samples_per_pixel=7).scaled(0.5) == pixels_of(
        (-0.25, 0.125), samples_per_pixel=7
    )
