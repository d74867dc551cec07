"""`waveflow render`: options, files and refusals."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.console_script import run_waveflow
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from tests.unit.entrypoints.pictures.waves import colours, opened


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestResults:
    def test_it_says_what_it_made(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", seconds=2, channels=2)
        outcome = waveflow("render", "song.wav", "-o", "song.png")
        size = (folder / "song.png").stat().st_size
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.facts == {
            "picture": "song.png",
            "size": f"1200 x 240 pixels, {size:,} bytes",
            "duration": "2.000 s",
            "channels": "2",
        }
        assert names(folder) == ["song.png", "song.wav"]
        assert opened((folder / "song.png").read_bytes()).size == (1200, 240)

    def test_scripts_get_json(self, waveflow: CommandLine, song: WriteSong, folder: Path) -> None:
        song("song.wav", seconds=0.5, channels=2)
        outcome = waveflow(
            "render", "song.wav", "-o", "song.svg", "--title", "Song", "--split-channels", "--json"
        )
        assert outcome.json == {
            "picture": "song.svg",
            "format": "svg",
            "width": 1200,
            "height": 240,
            "bytes": (folder / "song.svg").stat().st_size,
            "title": "Song",
            "duration": 0.5,
            "sample_rate": 44_100,
            "channels": 2,
            "waves": 2,
        }

    def test_a_waveform_that_was_analysed_is_drawn_like_its_audio(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", level=0.5, seconds=1)
        assert waveflow("analyze", "song.wav", "-o", "song.json").code == 0
        for source in ("song.wav", "song.json"):
            style = ("--width", "300", "--height", "101", "--no-axis", "--background", "white")
            assert waveflow("render", source, "-o", f"{source}.png", *style).code == 0
        of_audio, of_file = (
            colours((folder / f"song.{kind}.png").read_bytes()) for kind in ("wav", "json")
        )
        assert (of_audio == of_file).all()
        assert np.flatnonzero((of_audio != 255).any(axis=(1, 2))).tolist() == [25]

    def test_the_format_can_be_chosen_against_the_suffix(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        assert waveflow("render", "song.wav", "-o", "song.PNG", "--format", "svg").code == 0
        assert (folder / "song.PNG").read_bytes().startswith(b"<svg ")
        assert waveflow("render", "song.wav", "-o", "b.PNG").code == 0
        assert (folder / "b.PNG").read_bytes().startswith(b"\x89PNG")

    def test_options_reach_the_picture(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav", level=0.1)
        arguments = ["--colour", "#ff0000", "--background", "rgb(0, 0, 255)", "--no-axis"]
        arguments += ["--width", "80", "--height", "21", "--scale", "normalised"]
        assert waveflow("render", "song.wav", "-o", "song.png", *arguments).code == 0
        shown = colours((folder / "song.png").read_bytes())
        assert shown.shape == (21, 80, 3)
        assert (shown[0] == (255, 0, 0)).all()
        assert (shown[1:] == (0, 0, 255)).all()

    @pytest.mark.parametrize("spelling", ["--colour", "--color"])
    def test_both_spellings_are_understood(
        self, waveflow: CommandLine, song: WriteSong, folder: Path, spelling: str
    ) -> None:
        song("song.wav")
        command = ("render", "song.wav", "-o", "song.svg", spelling, "Tomato")
        assert waveflow(*command, "--background", "transparent").code == 0
        content = (folder / "song.svg").read_text()
        assert "#ff6347" in content
        assert "<rect" not in content

    def test_standard_output_gets_the_picture_and_nothing_else(
        self, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        done = run_waveflow(["render", "song.wav", "-o", "-", "--format", "svg"], folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("<svg ")
        assert done.stdout.endswith("</svg>\n")
        assert names(folder) == ["song.wav"]


class TestFiles:
    def test_a_picture_that_is_there_is_replaced_and_keeps_its_mode(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        picture = folder / "song.svg"
        picture.write_text("old")
        picture.chmod(0o640)
        assert waveflow("render", "song.wav", "-o", "song.svg").code == 0
        assert picture.read_text().startswith("<svg ")
        assert picture.stat().st_mode & 0o777 == 0o640

    def test_a_folder_that_is_not_there_is_made(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        assert waveflow("render", "song.wav", "-o", "a/b/song.svg").code == 0
        assert (folder / "a/b/song.svg").exists()

    def test_a_failure_leaves_the_old_picture_and_nothing_else(
        self, waveflow: CommandLine, folder: Path
    ) -> None:
        (folder / "words.wav").write_text("la la la")
        (folder / "song.svg").write_text("old")
        problem = waveflow.refused("render", "words.wav", "-o", "song.svg")
        assert problem.startswith("words.wav: The file holds no audio that WaveFlow knows.")
        assert (folder / "song.svg").read_text() == "old"
        assert names(folder) == ["song.svg", "words.wav"]

    def test_the_recording_itself_is_never_overwritten(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        before = song("song.wav").read_bytes()
        (folder / "song.png").hardlink_to(folder / "song.wav")
        problem = waveflow.refused("render", "song.wav", "-o", "song.png")
        assert "is one of the recordings and would be overwritten" in problem
        assert (folder / "song.wav").read_bytes() == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_may_not_be_written_to_is_named(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("song.wav")
        (folder / "locked").mkdir(mode=0o555)
        problem = waveflow.refused("render", "song.wav", "-o", "locked/song.svg")
        assert problem.endswith("(Permission denied); name another place.")

    def test_a_new_picture_is_for_those_whom_the_umask_leaves(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        song("song.wav")
        before = os.umask(0o077)
        try:
            waveflow("render", "song.wav", "-o", "private.svg")
        finally:
            os.umask(before)
        assert Path("private.svg").stat().st_mode & 0o777 == 0o600

    def test_a_device_that_takes_no_files_is_named(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        song("song.wav")
        problem = waveflow.refused("render", "song.wav", "-o", "/proc/song.svg")
        assert problem.startswith("/proc/song.svg can't be written: ")

    def test_json_tells_failures_as_json(self, waveflow: CommandLine, song: WriteSong) -> None:
        song("song.wav")
        outcome = waveflow("render", "song.wav", "-o", "a.svg", "--height", "9", "--axis", "--json")
        assert outcome.code == 1
        assert '"error": "There is no room for 1 channel and a time axis; make' in outcome.err

    def test_without_pillow_svg_still_works(
        self, waveflow: CommandLine, song: WriteSong, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        song("song.wav")
        monkeypatch.setitem(sys.modules, "PIL", None)
        problem = waveflow.refused("render", "song.wav", "-o", "song.png")
        assert problem == (
            "PNG is made with Pillow, which isn't installed here. Install it (pip install pillow),"
            " or make an .svg, which needs nothing."
        )
        assert waveflow("render", "song.wav", "-o", "song.svg").code == 0


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ([], "Missing option '-o' / '--output'."),
            (
                ["-o", "a.jpg"],
                "a.jpg ends neither in .png nor in .svg; pictures are made as these.",
            ),
            (["-o", "-"], "Say which picture standard output gets: --format png or svg."),
            (["-o", "a.png", "--colour", "blurple"], "'blurple' is not a colour; write a name"),
            (["-o", "a.png", "--background", "#12"], "'#12' is not a colour; write a name such as"),
            (["-o", "a.png", "--colour", "transparent"], "'transparent' is not a colour"),
            (["-o", "a.png", "--width", "0"], "0 is not in the range 1<=x<=20000."),
            (["-o", "a.png", "--width", "20001"], "20001 is not in the range 1<=x<=20000."),
            (["-o", "a.png", "--height", "5001"], "5001 is not in the range 1<=x<=5000."),
            (["-o", "a.png", "--theme", "pink"], "'pink' is not one of 'auto', 'light', 'dark'."),
            (["-o", "a.png", "--scale", "big"], "'big' is not one of 'absolute', 'normalised'."),
            (["-o", "a.png", "--padding", "501"], "501 is not in the range 0<=x<=500."),
            (["-o", "."], "File '.' is a directory."),
        ],
    )
    def test_what_makes_no_sense_is_refused_before_anything_is_read(
        self, waveflow: CommandLine, folder: Path, arguments: list[str], problem: str
    ) -> None:
        (folder / "words.wav").write_text("la la la")
        assert problem in waveflow.misused("render", "words.wav", *arguments)
        assert names(folder) == ["words.wav"]

    def test_a_terminal_gets_no_png(
        self, waveflow: CommandLine, song: WriteSong, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        song("song.wav")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        problem = waveflow.misused("render", "song.wav", "-o", "-", "--format", "png")
        assert problem == "A terminal can't show a PNG; send it to a file: > song.png"

    def test_a_closed_output_is_not_taken_for_written(
        self, waveflow: CommandLine, song: WriteSong, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        song("song.wav")
        monkeypatch.setattr(sys, "stdout", None)
        problem = waveflow.misused("render", "song.wav", "-o", "-", "--format", "svg")
        assert problem == "Standard output is closed; name a file with -o."

    def test_standard_output_has_room_for_one_thing(
        self, waveflow: CommandLine, song: WriteSong
    ) -> None:
        song("song.wav")
        outcome = waveflow("render", "song.wav", "-o", "-", "--format", "svg", "--json")
        assert (outcome.code, outcome.out) == (2, "")
        assert "Standard output can't have both the picture and --json." in outcome.err

    def test_a_source_that_is_not_there_is_wrong_usage(self, waveflow: CommandLine) -> None:
        assert "'none.wav' does not exist" in waveflow.misused("render", "none.wav", "-o", "a.png")


def test_a_long_file_is_read_block_by_block(
    waveflow: CommandLine, song: WriteSong, folder: Path
) -> None:
    song("song.flac", seconds=600, sample_rate_hz=8000, level=0.25, kind="flac-16")
    style = ("--background", "#fff", "--no-axis", "--height", "217")
    assert waveflow("render", "song.flac", "-o", "song.png", *style).code == 0
    shown = colours((folder / "song.png").read_bytes())
    assert np.flatnonzero((shown != 255).any(axis=(1, 2))).tolist() == [81]
