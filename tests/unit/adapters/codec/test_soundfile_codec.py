"""Peaks of real files of every format, against the slow twin on plainly decoded samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.support import twins
from tests.support.audio_files import KINDS, halve, noise, tone, write_audio
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import (
    AudioTooLarge,
    InvalidAudio,
    NotAudio,
    TruncatedAudio,
    UnsupportedAudio,
)
from waveflow.domain.waveform import Analysis

CODEC = SoundfileCodec()
LIMITS = AudioLimits()
LOSSY = ("mp3", "ogg-vorbis", "ogg-opus")
INTEGERS = ("wav-16", "wav-24", "wav-32", "aiff-16", "aiff-24", "aiff-32", "flac-16", "flac-24")
NUM_PEAKS = (1, 7, 1_024, 4_000)
COMMON = (
    *("wav-u8", "wav-16", "wav-24", "wav-32", "wav-float", "wav-double"),
    *("aiff-16", "aiff-24", "aiff-32", "aiff-float", "flac-16", "flac-24"),
    *LOSSY,
)
KINDS_AND_CHANNELS = [
    (kind, channels)
    for kind in KINDS
    for channels in range(1, 9 if kind in COMMON and kind != "mp3" else 3)
]
# Encoders that leave something that isn't a file when they are given no frames.
UNABLE_TO_BE_EMPTY = ("flac-8", "flac-16", "flac-24", "mp3", "ogg-opus")


def rate_of(kind: str) -> int:
    return 48_000 if kind == "ogg-opus" else 44_100


def decoded(path: Path) -> NDArray[np.float64]:
    """All samples, (frames, channels), as soundfile alone decodes them."""
    samples: NDArray[np.float64] = soundfile.read(path, dtype="float64", always_2d=True)[0]
    return samples


def analysed(path: Path, num_peaks: int = 7) -> Analysis:
    return CODEC.analyse(path, num_peaks, LIMITS)


def assert_like_the_twin(path: Path) -> None:
    signal = twins.mono(decoded(path))
    for num_peaks in NUM_PEAKS:
        expected = twins.peaks(signal, num_peaks)
        waveform = analysed(path, num_peaks).waveform
        assert waveform.frames == len(signal)
        assert waveform.peaks.shape == (num_peaks,)
        assert np.abs(waveform.peaks - expected).max() <= 1e-4
        normalised = np.array(waveform.normalised_peaks())
        assert np.isfinite(normalised).all()
        # One step of the rounding to 4 decimals.
        assert np.abs(normalised - twins.normalised(expected)).max() < 1.001e-4


class TestPeaks:
    @pytest.mark.parametrize(("kind", "channels"), KINDS_AND_CHANNELS)
    def test_short_files_of_every_kind_have_the_peaks_of_the_twin(
        self, tmp_path: Path, kind: str, channels: int
    ) -> None:
        for frames in (1, 2, 4_001):
            samples = tone(frames, channels, rate_of(kind), seed=frames)
            path = tmp_path / f"{frames}"
            assert_like_the_twin(write_audio(path, samples, rate_of(kind), kind=kind))

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", COMMON)
    def test_a_minute_of_every_common_kind_has_the_peaks_of_the_twin(
        self, tmp_path: Path, kind: str
    ) -> None:
        samples = tone(60 * rate_of(kind), 2, rate_of(kind), seed=60)
        path = write_audio(tmp_path / "minute", samples, rate_of(kind), kind=kind)
        assert_like_the_twin(path)
        waveform = analysed(path).waveform
        assert waveform.duration_s == pytest.approx(60.0, abs=0.06 if kind in LOSSY else 1e-9)

    @pytest.mark.parametrize("kind", INTEGERS)
    @pytest.mark.parametrize("channels", [1, 2, 6])
    def test_lossless_files_have_the_peaks_of_what_was_written(
        self, tmp_path: Path, kind: str, channels: int
    ) -> None:
        samples = noise(4_001, channels, seed=5)
        path = write_audio(tmp_path / "noise", samples, kind=kind)
        step = 2.0 ** (1 - int(kind[-2:]))
        expected = twins.peaks(twins.mono(samples), 100)
        np.testing.assert_allclose(analysed(path, 100).waveform.peaks, expected, atol=step)

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in UNABLE_TO_BE_EMPTY])
    @pytest.mark.parametrize("num_peaks", NUM_PEAKS)
    def test_a_file_without_frames_is_silent_and_has_no_duration(
        self, tmp_path: Path, kind: str, num_peaks: int
    ) -> None:
        path = write_audio(tmp_path / "empty", tone(0, 2), kind=kind)
        waveform = analysed(path, num_peaks).waveform
        assert waveform.normalised_peaks() == [0.0] * num_peaks
        assert (waveform.frames, waveform.duration_s) == (0, 0.0)

    @pytest.mark.parametrize("kind", UNABLE_TO_BE_EMPTY)
    def test_what_an_encoder_leaves_when_given_nothing_is_a_clear_error(
        self, tmp_path: Path, kind: str
    ) -> None:
        path = write_audio(tmp_path / "empty", tone(0, 2), rate_of(kind), kind=kind)
        with pytest.raises(InvalidAudio):
            analysed(path)


class TestSilence:
    @pytest.mark.parametrize("kind", KINDS)
    def test_silence_gives_zeros(self, tmp_path: Path, kind: str) -> None:
        silence = np.zeros((5_000, 2), np.float32)
        path = write_audio(tmp_path / "silence", silence, rate_of(kind), kind=kind)
        assert analysed(path, 50).waveform.normalised_peaks() == [0.0] * 50

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LOSSY])
    def test_a_channel_and_its_opposite_are_silence_in_mono(
        self, tmp_path: Path, kind: str
    ) -> None:
        left = np.round(tone(5_000, 1) * 100) / 128
        path = write_audio(tmp_path / "opposite", np.hstack([left, -left]), kind=kind)
        assert np.abs(decoded(path)).max() > 0.3
        assert analysed(path, 50).waveform.normalised_peaks() == [0.0] * 50


class TestHostileFloats:
    @pytest.mark.parametrize("kind", ["wav-float", "wav-double", "aiff-float", "aiff-double"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("frame", [0, 70_000, 99_999])
    @pytest.mark.parametrize("channels", [1, 2, 3])
    def test_a_sample_that_is_not_a_number_is_a_clear_error(
        self, tmp_path: Path, kind: str, value: float, frame: int, channels: int
    ) -> None:
        samples = np.full((100_000, channels), 0.25)
        samples[frame, -1] = value
        path = write_audio(tmp_path / "hostile", samples, kind=kind)
        with pytest.raises(InvalidAudio, match="not numbers") as caught:
            analysed(path)
        assert caught.value.code == "audio_not_finite"

    @pytest.mark.parametrize("kind", ["wav-float", "wav-double"])
    @pytest.mark.parametrize("value", [1e38, -3.4e38, 1e308, -1.7e308, 5e-324, 1e-310, 1e-45])
    @pytest.mark.parametrize("channels", [1, 2, 8])
    def test_extreme_numbers_give_finite_peaks_or_a_clear_error(
        self, tmp_path: Path, kind: str, value: float, channels: int
    ) -> None:
        samples = np.zeros((1_000, channels))
        samples[500] = value
        with np.errstate(over="ignore"):
            path = write_audio(tmp_path / "hostile", samples, kind=kind)
        if not (np.abs(decoded(path)) <= np.finfo(np.float32).max).all():
            with pytest.raises(InvalidAudio) as caught:
                analysed(path)
            assert caught.value.code == "audio_not_finite"
        else:
            waveform = analysed(path, 50).waveform
            assert np.isfinite(waveform.peaks).all()
            assert np.isfinite(waveform.normalised_peaks()).all()
            assert np.flatnonzero(waveform.peaks).tolist() in ([], [25])


class TestRefusals:
    @pytest.mark.parametrize("kind", ["wav-16", "wav-24", "aiff-16", "flac-16", "mp3"])
    def test_a_file_that_was_cut_is_truncated(self, tmp_path: Path, kind: str) -> None:
        path = halve(write_audio(tmp_path / "cut", tone(88_200, 2), kind=kind))
        with pytest.raises(TruncatedAudio):
            analysed(path)

    def test_limits_hold_for_seconds_and_containers(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "long.wav", tone(44_101, 1))
        with pytest.raises(AudioTooLarge, match="more than 1 seconds"):
            CODEC.analyse(path, 7, AudioLimits(max_duration_s=1.0))
        with pytest.raises(UnsupportedAudio, match="please upload FLAC"):
            CODEC.analyse(path, 7, AudioLimits(mime_types=frozenset({"audio/flac"})))

    @pytest.mark.parametrize("content", [b"", b"RIFF", b"\x00" * 10_000, b"text " * 100])
    def test_what_is_no_audio_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "song.wav"
        path.write_bytes(content)
        with pytest.raises(NotAudio):
            analysed(path)
