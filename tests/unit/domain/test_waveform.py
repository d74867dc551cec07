"""The waveform of a signal: its buckets, its level, and how often a file is decoded for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins, waveforms
from tests.support.readers import WAV_16, ArrayReader, Openings
from waveflow.domain.audio import AudioHeader, AudioLimits
from waveflow.domain.decoding import Onlooker
from waveflow.domain.errors import AudioTooLarge, InvalidAudio, PermanentError, TruncatedAudio
from waveflow.domain.pcm import PcmBlock
from waveflow.domain.pixels import quantised
from waveflow.domain.waveform import (
    SILENCE_BELOW,
    Analysis,
    PeakAccumulator,
    Waveform,
    analyse,
)

LIMITS = AudioLimits()
RAMP = np.arange(1, 11, dtype=np.int16).reshape(-1, 1) * 3_000
FULL_SCALE = st.floats(-1.0, 1.0)
INT16_BLOCKS = hnp.arrays("int16", st.tuples(st.integers(0, 60), st.integers(1, 4)))


def waveform_of(*peaks: float, frames: int = 100) -> Waveform:
    return waveforms.waveform_of(peaks, frames=frames)


def analysed(*readers: ArrayReader, num_peaks: int = 5, limits: AudioLimits = LIMITS) -> Analysis:
    with np.errstate(invalid="ignore"):
        return analyse(Openings(*readers), num_peaks, limits, block_frames=4)


class Listening(Onlooker):
    """Writes down what it is shown."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.seen: list[int] = []

    def begin(self, header: AudioHeader) -> None:
        self.begun.append((header.sample_rate_hz, header.channels))

    def add(self, block: PcmBlock) -> None:
        self.seen += block[:, 0].tolist()


class TestBuckets:
    @given(samples=INT16_BLOCKS, num_peaks=st.integers(1, 80), block_frames=st.integers(1, 70))
    def test_the_peaks_are_those_of_the_twin_at_every_block_size(
        self, samples: NDArray[np.int16], num_peaks: int, block_frames: int
    ) -> None:
        found = analyse(Openings(ArrayReader(samples)), num_peaks, LIMITS, block_frames)
        expected = twins.peaks(twins.mono(samples), num_peaks)
        np.testing.assert_allclose(found.waveform.peaks, expected, rtol=1e-12)
        pixels = found.waveform.pixels
        low, high = twins.pixels(twins.mono(samples), pixels.samples_per_pixel)
        np.testing.assert_allclose(pixels.low, low, rtol=1e-12)
        np.testing.assert_allclose(pixels.high, high, rtol=1e-12)
        assert found.waveform.frames == len(samples)

    @given(frames=st.integers(1, 120), num_peaks=st.integers(1, 4000))
    def test_every_frame_is_in_exactly_one_bucket(self, frames: int, num_peaks: int) -> None:
        homes: list[int] = []
        for frame in range(frames):
            click = np.zeros((frames, 1), np.int16)
            click[frame] = 16_384
            peaks = PeakAccumulator(num_peaks, frames)
            peaks.add(click)
            (home,) = np.flatnonzero(peaks.waveform(44_100).peaks).tolist()
            homes.append(home)
        assert homes == sorted(homes)
        assert homes[-1] == num_peaks - 1
        bounds = twins.bucket_bounds(frames, num_peaks)
        assert all(
            start <= frame < stop
            for frame, (start, stop) in enumerate(bounds[home] for home in homes)
        )

    def test_fewer_frames_than_buckets_still_give_that_many_peaks(self) -> None:
        peaks = analysed(ArrayReader(RAMP[:2]), num_peaks=4).waveform.normalised_peaks()
        assert peaks == [0.0, 0.5, 0.0, 1.0]

    @pytest.mark.parametrize("num_peaks", [1, 4000])
    def test_one_to_4000_peaks_are_possible(self, num_peaks: int) -> None:
        assert len(analysed(ArrayReader(RAMP), num_peaks=num_peaks).waveform.peaks) == num_peaks

    @pytest.mark.parametrize("num_peaks", [-1, 0, 4001, 2**40])
    def test_any_other_number_of_peaks_is_refused_before_the_file_is_opened(
        self, num_peaks: int
    ) -> None:
        opening = Openings(ArrayReader(RAMP))
        with pytest.raises(InvalidAudio, match="1 to 4000") as caught:
            analyse(opening, num_peaks, LIMITS)
        assert caught.value.code == "invalid_num_peaks"
        assert opening.count == 0


