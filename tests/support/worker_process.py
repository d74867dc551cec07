"""`waveflow worker` as a process of its own, as a service manager would run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.support.processes import descendants, eventually, running

START_S = 60.0
END_S = 60.0


class WorkerProcess:
    """A running worker. At the end of a `with` it, and everything that it started, is killed."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        command: Sequence[str | Path] = (WAVEFLOW, "worker"),
    ) -> None:
        """Start it, with its log in JSON in the file `log`."""
        self.log = log
        self._seen: set[int] = set()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [*command],
                env={"PATH": os.environ["PATH"], "LOG_FORMAT": "json"}
                | coverage_settings()
                | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=log.parent,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        return self._process.poll()

    def wait_until_ready(self) -> Self:
        """Until it receives messages."""
        self.wait_for_log("worker_started", within_s=START_S)
        return self

    def wait_for_log(self, event: str, *, within_s: float = 30.0, times: int = 1) -> None:
        """Until it has logged `event` so many times. Raises `AssertionError` with the log."""
        came = eventually(
            lambda: len(self.logged(event)) >= times or self._process.poll() is not None,
            within_s=within_s,
        )
        assert came, f"no {event} in {within_s} s:\n{self.text()}"
        assert len(self.logged(event)) >= times, f"it ended without {event}:\n{self.text()}"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """All log lines of one event so far."""
        return [line for line in self.lines() if line.get("event") == event]

    def lines(self) -> list[dict[str, Any]]:
        """All log lines so far."""
        found = []
        for line in self.text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def text(self) -> str:
        """Everything that it printed so far."""
        return self.log.read_text(errors="replace")

    def processes(self) -> set[int]:
        """The worker and everything that it started."""
        return {self.pid} | descendants(self.pid)

    def compute_children(self) -> set[int]:
        """The processes that decode: children of the worker's child, the fork server."""
        return {below for child in descendants(self.pid) for below in descendants(child)}

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> int:
        """Tell it to end, alone or with its whole group, and wait. Returns its exit code."""
        before = self.processes()
        if group:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)
        return self.exit_code(before)

    def exit_code(self, processes: set[int] | None = None, *, within_s: float = END_S) -> int:
        """Wait for its end, after which none of its processes may run any more."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended in {within_s} s:\n{self.text()}") from None
        survivors = processes or set()
        assert eventually(lambda: not running(survivors)), f"{running(survivors)} survived"
        return code

    def kill(self) -> None:
        """kill -9 of the worker alone. Nothing that it started may survive it."""
        processes = self.processes()
        self._process.kill()
        self._process.wait()
        gone = eventually(lambda: not running(processes))
        for pid in running(processes):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert gone, "what the worker had started survived it"
