"""Every file of the hostile set, through the isolated codec: just what is expected comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.campaigns.fuzz import MeteredCodec
from tests.support import twins
from tests.support.audio_files import write_audio
from tests.support.hostile_audio import BOMBS, HOSTILE, write_all
from tests.support.hostile_file import Hostile, Refused, Works
from tests.support.hostile_foreign import legacy_pairs
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import PermanentError, UnreadableStem
from waveflow.domain.waveform import Analysis

LIMITS = AudioLimits()
NUM_PEAKS = 40
FILE_S = 60.0
"""Wall and processor time of a file. The longest takes 3 s of it, on a machine that is idle."""
MEMORY_BYTES = 250 * 1024**2

SHORT = [name for name in HOSTILE if name not in BOMBS]


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def codec(notes: Path) -> Iterator[IsolatedCodec]:
    limits = ProcessLimits(task_cpu_s=FILE_S)
    with IsolatedCodec(MeteredCodec(notes), task_timeout_s=FILE_S, limits=limits) as codec:
        yield codec


def met(entry: Hostile, outcome: Analysis | PermanentError) -> bool:
    """Whether this is what was expected."""
    expected = entry.expected
    if isinstance(expected, Refused):
        return (
            isinstance(outcome, PermanentError)
            and outcome.code == expected.code
            and expected.words in str(outcome)
        )
    return isinstance(outcome, Analysis) and _sounds_right(expected, outcome)


def _sounds_right(expected: Works, analysis: Analysis) -> bool:
    waveform = analysis.waveform
    facts = (waveform.frames, waveform.sample_rate_hz, analysis.channels)
    if facts != (expected.frames, expected.sample_rate_hz, expected.channels):
        return False
    if expected.mono is None:
        return bool(np.isfinite(waveform.peaks).all() and (waveform.peaks >= 0).all())
    mono = expected.mono
    if len(mono) == 1:  # the same throughout
        return bool(np.allclose(waveform.peaks, mono[0], rtol=0, atol=expected.tolerance))
    off = np.abs(waveform.peaks - twins.peaks(mono, NUM_PEAKS)).max()
    return bool(off <= expected.tolerance)


def analysed(codec: IsolatedCodec, path: Path) -> Analysis | PermanentError:
    try:
        return codec.analyse(path, NUM_PEAKS, LIMITS)
    except PermanentError as error:
        return error


@pytest.mark.parametrize(
    "family", ["wav", "aiff", "flac", "ogg", "mp3", "m4a", "foreign", "legacy"]
)
def test_each_works_or_is_refused_as_expected(
    codec: IsolatedCodec, tmp_path: Path, family: str
) -> None:
    names = [name for name in SHORT if name.startswith(family)]
    assert len(names) > 30
    outcomes = {name: analysed(codec, HOSTILE[name].write(tmp_path / "file")) for name in names}
    wrong = {name: found for name, found in outcomes.items() if not met(HOSTILE[name], found)}
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_seconds_and_no_memory(
    codec: IsolatedCodec, notes: Path, tmp_path: Path, name: str
) -> None:
    path = HOSTILE[name].write(tmp_path / "file")
    assert path.stat().st_size < 700_000
    outcome = analysed(codec, path)
    assert met(HOSTILE[name], outcome), f"{outcome!r}"
    assert _peak_bytes(notes) < MEMORY_BYTES


def _peak_bytes(notes: Path) -> int:
    return max(1024 * int(note.read_text()) for note in notes.iterdir())


@pytest.mark.slow
def test_in_a_mix_too_each_is_summed_up_or_named(
    codec: IsolatedCodec, notes: Path, tmp_path: Path
) -> None:
    good = {
        rate_hz: write_audio(
            tmp_path / f"{rate_hz}.wav", np.full((1_000, 1), 0.25, np.float32), rate_hz
        )
        for rate_hz in {
            entry.expected.sample_rate_hz if isinstance(entry.expected, Works) else 44_100
            for entry in HOSTILE.values()
        }
    }

    def problem(name: str) -> str | None:
        expected = HOSTILE[name].expected
        source = HOSTILE[name].write(tmp_path / f"source {SHORT.index(name)}")
        destination = source.with_suffix(".mixed")
        rate_hz = expected.sample_rate_hz if isinstance(expected, Works) else 44_100
        try:
            mix = codec.mix([good[rate_hz], source], destination, NUM_PEAKS, LIMITS)
        except PermanentError as error:
            as_expected = (
                isinstance(expected, Refused)
                and isinstance(error, UnreadableStem)
                and (error.index, error.code) == (1, expected.code)
            )
            return None if as_expected else f"{name}: {error!r}"
        if not isinstance(expected, Works):
            return f"{name}: mixed"
        frames = max(1_000, expected.frames)
        if mix.waveform.frames != frames or destination.stat().st_size != 44 + 2 * frames:
            return f"{name}: {mix}"
        return None

    with ThreadPoolExecutor(2) as threads:
        problems = [each for each in threads.map(problem, SHORT) if each is not None]
    assert problems == []
    assert _peak_bytes(notes) < MEMORY_BYTES


def test_it_is_written_with_a_manifest_of_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = dict(list(HOSTILE.items())[:40])
    monkeypatch.setattr("tests.support.hostile_audio.HOSTILE", some)
    write_all(tmp_path / "set")
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert [each["name"] for each in manifest.values()] == list(some)
    for name, facts in manifest.items():
        assert (tmp_path / "set" / name).stat().st_size == facts["bytes"]
        assert facts["outcome"] in ("works", "refused")


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    names = [name for name in SHORT if not name.startswith("legacy")][::7]
    first = {name: HOSTILE[name].content(tmp_path) for name in names}
    assert {name: HOSTILE[name].content(tmp_path) for name in names} == first


def test_no_codec_that_the_library_knows_was_forgotten() -> None:
    in_the_set = {name.removeprefix("legacy ") for name in HOSTILE if name.startswith("legacy ")}
    assert in_the_set == {f"{container} {subtype}" for container, subtype in legacy_pairs()}
    assert len(in_the_set) > 90
