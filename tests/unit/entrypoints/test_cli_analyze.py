"""`waveflow analyze` on local files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.audio_files import halve
from tests.unit.entrypoints.command_line import CommandLine, WriteSong


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestHash:
    def test_it_is_left_out_when_asked_for(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        assert waveflow("analyze", "song.wav", "--no-hash").facts["sha256"] == "–"
        with_hash = waveflow("analyze", "song.wav", "--json").json
        without = waveflow("analyze", "song.wav", "--no-hash", "--json").json
        assert without["peaks"] == with_hash["peaks"]
        assert set(with_hash) - set(without) == {
            "audio_data_hash",
            "file_size",
            "processing_time",
        }

    def test_it_is_of_the_whole_file_however_long(
        self, waveflow: CommandLine, folder: Path, song: WriteSong
    ) -> None:
        path = song("song.wav")
        with path.open("ab") as file:
            file.truncate(9_000_001)  # what follows the samples is nobody's
        assert waveflow("analyze", "song.wav").facts["sha256"] == sha256(path)

    def test_an_error_of_the_audio_doesnt_wait_for_it(
        self, waveflow: CommandLine, folder: Path
    ) -> None:
        path = folder / "huge.wav"
        with path.open("wb") as file:
            file.write(b"no audio")
            file.truncate(64 * 1024**3)
        assert "no audio" in waveflow.complaint(1, "analyze", "huge.wav")

    def test_threads_switch_as_often_as_before(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        before_s = sys.getswitchinterval()
        song("song.wav")
        assert waveflow("analyze", "song.wav").code == 0
        assert sys.getswitchinterval() == before_s


class TestResults:
    def test_it_prints_what_the_file_is(self, waveflow: CommandLine, song: WriteSong) -> None:
        path = song("song.wav", channels=2, sample_rate_hz=48_000)
        outcome = waveflow("analyze", "song.wav")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.facts == {
            "file": "song.wav",
            "format": "WAV (16-bit PCM), 2 channels",
            "duration": "0.100 s",
            "sample rate": "48000 Hz",
            "peaks": "4000",
            "loudest": "-6.0 dBFS",
            "sha256": sha256(path),
            "waveform": "(write it with -o FILE, or print it with --json)",
        }

    def test_it_says_so_when_there_is_nothing_to_hear(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        song("silence.flac", level=0.0, kind="flac-16")
        facts = waveflow("analyze", "silence.flac").facts
        assert facts["loudest"] == "silence"
        assert facts["format"] == "FLAC, mono"

    def test_it_prints_the_waveform_as_json_and_nothing_else(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        path = song("song.wav")
        outcome = waveflow("analyze", "song.wav", "--json", "--num-peaks", "3")
        assert outcome.err == ""
        document = outcome.json
        assert list(document)[:5] == ["peaks", "duration", "sample_rate", "num_peaks", "created_at"]
        assert document["peaks"] == [1.0, 1.0, 1.0]
        assert document["num_peaks"] == 3
        assert document["duration"] == 0.1
        assert document["sample_rate"] == 44_100
        assert document["amplitude"] == 0.5
        assert document["waveform_version"] == 1
        assert document["audio_data_hash"] == sha256(path)
        assert document["file_size"] == path.stat().st_size

    def test_it_writes_the_waveform_to_a_file(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        outcome = waveflow("analyze", "song.wav", "-o", "new/folder/song.json", "--num-peaks", "2")
        assert outcome.facts["waveform"] == "new/folder/song.json"
        assert json.loads((folder / "new/folder/song.json").read_text())["peaks"] == [1.0, 1.0]
        assert names(folder / "new/folder") == ["song.json"]

    def test_a_waveform_that_was_there_is_replaced_and_keeps_its_mode(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        (folder / "song.json").write_text("old")
        (folder / "song.json").chmod(0o600)
        assert waveflow("analyze", "song.wav", "-o", "song.json").code == 0
        assert json.loads((folder / "song.json").read_text())["num_peaks"] == 4000
        assert (folder / "song.json").stat().st_mode & 0o777 == 0o600

    def test_a_link_is_written_through(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        (folder / "link.json").symlink_to("real.json")
        assert waveflow("analyze", "song.wav", "-o", "link.json").code == 0
        assert (folder / "link.json").is_symlink()
        assert json.loads((folder / "real.json").read_text())["num_peaks"] == 4000

    @pytest.mark.parametrize("name", ["노래 (최종).wav", "-o.wav", "a" * 251 + ".wav", "no suffix"])
    def test_any_file_name_will_do(self, waveflow: CommandLine, song: WriteSong, name: str) -> None:
        song(name, kind="wav-24")
        outcome = waveflow("analyze", "--", name)
        assert outcome.code == 0
        assert outcome.facts["file"] == name


class TestBadInput:
    def test_a_missing_file(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("analyze", "song.wav") == (
            "Invalid value: File 'song.wav' does not exist."
        )

    def test_no_file(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("analyze") == "Missing argument 'SOURCE'."

    def test_a_folder(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "songs").mkdir()
        assert waveflow.misused("analyze", "songs") == (
            "Invalid value: File 'songs' is a directory."
        )

    def test_a_pipe_is_not_waited_for(self, waveflow: CommandLine, folder: Path) -> None:
        os.mkfifo(folder / "pipe")
        assert waveflow.misused("analyze", "pipe") == (
            "pipe is a pipe or a device; save it to a file first."
        )

    @pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
    def test_a_device(self, waveflow: CommandLine, device: str) -> None:
        assert waveflow.misused("analyze", device) == (
            f"{device} is a pipe or a device; save it to a file first."
        )

    def test_an_empty_file(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "song.wav").touch()
        assert (
            waveflow.refused("analyze", "song.wav")
            == "song.wav is empty (0 bytes). Please export it again."
        )

    def test_a_text_named_wav(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "song.wav").write_text("la la la")
        assert waveflow.refused("analyze", "song.wav") == (
            "song.wav: The file holds no audio that WaveFlow knows."
            " Please upload a WAV, AIFF, FLAC, MP3 or OGG file."
        )

    def test_half_a_file(self, waveflow: CommandLine, song: WriteSong) -> None:
        halve(song("song.wav", seconds=1))
        assert waveflow.refused("analyze", "song.wav") == (
            "song.wav: The WAV file is damaged or cut short: it announces 1.00 s of audio,"
            " but 0.50 s could be decoded. Please export it and upload it again."
        )

    @pytest.mark.parametrize("num_peaks", ["0", "-1", "4001"])
    def test_too_few_or_too_many_peaks(
        self, waveflow: CommandLine, song: WriteSong, num_peaks: str
    ) -> None:
        song("song.wav")
        problem = waveflow.misused("analyze", "song.wav", "--num-peaks", num_peaks)
        assert problem.endswith(f"{num_peaks} is not in the range 1<=x<=4000.")

    def test_with_json_the_error_is_json_too(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "song.wav").write_text("la la la")
        outcome = waveflow("analyze", "song.wav", "--json")
        assert (outcome.code, outcome.out) == (1, "")
        error = json.loads(outcome.err)
        assert error["code"] == "not_audio"
        assert error["error"].startswith("song.wav: The file holds no audio")

    def test_nothing_is_written_for_a_bad_file(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "song.wav").write_text("la la la")
        assert waveflow("analyze", "song.wav", "-o", "song.json").code == 1
        assert names(folder) == ["song.wav"]


class TestBadOutput:
    @pytest.mark.parametrize("output", ["song.wav", "link.wav", "hard.wav", "../here/song.wav"])
    def test_the_recording_itself_is_never_overwritten(
        self, waveflow: CommandLine, song: WriteSong, folder: Path, output: str
    ) -> None:
        path = song("song.wav")
        (folder / "link.wav").symlink_to("song.wav")
        os.link(path, folder / "hard.wav")
        before = path.read_bytes()
        assert waveflow.refused("analyze", "song.wav", "-o", output).endswith(
            ".wav is one of the recordings and would be overwritten; name another file."
        )
        assert path.read_bytes() == before
        assert (folder / "link.wav").read_bytes() == before

    def test_a_folder(self, waveflow: CommandLine, song: WriteSong, folder: Path) -> None:
        song("song.wav")
        assert waveflow.misused("analyze", "song.wav", "-o", folder).endswith("is a directory.")

    def test_below_a_file(self, waveflow: CommandLine, song: WriteSong, folder: Path) -> None:
        song("song.wav")
        (folder / "file").touch()
        assert waveflow.refused("analyze", "song.wav", "-o", "file/song.json") == (
            f"{folder}/file/song.json can't be written: {folder}/file is not a folder."
        )

    def test_what_is_no_file_is_not_replaced(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        os.mkfifo(folder / "pipe")
        assert waveflow.refused("analyze", "song.wav", "-o", "pipe") == (
            f"{folder}/pipe is not a file; name a file to write."
        )
        assert (folder / "pipe").is_fifo()
