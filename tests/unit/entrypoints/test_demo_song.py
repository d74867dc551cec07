"""The demo song: its files are what they claim to be, and they hold music."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from waveflow.entrypoints.demo.song import BAR_S, DemoStem, song_bars, write_song

BARS = 4
Stems = Mapping[str, DemoStem]
STEM_IDS = ("drums", "bass", "chords", "lead", "choir", "drums-final")


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> Stems:
    """A short song's stems by their ids, written once for all tests."""
    written = write_song(tmp_path_factory.mktemp("song") / "new folder", bars=BARS)
    return {stem.stem_id: stem for stem in written}


def _samples(stem: DemoStem) -> tuple[NDArray[np.float64], int]:
    """A stem's samples, (frames, channels), and its sample rate in Hz."""
    samples, sample_rate_hz = soundfile.read(stem.path, always_2d=True)
    return samples, sample_rate_hz


def _strongest_hz(stem: DemoStem, from_s: float, to_s: float) -> float:
    """The frequency with the most energy in a stretch of a stem."""
    samples, sample_rate_hz = _samples(stem)
    stretch = samples[round(from_s * sample_rate_hz) : round(to_s * sample_rate_hz)].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(stretch * np.hanning(len(stretch)), n=8 * len(stretch)))
    return float(np.argmax(spectrum) * sample_rate_hz / (8 * len(stretch)))


def _semitones(first_hz: float, second_hz: float) -> float:
    return float(12 * np.log2(first_hz / second_hz))


def _digest(stem: DemoStem) -> str:
    return hashlib.sha256(stem.path.read_bytes()).hexdigest()


def test_the_stems_come_in_order_each_with_an_id_and_a_title_of_its_own(stems: Stems) -> None:
    assert tuple(stems) == STEM_IDS
    assert len({stem.title for stem in stems.values()}) == len(STEM_IDS)
    assert len({stem.path for stem in stems.values()}) == len(STEM_IDS)


@pytest.mark.parametrize(
    ("stem_id", "name", "expected"),
    [
        ("drums", "drums.wav", ("WAV", "PCM_16", 2, 44_100)),
        ("bass", "bass.wav", ("WAV", "PCM_24", 1, 48_000)),
        ("chords", "chords.flac", ("FLAC", "PCM_24", 2, 48_000)),
        ("lead", "lead.mp3", ("MP3", "MPEG_LAYER_III", 2, 44_100)),
        ("choir", "choir.ogg", ("OGG", "VORBIS", 2, 44_100)),
        ("drums-final", "드럼 (최종).wav", ("WAV", "PCM_16", 2, 44_100)),
    ],
)
def test_every_stem_has_its_name_format_channel_count_and_rate(
    stems: Stems, stem_id: str, name: str, expected: tuple[str, str, int, int]
) -> None:
    info = soundfile.info(stems[stem_id].path)
    assert stems[stem_id].path.name == name
    assert (info.format, info.subtype, info.channels, info.samplerate) == expected


@pytest.mark.parametrize("stem_id", STEM_IDS)
def test_every_stem_lasts_exactly_as_many_bars_as_asked_for(stems: Stems, stem_id: str) -> None:
    samples, sample_rate_hz = _samples(stems[stem_id])
    assert len(samples) == BARS * BAR_S * sample_rate_hz


@pytest.mark.parametrize("stem_id", STEM_IDS)
def test_every_stem_peaks_between_minus_6_and_minus_3_dbfs(stems: Stems, stem_id: str) -> None:
    samples, _ = _samples(stems[stem_id])
    assert np.isfinite(samples).all()
    assert -6 <= 20 * np.log10(np.abs(samples).max()) <= -3


@pytest.mark.parametrize("stem_id", STEM_IDS)
def test_no_stem_has_a_dc_offset_or_ends_in_a_click(stems: Stems, stem_id: str) -> None:
    samples, _ = _samples(stems[stem_id])
    assert np.abs(samples.mean(axis=0)).max() < 1e-4
    assert np.abs(samples[[0, -1]]).max() < 1e-3


@pytest.mark.parametrize("stem_id", ["drums", "chords", "lead", "choir"])
def test_a_stereo_stem_is_wide_and_balanced(stems: Stems, stem_id: str) -> None:
    samples, _ = _samples(stems[stem_id])
    left_power, right_power = (float(np.square(side).mean()) for side in samples.T)
    assert abs(10 * np.log10(left_power / right_power)) < 2
    assert np.asarray(np.corrcoef(samples.T))[0, 1] < 0.995


def test_the_last_file_is_the_first_one_byte_for_byte(stems: Stems) -> None:
    assert _digest(stems["drums-final"]) == _digest(stems["drums"])


def test_the_lossless_stems_come_out_the_same_every_time(stems: Stems, tmp_path: Path) -> None:
    again = {stem.stem_id: stem for stem in write_song(tmp_path, bars=BARS)}
    for stem_id in ("drums", "bass", "chords"):
        assert _digest(again[stem_id]) == _digest(stems[stem_id])


def test_the_bass_plays_the_root_of_the_first_chord_in_the_first_bar(stems: Stems) -> None:
    a1_hz = 55.0
    assert abs(_semitones(_strongest_hz(stems["bass"], 0.1, BAR_S - 0.2), a1_hz)) < 0.2


def test_the_bass_follows_the_chord_into_the_second_bar(stems: Stems) -> None:
    f1_hz = 43.65
    assert abs(_semitones(_strongest_hz(stems["bass"], BAR_S + 0.1, 1.9 * BAR_S), f1_hz)) < 0.2


def test_the_lead_ends_on_the_third_of_the_last_chord_in_tune(stems: Stems) -> None:
    e5_hz = 659.26
    ending_s = (BARS - 1) * BAR_S
    sung_hz = _strongest_hz(stems["lead"], ending_s + 0.05, ending_s + 0.6)
    assert abs(_semitones(sung_hz, e5_hz)) < 0.3


def test_the_last_stroke_of_the_drums_falls_on_the_bar_line(stems: Stems) -> None:
    samples, sample_rate_hz = _samples(stems["drums"])
    line = round((BARS - 1) * BAR_S * sample_rate_hz)
    loudness = np.abs(samples).max(axis=1)
    before, after = loudness[line - 200 : line].max(), loudness[line : line + 200].max()
    assert after > 2 * before


def test_the_lossy_stems_start_where_the_music_does(stems: Stems) -> None:
    samples, sample_rate_hz = _samples(stems["lead"])
    first_sound_s = float(np.argmax(np.abs(samples).max(axis=1) > 0.01)) / sample_rate_hz
    assert first_sound_s == pytest.approx(BAR_S + 2.5 * BAR_S / 4, abs=0.02)


def test_a_longer_song_keeps_its_beginning_and_its_ending() -> None:
    short, long = song_bars(4), song_bars(30)
    assert len(long) == 30
    assert [*long[:2], *long[-2:]] == short


def test_a_song_too_short_for_intro_and_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 4 bars"):
        write_song(tmp_path, bars=3)
