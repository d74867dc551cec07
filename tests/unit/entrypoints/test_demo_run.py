"""The demo's folder: each run gets one of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from tests.unit.entrypoints.pictures.waves import opened
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


def test_without_what_the_song_is_made_with_no_folder_is_made(
    waveflow: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert "scipy" in waveflow.refused("demo")
    assert list(folder.iterdir()) == []


class TestPictures:
    def test_stems_and_mix_get_a_png_and_an_svg_each(
        self, waveflow: CommandLine, song: WriteSong, folder: Path
    ) -> None:
        song("기타.wav", level=0.5)
        (folder / "words.wav").write_text("la la la")
        report = waveflow("demo", "기타.wav", "words.wav", "--json").json
        pictures = Path(report["folder"]) / "pictures"
        assert sorted(path.name for path in pictures.iterdir()) == [
            "mix.png",
            "mix.svg",
            "stem-1.png",
            "stem-1.svg",
        ]
        first, second = report["stems"]
        assert first["pictures"]["svg"] == str(pictures / "stem-1.svg")
        assert second["pictures"] == {}
        assert report["mix_pictures"]["png"] == str(pictures / "mix.png")
        assert "<title>기타.wav</title>" in (pictures / "stem-1.svg").read_text()
        assert "<title>Mix</title>" in (pictures / "mix.svg").read_text()
        assert opened((pictures / "mix.png").read_bytes()).size == (1200, 240)

    def test_their_folder_is_named(self, waveflow: CommandLine, song: WriteSong) -> None:
        song("a.wav")
        shown = waveflow("demo", "a.wav").out
        assert "Pictures of stems and mix (PNG and SVG): demo-output/" in shown

    def test_without_pillow_there_are_svgs(
        self, waveflow: CommandLine, song: WriteSong, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        song("a.wav")
        monkeypatch.setitem(sys.modules, "PIL", None)
        assert "Pictures of stems and mix (SVG): demo-output/" in waveflow("demo", "a.wav").out

    def test_of_nothing_there_are_none(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "words.wav").write_text("la la la")
        outcome = waveflow("demo", "words.wav")
        assert outcome.code == 1
        assert "Pictures" not in outcome.out
        assert list(folder.glob("demo-output/*/pictures")) == []


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
