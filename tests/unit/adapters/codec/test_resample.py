"""The resampler: level, phase, purity and time of what comes out, measured before rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.readers import ArrayReader
from waveflow.adapters.codec.resample import ResampledReader
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.pcm import PcmReader

RATES = [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000)]
Signal = NDArray[np.float64]


def everything(reader: PcmReader, max_frames: int = 65_536) -> Signal:
    blocks = [np.empty((0, 1))]
    while len(block := reader.read(max_frames)):
        blocks.append(block)
    return np.concatenate(blocks)[:, 0]


def resampled(signal: Signal, from_hz: int, to_hz: int) -> Signal:
    return everything(ResampledReader(ArrayReader(signal[:, np.newaxis], from_hz), to_hz))


def sine(frequency_hz: float, sample_rate_hz: int, frames: int, phase: float = 0.7) -> Signal:
    seconds = np.arange(frames) / sample_rate_hz
    result: Signal = 0.5 * np.sin(2 * np.pi * frequency_hz * seconds + phase)
    return result


def spectrum_db(signal: Signal) -> Signal:
    """Levels relative to a full-scale sine; the window's side lobes are under -250 dB."""
    window = np.kaiser(len(signal), 34.0)
    levels = 2 * np.abs(np.fft.rfft(signal * window)) / window.sum()
    result: Signal = 20 * np.log10(levels + 1e-20)
    return result


def loudest_apart_from_db(signal: Signal, frequency_hz: float, sample_rate_hz: int) -> float:
    levels = spectrum_db(signal)
    bin_of_tone = frequency_hz * len(signal) / sample_rate_hz
    apart = np.abs(np.arange(len(levels)) - bin_of_tone) > 20
    return float(levels[apart].max())


def middle(signal: Signal) -> Signal:
    """65,536 frames without the beginning and the end of the tone."""
    start = (len(signal) - 65_536) // 2
    return signal[start : start + 65_536]


class TestTones:
    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    @pytest.mark.parametrize("frequency_hz", [20.0, 1_000.0, 9_999.5, 19_000.0])
    def test_a_tone_keeps_frequency_phase_and_level(
        self, from_hz: int, to_hz: int, frequency_hz: float
    ) -> None:
        signal = resampled(sine(frequency_hz, from_hz, 3 * from_hz), from_hz, to_hz)
        seconds = np.arange(len(signal)) / to_hz
        angle = 2 * np.pi * frequency_hz * seconds
        parts = np.stack([middle(np.sin(angle)), middle(np.cos(angle))], axis=1)
        (in_phase, shifted), *_ = np.linalg.lstsq(parts, middle(signal), rcond=None)
        assert abs(20 * math.log10(math.hypot(in_phase, shifted) / 0.5)) < 0.01
        assert math.atan2(shifted, in_phase) == pytest.approx(0.7, abs=1e-6)
        rest = middle(signal) - parts @ [in_phase, shifted]
        assert 20 * math.log10(np.abs(rest).max() / 0.5) < -150

    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    @pytest.mark.parametrize("frequency_hz", [1_000.0, 15_000.0, 20_000.0, 21_500.0])
    def test_a_tone_has_no_image_and_no_alias(
        self, from_hz: int, to_hz: int, frequency_hz: float
    ) -> None:
        signal = resampled(sine(frequency_hz, from_hz, 3 * from_hz), from_hz, to_hz)
        assert loudest_apart_from_db(middle(signal), frequency_hz, to_hz) < -150

    @pytest.mark.parametrize(
        ("from_hz", "to_hz", "frequency_hz"),
        [
            (48_000, 44_100, 22_060.0),
            (48_000, 44_100, 23_500.0),
            (96_000, 48_000, 24_050.0),
            (96_000, 48_000, 30_000.0),
            (96_000, 48_000, 47_000.0),
        ],
    )
    def test_a_tone_that_the_new_rate_cant_hold_vanishes(
        self, from_hz: int, to_hz: int, frequency_hz: float
    ) -> None:
        signal = resampled(sine(frequency_hz, from_hz, 3 * from_hz), from_hz, to_hz)
        assert float(spectrum_db(middle(signal)).max()) < -150

    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    def test_a_constant_stays_what_it_is(self, from_hz: int, to_hz: int) -> None:
        signal = resampled(np.full(from_hz, 0.5), from_hz, to_hz)
        np.testing.assert_allclose(signal[2_000:-2_000], 0.5, rtol=1e-8)


