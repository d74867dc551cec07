"""`waveflow demo` as a process of its own: what it makes, shows and leaves behind."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image

from tests.support.audio_files import write_audio
from tests.support.console_script import WAVEFLOW, processes_with, run_waveflow

PICTURES = Path(__file__).parents[2] / "docs/pictures"
SONG = ["drums.wav", "bass.wav", "chords.flac", "lead.mp3", "choir.ogg", "드럼 (최종).wav"]


@frozen
class Run:
    """One run of the demo: the folder it was started in, and how the process ended."""

    here: Path
    process: CompletedProcess[str]

    @property
    def report(self) -> dict[str, Any]:
        """The one line of JSON that it printed."""
        assert self.process.stdout.count("\n") == 1
        report: dict[str, Any] = json.loads(self.process.stdout)
        return report

    @property
    def storage(self) -> Path:
        [storage] = self.here.glob("out/*/storage")
        return storage

    def stored(self, folder: str) -> list[Path]:
        """The objects below a folder of the storage, in key order."""
        return sorted(path for path in (self.storage / folder).rglob("*") if path.is_file())

    def assert_left_nothing(self) -> None:
        """No work file, no process, nothing beside the output folder."""
        assert processes_with(f"TMPDIR={self.here / 'tmp'}") == set()
        assert [path for path in (self.here / "tmp").rglob("*") if path.is_file()] == []
        assert list((self.here / "tmp" / "waveflow").iterdir()) == []
        assert list((self.storage / ".waveflow-tmp").glob("*.part")) == []


def demo(here: Path, *arguments: str | Path) -> Run:
    (here / "tmp").mkdir()
    environment = {"TMPDIR": str(here / "tmp")}
    return Run(here, run_waveflow(["demo", "-o", "out", *arguments], here, environment))


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The demo with its own song, run once for all tests."""
    return demo(tmp_path_factory.mktemp("song"), "--json")