class TestOpenings:
    @pytest.mark.parametrize("likely", [0, 1, 9, 11, 1_000, 2**36])
    def test_a_wrong_hint_costs_a_second_decoding_with_the_true_count(self, likely: int) -> None:
        opening = Openings(ArrayReader(RAMP, likely_frames=likely), ArrayReader(RAMP))
        found = analyse(opening, 3, LIMITS, block_frames=4)
        assert opening.count == 2
        assert opening.still_open == 0
        assert found.waveform.frames == 10
        assert found.waveform.normalised_peaks() == [0.3, 0.6, 1.0]

    @pytest.mark.parametrize("likely", [0, 7, 10, 99])
    def test_onlookers_see_all_frames_once_however_often_the_file_is_decoded(
        self, likely: int
    ) -> None:
        opening = Openings(ArrayReader(RAMP, likely_frames=likely), ArrayReader(RAMP))
        onlooker = Listening()
        analyse(opening, 3, LIMITS, block_frames=4, onlookers=[onlooker])
        assert onlooker.begun == [(44_100, 1)]
        assert onlooker.seen == RAMP[:, 0].tolist()

    @pytest.mark.parametrize("likely", [0, 7, 10, 99])
    def test_the_pixels_are_right_however_often_the_file_is_decoded(self, likely: int) -> None:
        readers = (ArrayReader(RAMP, likely_frames=likely), ArrayReader(RAMP))
        pixels = analysed(*readers, num_peaks=3).waveform.pixels
        assert pixels.samples_per_pixel == 4
        assert quantised(pixels.low, pixels.high, 16).tolist() == [
            [3_000, 12_000],
            [15_000, 24_000],
            [27_000, 30_000],
        ]

    def test_the_hint_is_not_believed_a_second_time(self) -> None:
        opening = Openings(*(ArrayReader(RAMP, likely_frames=7) for _ in range(2)))
        assert analyse(opening, 1, LIMITS).waveform.frames == 10
        assert opening.count == 2

    def test_a_right_hint_costs_one_decoding(self) -> None:
        opening = Openings(ArrayReader(RAMP))
        analyse(opening, 3, LIMITS, block_frames=4)
        assert opening.count == 1
        assert opening.still_open == 0

    def test_no_frames_and_no_hint_cost_one_decoding(self) -> None:
        opening = Openings(ArrayReader(RAMP[:0]))
        found = analyse(opening, 3, LIMITS)
        assert opening.count == 1
        assert found.waveform.duration_s == 0.0
        assert found.waveform.normalised_peaks() == [0.0, 0.0, 0.0]

    def test_a_file_that_is_longer_every_time_is_given_up_on_after_two_decodings(self) -> None:
        opening = Openings(ArrayReader(RAMP[:5], likely_frames=4), ArrayReader(RAMP[:6]))
        with pytest.raises(InvalidAudio, match="different length every time"):
            analyse(opening, 3, LIMITS)
        assert opening.count == 2

    def test_the_result_names_the_format_and_the_channels(self) -> None:
        found = analysed(ArrayReader(np.zeros((3, 6), np.float32), 48_000))
        assert (found.format, found.channels) == (WAV_16, 6)
        assert found.waveform.sample_rate_hz == 48_000


class TestRefusals:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("frame", [0, 5, 9])
    @pytest.mark.parametrize("likely", [0, 6, 10, 99])
    def test_a_sample_that_is_not_a_number_is_refused_wherever_it_is(
        self, value: float, frame: int, likely: int
    ) -> None:
        samples = np.full((10, 2), 0.5, np.float32)
        samples[frame, 1] = value
        readers = (ArrayReader(samples, likely_frames=likely), ArrayReader(samples))
        with pytest.raises(InvalidAudio, match="not numbers") as caught:
            analysed(*readers)
        assert caught.value.code == "audio_not_finite"

    @pytest.mark.parametrize("value", [3.41e38, -1e39, 1.7e308])
    def test_a_sample_that_32_bits_cannot_hold_is_refused_as_in_a_mix(self, value: float) -> None:
        samples = np.array([[0.5, 0.0], [value, -value]])
        with pytest.raises(InvalidAudio, match="too large for 32-bit audio") as caught:
            analysed(ArrayReader(samples), ArrayReader(samples))
        assert caught.value.code == "audio_not_finite"

    @pytest.mark.parametrize(
        ("announced", "error"), [(10 + 4_411, TruncatedAudio), (10 + 4_410, None), (9, None)]
    )
    def test_a_file_a_tenth_of_a_second_short_is_truncated(
        self, announced: int, error: type[PermanentError] | None
    ) -> None:
        reader = ArrayReader(RAMP, announced_frames=announced)
        if error is None:
            assert analysed(reader).waveform.frames == 10
        else:
            with pytest.raises(error):
                analysed(reader)

    def test_a_file_that_decodes_to_too_much_is_refused_while_it_is_decoded(self) -> None:
        reader = ArrayReader(np.zeros((1_000, 1), np.int16), 10, likely_frames=1)
        with pytest.raises(AudioTooLarge) as caught:
            analysed(reader, limits=AudioLimits(max_duration_s=1.0))
        assert caught.value.code == "audio_too_long"
        assert len(reader.read(1_000)) >= 900


