"""Mixes of files at different sample rates: level, purity and time after 16-bit rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.support.audio_files import tone, write_audio
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix

RATES = [(44_100, 48_000), (48_000, 44_100), (96_000, 48_000)]
Signal = NDArray[np.float64]


def write(path: Path, signal: Signal, sample_rate_hz: int, *, kind: str = "wav-float") -> Path:
    return write_audio(path, signal.reshape(len(signal), -1), sample_rate_hz, kind=kind)


def silence(folder: Path, sample_rate_hz: int, count: int) -> list[Path]:
    """Stems that say nothing, but have a vote on the sample rate."""
    return [write(folder / f"silent-{i}", np.zeros(10), sample_rate_hz) for i in range(count)]


def mixed(stems: list[Path]) -> tuple[Signal, Mix]:
    """The mix times the number of its stems, in 16-bit steps."""
    destination = stems[0].parent / "mix.wav"
    mix = SoundfileCodec().mix(stems, destination, 100, AudioLimits())
    assert mix.gain == 1.0
    samples = soundfile.read(destination, dtype="int16")[0]
    return samples.astype(np.float64) * len(stems), mix


def sine(frequency_hz: float, sample_rate_hz: int, seconds: float, level: float = 0.9) -> Signal:
    angle = 2 * np.pi * frequency_hz * np.arange(round(sample_rate_hz * seconds)) / sample_rate_hz
    result: Signal = level * np.sin(angle + 0.3)
    return result


def chord(sample_rate_hz: int) -> Signal:
    """Three seconds of 60 tones up to 19 kHz that swell and fade: the same sound at any rate."""
    seconds = np.arange(3 * sample_rate_hz) / sample_rate_hz
    rng = np.random.default_rng(17)
    sound = np.zeros(len(seconds))
    for frequency_hz, phase in zip(rng.uniform(50, 19_000, 60), rng.uniform(0, 6, 60), strict=True):
        sound += np.sin(2 * np.pi * frequency_hz * seconds + phase)
    result: Signal = 0.02 * sound * np.sin(np.pi * seconds / 3) ** 2
    return result


class TestTones:
    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    def test_a_resampled_tone_is_the_tone_to_the_last_bit(
        self, tmp_path: Path, from_hz: int, to_hz: int
    ) -> None:
        stems = [write(tmp_path / "tone", sine(1_000, from_hz, 3), from_hz)]
        stems += silence(tmp_path, to_hz, 2)
        samples, mix = mixed(stems)
        ideal = sine(1_000, to_hz, 3) * 32_767
        assert mix.waveform.sample_rate_hz == to_hz
        assert len(samples) == len(ideal)
        inner = slice(to_hz // 2, -to_hz // 2)
        # Each stem is a third of the mix, and so is a step.
        assert np.abs(samples[inner] - ideal[inner]).max() <= 0.51 * 3

    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    def test_level_and_phase_of_the_tone_are_kept_and_nothing_is_added(
        self, tmp_path: Path, from_hz: int, to_hz: int
    ) -> None:
        # 1,000 Hz would repeat after 48 samples, and its rounding errors with it.
        stems = [write(tmp_path / "tone", sine(997, from_hz, 3), from_hz)]
        samples, _ = mixed(stems + silence(tmp_path, to_hz, 2))
        part = samples[to_hz : 2 * to_hz] / 32_767
        window = np.kaiser(len(part), 20.0)
        spectrum = 2 * np.fft.rfft(part * window) / window.sum()
        assert abs(20 * np.log10(np.abs(spectrum[997]) / 0.9)) < 0.01
        # A sine is a cosine a quarter of a turn late; a second is whole periods.
        assert np.angle(spectrum[997]) == pytest.approx(0.3 - np.pi / 2, abs=1e-4)
        apart = np.abs(np.arange(len(spectrum)) - 997) > 20
        assert 20 * np.log10(np.abs(spectrum[apart]).max()) < -100

    def test_a_tone_above_what_the_mix_can_hold_leaves_nothing_behind(self, tmp_path: Path) -> None:
        stems = [write(tmp_path / "tone", sine(30_000, 96_000, 3), 96_000)]
        samples, _ = mixed(stems + silence(tmp_path, 48_000, 2))
        assert not samples[24_000:-24_000].any()


class TestAlignment:
    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    def test_a_sound_cancels_itself_at_another_rate(
        self, tmp_path: Path, from_hz: int, to_hz: int
    ) -> None:
        stems = [
            write(tmp_path / "here", chord(to_hz), to_hz),
            write(tmp_path / "there", -chord(from_hz), from_hz),
            *silence(tmp_path, to_hz, 1),
        ]
        samples, _ = mixed(stems)
        assert np.abs(chord(to_hz)).max() > 0.2
        # A step of the mix, which is a third of the stems.
        assert np.abs(samples).max() <= 3

    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    def test_a_burst_of_noise_lines_up_with_itself_at_another_rate(
        self, tmp_path: Path, from_hz: int, to_hz: int
    ) -> None:
        resampled, _ = mixed(
            [write(tmp_path / "there", chord(from_hz), from_hz), *silence(tmp_path, to_hz, 2)]
        )
        spectrum = np.fft.rfft(resampled) * np.conj(np.fft.rfft(chord(to_hz)))
        assert int(np.fft.irfft(spectrum, len(resampled)).argmax()) == 0

    @pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
    @pytest.mark.parametrize("at_ms", [0, 10, 500, 990])
    def test_a_click_lands_on_its_frame_in_both(
        self, tmp_path: Path, from_hz: int, to_hz: int, at_ms: int
    ) -> None:
        for name, rate_hz in (("here", to_hz), ("there", from_hz)):
            click = np.zeros(rate_hz)
            click[at_ms * rate_hz // 1_000] = 0.9
            write(tmp_path / name, click, rate_hz)
        for name in ("here", "there"):
            folder = tmp_path / f"{name} alone"
            folder.mkdir()
            stems = [(tmp_path / name).rename(folder / name), *silence(folder, to_hz, 2)]
            samples, _ = mixed(stems)
            assert int(np.abs(samples).argmax()) == at_ms * to_hz // 1_000


class TestLengthAndRate:
    @pytest.mark.parametrize(
        ("frames", "from_hz", "to_hz", "expected"),
        [
            (100_000, 44_100, 48_000, 108_844),
            (100_000, 48_000, 44_100, 91_875),
            (100_000, 96_000, 48_000, 50_000),
            (65_537, 44_100, 48_000, 71_333),
            (44_100, 44_100, 48_000, 48_000),
            (12_345, 22_050, 44_100, 24_690),
            (12_345, 8_000, 44_100, 68_052),
        ],
    )
    def test_a_resampled_stem_is_as_long_as_before(
        self, tmp_path: Path, frames: int, from_hz: int, to_hz: int, expected: int
    ) -> None:
        stems = [write(tmp_path / "long", np.full(frames, 0.1), from_hz)]
        samples, mix = mixed(stems + silence(tmp_path, to_hz, 2))
        assert len(samples) == mix.waveform.frames == expected
        assert samples[expected // 2] == pytest.approx(3_277, abs=2)

    def test_on_a_tie_the_higher_rate_is_taken(self, tmp_path: Path) -> None:
        stems = [write(tmp_path / "low", np.full(44_100, 0.1), 44_100)]
        _, mix = mixed(stems + silence(tmp_path, 48_000, 1))
        assert (mix.waveform.sample_rate_hz, mix.waveform.frames) == (48_000, 48_000)

    @pytest.mark.parametrize("kind", ["flac-24", "mp3", "ogg-vorbis", "aiff-16", "wav-u8"])
    def test_every_kind_of_file_is_resampled(self, tmp_path: Path, kind: str) -> None:
        path = write_audio(tmp_path / "stem", tone(44_100, 2), kind=kind)
        frames = len(soundfile.read(path)[0])
        samples, _ = mixed([path, *silence(tmp_path, 48_000, 2)])
        assert len(samples) == round(frames * 48_000 / 44_100)
        assert np.abs(samples).max() > 3_000
