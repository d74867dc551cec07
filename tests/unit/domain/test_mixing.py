"""A mix: stems in step and in mono, divided by their number, kept below the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from tests.support.readers import ArrayReader, ArraySpool
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import AudioTooLarge, UnreadableStem
from waveflow.domain.mixing import (
    Mix,
    Run,
    gain_for,
    in_turn,
    mix,
    reference_rate_hz,
    require_fits_wav,
    sum_of_stems,
)
from waveflow.domain.pcm import PcmBlock, PcmReader

LIMITS = AudioLimits()
STEMS = st.lists(
    st.sampled_from(["int16", "int32", "float64"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            st.tuples(st.integers(0, 30), st.integers(1, 4)),
            elements=st.floats(-2.0, 2.0) if dtype == "float64" else None,
        )
    ),
    min_size=1,
    max_size=5,
)


def stem(*samples: float) -> NDArray[np.float64]:
    return np.array(samples, np.float64).reshape(-1, 1)


def mixed(
    stems: Sequence[PcmReader],
    *,
    num_peaks: int = 4,
    block_frames: int = 4,
    runs: Sequence[Run] = (in_turn,),
) -> tuple[list[int], Mix]:
    """The samples of a mix, and what mixing says of it."""
    written: list[int] = []
    with np.errstate(invalid="ignore", over="ignore"):
        result = mix(
            stems,
            ArraySpool(),
            lambda block: written.extend(block.tolist()),
            num_peaks,
            LIMITS,
            block_frames,
            runs,
        )
    return written, result


def mixed_arrays(*stems: NDArray[Any], block_frames: int = 4) -> tuple[list[int], Mix]:
    return mixed([ArrayReader(samples) for samples in stems], block_frames=block_frames)


class TestReferenceRate:
    @pytest.mark.parametrize(
        ("rates", "reference"),
        [
            ([44_100], 44_100),
            ([48_000, 44_100, 44_100], 44_100),
            ([44_100, 48_000], 48_000),
            ([48_000, 44_100], 48_000),
            ([96_000, 44_100, 48_000, 44_100, 48_000], 48_000),
            ([8_000, 44_100, 192_000], 192_000),
            ([192_000, 8_000, 8_000], 8_000),
        ],
    )
    def test_it_is_the_most_frequent_rate_and_on_a_tie_the_higher(
        self, rates: list[int], reference: int
    ) -> None:
        assert reference_rate_hz(rates) == reference

    @given(rates=st.lists(st.sampled_from([44_100, 48_000, 96_000]), min_size=1, max_size=9))
    def test_the_order_of_the_stems_doesnt_matter(self, rates: list[int]) -> None:
        assert reference_rate_hz(rates) == reference_rate_hz(sorted(rates))


class TestGain:
    @pytest.mark.parametrize(
        ("largest", "gain"),
        [
            (0.0, 1.0),
            (0.5, 1.0),
            (0.9499999, 1.0),
            (0.95, 1.0),
            (1.0, 0.95),
            (1.9, 0.5),
            (95.0, 0.01),
        ],
    )
    def test_only_a_mix_above_the_ceiling_is_scaled(self, largest: float, gain: float) -> None:
        assert gain_for(largest) == pytest.approx(gain, rel=1e-12)

    def test_the_least_excess_is_scaled(self) -> None:
        assert gain_for(float(np.nextafter(0.95, 1.0))) < 1.0

    @given(largest=st.floats(0.0, 3e38))
    def test_nothing_is_louder_than_the_ceiling_afterwards(self, largest: float) -> None:
        assert largest * gain_for(largest) <= 0.95 * (1 + 1e-15)


class TestSamples:
    @given(stems=STEMS, block_frames=st.integers(1, 40))
    def test_the_mix_is_within_one_step_of_the_twin_at_every_block_size(
        self, stems: list[NDArray[Any]], block_frames: int
    ) -> None:
        samples, result = mixed_arrays(*stems, block_frames=block_frames)
        signals = [twins.mono(samples) for samples in stems]
        expected = twins.mix(signals)
        assert len(samples) == max(len(samples) for samples in stems)
        assert np.abs(np.subtract(samples, expected)).max(initial=0) <= 1
        assert result.gain == pytest.approx(twins.gain(twins.padded_mean(signals)), rel=1e-12)
        assert samples == mixed_arrays(*stems, block_frames=64)[0]

    @pytest.mark.parametrize(
        ("stems", "expected"),
        [
            ([stem(0.5, -0.5)], [16_384, -16_384]),
            ([stem(0.5, -0.25), stem(0.25, -0.25)], [12_288, -8_192]),
            ([stem(0.5, 0.5, 0.5), stem(0.5)], [16_384, 8_192, 8_192]),
            ([stem(), stem(0.5)], [8_192]),
            ([stem(0.95)], [31_129]),
            ([stem(1.0, 0.5)], [31_129, 15_564]),
            ([stem(1.0, -1.0), stem(1.0, 0.0)], [31_129, -15_564]),
            ([stem(4.0), stem(4.0), stem(4.0)], [31_129]),
            ([stem(0.0, 0.0)], [0, 0]),
            ([stem(0.7), stem(-0.7)], [0]),
            ([stem(0.5), stem(0.0), stem(0.0), stem(0.0)], [4_096]),
            ([stem()], []),
            ([stem(), stem()], []),
        ],
    )
    def test_literal_stems_give_literal_samples(
        self, stems: list[NDArray[np.float64]], expected: list[int]
    ) -> None:
        assert mixed_arrays(*stems)[0] == expected

    def test_channels_are_averaged_whatever_the_sample_type(self) -> None:
        samples, _ = mixed_arrays(
            np.array([[16_384, 0]], np.int16),
            np.array([[2**30, 2**30, 0, 0]], np.int32),
            np.array([[0.5, 0.0, 0.25]], np.float32),
        )
        assert samples == [8_192]

    def test_readers_that_return_short_reads_stay_in_step(self) -> None:
        rng = np.random.default_rng(3)
        stems = [rng.uniform(-0.9, 0.9, (frames, 2)) for frames in (50, 37, 50)]
        chopped = [
            ArrayReader(samples, pieces=pieces)
            for samples, pieces in zip(stems, ((1,), (3, 1, 7), (50,)), strict=True)
        ]
        assert mixed(chopped, block_frames=8)[0] == mixed_arrays(*stems)[0]

    def test_a_block_of_the_sum_comes_with_its_largest_value_before_rounding(self) -> None:
        readers = [ArrayReader(stem(0.1, -0.3, 0.2)), ArrayReader(stem(0.1))]
        blocks = [(b.tolist(), top) for b, top in sum_of_stems(readers, LIMITS, block_frames=2)]
        assert blocks == [
            (pytest.approx([0.1, -0.15]), 0.15),
            (pytest.approx([0.1]), 0.1),
        ]


class TestSideBySide:
    @given(stems=STEMS, groups=st.integers(1, 4), block_frames=st.integers(1, 9))
    @settings(max_examples=50)
    def test_threads_give_the_samples_that_one_group_after_the_other_gives(
        self, stems: list[NDArray[Any]], groups: int, block_frames: int
    ) -> None:
        def readers() -> list[PcmReader]:
            return [ArrayReader(samples) for samples in stems]

        in_turns = mixed(readers(), block_frames=block_frames, runs=[in_turn] * groups)
        with ThreadPoolExecutor(groups) as pool:
            runs: list[Run] = [lambda work: pool.submit(work).result] * groups
            side_by_side = mixed(readers(), block_frames=block_frames, runs=runs)
        assert side_by_side == in_turns
        alone = mixed(readers(), block_frames=block_frames)[0]
        # Sums are rounded in another order.
        assert np.abs(np.subtract(side_by_side[0], alone)).max(initial=0) <= 1

    def test_of_stems_that_fail_in_one_block_the_first_is_named(self) -> None:
        stems = [stem(*[0.5] * 9) for _ in range(4)]
        stems[1][7] = stems[2][4] = np.nan
        with pytest.raises(UnreadableStem) as caught:
            mixed([ArrayReader(samples) for samples in stems], runs=[in_turn, in_turn])
        assert caught.value.index == 1

    def test_the_stems_are_dealt_out_one_by_one(self) -> None:
        begun: list[int] = []

        class Noting(ArrayReader):
            def read(self, max_frames: int) -> PcmBlock:
                begun.append(int(self.header.likely_frames))
                return super().read(max_frames)

        stems = [Noting(stem(), likely_frames=index) for index in range(5)]
        mixed(stems, runs=[in_turn, in_turn])
        assert begun == [0, 2, 4, 1, 3]


class TestLengths:
    @pytest.mark.parametrize("likely_frames", [0, 3, 4, 5, 2**40, 2**63 - 1, 2**64])
    def test_the_waveform_is_that_of_the_frames_that_came_whatever_headers_said(
        self, likely_frames: int
    ) -> None:
        samples = stem(1.9, -0.4, 0.2, 0.1)
        _, found = mixed([ArrayReader(samples, likely_frames=likely_frames)])
        _, expected = mixed_arrays(samples)
        assert found.waveform.frames == 4
        assert found.waveform.peaks.tolist() == expected.waveform.peaks.tolist()


class TestResult:
    @pytest.mark.parametrize(("level", "gain"), [(0.5, 1.0), (0.95, 1.0), (1.9, 0.5)])
    def test_the_waveform_is_of_the_finished_mix(self, level: float, gain: float) -> None:
        _, result = mixed_arrays(stem(level, -level / 2, 0.0, level / 4))
        assert result.gain == pytest.approx(gain)
        shares = np.array([1.0, 0.5, 0.0, 0.25])
        assert result.waveform.peaks.tolist() == pytest.approx(shares * level * gain, abs=1e-7)
        assert (result.waveform.frames, result.waveform.sample_rate_hz) == (4, 44_100)

    def test_an_empty_mix_has_an_empty_waveform(self) -> None:
        _, result = mixed_arrays(stem())
        assert result.waveform.normalised_peaks() == [0.0] * 4
        assert result.waveform.duration_s == 0.0


class TestRefusals:
    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_stem_with_a_sample_that_is_not_a_number_is_named(
        self, index: int, value: float
    ) -> None:
        stems = [stem(*[0.5] * 9) for _ in range(3)]
        stems[index][7] = value
        with pytest.raises(UnreadableStem) as caught:
            mixed_arrays(*stems)
        assert (caught.value.index, caught.value.code) == (index, "audio_not_finite")

    def test_a_truncated_stem_is_named(self) -> None:
        cut = ArrayReader(stem(0.5), announced_frames=44_100)
        with pytest.raises(UnreadableStem, match="Stem 2") as caught:
            mixed([ArrayReader(stem(0.5, 0.5)), cut])
        assert (caught.value.index, caught.value.code) == (1, "audio_truncated")

    def test_a_stem_that_is_too_long_is_named(self) -> None:
        readers = [ArrayReader(stem(0.5), 10), ArrayReader(stem(*[0.5] * 30), 10)]
        with pytest.raises(UnreadableStem) as caught:
            list(sum_of_stems(readers, AudioLimits(max_duration_s=2.0), block_frames=8))
        assert (caught.value.index, caught.value.code) == (1, "audio_too_long")

    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize("value", [3.41e38, -1e39, 1.7e308])
    def test_a_stem_with_a_sample_that_32_bits_cannot_hold_is_named(
        self, index: int, value: float
    ) -> None:
        stems = [stem(*[0.5] * 9) for _ in range(3)]
        stems[index][7] = value
        with pytest.raises(UnreadableStem, match="too large for 32-bit audio") as caught:
            mixed_arrays(*stems)
        assert (caught.value.index, caught.value.code) == (index, "audio_not_finite")

    @pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
    @pytest.mark.parametrize("channels", [1, 3, 7])
    def test_stems_as_loud_as_32_bits_can_be_are_mixed(self, count: int, channels: int) -> None:
        largest = np.full((4, channels), np.finfo(np.float32).max)
        samples, found = mixed_arrays(*[largest.astype(np.float64)] * count)
        assert list(samples) == [31_129] * 4
        assert np.isfinite(found.waveform.peaks).all()

    def test_a_mix_that_a_wav_file_can_hold_is_allowed(self) -> None:
        require_fits_wav(2**31 - 512)

    def test_a_mix_longer_than_a_wav_file_is_refused(self) -> None:
        with pytest.raises(AudioTooLarge, match="longer than a WAV file") as caught:
            require_fits_wav(2**31 - 511)
        assert caught.value.code == "mix_too_long"
