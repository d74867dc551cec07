"""Help, version, exit codes, and the command as a process of its own."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import soundfile

from tests.support.console_script import WAVEFLOW, run_waveflow
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.domain.errors import WaveFlowError
from waveflow.entrypoints.cli.main import run
from waveflow.entrypoints.cli.main import waveflow as command_group

COMMANDS = [
    "again",
    "analyze",
    "cleanup",
    "completion",
    "config",
    "demo",
    "explain",
    "health",
    "help",
    "ingest",
    "ledger",
    "mix",
    "queue",
    "render",
    "resend",
    "resolve-duplicate",
    "send",
    "stand-in",
    "studio",
    "warmup",
    "worker",
]


class TestHelp:
    def test_the_commands_are_listed(self, waveflow: CommandLine) -> None:
        outcome = waveflow("--help")
        assert (outcome.code, outcome.err) == (0, "")
        listed = outcome.out.partition("Files:\n")[2]
        assert sorted(re.findall(r"^  (\S+)", listed, re.MULTILINE)) == COMMANDS
        assert "Exit codes: 0 done, 1 failed for good" in outcome.out

    @pytest.mark.parametrize("command", [[name] for name in COMMANDS] + [["ledger", "build"]])
    @pytest.mark.parametrize("option", ["--help", "-h"])
    def test_every_command_explains_itself(
        self, waveflow: CommandLine, command: list[str], option: str
    ) -> None:
        outcome = waveflow(*command, option)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"Usage: waveflow {' '.join(command)} ")
        assert "Example" in outcome.out

    def test_the_version_is_that_of_the_package(self, waveflow: CommandLine) -> None:
        outcome = waveflow("--version")
        assert outcome.code == 0
        assert re.fullmatch(
            rf"waveflow, version 0\.1\.0 \(Python {platform.python_version()},"
            r" \w+ \w+, with(out)? ffmpeg\)\n",
            outcome.out,
        )

    def test_an_unknown_command_is_wrong_usage(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("42") == (
            "No such command '42'. `waveflow --help` lists all of them."
        )
        assert waveflow.misused("Reslove-duplicates").startswith(
            "No such command 'Reslove-duplicates'. Did you mean 'resolve-duplicate'?"
        )
        assert waveflow.misused("analyze", "a.wav", "--loud").endswith("'--loud'.")

    def test_no_command_at_all_shows_the_help(self, waveflow: CommandLine) -> None:
        outcome = waveflow()
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("Usage: waveflow [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "interrupted."),
        (WaveFlowError("Something is odd."), 1, "Something is odd."),
        (OSError(28, "No space left on device", "song.json"), 1, "song.json: No space left on"),
        (OSError("it broke"), 1, "it broke"),
    ],
)
def test_whatever_happens_is_one_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, sentence: str
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    command_group.add_command(fail, "fail-for-a-test")
    try:
        assert run(["fail-for-a-test"]) == code
    finally:
        del command_group.commands["fail-for-a-test"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip().startswith(f"waveflow: {sentence}")


class TestProcess:
    """The console script, with nothing in its environment but PATH."""

    def test_analyze(self, song: WriteSong, folder: Path) -> None:
        song("song.wav", seconds=2)
        done = run_waveflow(["analyze", "song.wav", "-o", "song.json"], folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert "waveform     song.json" in done.stdout
        assert json.loads((folder / "song.json").read_text())["duration"] == 2.0
        assert sorted(path.name for path in folder.iterdir()) == ["song.json", "song.wav"]

    def test_mix(self, song: WriteSong, folder: Path) -> None:
        song("a.wav", level=0.4)
        song("b.flac", level=0.2, sample_rate_hz=48_000, kind="flac-16")
        done = run_waveflow(["mix", "a.wav", "b.flac", "-o", "mix.wav"], folder)
        assert (done.returncode, done.stderr) == (0, "")
        info = soundfile.info(folder / "mix.wav")
        assert (info.samplerate, info.frames) == (48_000, 4800)
        assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "b.flac", "mix.wav"]

    def test_korean_names_without_a_locale(self, song: WriteSong, folder: Path) -> None:
        song("노래 (최종).wav")
        done = run_waveflow(["ingest", "노래 (최종).wav", "--json"], folder, {"LC_ALL": "C"})
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)[0]["filepath"] == "노래 (최종).wav"

    @pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
    def test_a_terminal_that_can_not_show_a_name_is_no_reason_to_fail(
        self, song: WriteSong, folder: Path, encoding: str
    ) -> None:
        path = song("노래.wav")
        unreadable = path.rename(os.fsdecode(os.fsencode(path) + b"\xff"))
        settings = {"PYTHONIOENCODING": f"{encoding}:strict"}
        done = run_waveflow(["ingest", unreadable.name], folder, settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\\udcff" in done.stdout
        (folder / "노래.wav").write_text("la la la")
        done = run_waveflow(["analyze", "노래.wav"], folder, settings)
        assert done.returncode == 1
        assert "The file holds no audio" in done.stderr

    def test_bad_input(self, folder: Path) -> None:
        (folder / "song.wav").write_text("la la la")
        done = run_waveflow(["analyze", "song.wav", "--json"], folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert json.loads(done.stderr)["code"] == "not_audio"

    def test_the_module_is_the_same_command(self, folder: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "waveflow.entrypoints.cli", "--version"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == run_waveflow(["--version"], folder).stdout

    @pytest.mark.parametrize("arguments", [["--help"], ["ingest", "song.wav"]])
    def test_a_reader_that_has_gone_away_is_no_reason_for_a_traceback(
        self, song: WriteSong, folder: Path, arguments: list[str]
    ) -> None:
        song("song.wav")
        process = subprocess.Popen(
            [WAVEFLOW, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout
        process.stdout.close()
        _, errors = process.communicate(timeout=30)
        assert b"Traceback" not in (errors or b"")

    def test_control_c_ends_a_long_analysis_at_once_and_leaves_nothing(
        self, song: WriteSong, folder: Path
    ) -> None:
        song("stem.wav")
        os.mkfifo(folder / "started")
        # The analysis takes for ever: it reports that it has begun, and waits for a signal.
        program = (
            "import signal, sys; from waveflow.entrypoints.cli.main import run;"
            "from waveflow.entrypoints import local_files;"
            "local_files._analysed = lambda *_: (open('started', 'w').close(), signal.pause());"
            "sys.exit(run(['analyze', 'stem.wav', '-o', 'stem.json']))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        (folder / "started").read_text()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors.strip()) == (130, "waveflow: interrupted.")
        assert sorted(path.name for path in folder.iterdir()) == ["started", "stem.wav"]
