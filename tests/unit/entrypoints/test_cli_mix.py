"""`waveflow mix` on local files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.audio_files import halve
from tests.unit.entrypoints.command_line import CommandLine, WriteSong


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def stems(song: WriteSong) -> list[str]:
    """Half a second at 0.8 and one second at 0.4."""
    song("loud.wav", level=0.8, seconds=0.5, channels=2)
    song("soft.flac", level=0.4, seconds=1.0, kind="flac-24")
    return ["loud.wav", "soft.flac"]


class TestResults:
    def test_the_mix_is_the_mean_of_the_stems_as_long_as_the_longest(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        outcome = waveflow("mix", *stems, "-o", "mix.wav")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.facts == {
            "mix": "mix.wav",
            "stems": "2",
            "duration": "1.000 s",
            "sample rate": "44100 Hz",
            "peaks": "4000",
            "loudest": "-4.4 dBFS",
            "gain": "0.00 dB",
        }
        info = soundfile.info(folder / "mix.wav")
        assert (info.format, info.subtype, info.channels, info.samplerate, info.frames) == (
            "WAV",
            "PCM_16",
            1,
            44_100,
            44_100,
        )
        samples, _ = soundfile.read(folder / "mix.wav", dtype="int16")
        assert set(samples[:22_000]) == {round(0.6 * 32767)}
        assert set(samples[22_100:]) == {round(0.2 * 32767)}

    def test_a_mix_that_is_too_loud_is_brought_down(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("a.wav", level=1.0, kind="wav-float")
        facts = waveflow("mix", "a.wav", "a.wav", "-o", "mix.wav").facts
        assert (facts["gain"], facts["loudest"]) == ("-0.45 dB", "-0.4 dBFS")
        samples, _ = soundfile.read(folder / "mix.wav", dtype="int16")
        assert set(samples) == {round(0.95 * 32767)}

    def test_a_stem_at_another_rate_takes_part(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("a.wav", level=0.2, seconds=1, sample_rate_hz=44_100)
        song("b.ogg", level=0.0, seconds=1, sample_rate_hz=48_000, kind="ogg-vorbis")
        song("c.aiff", level=0.4, seconds=1, sample_rate_hz=22_050, kind="aiff-24")
        facts = waveflow("mix", "a.wav", "b.ogg", "c.aiff", "-o", "mix.wav").facts
        assert (facts["sample rate"], facts["duration"]) == ("48000 Hz", "1.000 s")
        samples, _ = soundfile.read(folder / "mix.wav")
        assert np.abs(samples[12_000:36_000] - 0.2).max() < 0.001

    def test_with_json_there_is_nothing_but_json(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        outcome = waveflow("mix", *stems, "-o", "mix.wav", "--waveform", "mix.json", "--json")
        assert outcome.err == ""
        document = outcome.json
        assert document["mix"] == "mix.wav"
        assert (document["stem_count"], document["gain"]) == (2, 1.0)
        assert (document["duration"], document["num_peaks"]) == (1.0, 4000)
        assert document["peaks"][0] == 1.0
        assert document["peaks"][-1] == 0.3333
        del document["mix"]
        assert json.loads((folder / "mix.json").read_text()) == document
        assert names(folder) == ["loud.wav", "mix.json", "mix.wav", "soft.flac"]

    def test_a_mix_that_was_there_is_replaced(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        (folder / "mix.wav").write_text("old")
        assert waveflow("mix", *stems, "-o", "mix.wav").code == 0
        assert soundfile.info(folder / "mix.wav").frames == 44_100


class TestBadInput:
    def test_no_output(self, waveflow: CommandLine, stems: list[str]) -> None:
        assert waveflow.misused("mix", *stems) == "Name the WAV file to write with -o FILE."

    def test_no_stems(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("mix", "-o", "mix.wav") == "Missing argument 'SOURCES...'."

    def test_a_missing_stem_is_named(self, waveflow: CommandLine, stems: list[str]) -> None:
        assert waveflow.misused("mix", *stems, "gone.wav", "-o", "mix.wav") == (
            "Invalid value: File 'gone.wav' does not exist."
        )

    def test_a_bad_stem_is_named_and_the_old_mix_stays(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        (folder / "words.mp3").write_text("la la la")
        (folder / "mix.wav").write_text("old")
        outcome = waveflow("mix", *stems, "words.mp3", "-o", "mix.wav", "--waveform", "mix.json")
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith("waveflow: words.mp3: The file holds no audio that WaveFlow")
        assert (folder / "mix.wav").read_text() == "old"
        assert names(folder) == ["loud.wav", "mix.wav", "soft.flac", "words.mp3"]

    def test_a_stem_that_ends_too_early_is_named_and_the_old_mix_stays(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        halve(folder / "loud.wav")
        (folder / "mix.wav").write_text("old")
        outcome = waveflow("mix", *stems, "-o", "mix.wav", "--json")
        assert (outcome.code, outcome.out) == (1, "")
        error = json.loads(outcome.err)
        assert error["error"].startswith("loud.wav: The WAV file is damaged or cut short")
        assert error["code"] == "audio_truncated"
        assert (folder / "mix.wav").read_text() == "old"
        assert names(folder) == ["loud.wav", "mix.wav", "soft.flac"]


class TestBadOutput:
    @pytest.mark.parametrize("output", ["loud.wav", "link.wav", "hard.wav"])
    @pytest.mark.parametrize("option", ["-o", "--waveform"])
    def test_a_stem_is_never_overwritten(
        self, waveflow: CommandLine, stems: list[str], folder: Path, output: str, option: str
    ) -> None:
        (folder / "link.wav").symlink_to("loud.wav")
        os.link(folder / "loud.wav", folder / "hard.wav")
        before = (folder / "loud.wav").read_bytes()
        outputs = {"-o": "mix.wav", "--waveform": "mix.json"} | {option: output}
        arguments = [word for pair in outputs.items() for word in pair]
        assert waveflow.refused("mix", *stems, *arguments).endswith(
            ".wav is one of the recordings and would be overwritten; name another file."
        )
        assert (folder / "loud.wav").read_bytes() == before
        assert names(folder) == ["hard.wav", "link.wav", "loud.wav", "soft.flac"]

    def test_mix_and_waveform_need_two_files(
        self, waveflow: CommandLine, stems: list[str], folder: Path
    ) -> None:
        assert waveflow.misused("mix", *stems, "-o", "mix", "--waveform", "../here/mix") == (
            "The mix and its waveform need two different files."
        )
        assert names(folder) == sorted(stems)

    @pytest.mark.parametrize("option", ["-o", "--waveform"])
    def test_an_output_below_a_file_is_refused(
        self, waveflow: CommandLine, stems: list[str], folder: Path, option: str
    ) -> None:
        (folder / "file").touch()
        outputs = {"-o": "mix.wav", "--waveform": "mix.json"} | {option: "file/mix"}
        arguments = [word for pair in outputs.items() for word in pair]
        assert waveflow.refused("mix", *stems, *arguments) == (
            f"{folder}/file/mix can't be written: {folder}/file is not a folder."
        )
        assert names(folder) == ["file", *stems]


@pytest.mark.parametrize("suffix", [".mp3", ".FLAC", ".aiff"])
def test_a_mix_is_not_called_what_it_is_not(
    waveflow: CommandLine, song: WriteSong, folder: Path, suffix: str
) -> None:
    song("a.wav")
    problem = waveflow.misused("mix", "a.wav", "-o", f"here/mix{suffix}")
    assert problem == "A mix is a WAV file; name it mix.wav."
    assert [path.name for path in folder.iterdir()] == ["a.wav"]
