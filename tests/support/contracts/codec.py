"""What every `AudioCodec` does: subclass it where these fixtures exist.

`codec` gives the adapter, and `make_file` a function that makes a file which decodes to samples,
int16 or float32 (frames, channels), at a sample rate.
"""

from __future__ import annotations

import struct
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from numpy.typing import NDArray

from waveflow.application.extras import Dat, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioFormat, AudioLimits, Container, Encoding
from waveflow.domain.errors import (
    AudioTooLarge,
    InvalidAudio,
    NotAudio,
    PermanentError,
    UnreadableStem,
    UnsupportedAudio,
    WorkFolderUnavailable,
)

FileMaker = Callable[[NDArray[Any], int], Path]
LIMITS = AudioLimits()


def mono(*samples: int) -> NDArray[np.int16]:
    """16-bit samples of one channel."""
    return np.array(samples, np.int16)[:, np.newaxis]


def floats(*samples: float) -> NDArray[np.float32]:
    """Float samples of one channel."""
    return np.array(samples, np.float32)[:, np.newaxis]


def pcm16(path: Path) -> tuple[int, list[int]]:
    """Sample rate and samples of a mono 16-bit WAV file."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        content = file.readframes(file.getnframes())
        return file.getframerate(), np.frombuffer(content, "<i2").tolist()


class Analysing:
    def test_peaks_are_the_largest_absolute_values_of_their_buckets(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        source = make_file(mono(0, 8_192, -16_384, 4_096, 0, 0, 32_767, -32_768), 8_000)
        waveform = codec.analyse(source, 4, LIMITS).waveform
        assert waveform.peaks.tolist() == [0.25, 0.5, 0.0, 1.0]
        assert (waveform.frames, waveform.sample_rate_hz) == (8, 8_000)
        assert waveform.duration_s == 0.001

    def test_channels_are_averaged(self, codec: AudioCodec, make_file: FileMaker) -> None:
        stereo = np.array([[16_384, 0], [16_384, -16_384]], np.int16)
        analysis = codec.analyse(make_file(stereo, 8_000), 2, LIMITS)
        assert analysis.waveform.peaks.tolist() == [0.25, 0.0]
        assert analysis.channels == 2

    def test_the_format_is_named(self, codec: AudioCodec, make_file: FileMaker) -> None:
        analysis = codec.analyse(make_file(mono(1), 8_000), 1, LIMITS)
        assert analysis.format == AudioFormat(Container.WAV, Encoding.PCM_16)

    def test_a_bucket_without_frames_is_silent(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        source = make_file(mono(16_384, 8_192), 8_000)
        peaks = codec.analyse(source, 4, LIMITS).waveform.peaks
        assert peaks.tolist() == [0.0, 0.5, 0.0, 0.25]

    @pytest.mark.parametrize("num_peaks", [1, 4000])
    def test_as_many_peaks_come_as_are_asked_for(
        self, codec: AudioCodec, make_file: FileMaker, num_peaks: int
    ) -> None:
        source = make_file(mono(*range(5_000)), 8_000)
        assert len(codec.analyse(source, num_peaks, LIMITS).waveform.peaks) == num_peaks

    @pytest.mark.parametrize("num_peaks", [-1, 0, 4001])
    def test_no_other_number_of_peaks_is_possible(
        self, codec: AudioCodec, make_file: FileMaker, num_peaks: int
    ) -> None:
        with pytest.raises(InvalidAudio) as raised:
            codec.analyse(make_file(mono(1), 8_000), num_peaks, LIMITS)
        assert raised.value.code == "invalid_num_peaks"

    def test_samples_that_are_not_numbers_are_refused(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        with pytest.raises(InvalidAudio) as raised:
            codec.analyse(make_file(floats(0.5, np.nan), 8_000), 1, LIMITS)
        assert raised.value.code == "audio_not_finite"


class MakingExtras:
    def test_pixels_are_the_bounds_of_the_mean_of_the_channels(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        stereo = np.array([[8_192, 0], [-16_384, 0], [0, 32_767], [-2, -4], [6, 8]], np.int16)
        pixels = codec.analyse(make_file(stereo, 8_000), 3, LIMITS).waveform.pixels
        assert pixels.samples_per_pixel == 2
        assert (pixels.low * 32_768).tolist() == pytest.approx([-8_192, -3, 7], abs=0.51)
        assert (pixels.high * 32_768).tolist() == pytest.approx([4_096, 16_384, 7], abs=0.51)

    def test_nothing_more_is_made_than_asked_for(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        source = make_file(mono(1, 2), 8_000)
        assert codec.analyse(source, 1, LIMITS).levels is None
        assert codec.mix([source], tmp_path / "mix.wav", 1, LIMITS).levels is None
        assert {path.suffix for path in tmp_path.iterdir()} == {source.suffix, ".wav"}

    def test_levels_are_those_of_each_channel(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        stereo = np.zeros((8_000, 2), np.int16)
        stereo[4_000:6_000, 0] = 16_384
        levels = codec.analyse(make_file(stereo, 8_000), 3, LIMITS, Extras(levels=True)).levels
        assert levels is not None
        left, right = levels.channels
        assert left.sample_peak_dbfs == pytest.approx(-6.02, abs=0.01)
        assert (left.silent, right.silent, right.sample_peak_dbfs) == (False, True, None)
        assert levels.leading_silence_s == pytest.approx(0.5, abs=0.001)
        assert levels.trailing_silence_s == pytest.approx(0.25, abs=0.001)

    def test_a_dat_is_written_beside_the_waveform(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        dat = Dat(tmp_path / "w.dat", samples_per_pixel=2)
        codec.analyse(make_file(mono(1, -2, 3), 8_000), 1, LIMITS, Extras(dat=dat))
        assert dat.destination.read_bytes() == struct.pack("<5i4h", 1, 0, 8_000, 2, 2, -2, 1, 3, 3)

    def test_a_dat_may_have_8_bits_and_a_track_for_each_channel(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        dat = Dat(tmp_path / "w.dat", samples_per_pixel=2, bits=8, split_channels=True)
        stereo = np.array([[16_384, 0], [0, -32_768]], np.int16)
        codec.analyse(make_file(stereo, 8_000), 1, LIMITS, Extras(dat=dat))
        assert dat.destination.read_bytes() == struct.pack(
            "<6i4b", 2, 1, 8_000, 2, 1, 2, 0, 64, -128, 0
        )

    def test_a_file_that_is_there_is_not_overwritten_by_a_dat(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        dat = Dat(tmp_path / "w.dat")
        dat.destination.write_text("old")
        with pytest.raises(WorkFolderUnavailable, match="exists"):
            codec.analyse(make_file(mono(1), 8_000), 1, LIMITS, Extras(dat=dat))
        assert dat.destination.read_text() == "old"

    def test_extras_of_a_mix_are_those_of_the_file_that_it_is(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        rng = np.random.default_rng(4)
        sources = [make_file(floats(*rng.uniform(-2, 2, 4_000)), 8_000) for _ in range(2)]
        dat = Dat(tmp_path / "mix.dat", samples_per_pixel=64)
        mix = codec.mix(sources, tmp_path / "mix.wav", 10, LIMITS, Extras(levels=True, dat=dat))
        rate_hz, samples = pcm16(tmp_path / "mix.wav")
        again = Dat(tmp_path / "again.dat", samples_per_pixel=64)
        found = codec.analyse(
            make_file(mono(*samples), rate_hz), 10, LIMITS, Extras(levels=True, dat=again)
        )
        assert dat.destination.read_bytes() == again.destination.read_bytes()
        assert mix.levels is not None
        assert mix.levels == found.levels
        assert mix.levels.sample_peak_dbfs == pytest.approx(-0.45, abs=0.01)


class Refusals:
    @pytest.mark.parametrize("content", [b"", b"no audio in here at all"])
    def test_what_is_not_audio_is_refused(
        self, codec: AudioCodec, tmp_path: Path, content: bytes
    ) -> None:
        source = tmp_path / "song.wav"
        source.write_bytes(content)
        with pytest.raises(NotAudio) as raised:
            codec.analyse(source, 1, LIMITS)
        assert raised.value.code == "not_audio"

    def test_the_longest_duration_is_accepted_and_no_longer_one(
        self, codec: AudioCodec, make_file: FileMaker
    ) -> None:
        limits = evolve(LIMITS, max_duration_s=0.5)
        longest = make_file(mono(*[1] * 4_000), 8_000)
        assert codec.analyse(longest, 1, limits).waveform.duration_s == 0.5
        with pytest.raises(AudioTooLarge) as raised:
            codec.analyse(make_file(mono(*[1] * 4_001), 8_000), 1, limits)
        assert raised.value.code == "audio_too_long"

    @pytest.mark.parametrize(
        ("limits", "expected", "code"),
        [
            (evolve(LIMITS, max_channels=1), InvalidAudio, "invalid_audio"),
            (evolve(LIMITS, min_sample_rate_hz=8_001), InvalidAudio, "invalid_audio"),
            (evolve(LIMITS, max_sample_rate_hz=7_999), InvalidAudio, "invalid_audio"),
            (
                evolve(LIMITS, mime_types=frozenset({"audio/mpeg"})),
                UnsupportedAudio,
                "unsupported_format",
            ),
        ],
        ids=["channels", "rate too low", "rate too high", "container"],
    )
    def test_a_header_outside_the_limits_is_refused(
        self,
        codec: AudioCodec,
        make_file: FileMaker,
        limits: AudioLimits,
        expected: type[PermanentError],
        code: str,
    ) -> None:
        source = make_file(np.ones((8, 2), np.int16), 8_000)
        with pytest.raises(expected) as raised:
            codec.analyse(source, 1, limits)
        assert raised.value.code == code


class Mixing:
    def test_shorter_stems_are_padded_and_the_sum_is_divided(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        sources = [make_file(mono(16_384, -16_384, 8), 8_000), make_file(mono(8_192), 8_000)]
        mix = codec.mix(sources, tmp_path / "mix.wav", 3, LIMITS)
        assert pcm16(tmp_path / "mix.wav") == (8_000, [12_288, -8_192, 4])
        assert mix.waveform.peaks.tolist() == [0.375, 0.25, 4 / 32_768]
        assert (mix.waveform.frames, mix.waveform.sample_rate_hz) == (3, 8_000)
        assert mix.gain == 1.0

    def test_one_stem_in_stereo_becomes_mono(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        source = make_file(np.array([[1_000, 3_000], [-500, 500]], np.int16), 22_050)
        codec.mix([source], tmp_path / "mix.wav", 1, LIMITS)
        assert pcm16(tmp_path / "mix.wav") == (22_050, [2_000, 0])

    def test_a_mix_that_is_too_loud_is_scaled_down_to_the_ceiling(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        mix = codec.mix([make_file(floats(1.9, -0.95), 8_000)], tmp_path / "mix.wav", 2, LIMITS)
        assert mix.gain == pytest.approx(0.5)
        assert mix.waveform.peaks.tolist() == pytest.approx([0.95, 0.475])
        assert pcm16(tmp_path / "mix.wav")[1] == [31_129, -15_564]

    def test_a_mix_at_the_ceiling_is_left_as_it_is(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        mix = codec.mix([make_file(mono(31_129), 8_000)], tmp_path / "mix.wav", 1, LIMITS)
        assert (mix.gain, pcm16(tmp_path / "mix.wav")[1]) == (1.0, [31_128])

    def test_a_mix_of_many_blocks_is_as_long_as_its_longest_stem(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        tone = (np.sin(np.arange(100_000) / 10) * 20_000).astype(np.int16)[:, np.newaxis]
        sources = [make_file(tone, 8_000), make_file(tone[:50_000], 8_000)]
        mix = codec.mix(sources, tmp_path / "mix.wav", 10, LIMITS)
        rate_hz, samples = pcm16(tmp_path / "mix.wav")
        assert (rate_hz, len(samples)) == (8_000, 100_000)
        np.testing.assert_allclose(samples[:50_000], tone[:50_000, 0], atol=1)
        np.testing.assert_allclose(samples[50_000:], tone[50_000:, 0] / 2, atol=1)
        assert mix.waveform.frames == 100_000

    @pytest.mark.parametrize(
        ("spoilt", "code"),
        [(None, "not_audio"), ([0.5, np.inf], "audio_not_finite")],
        ids=["not audio", "infinite"],
    )
    def test_a_stem_that_cannot_be_read_is_named(
        self,
        codec: AudioCodec,
        make_file: FileMaker,
        tmp_path: Path,
        spoilt: Sequence[float] | None,
        code: str,
    ) -> None:
        bad = tmp_path / "bad.wav"
        if spoilt is None:
            bad.write_bytes(b"no audio in here at all")
        else:
            bad = make_file(floats(*spoilt), 8_000)
        with pytest.raises(UnreadableStem) as raised:
            codec.mix([make_file(mono(1), 8_000), bad], tmp_path / "mix.wav", 1, LIMITS)
        assert (raised.value.index, raised.value.code) == (1, code)
        assert isinstance(raised.value.cause, InvalidAudio)
        assert str(raised.value) == f"Stem 2: {raised.value.cause}"

    def test_the_limits_hold_for_every_stem(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        limits = evolve(LIMITS, max_duration_s=0.5)
        sources = [make_file(mono(1), 8_000), make_file(mono(*[1] * 4_001), 8_000)]
        with pytest.raises(UnreadableStem) as raised:
            codec.mix(sources, tmp_path / "mix.wav", 1, limits)
        assert (raised.value.index, raised.value.code) == (1, "audio_too_long")
        assert isinstance(raised.value.cause, AudioTooLarge)

    def test_stems_are_left_as_they_are(
        self, codec: AudioCodec, make_file: FileMaker, tmp_path: Path
    ) -> None:
        sources = [make_file(mono(1, 2, 3), 8_000), make_file(mono(4), 8_000)]
        before = [source.read_bytes() for source in sources]
        codec.mix(sources, tmp_path / "mix.wav", 1, LIMITS)
        codec.analyse(sources[0], 1, LIMITS)
        assert [source.read_bytes() for source in sources] == before


class AudioCodecContract(Analysing, MakingExtras, Refusals, Mixing):
    """All of it."""
