"""Mixes of real files, against the slow twin on plainly decoded samples."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.support import twins
from tests.support.audio_files import damage, halve, tone, write_audio
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import UnreadableStem, WorkFolderUnavailable
from waveflow.domain.mixing import Mix

LIMITS = AudioLimits()
Stem = tuple[str, int, int, float]
"""Kind of file, channels, frames and level."""

MIXED_TYPES: list[Stem] = [
    ("wav-u8", 1, 30_000, 1.0),
    ("wav-16", 2, 90_000, 1.0),
    ("wav-24", 6, 70_001, 0.5),
    ("wav-32", 1, 65_536, 1.0),
    ("wav-float", 2, 65_537, 1.2),
    ("wav-double", 8, 100, 2.0),
    ("aiff-16", 3, 1, 1.0),
    ("flac-24", 2, 80_000, 1.0),
    ("mp3", 2, 50_000, 1.0),
    ("ogg-vorbis", 2, 50_000, 1.0),
]


def written(folder: Path, stems: Sequence[Stem]) -> list[Path]:
    return [
        write_audio(folder / f"{i}", level * tone(frames, channels, seed=i), kind=kind)
        for i, (kind, channels, frames, level) in enumerate(stems)
    ]


def mixed(stems: Sequence[Path], num_peaks: int = 100) -> tuple[NDArray[np.int16], Mix]:
    """The samples of the mix as another library reads them, and what the codec says of it."""
    destination = stems[0].parent / "mix.wav"
    mix = SoundfileCodec().mix(stems, destination, num_peaks, LIMITS)
    info = soundfile.info(destination)
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    assert info.samplerate == mix.waveform.sample_rate_hz
    samples: NDArray[np.int16] = soundfile.read(destination, dtype="int16")[0]
    assert len(samples) == info.frames == mix.waveform.frames
    return samples, mix


def signal_of(path: Path) -> NDArray[np.float64]:
    samples: NDArray[Any] = soundfile.read(path, dtype="float64", always_2d=True)[0]
    return twins.mono(samples)


class TestSamples:
    @pytest.mark.parametrize(
        "stems",
        [
            [("wav-16", 2, 100_000, 1.0)],
            [("wav-float", 1, 100_000, 4.0)],
            [("wav-16", 2, 70_000, 1.0), ("wav-16", 2, 70_000, 1.0)],
            [("wav-16", 2, 70_000, 1.0), ("wav-16", 2, 1_234, 1.0)],
            [("wav-float", 2, 70_000, 4.0), ("wav-float", 2, 70_000, 3.0)],
            [("wav-24", 1, 65_535, 1.0), ("wav-24", 1, 65_536, 1.0), ("wav-24", 1, 65_537, 1.0)],
            [("wav-float", 1, 10, 9.0), ("wav-16", 2, 65_536, 1.0), ("flac-16", 2, 0, 1.0)][:2],
            [("wav-16", 1, 0, 1.0), ("wav-16", 1, 5_000, 1.0)],
            [("wav-16", 1, 0, 1.0), ("aiff-24", 2, 0, 1.0)],
            [("wav-16", 2, 20_000 + 7_919 * i, 1.0) for i in range(16)],
            [("wav-24", 1 + i % 8, 30_000, 1.0) for i in range(16)],
            [("wav-double", 2, 30_000, 8.0) for _ in range(16)],
            MIXED_TYPES,
        ],
    )
    def test_a_mix_is_within_one_step_of_the_twin(self, tmp_path: Path, stems: list[Stem]) -> None:
        paths = written(tmp_path, stems)
        signals = [signal_of(path) for path in paths]
        samples, mix = mixed(paths)
        expected = np.array(twins.mix(signals), np.float64)
        assert len(samples) == len(expected)
        assert np.abs(samples - expected).max(initial=0) <= 1
        assert mix.gain == pytest.approx(twins.gain(twins.padded_mean(signals)), rel=1e-12)
        assert np.abs(samples).max(initial=0) <= 31_129
        peaks = twins.peaks(expected / 32_767, 100)
        assert np.abs(mix.waveform.peaks - peaks).max() <= 1e-4

    def test_one_loud_moment_scales_the_whole_mix_to_the_ceiling(self, tmp_path: Path) -> None:
        samples = np.full((200_000, 1), 0.1)
        samples[150_000] = -1.9
        found, mix = mixed([write_audio(tmp_path / "a", samples, kind="wav-float")])
        assert mix.gain == pytest.approx(0.5)
        assert (int(found.min()), int(found.max())) == (-31_129, 1_638)

    def test_silent_stems_give_a_silent_mix(self, tmp_path: Path) -> None:
        silence = np.zeros((70_000, 2))
        stems = [write_audio(tmp_path / kind, silence, kind=kind) for kind in ("wav-16", "mp3")]
        samples, mix = mixed(stems)
        assert not samples.any()
        assert mix.gain == 1.0
        assert mix.waveform.normalised_peaks() == [0.0] * 100

    def test_opposite_channels_and_opposite_stems_cancel(self, tmp_path: Path) -> None:
        left = np.round(tone(70_000, 1) * 16_384).astype(np.int16)
        wide = write_audio(tmp_path / "wide", np.hstack([left, -left]))
        stems = [write_audio(tmp_path / "left", left), write_audio(tmp_path / "right", -left), wide]
        assert not mixed(stems)[0].any()

    @pytest.mark.parametrize("value", [1e38, 3.4e38, 1e308, 5e-324, 1e-40])
    @pytest.mark.parametrize("kind", ["wav-float", "wav-double"])
    @pytest.mark.parametrize("sample_rate_hz", [44_100, 48_000])
    def test_extreme_numbers_give_a_finite_mix_or_a_clear_error(
        self, tmp_path: Path, value: float, kind: str, sample_rate_hz: int
    ) -> None:
        samples = np.zeros((5_000, 2))
        samples[2_000] = value
        with np.errstate(over="ignore"):
            hostile = write_audio(tmp_path / "a", samples, sample_rate_hz, kind=kind)
        stems = [hostile, *(write_audio(tmp_path / n, tone(5_000)) for n in "bc")]
        if value == 1e308:
            with pytest.raises(UnreadableStem) as caught:
                mixed(stems)
            assert (caught.value.index, caught.value.code) == (0, "audio_not_finite")
        else:
            _, mix = mixed(stems)
            assert np.isfinite(mix.waveform.peaks).all()
            assert np.isfinite(mix.waveform.normalised_peaks()).all()
            assert 0.0 < mix.gain <= 1.0


class TestRefusals:
    @pytest.mark.parametrize("index", [0, 1, 2])
    @pytest.mark.parametrize("kind", ["wav-16", "wav-24", "aiff-16", "flac-16", "mp3"])
    @pytest.mark.parametrize("sample_rate_hz", [44_100, 48_000])
    def test_a_stem_that_was_cut_fails_the_mix(
        self, tmp_path: Path, index: int, kind: str, sample_rate_hz: int
    ) -> None:
        stems = written(tmp_path, [("wav-16", 2, 60_000, 1.0)] * 3)
        halve(write_audio(stems[index], tone(60_000, 2), sample_rate_hz, kind=kind))
        with pytest.raises(UnreadableStem, match=f"Stem {index + 1}: ") as caught:
            mixed(stems)
        assert (caught.value.index, caught.value.code) == (index, "audio_truncated")

    @pytest.mark.parametrize("index", [0, 2])
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "not_audio"),
            (b"not audio" * 100, "not_audio"),
            (b"RIFF\x10\x00\x00\x00WAVE", "invalid_audio"),
            (b"\x00\x00\x00\x20ftypM4A " + bytes(100), "unsupported_format"),
        ],
    )
    def test_a_stem_that_is_no_audio_is_named(
        self, tmp_path: Path, index: int, content: bytes, code: str
    ) -> None:
        stems = written(tmp_path, [("wav-16", 2, 1_000, 1.0)] * 3)
        stems[index].write_bytes(content)
        with pytest.raises(UnreadableStem) as caught:
            mixed(stems)
        assert (caught.value.index, caught.value.code) == (index, code)

    @pytest.mark.parametrize("sample_rate_hz", [44_100, 48_000])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_stem_with_a_sample_that_is_not_a_number_is_named(
        self, tmp_path: Path, value: float, sample_rate_hz: int
    ) -> None:
        stems = written(tmp_path, [("wav-16", 2, 90_000, 1.0)] * 3)
        samples = np.zeros((90_000, 2))
        samples[80_000, 1] = value
        write_audio(stems[1], samples, sample_rate_hz, kind="wav-float")
        with pytest.raises(UnreadableStem) as caught:
            mixed(stems)
        assert (caught.value.index, caught.value.code) == (1, "audio_not_finite")

    def test_a_stem_that_is_damaged_inside_is_named(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 1_000, 1.0), ("flac-16", 2, 200_000, 1.0)])
        damage(stems[1])
        with pytest.raises(UnreadableStem) as caught:
            mixed(stems)
        assert caught.value.index == 1


class TestFiles:
    def test_nothing_but_the_mix_is_left_in_the_folder(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 100_000, 1.0)] * 2)
        mixed(stems)
        assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "mix.wav"}

    def test_a_failed_mix_leaves_no_spool_either(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 100_000, 1.0)] * 2)
        halve(stems[1])
        with pytest.raises(UnreadableStem):
            mixed(stems)
        assert {path.name for path in tmp_path.iterdir()} <= {"0", "1", "mix.wav"}

    def test_an_existing_file_is_not_overwritten(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 1_000, 1.0)])
        (tmp_path / "mix.wav").write_bytes(b"precious")
        with pytest.raises(WorkFolderUnavailable):
            mixed(stems)
        assert (tmp_path / "mix.wav").read_bytes() == b"precious"

    def test_a_folder_that_isnt_there_is_the_work_folders_fault(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 1_000, 1.0)])
        with pytest.raises(WorkFolderUnavailable):
            SoundfileCodec().mix(stems, tmp_path / "missing" / "mix.wav", 10, LIMITS)

    def test_a_full_disk_is_the_work_folders_fault(self, tmp_path: Path) -> None:
        stems = written(tmp_path, [("wav-16", 2, 100_000, 1.0)])
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        # The nearest thing to a full disk that needs no disk: files can't grow any further.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, unlimited[1]))
        try:
            with pytest.raises(WorkFolderUnavailable, match="Make room there"):
                mixed(stems)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)


@pytest.fixture
def few_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_open_files")
def test_300_stems_are_mixed_even_when_few_files_may_be_open(tmp_path: Path) -> None:
    kinds = ["wav-16", "flac-16", "wav-24"]
    stems = written(tmp_path, [(kinds[i % 3], 2, 500 + i, 1.0) for i in range(300)])
    samples, _ = mixed(stems)
    expected = np.array(twins.mix([signal_of(path) for path in stems]))
    assert len(samples) == 799
    assert np.abs(samples - expected).max() <= 1
