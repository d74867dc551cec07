"""The demo's folder: each run gets one of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.entrypoints.demo.run import _new_folder


def test_runs_in_the_same_second_do_not_share_a_folder(folder: Path) -> None:
    made = [_new_folder(Path("out")) for _ in range(20)]
    assert len(set(made)) == 20
    assert sorted((folder / "out").iterdir()) == sorted(folder / path for path in made)


def test_without_o_the_folder_is_demo_output(waveflow: CommandLine, song: WriteSong) -> None:
    song("a.wav")
    report = waveflow("demo", "a.wav", "--json").json
    assert Path(report["folder"]).parent == Path("demo-output")
    assert Path(report["mix"]).is_file()


def test_an_output_below_a_file_is_refused(
    waveflow: CommandLine, song: WriteSong, folder: Path
) -> None:
    song("a.wav")
    (folder / "file").touch()
    complaint = waveflow.refused("demo", "a.wav", "-o", "file/demo")
    assert complaint.startswith("file/demo")


@pytest.mark.parametrize("name", ["gone.wav", "."])
def test_stems_that_are_no_files_are_wrong_usage(waveflow: CommandLine, name: str) -> None:
    assert waveflow.misused("demo", name).startswith("Invalid value for '[STEMS]...'")
