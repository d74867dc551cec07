"""Whatever goes wrong is one sentence with what to do next, an exit code, and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.entrypoints.cli import signals
from waveflow.entrypoints.cli.main import run
from waveflow.entrypoints.cli.main import waveflow as command_group

SECRET = "CanaryPassword0001"


class _Shell:
    """Runs a line of shell with `waveflow` on its path, and gives its exit code and its errors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, line: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self._folder,
            env={"PATH": f"{WAVEFLOW.parent}:{os.environ['PATH']}"} | coverage_settings(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stderr


@pytest.fixture
def _broken_command() -> Iterator[None]:
    """A command with a defect, in whose error a server's address is quoted."""

    @click.command()
    @click.option("--json", is_flag=True, expose_value=False)
    def break_down() -> None:
        raise KeyError(f"https://user:{SECRET}@there\nis no key")

    command_group.add_command(break_down, "break-for-a-test")
    yield
    del command_group.commands["break-for-a-test"]


@pytest.mark.usefixtures("_broken_command")
class TestDefects:
    @pytest.fixture(autouse=True)
    def _secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEBHOOK_URL", f"https://user:{SECRET}@there")

    def test_a_defect_is_a_sentence_with_its_place(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcome = CommandLine(capsys)("break-for-a-test")
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.count("\n") == 1
        assert outcome.err.startswith("waveflow: This should not happen (KeyError: 'https://user:")
        assert "waveflow/entrypoints/cli/main.py:" in outcome.err
        assert "please report it, with the traceback that LOG_LEVEL=debug shows." in outcome.err
        assert SECRET not in outcome.err

    def test_it_has_a_code_of_its_own_in_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = json.loads(CommandLine(capsys)("break-for-a-test", "--json").err)
        assert said["code"] == "defect"

    def test_with_log_level_debug_the_traceback_comes_too(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOG_LEVEL", "debug")
        assert run(["break-for-a-test"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("Traceback (most recent call last):")
        assert "in break_down" in said
        assert said.rstrip().endswith("please report it, with the traceback above.")
        assert SECRET not in said


def test_a_worker_shows_the_traceback_in_any_case(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("waveflow.entrypoints.cli.worker.unchosen_backends", break_down)
    assert run(["worker"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):")
    assert "This should not happen (ZeroDivisionError, waveflow/entrypoints/cli/worker.py:" in said


@pytest.mark.parametrize(
    ("code", "said"), [(130, "\nwaveflow: interrupted.\n"), (143, "")], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_that_a_decoder_took_for_damage_is_told_as_one(
    waveflow: CommandLine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    said: str,
) -> None:
    (folder / "damaged.wav").write_text("la la")
    monkeypatch.setattr(signals, "LEFT_WITH", [code])
    outcome = waveflow("analyze", "damaged.wav")
    assert (outcome.code, outcome.err) == (code, said)


class TestWrongUsage:
    def test_with_json_it_is_json(self, waveflow: CommandLine) -> None:
        outcome = waveflow("analyze", "missing.wav", "--json")
        assert (outcome.code, outcome.out) == (2, "")
        said = json.loads(outcome.err)
        assert said["code"] == "wrong_usage"
        assert "missing.wav" in said["error"]

    @pytest.mark.parametrize("rate", ["nan", "0", "1e-320", "-1", "inf", "1001"])
    @pytest.mark.parametrize("command", ["again", "resend"])
    def test_a_pace_that_is_none(self, waveflow: CommandLine, command: str, rate: str) -> None:
        assert "--per-second" in waveflow.misused(command, "--per-second", rate)

    def test_a_shell_has_to_be_named(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("completion") == "Name the shell: bash, zsh or fish."


@pytest.mark.skipif(sys.platform != "linux", reason="in /proc nobody can make a file")
class TestPlacesThatCanNotBeWritten:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["analyze", "a.wav", "-o", "/proc/a.json"],
            ["analyze", "a.wav", "-o", "/proc/a.dat"],
            ["mix", "a.wav", "-o", "/proc/a.wav"],
            ["mix", "a.wav", "-o", "mix.wav", "--waveform", "/proc/below/a.json"],
        ],
        ids=" ".join,
    )
    def test_the_file_and_its_folder_are_named(
        self, waveflow: CommandLine, song: WriteSong, folder: Path, arguments: list[str]
    ) -> None:
        song("a.wav")
        said = waveflow.refused(*arguments)
        output = Path(arguments[-1])
        assert said.startswith(f"{output} can't be written: nothing can be made in {output.parent}")
        assert said.endswith("; name another place.")
        assert sorted(path.name for path in folder.iterdir()) == ["a.wav"]


class TestStreams:
    """As a process: what it is started with may be closed, full, or left by its reader."""

    @pytest.fixture
    def shell(self, song: WriteSong, folder: Path) -> _Shell:
        song("song.wav")
        return _Shell(folder)

    def test_a_reader_that_has_seen_enough_gets_no_word(self, shell: _Shell) -> None:
        code, said = shell("exec 3>&1; { waveflow config; echo $? >&2; } | true")
        assert (code, said) == (0, "141\n")

    def test_a_full_disk_under_the_output_is_told(self, shell: _Shell) -> None:
        code, said = shell("waveflow ingest song.wav > /dev/full")
        assert (code, said) == (1, "waveflow: No space left on device.\n")

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("waveflow ingest song.wav 2>&-", 0),
            ("waveflow ingest song.wav >&-", 0),
            ("waveflow ingest missing.wav 2>/dev/full", 2),
            ("waveflow ingest missing.wav --json 2>&-", 2),
            ("waveflow ledger build '{track}' 2>/dev/full", 1),
        ],
    )
    def test_without_a_place_to_say_it_the_exit_code_has_to_do(
        self, shell: _Shell, command: str, code: int
    ) -> None:
        assert shell(command) == (code, "")

    @pytest.mark.parametrize(
        ("command", "said"),
        [
            ("waveflow explain s1 --log -", "has no log lines of WaveFlow in JSON"),
            ("waveflow send mix --json-fields -", "is not JSON"),
            ("waveflow queue redrive --all", "say --yes"),
        ],
    )
    def test_a_closed_input_is_an_empty_one(self, shell: _Shell, command: str, said: str) -> None:
        code, error = shell(f"{command} <&-")
        assert code == 2
        assert said in error
        assert "Traceback" not in error


def test_a_pipe_of_our_own_that_breaks_is_no_reader_that_left(folder: Path) -> None:
    """Only a reader of the output may leave in silence."""
    program = (
        "import click, sys; from waveflow.entrypoints.cli.main import run, waveflow\n"
        "@waveflow.command('break')\n"
        "def broken():\n"
        "    raise BrokenPipeError(32, 'Broken pipe')\n"
        "sys.exit(run(['break']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "waveflow: Broken pipe.\n")
