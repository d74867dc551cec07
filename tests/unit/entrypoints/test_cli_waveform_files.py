"""`waveflow analyze` and `waveflow mix`: `.dat` files and levels."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tests.support.audio_files import write_audio
from tests.support.levels import some_levels
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.application.waveform_files import read_waveform_file
from waveflow.domain.levels import ChannelLevels, Levels
from waveflow.entrypoints.cli.level_facts import level_facts


def header(path: Path) -> tuple[int, ...]:
    content = path.read_bytes()
    return struct.unpack(
        "<6i" if content[0] == 2 else "<5i", content[: 24 if content[0] == 2 else 20]
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


STEREO = np.array([[-16_384, 0], [4_096, 4_096], [0, 0], [-2, 32_767], [32_766, 2]], np.int16)


class TestLiterally:
    """Every number of the files of a recording of five frames, at three peaks."""

    def test_the_json(self, waveflow: CommandLine, folder: Path) -> None:
        write_audio(folder / "song.wav", STEREO, 8_000)
        assert waveflow("analyze", "song.wav", "-o", "song.json", "--num-peaks", "3").code == 0
        found = json.loads((folder / "song.json").read_text())
        for of_this_run in ("created_at", "processing_time", "audio_data_hash", "file_size"):
            del found[of_this_run]
        assert found == {
            "peaks": [0.5, 0.2500, 1.0],
            "duration": 0.000625,
            "sample_rate": 8_000,
            "num_peaks": 3,
            "waveform_version": 1,
            "amplitude": 16_384 / 32_768,
            "version": 2,
            "channels": 1,
            "samples_per_pixel": 2,
            "bits": 8,
            "length": 3,
            "data": [-64, 32, 0, 127, 127, 127],
        }
        drawn = read_waveform_file(folder / "song.json")
        assert drawn.high.tolist() == [[32 * 0.5 / 127, 0.5, 0.5]]

    @pytest.mark.parametrize(
        ("bits", "content"),
        [
            (8, struct.pack("<5i6b", 1, 1, 8_000, 2, 3, -32, 16, 0, 64, 64, 64)),
            (16, struct.pack("<5i6h", 1, 0, 8_000, 2, 3, -8_192, 4_096, 0, 16_382, 16_384, 16_384)),
        ],
    )
    def test_the_dat(self, waveflow: CommandLine, folder: Path, bits: int, content: bytes) -> None:
        write_audio(folder / "song.wav", STEREO, 8_000)
        options = ("--bits", str(bits), "--samples-per-pixel", "2")
        assert waveflow("analyze", "song.wav", "-o", "song.dat", *options).code == 0
        assert (folder / "song.dat").read_bytes() == content


class TestDat:
    def test_it_is_written_when_the_name_says_so(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", channels=2)
        outcome = waveflow("analyze", "song.wav", "-o", "new/song.dat")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.facts["waveform"] == "new/song.dat"
        assert header(folder / "new/song.dat") == (1, 0, 44_100, 512, 9)
        assert names(folder / "new") == ["song.dat"]
        assert (folder / "new/song.dat").stat().st_mode & 0o777 == 0o644

    @pytest.mark.parametrize("name", ["song.DAT", "노래 (최종).dat", "a" * 251 + ".dat"])
    def test_any_such_name_will_do(
        self, waveflow: CommandLine, song: WriteSong, folder: Path, name: str
    ) -> None:
        song("song.wav")
        assert waveflow("analyze", "song.wav", "-o", name, "--no-hash").code == 0
        assert header(folder / name)[0] == 1

    def test_its_options_are_kept_to(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", channels=2)
        options = ("--bits", "8", "--samples-per-pixel", "100", "--split-channels")
        assert waveflow("analyze", "song.wav", "-o", "song.dat", *options).code == 0
        assert header(folder / "song.dat") == (2, 1, 44_100, 100, 45, 2)
        assert read_waveform_file(folder / "song.dat").high.max() == 0.5

    def test_with_json_the_document_is_printed_all_the_same(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        outcome = waveflow("analyze", "song.wav", "-o", "song.dat", "--json")
        assert outcome.json["num_peaks"] == 4000
        assert header(folder / "song.dat")[0] == 1

    def test_what_was_there_is_replaced_only_by_a_whole_one(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        (folder / "text.wav").write_text("la la la")
        (folder / "song.dat").write_text("old")
        assert waveflow("analyze", "text.wav", "-o", "song.dat").code == 1
        assert (folder / "song.dat").read_text() == "old"
        song("song.wav")
        assert waveflow("analyze", "song.wav", "-o", "song.dat").code == 0
        assert header(folder / "song.dat")[0] == 1
        assert names(folder) == ["song.dat", "song.wav", "text.wav"]

    def test_the_recording_itself_is_never_overwritten(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        content = song("song.dat").read_bytes()
        assert waveflow.refused("analyze", "song.dat", "-o", "song.dat").endswith(
            "song.dat is one of the recordings and would be overwritten; name another file."
        )
        assert (folder / "song.dat").read_bytes() == content

    def test_a_mix_has_one_as_well(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("a.wav")
        song("b.wav")
        outcome = waveflow("mix", "a.wav", "b.wav", "-o", "mix.wav", "--waveform", "mix.dat")
        assert (outcome.code, outcome.err) == (0, "")
        waveflow("analyze", "mix.wav", "-o", "again.dat")
        assert (folder / "mix.dat").read_bytes() == (folder / "again.dat").read_bytes()

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            (("--bits", "8"), "bits"),
            (("--samples-per-pixel", "512"), "samples-per-pixel"),
            (("--split-channels",), "split-channels"),
        ],
    )
    @pytest.mark.parametrize("output", [(), ("-o", "song.json"), ("-o", "dat")])
    def test_its_options_go_with_no_other_file(
        self,
        waveflow: CommandLine,
        song: WriteSong,
        options: tuple[str, ...],
        name: str,
        output: tuple[str, ...],
    ) -> None:
        song("song.wav")
        problem = waveflow.misused("analyze", "song.wav", *output, *options)
        assert problem == f"--{name} goes with -o FILE.dat only."

    @pytest.mark.parametrize(
        ("option", "value", "problem"),
        [
            ("--samples-per-pixel", "1", "1 is not in the range 2<=x<=2147483647."),
            ("--samples-per-pixel", "2147483648", "is not in the range 2<=x<=2147483647."),
            ("--bits", "12", "'12' is not one of '8', '16'."),
        ],
    )
    def test_what_audiowaveform_would_not_take_is_refused(
        self, waveflow: CommandLine, song: WriteSong, option: str, value: str, problem: str
    ) -> None:
        song("song.wav")
        told = waveflow.misused("analyze", "song.wav", "-o", "song.dat", option, value)
        assert told.endswith(problem)

    def test_more_channels_than_it_holds_are_refused(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", channels=25)
        told = waveflow.refused("analyze", "song.wav", "-o", "song.dat", "--split-channels")
        assert told == (
            "song.wav: The file has 25 channels; a .dat file holds up to 24."
            " Please leave the channels together."
        )
        assert names(folder) == ["song.wav"]

    def test_a_disk_that_is_full_is_no_fault_of_the_recording(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            arguments = ("analyze", "song.wav", "-o", "song.dat", "--samples-per-pixel", "2")
            problem = waveflow.complaint(3, *arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert problem == "The waveform can't be written (File too large). Is there room?"
        assert names(folder) == ["song.wav"]


class TestLevels:
    def test_they_are_printed_for_people(self, waveflow: CommandLine, song: WriteSong) -> None:
        song("song.wav", channels=2)
        facts = waveflow("analyze", "song.wav", "--levels").facts
        assert facts["sample peak"] == "-6.0 dBFS"
        assert facts["clipped"] == "0 samples"
        assert facts["silence"] == "0.000 s at the start, 0.000 s at the end"
        assert {"loudness", "true peak", "RMS", "DC offset", "channel 1", "channel 2"} <= set(facts)

    def test_they_are_in_the_document(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", channels=2)
        printed = waveflow("analyze", "song.wav", "--levels", "--json").json["levels"]
        assert printed["sample_peak_dbfs"] == -6.02
        assert len(printed["channels"]) == 2
        for more in ((), ("--no-hash",)):
            assert waveflow("analyze", "song.wav", "-o", "s.json", "--levels", *more).code == 0
            assert json.loads((folder / "s.json").read_text())["levels"] == printed

    def test_nobody_gets_them_who_did_not_ask(self, waveflow: CommandLine, song: WriteSong) -> None:
        song("song.wav")
        assert "levels" not in waveflow("analyze", "song.wav", "--json").json
        assert "loudness" not in waveflow("analyze", "song.wav").facts

    def test_a_mix_has_them_as_well(self, waveflow: CommandLine, song: WriteSong) -> None:
        song("a.wav")
        arguments = ("mix", "a.wav", "-o", "mix.wav", "--levels")
        assert waveflow(*arguments).facts["sample peak"] == "-6.0 dBFS"
        mix = waveflow(*arguments, "--json").json["levels"]
        assert mix == waveflow("analyze", "mix.wav", "--levels", "--json").json["levels"]

    @pytest.mark.parametrize(
        "arguments",
        [
            ("analyze", "a.wav", "--stored", "--stem-id", "s1", "--levels"),
            ("mix", "a.wav", "--stored", "--stage-id", "g1", "--levels"),
        ],
    )
    def test_of_stored_stems_the_setting_decides(
        self, waveflow: CommandLine, arguments: tuple[str, ...]
    ) -> None:
        assert waveflow.misused(*arguments) == "--levels doesn't go with --stored."

    def test_silence_has_few(self) -> None:
        channel = ChannelLevels(None, None, None, 0, 0.0, True)
        silence = Levels(None, None, None, None, None, 0, 2.0, 2.0, True, 0.0, (channel, channel))
        assert level_facts(silence) == {
            "loudness": "–, range –",
            "true peak": "–",
            "sample peak": "–",
            "RMS": "–",
            "clipped": "0 samples",
            "silence": "all of it",
            "DC offset": "0.000 %",
            "channel 1": "silent, DC 0.000 %",
            "channel 2": "silent, DC 0.000 %",
        }

    def test_channels_have_a_line_each_where_there_are_several(self) -> None:
        assert level_facts(some_levels(1)).keys() == level_facts(some_levels(2)).keys() - {
            "channel 1",
            "channel 2",
        }
        assert level_facts(some_levels(2))["channel 2"] == (
            "-1.0 dBTP, -1.2 dBFS, RMS -20.5 dBFS, clipped 0 samples, DC 0.000 %"
        )
        clipped: dict[str, Any] = level_facts(
            evolve(some_levels(), clipped_samples=1, dc_offset=-0.5)
        )
        assert clipped["clipped"] == "1 sample"
        assert clipped["DC offset"] == "-50.000 %"
