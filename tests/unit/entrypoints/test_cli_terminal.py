"""What only shows on a terminal (that something takes its time), and what SIGTERM leaves."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.support.console_script import WAVEFLOW
from tests.support.processes import eventually
from tests.unit.entrypoints.command_line import CommandLine, WriteSong


def shown_on_a_terminal(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit code, and standard error as a terminal gets it."""
    reader, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [WAVEFLOW, *arguments],
            cwd=folder,
            env={**os.environ, "TERM": "xterm"},
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            timeout=30,
            check=False,
        )
        return done.returncode, os.read(reader, 65_536).decode()
    finally:
        os.close(reader)
        os.close(terminal)


@pytest.mark.parametrize(
    ("arguments", "doing"),
    [
        (["analyze", "song.wav"], "Analysing song.wav"),
        (["ingest", "song.wav"], "Hashing"),
    ],
)
def test_on_a_terminal_it_says_what_it_is_doing(
    song: WriteSong, folder: Path, arguments: list[str], doing: str
) -> None:
    song("song.wav")
    code, shown = shown_on_a_terminal(arguments, folder)
    assert code == 0
    assert doing in shown
    assert "\x1b[" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze", "song.wav"],
        ["mix", "song.wav", "song.wav", "-o", "mix.wav"],
        ["ingest", "song.wav"],
        ["ledger", "build", "{track}/*"],
    ],
)
def test_elsewhere_it_says_nothing_and_uses_no_colour(
    waveflow: CommandLine, song: WriteSong, arguments: list[str]
) -> None:
    song("song.wav")
    song("waveflow-storage/t1/song.wav")
    outcome = waveflow(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in outcome.out


def test_with_json_standard_output_is_one_document_on_a_terminal_too(
    song: WriteSong, folder: Path
) -> None:
    """The webhook line and the progress of the terminal stay out of it."""
    song("storage/u/a.wav")
    reader, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [WAVEFLOW, "analyze", "--stored", "u/a.wav", "--stem-id", "s1", "--json"],
            cwd=folder,
            env={**os.environ, "TERM": "xterm", "WAVEFLOW_STORAGE_FOLDER": "storage"},
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=False,
        )
        shown = os.read(reader, 65_536).decode()
    finally:
        os.close(reader)
        os.close(terminal)
    assert json.loads(done.stdout)["duration"] == 0.1
    assert '"endpoint": "/completion"' in shown


def test_sigterm_in_the_middle_of_a_mix_leaves_nothing_behind(
    song: WriteSong, folder: Path
) -> None:
    song("long.flac", seconds=300, channels=2, kind="flac-16")
    mix = subprocess.Popen(
        [WAVEFLOW, "mix", *["long.flac"] * 20, "-o", "mix.wav"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(lambda: list(folder.glob(".waveflow-*/mix.wav")))
        mix.terminate()
        assert mix.wait(30) == 143
    finally:
        mix.kill()
        mix.wait()
    assert [path.name for path in folder.iterdir()] == ["long.flac"]
