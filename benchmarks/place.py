"""Where cases run: the checkouts, the programs beside them, the files, a folder to write in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.cases.base import Check, Role, Run, Subject
from benchmarks.figures import METRICS, Sample
from benchmarks.files import AudioFiles, Lengths, NotedFiles
from benchmarks.peers import Peers

ROOT = Path(__file__).parents[1]
_PROGRAM_LIMIT_S = 600
_LAST_ERRORS = 300


class RunFailed(Exception):
    """A run came to no end, and why."""


class _Lines:
    """A process that answers each line of JSON with another."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self._log = (folder / "log").open("a+b")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd=folder,
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raises `RunFailed` when the answer is an error, or there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise RunFailed(f"the measuring process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RunFailed(str(answer["error"]))
        return answer

    def close(self) -> None:
        """Have the process end, and wait for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def _run(answer: dict[str, Any]) -> Run:
    sample = Sample(*(float(answer.pop(metric)) for metric in METRICS))
    return Run(sample, answer)


@frozen
class Checkout:
    """The code of one folder, in a warm process of its own and as a command.

    Attributes:
        role: OURS or BEFORE.
    """

    role: Role
    folder: Path
    environment: dict[str, str]
    _agent: _Lines

    def subject(
        self, name: str, task: str, check: Check | None = None, **arguments: Any
    ) -> Subject:
        """A task of `benchmarks.agent`, to be timed."""

        def run() -> Run:
            return _run(self._agent.ask({"task": task} | arguments))

        return Subject(name, self.role, run, check)

    def floor(self, name: str, task: str, **arguments: Any) -> Subject:
        """A task of the agent that doesn't touch this checkout's code."""
        return Subject(name, Role.FLOOR, lambda: _run(self._agent.ask({"task": task} | arguments)))

    def ask(self, task: str, **arguments: Any) -> dict[str, Any]:
        """A task that isn't timed. Raises `RunFailed`."""
        return self._agent.ask({"task": task} | arguments)

    def command(self, *arguments: str) -> list[str]:
        """What the console script of this checkout would run."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        module, function = project["scripts"]["waveflow"].split(":")
        program = f"import sys; from {module} import {function}; sys.exit({function}())"
        return [sys.executable, "-P", "-c", program, *arguments]

    def close(self) -> None:
        """End the process."""
        self._agent.close()


class Launcher:
    """Runs whole programs; see `benchmarks.launcher`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        script = Path(__file__).with_name("launcher.py")
        self._process = _Lines([sys.executable, "-I", "-S", str(script)], dict(os.environ), folder)

    def run(self, command: Sequence[str], environment: dict[str, str] | None = None) -> Run:
        """Run a program to its end. Raises `RunFailed` when it fails."""
        output, errors = self._folder / "output", self._folder / "errors"
        answer = self._process.ask(
            {
                "command": list(command),
                "environment": environment or dict(os.environ),
                "output": str(output),
                "errors": str(errors),
                "limit_s": _PROGRAM_LIMIT_S,
            }
        )
        if answer["exit_code"] != 0:
            said = errors.read_text(errors="replace").strip()[-_LAST_ERRORS:]
            raise RunFailed(f"{command[0]} ended with code {answer['exit_code']}: {said}")
        return _run(answer)

    def output(self) -> str:
        """What the last program wrote to its standard output."""
        return (self._folder / "output").read_text()

    def close(self) -> None:
        """End the process that launches."""
        self._process.close()


@frozen
class Place:
    """Everything that a case may use.

    Attributes:
        checkouts: ours first, then the one that it is compared with, if any.
        work: a folder for what is written; emptied after each case.
        kept: a folder for what later runs can use again.
    """

    checkouts: Sequence[Checkout]
    launcher: Launcher
    peers: Peers
    audio: NotedFiles
    lengths: Lengths
    work: Path
    kept: Path

    @property
    def ours(self) -> Checkout:
        """The checkout that is measured."""
        return self.checkouts[0]

    def each(self, subject: Callable[[Checkout], Subject]) -> list[Subject]:
        """The same subject of each checkout."""
        return [subject(checkout) for checkout in self.checkouts]

    def program(
        self,
        name: str,
        command: Sequence[str],
        role: Role = Role.PEER,
        environment: dict[str, str] | None = None,
        check: Check | None = None,
        most_rounds: int = 1000,
    ) -> Subject:
        """A whole program, to be timed."""
        return Subject(
            name, role, lambda: self.launcher.run(command, environment), check, most_rounds
        )

    def waveflow(self, name: str, *arguments: str, check: Check | None = None) -> list[Subject]:
        """`waveflow` with arguments as a whole program, of each checkout."""
        return [
            self.program(name, each.command(*arguments), each.role, each.environment, check)
            for each in self.checkouts
        ]


class _Checkouts(ExitStack):
    """Opens the processes of checkouts, and closes them."""

    def opened(self, folder: Path, role: Role, room: Path) -> Checkout:
        """Raises `RunFailed` when the folder holds no WaveFlow that can be loaded."""
        environment = _environment(folder, room)
        agent = _Lines([sys.executable, "-P", "-m", "benchmarks.agent"], environment, room)
        self.callback(agent.close)
        found = agent.ask({"task": "about"})["folder"]
        if Path(found) != folder:
            raise RunFailed(f"the code of {found} would be measured instead of that of {folder}")
        return Checkout(role, folder, environment, agent)


def _environment(folder: Path, room: Path) -> dict[str, str]:
    """Loads `benchmarks` from here, whatever that folder has, and all else from there."""
    own = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(room / "bench"), str(folder), *([own] if own else [])])
    return dict(os.environ) | {"PYTHONPATH": path}


@contextmanager
def opened(
    audio: AudioFiles, lengths: Lengths, kept: Path, against: Path | None
) -> Iterator[Place]:
    """Start what cases need; end it afterwards, and remove what was written.

    Raises:
        RunFailed: when a checkout can't be loaded.
    """
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix="run-") as name, _Checkouts() as stack:
        room = Path(name)
        for folder in ("bench", "work", "launched"):
            (room / folder).mkdir()
        (room / "bench" / "benchmarks").symlink_to(Path(__file__).parent)
        checkouts = [stack.opened(ROOT, Role.OURS, room)]
        if against:
            checkouts.append(stack.opened(against.resolve(), Role.BEFORE, room))
        launcher = Launcher(room / "launched")
        stack.callback(launcher.close)
        yield Place(checkouts, launcher, Peers(), NotedFiles(audio), lengths, room / "work", kept)
