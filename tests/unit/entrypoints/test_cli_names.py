"""Files may be called anything: a terminal acts on none of it, and lines stay lines."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.entrypoints.cli.progress import busy

NAME = "드럼\n\x1b[31m.wav"
SHOWN = "드럼\\n\\x1b[31m.wav"


@pytest.mark.parametrize(
    "command", [["analyze"], ["render", "-o", "a.svg"], ["ingest"]], ids=lambda command: command[0]
)
def test_an_error_about_a_file_is_one_line(
    waveflow: CommandLine, folder: Path, command: list[str]
) -> None:
    (folder / NAME).touch()
    assert (
        waveflow.refused(*command, NAME) == f"{SHOWN} is empty (0 bytes). Please export it again."
    )


def test_wrong_usage_is_one_line(waveflow: CommandLine, song: WriteSong) -> None:
    song("a.wav")
    assert waveflow.misused("render", "a.wav", "-o", f"{NAME}.jpg").startswith(f"{SHOWN}.jpg ends")
    assert "name it 드럼\\n.wav" in waveflow.misused("mix", "a.wav", "-o", "드럼\n.mp3")


def test_facts_about_a_file_are_a_line_each(waveflow: CommandLine, song: WriteSong) -> None:
    song(NAME)
    assert waveflow("analyze", NAME).facts["file"] == SHOWN


def test_a_file_that_is_hashed_is_one_line(waveflow: CommandLine, song: WriteSong) -> None:
    song(NAME)
    outcome = waveflow("ingest", NAME)
    assert outcome.out.endswith(f"  {SHOWN}\n")
    assert outcome.out.count("\n") == 1


def test_with_json_the_name_is_whole(waveflow: CommandLine, song: WriteSong) -> None:
    song(NAME)
    assert waveflow("ingest", NAME, "--json").json[0]["filepath"] == NAME


def test_what_is_being_done_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(Screen()) as screen, busy(f"Analysing {NAME}"):
        pass
    assert f"Analysing {SHOWN}" in screen.getvalue()