@pytest.fixture(scope="module")
def made(song: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the documentation, made anew."""
    folder = tmp_path_factory.mktemp("pictures")
    command = [PICTURES / "make.sh", folder, song.storage.parent, WAVEFLOW]
    subprocess.run([str(part) for part in command], check=True, timeout=60)
    return folder


def _at_44100(path: Path) -> NDArray[np.float64]:
    """The mono signal of a file at 44.1 kHz."""
    samples, sample_rate_hz = soundfile.read(path)
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    resampled: NDArray[np.float64] = soxr.resample(mono, sample_rate_hz, 44_100, quality="VHQ")
    return resampled


class TestSong:
    def test_it_ends_well_and_says_nothing_else(self, song: Run) -> None:
        assert (song.process.returncode, song.process.stderr) == (0, "")

    def test_every_stem_is_there_with_its_verdict(self, song: Run) -> None:
        stems = song.report["stems"]
        assert [stem["stem"] for stem in stems] == SONG
        assert [stem["verdict"] for stem in stems] == ["new"] * 5 + ["duplicate, deleted"]
        assert [stem["num_peaks"] for stem in stems] == [4000] * 5 + [None]
        assert [stem["duration"] for stem in stems] == [24.0] * 5 + [None]
        assert {stem["error"] for stem in stems} == {None}
        assert stems[0]["audio_hash"] == stems[5]["audio_hash"]
        assert len({stem["audio_hash"] for stem in stems}) == 5

    def test_nothing_is_repeated(self, song: Run) -> None:
        assert song.report["repeated_webhooks"] == 0

    def test_the_duplicate_is_deleted_and_no_other_file(self, song: Run) -> None:
        names = [path.name.split("_", 1)[1] for path in song.stored("users")]
        assert sorted(names) == sorted(SONG[:5])
        made = sorted(path.name for path in song.here.glob("out/*/stems/*"))
        assert made == sorted(SONG)

    def test_the_ledger_names_an_owner_for_each_recording(self, song: Run) -> None:
        owners = {json.loads(line.read_text())["path"] for line in song.stored("ledger")}
        assert {song.storage / owner for owner in owners} == set(song.stored("users"))

    def test_the_mix_is_the_mean_of_the_five_stems_at_the_rate_that_most_have(
        self, song: Run
    ) -> None:
        [mix] = song.stored("mixed")
        assert Path(song.here / song.report["mix"]) == mix
        info = soundfile.info(mix)
        assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
        assert (info.samplerate, info.frames) == (44_100, 24 * 44_100)
        mixed, _ = soundfile.read(mix)
        expected = sum(_at_44100(path) for path in song.stored("users")) / 5
        assert np.abs(mixed - expected * min(1, 0.95 / np.abs(expected).max())).max() < 0.001
        assert 0.2 < np.abs(mixed).max() <= 0.9501

    def test_the_waveform_is_that_of_the_mix(self, song: Run) -> None:
        waveform = json.loads((song.here / song.report["mix_waveform"]).read_text())
        mixed, _ = soundfile.read(song.here / song.report["mix"])
        edges = [len(mixed) * bucket // 4000 for bucket in range(4001)]
        peaks = np.array([np.abs(mixed[start:end]).max() for start, end in pairwise(edges)])
        assert np.abs(np.array(waveform["peaks"]) - peaks / peaks.max()).max() < 0.001
        assert waveform["duration"] == 24.0
        assert waveform["stem_count"] == 5
        assert len(song.stored("waveforms")) == 6

    def test_every_stem_that_was_kept_and_the_mix_have_pictures(self, song: Run) -> None:
        stems = song.report["stems"]
        assert [sorted(stem["pictures"]) for stem in stems] == [["png", "svg"]] * 5 + [[]]
        drums = (song.here / stems[0]["pictures"]["svg"]).read_text()
        assert "<title>drums.wav</title>" in drums
        assert "<desc>Waveform: 0:24.0, stereo.</desc>" in drums
        mix = song.here / song.report["mix_pictures"]["png"]
        assert mix.read_bytes().startswith(b"\x89PNG")

    def test_no_work_file_and_no_process_is_left(self, song: Run) -> None:
        song.assert_left_nothing()


class TestDocumentation:
    """The pictures in the documentation are what `docs/pictures/make.sh` makes of this song."""

    @pytest.mark.parametrize("name", ["drums", "bass", "chords", "channels"])
    def test_those_of_lossless_stems_are_the_same_byte_for_byte(
        self, made: Path, name: str
    ) -> None:
        assert (made / f"{name}.svg").read_bytes() == (PICTURES / f"{name}.svg").read_bytes()

    def test_the_png_is_the_same_pixel_by_pixel(self, made: Path) -> None:
        # Its bytes are as the zlib at hand packs them, its letters as FreeType draws them.
        new, old = (
            np.asarray(Image.open(folder / "orange.png").convert("RGB"))[40:110]
            for folder in (made, PICTURES)
        )
        assert (new == old).all()

    def test_the_mix_has_lossy_stems_in_it_which_decoders_round_differently(
        self, made: Path
    ) -> None:
        new, old = ((folder / "mix.svg").read_text() for folder in (made, PICTURES))
        assert abs(len(new) - len(old)) < 0.02 * len(old)
        assert re.sub(r' d="[^"]*"', "", new) == re.sub(r' d="[^"]*"', "", old)

    def test_all_of_them_are_shown(self, made: Path) -> None:
        shown = set(re.findall(r"!\[[^]]+\]\(([^)]+)\)", (PICTURES / "README.md").read_text()))
        assert shown == {path.name for path in made.iterdir()}


@pytest.mark.slow
def test_of_stems_of_ones_own_the_bad_one_is_shown_and_the_rest_is_mixed(tmp_path: Path) -> None:
    level = np.full((44_100, 1), 0.5, np.float32)
    good, bad = write_audio(tmp_path / "기타 (1).wav", level), tmp_path / "song.wav"
    bad.write_text("la la la")
    run = demo(tmp_path, good, bad, "--json")
    assert run.process.returncode == 0
    first, second = run.report["stems"]
    assert (first["stem"], first["verdict"], first["duration"]) == ("기타 (1).wav", "new", 1.0)
    assert (second["verdict"], second["code"]) == ("failed: not_audio", "not_audio")
    assert second["error"].startswith("The file holds no audio that WaveFlow knows.")
    mixed, _ = soundfile.read(tmp_path / run.report["mix"], dtype="int16")
    assert set(mixed) == {round(0.5 * 32767)}
    assert "Traceback" not in run.process.stderr
    assert bad.exists()
    run.assert_left_nothing()


@pytest.mark.slow
def test_stems_of_one_name_stay_two_and_the_same_file_twice_is_a_duplicate(tmp_path: Path) -> None:
    for folder, value in (("a", 0.5), ("b", 0.25)):
        (tmp_path / folder).mkdir()
        write_audio(tmp_path / folder / "stem.wav", np.full((4410, 1), value, np.float32))
    run = demo(tmp_path, "a/stem.wav", "b/stem.wav", "b/stem.wav")
    assert run.process.returncode == 0
    shown = run.process.stdout
    assert shown.count("│ stem.wav ") == 3
    assert shown.count(" new ") == 2
    assert shown.count("a duplicate; asks for its deletion") == 1
    assert "Webhooks that the server got twice: 0\n" in shown
    assert "The mix (0.1 s): out/" in shown
    [mix] = run.stored("mixed")
    assert set(soundfile.read(mix, dtype="int16")[0]) == {round(0.375 * 32767)}
    assert (tmp_path / "b/stem.wav").exists()


def test_without_a_single_stem_that_can_be_used_it_fails_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "words.wav").write_text("la la la")
    (tmp_path / "empty.wav").touch()
    run = demo(tmp_path, "words.wav", "empty.wav", "--json")
    assert run.process.returncode == 1
    assert [stem["code"] for stem in run.report["stems"]] == ["not_audio", "empty_file"]
    assert run.report["mix"] is None
    assert json.loads(run.process.stderr.splitlines()[-1]) == {
        "error": "There is no mix. None of the stems could be used.",
        "code": "failed",
    }
    assert "Traceback" not in run.process.stderr
