"""Running commands in this process, and files to run them on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from tests.support.audio_files import write_audio
from waveflow.entrypoints.cli.main import run


@frozen
class Outcome:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on standard output."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output, as one JSON document per line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def facts(self) -> dict[str, str]:
        """Standard output, as names and values."""
        pairs = (line.split("  ", 1) for line in self.out.splitlines())
        return {name: value.strip() for name, value in pairs}


@frozen
class CommandLine:
    """Runs one command; no traceback ever shows, and nothing but `waveflow:` on an error."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path) -> Outcome:
        self.capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code, captured.out, captured.err)

    def refused(self, *arguments: str | Path) -> str:
        """The one sentence with which a command fails for good."""
        return self.complaint(1, *arguments)

    def misused(self, *arguments: str | Path) -> str:
        """What a command says that was called wrongly, without the hint at --help."""
        outcome = self(*arguments)
        assert (outcome.code, outcome.out) == (2, "")
        usage, hint, empty, problem = outcome.err.splitlines()
        assert usage.startswith("Usage: waveflow ")
        assert "--help" in hint
        assert empty == ""
        return problem.removeprefix("Error: ")

    def complaint(self, code: int, *arguments: str | Path) -> str:
        """The one sentence with which a command ends with `code`."""
        outcome = self(*arguments)
        assert (outcome.code, outcome.out) == (code, "")
        assert outcome.err.startswith("waveflow: ")
        assert outcome.err.count("\n") == 1
        return outcome.err.removeprefix("waveflow: ").removesuffix("\n")


@frozen
class WriteSong:
    """Writes audio files of constant level: what a mix of them holds can be told beforehand."""

    folder: Path

    def __call__(
        self,
        name: str,
        *,
        level: float = 0.5,
        seconds: float = 0.1,
        sample_rate_hz: int = 44_100,
        channels: int = 1,
        kind: str = "wav-16",
    ) -> Path:
        samples = np.full((round(seconds * sample_rate_hz), channels), level, np.float32)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_audio(path, samples, sample_rate_hz, kind=kind)
