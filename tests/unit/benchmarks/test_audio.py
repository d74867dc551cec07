"""The music that is measured with, and the files made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import audio
from benchmarks.files import SHORT, GivenFiles, NotedFiles, RenderedFiles, cached_share, fingerprint
from benchmarks.formats import KINDS, Missing
from tests.support.audio_files import tone, write_audio

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> RenderedFiles:
    """One song for all."""
    return RenderedFiles(tmp_path_factory.mktemp("rendered"), SHORT)


def test_a_stem_is_the_same_every_time() -> None:
    assert np.array_equal(audio.stem(3, 2.0, RATE_HZ), audio.stem(3, 2.0, RATE_HZ))


def test_voices_and_seeds_give_different_music() -> None:
    stems = [audio.stem(voice, 1.0, RATE_HZ) for voice in range(len(audio.VOICES))]
    stems.append(audio.stem(0, 1.0, RATE_HZ, seed=2))

    assert len({each.tobytes() for each in stems}) == len(stems)


def test_a_song_is_stereo_of_the_length_asked_for_and_does_not_clip() -> None:
    song = audio.song(2.5, RATE_HZ)

    assert song.shape == (int(2.5 * RATE_HZ), 2)
    assert 0.2 < np.abs(song).max() < 1.0
    assert not np.array_equal(song[:, 0], song[:, 1])


def test_a_song_compresses_as_recordings_do(files: RenderedFiles) -> None:
    plain, packed = (files.file(kind, SHORT.long_s) for kind in ("wav-16", "flac-16"))

    assert 0.4 < packed.stat().st_size / plain.stat().st_size < 0.85


@pytest.mark.parametrize("kind", [kind for kind, of in KINDS.items() if not of.codec])
def test_each_kind_is_written_as_what_it_is_called(files: RenderedFiles, kind: str) -> None:
    info = soundfile.info(files.file(kind, SHORT.minute_s))

    assert (info.format, info.subtype) == (KINDS[kind].container, KINDS[kind].subtype)
    assert info.channels == 2
    assert info.duration == pytest.approx(SHORT.minute_s, abs=0.1)


def test_a_file_longer_than_the_song_plays_it_again(files: RenderedFiles) -> None:
    samples, rate_hz = soundfile.read(files.file("wav-16", 2 * SHORT.long_s), dtype="int16")
    song_frames = SHORT.long_s * rate_hz

    assert len(samples) == 2 * song_frames
    assert np.array_equal(samples[:song_frames], samples[song_frames:])


def test_a_file_is_written_once_and_whole(files: RenderedFiles) -> None:
    first = fingerprint(files.file("wav-16", 1))

    assert fingerprint(files.file("wav-16", 1)) == first
    assert [path.name for path in files.folder.glob("*wav-16-1s*")] == ["wav-16-1s.wav"]
    assert list(files.folder.glob(".*")) == []


def test_stems_are_one_voice_each_at_the_rates_asked_for(tmp_path: Path) -> None:
    paths = RenderedFiles(tmp_path, SHORT).stems("flac-16", (48_000, RATE_HZ))

    assert [soundfile.info(path).samplerate for path in paths] == [48_000, RATE_HZ]
    assert len(set(paths)) == 2


def test_a_file_that_was_just_read_lies_in_the_page_cache(files: RenderedFiles) -> None:
    path = files.file("wav-16", 1)
    path.read_bytes()

    assert cached_share(path) in (1.0, None)


class TestGivenFiles:
    def test_the_longest_file_of_a_kind_is_taken_whatever_its_name(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "a.wav", tone(100))
        longest = write_audio(tmp_path / "b.audio", tone(300))
        write_audio(tmp_path / "c.wav", tone(900), kind="wav-24")
        (tmp_path / "notes.txt").write_text("no audio")

        assert GivenFiles(tmp_path).file("wav-16", 3600) == longest

    def test_a_kind_that_is_not_there_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(Missing, match="no mp3 in"):
            GivenFiles(tmp_path).file("mp3", 60)

    def test_one_file_is_no_mix(self, tmp_path: Path) -> None:
        write_audio(tmp_path / "a.wav", tone(100))

        with pytest.raises(Missing, match="fewer than two"):
            GivenFiles(tmp_path).stems("wav-16", (RATE_HZ,) * 8)

    def test_resampling_needs_two_rates(self, tmp_path: Path) -> None:
        for name in "ab":
            write_audio(tmp_path / f"{name}.wav", tone(100))

        with pytest.raises(Missing, match="two sample rates"):
            GivenFiles(tmp_path).stems("wav-16", (RATE_HZ, 48_000))

    def test_what_was_asked_for_is_noted(self, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "a.wav", tone(100))
        noted = NotedFiles(GivenFiles(tmp_path))
        noted.file("wav-16", 1)

        assert noted.used == {path}