class TestTime:
    @pytest.mark.parametrize(
        ("from_hz", "to_hz", "click", "lands_at"),
        [
            (44_100, 48_000, 22_050, 24_000),
            (44_100, 48_000, 0, 0),
            (44_100, 48_000, 44_100 - 441, 48_000 - 480),
            (48_000, 44_100, 24_000, 22_050),
            (96_000, 48_000, 95_998, 47_999),
            (96_000, 48_000, 2, 1),
        ],
    )
    def test_a_click_lands_on_the_frame_of_its_instant(
        self, from_hz: int, to_hz: int, click: int, lands_at: int
    ) -> None:
        signal = np.zeros(from_hz)
        signal[click] = 1.0
        found = np.abs(resampled(signal, from_hz, to_hz))
        assert int(found.argmax()) == lands_at
        assert found[lands_at] > 1.5 * np.delete(found, lands_at).max()

    @given(frames=st.integers(0, 3_000), rates=st.sampled_from([*RATES, (8_000, 44_100)]))
    @example(frames=65_536, rates=(44_100, 48_000))
    @example(frames=65_537, rates=(48_000, 44_100))
    @example(frames=131_073, rates=(96_000, 48_000))
    @example(frames=1, rates=(96_000, 48_000))
    def test_the_length_is_that_of_the_original_to_the_nearest_frame(
        self, frames: int, rates: tuple[int, int]
    ) -> None:
        from_hz, to_hz = rates
        exact = Fraction(frames * to_hz, from_hz)
        length = len(resampled(np.ones(frames), from_hz, to_hz))
        # Halves may go either way.
        assert abs(length - exact) <= Fraction(1, 2)


class TestReading:
    @pytest.mark.parametrize("max_frames", [1, 777, 1_000_000])
    @pytest.mark.parametrize("pieces", [(), (1, 1_000, 7), (65_536,)])
    def test_neither_block_sizes_nor_short_reads_change_a_sample(
        self, max_frames: int, pieces: tuple[int, ...]
    ) -> None:
        samples = np.random.default_rng(0).uniform(-1, 1, (9_001, 1))
        reader = ResampledReader(ArrayReader(samples, 44_100, pieces=pieces), 48_000)
        assert (
            everything(reader, max_frames).tolist()
            == resampled(samples[:, 0], 44_100, 48_000).tolist()
        )

    def test_the_end_stays_the_end(self) -> None:
        reader = ResampledReader(ArrayReader(np.ones((100, 2)), 44_100), 48_000)
        assert len(everything(reader)) == 109
        assert reader.read(10).shape == (0, 1)

    def test_channels_are_averaged(self) -> None:
        stereo = np.stack([np.full(4_000, 16_384), np.full(4_000, 0)], axis=1).astype(np.int16)
        signal = everything(ResampledReader(ArrayReader(stereo, 96_000), 48_000))
        assert signal[1_000] == pytest.approx(0.25, rel=1e-8)

    def test_the_header_is_that_of_the_original_in_mono_at_the_new_rate(self) -> None:
        original = ArrayReader(
            np.zeros((5, 6)), 96_000, announced_frames=9_601, likely_frames=9_600
        )
        header = ResampledReader(original, 48_000).header
        assert (header.channels, header.sample_rate_hz) == (1, 48_000)
        assert (header.announced_frames, header.likely_frames) == (4_800, 4_800)
        assert header.format == original.header.format

    def test_an_original_that_announces_nothing_stays_that_way(self) -> None:
        header = ResampledReader(ArrayReader(np.zeros((5, 1)), 96_000), 48_000).header
        assert header.announced_frames is None

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_sample_that_is_not_a_number_is_a_clear_error(self, value: float) -> None:
        samples = np.zeros((5_000, 2), np.float32)
        samples[4_321, 1] = value
        with pytest.raises(InvalidAudio) as caught:
            everything(ResampledReader(ArrayReader(samples, 44_100), 48_000))
        assert caught.value.code == "audio_not_finite"