class TestWaveform:
    def test_the_amplitude_is_the_largest_peak(self) -> None:
        assert waveform_of(0.25, 0.5, 0.125).amplitude == 0.5

    @pytest.mark.parametrize(
        ("peaks", "normalised"),
        [
            ((0.25, 0.5, 0.125), [0.5, 1.0, 0.25]),
            ((0.0, 0.0), [0.0, 0.0]),
            ((0.3, 0.1), [1.0, 0.3333]),
            ((0.3, 0.2), [1.0, 0.6667]),
            ((2.0, 0.00009), [1.0, 0.0]),
            ((1.0, 0.00005001), [1.0, 0.0001]),
            ((3e38, 1.5e38), [1.0, 0.5]),
            ((2.0**-31, 0.0), [1.0, 0.0]),
            ((2.0**-32, 2.0**-33), [0.0, 0.0]),
            ((5e-324, 0.0), [0.0, 0.0]),
        ],
    )
    def test_normalised_peaks_are_shares_of_the_largest_to_4_decimals(
        self, peaks: tuple[float, ...], normalised: list[float]
    ) -> None:
        assert waveform_of(*peaks).normalised_peaks() == normalised

    @given(peaks=st.lists(st.floats(0.0, 1e300), min_size=1, max_size=30))
    def test_the_largest_normalised_peak_is_1_unless_all_is_silent(
        self, peaks: list[float]
    ) -> None:
        normalised = waveform_of(*peaks).normalised_peaks()
        if max(peaks) < SILENCE_BELOW:
            assert normalised == [0.0] * len(peaks)
            return
        assert max(normalised) == 1.0
        assert min(normalised) >= 0.0
        assert normalised == pytest.approx(twins.normalised(np.array(peaks)), abs=1e-4)

    def test_normalised_peaks_are_plain_numbers_that_json_can_hold(self) -> None:
        for peaks in ((0.5, 0.25), (0.0, 0.0)):
            assert {type(peak) for peak in waveform_of(*peaks).normalised_peaks()} == {float}

    @pytest.mark.parametrize("loudness", [1.0, 0.01, 2.0**-30, 3e38])
    def test_normalised_pixels_are_shares_of_127_however_quiet_the_signal_is(
        self, loudness: float
    ) -> None:
        pixels = waveforms.pixels_of((-1.0, 0.5), (-0.25, 0.0), (0.25, 0.9)).scaled(loudness)
        waveform = waveforms.waveform_of([loudness], pixels=pixels)
        assert waveform.normalised_pixels() == [-127, 64, -32, 0, 32, 114]

    @pytest.mark.parametrize("amplitude", [0.0, 2e-34, SILENCE_BELOW * 0.999])
    def test_normalised_pixels_of_silence_are_zero(self, amplitude: float) -> None:
        pixels = waveforms.pixels_of((-amplitude, amplitude), (0.0, 0.0))
        assert waveforms.waveform_of([amplitude], pixels=pixels).normalised_pixels() == [0] * 4

    @given(
        bounds=st.lists(st.tuples(FULL_SCALE, FULL_SCALE), min_size=1, max_size=20),
        loudness=st.floats(1e-9, 1e9),
    )
    def test_normalised_pixels_are_those_of_the_twin(
        self, bounds: list[tuple[float, float]], loudness: float
    ) -> None:
        pixels = waveforms.pixels_of(*bounds).scaled(loudness)
        amplitude = max(np.abs(pixels.low).max(), np.abs(pixels.high).max())
        found = waveforms.waveform_of([amplitude], pixels=pixels).normalised_pixels()
        assert found == twins.shares(pixels.low, pixels.high, amplitude)
        assert {type(each) for each in found} == {int}

    def test_the_duration_is_frames_over_rate(self) -> None:
        assert waveform_of(0.0, frames=22_050).duration_s == 0.5

    def test_a_gain_scales_peaks_and_pixels(self) -> None:
        pixels = waveforms.pixels_of((-0.5, 0.25))
        scaled = waveforms.waveform_of([0.5], pixels=pixels).scaled(0.5)
        assert scaled.peaks.tolist() == [0.25]
        assert scaled.pixels == waveforms.pixels_of((-0.25, 0.125))

    def test_waveforms_with_the_same_peaks_are_equal(self) -> None:
        assert waveform_of(0.5, 0.25) == waveform_of(0.5, 0.25)
        assert waveform_of(0.5, 0.25) != waveform_of(0.5, 0.75)

    def test_a_waveform_doesnt_change_when_more_is_added(self) -> None:
        peaks = PeakAccumulator(1, 2)
        first = peaks.waveform(44_100)
        peaks.add(RAMP[:1])
        assert first.peaks.tolist() == [0.0]
        assert peaks.frames == 1


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_full_scale_is_an_amplitude_of_1_in_every_sample_type(dtype: str, channels: int) -> None:
    extreme: Any = np.iinfo(dtype).min if dtype.startswith("int") else -1.0
    found = analysed(ArrayReader(np.full((6, channels), extreme, dtype)), num_peaks=2)
    assert found.waveform.peaks.tolist() == pytest.approx([1.0, 1.0], rel=1e-15)


@pytest.mark.parametrize("total_frames", [-1, 2**50 + 1, 2**63 - 1])
def test_a_length_that_no_audio_has_is_refused(total_frames: int) -> None:
    with pytest.raises(ValueError, match="can't be laid out"):
        PeakAccumulator(4, total_frames)
