"""Lives and deaths of the worker: SIGKILL of it, of its children and of the process they come from.

Killed at random moments: some time after it has started, or upon the n-th task that it starts
or ends, as its log says; and started again at once, as a supervisor does.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import Factory, define

from tests.campaigns.worker_log import LogTail, WorkerLog
from tests.support.processes import descendants
from tests.support.worker_process import WorkerProcess

ROOT = Path(__file__).parents[2]
NOT_READY = 3
"""The exit code of a worker that could not begin: what it needs was faulty just then."""

_CHILD_KILLS_APART_S = 2.0
_BUSY_S = 1.0


class TooManyLives(Exception):
    """Raised when workers end and end, and the kills that are wanted never come about."""


@define
class Life:
    """One run of the worker."""

    process: WorkerProcess
    log: LogTail
    killed: bool = False

    def ended(self) -> int | None:
        """The exit code, once it has ended."""
        return self.process.poll()

    def whole_log(self) -> WorkerLog:
        """All that it has said."""
        return WorkerLog.of(self.process.log, killed=self.killed)


@define
class Killer:
    """Starts workers and kills them.

    Attributes:
        most_lives: workers that may be started; those that can't begin count as well.
        command: what a worker is. Its decoder crashes on certain files; otherwise it is the
            worker of production.
    """

    environment: Mapping[str, str]
    folder: Path
    chance: random.Random
    most_lives: int
    command: Sequence[str] = (sys.executable, "-m", "tests.campaigns.chaos_worker")
    lives: list[Life] = Factory(list)
    kills: Counter[str] = Factory(Counter)
    violations: list[str] = Factory(list)
    _child_killed_s: float = 0.0

    def start(self, **settings: str) -> Life:
        """A new worker.

        Raises:
            TooManyLives: when there have been enough.
        """
        if len(self.lives) >= self.most_lives:
            raise TooManyLives(f"{len(self.lives)} workers were started: {dict(self.kills)}")
        log = self.folder / f"worker-{len(self.lives) + 1}.log"
        environment = dict(self.environment) | {"PYTHONPATH": str(ROOT)} | settings
        life = Life(WorkerProcess(environment, log, self.command), LogTail(log))
        self.lives.append(life)
        return life

    def live_and_die(self) -> None:
        """A life, with deaths among the children, to its violent end."""
        life = self.start()
        if self.chance.random() < 0.1:
            self._wait(life, lambda: False, self.chance.uniform(0.0, 1.5))
        else:
            life = self._ready(life)
            for _ in range(self.chance.choice((0, 1, 1, 2))):
                self._await_a_moment(life)
                self._kill_below(life)
            self._await_a_moment(life)
        self._kill(life)

    def ready_worker(self, **settings: str) -> Life:
        """A worker that receives messages, with so many tries as that takes."""
        return self._ready(self.start(**settings), **settings)

    def close(self) -> None:
        """Let none run on, whatever happened."""
        for life in self.lives:
            if life.ended() is None:
                life.process.kill()

    def _ready(self, life: Life, **settings: str) -> Life:
        while not life.log.count("worker_started"):
            if not self._wait(life, partial(life.log.count, "worker_started"), 60.0):
                self.violations.append(f"{life.process.log.name}: not ready in 60 s")
                break
            if life.ended() is not None:
                life = self._next(life, **settings)
        return life

    def _next(self, life: Life, **settings: str) -> Life:
        """Start again what has ended by itself."""
        self.kills["ended by itself, not ready"] += 1
        if life.ended() != NOT_READY:
            self.violations.append(f"{life.process.log.name} ended with {life.ended()}")
        return self.start(**settings)

    def _wait(self, life: Life, until: Callable[[], object], within_s: float) -> bool:
        """Whether `until` came true, or the worker ended, in time."""
        deadline_s = time.monotonic() + within_s
        while not until():
            if life.ended() is not None:
                return True
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.01)
        return True

    def _await_a_moment(self, life: Life) -> None:
        event = self.chance.choice(("task_started", "task_ended"))
        wanted = life.log.count(event) + self.chance.randint(1, 12)
        self._wait(life, lambda: life.log.count(event) >= wanted, self.chance.uniform(0.5, 3.0))
        time.sleep(self.chance.choice((0.0, 0.0, 0.01, 0.1)) * self.chance.random())

    def _kill_below(self, life: Life) -> None:
        """One of the children that decode, or the process that they come from."""
        children = life.process.compute_children()
        if children and self.chance.random() < 0.7:
            # Two deaths on one task are the file's fault for all that a worker can know.
            self._wait(life, lambda: self._is_over(life), 10.0)
            if self._is_over(life) and _kill(self._busy_or_any(life, children)):
                self._child_killed_s = time.monotonic()
                self.kills["child"] += 1
            return
        servers = descendants(life.process.pid) - children
        if servers and _kill(self.chance.choice(sorted(servers))):
            self._child_killed_s = time.monotonic()
            self.kills["fork server"] += 1

    def _busy_or_any(self, life: Life, children: set[int]) -> int:
        """A child in the middle of a file, if one is soon: they decode for milliseconds."""
        deadline_s = time.monotonic() + _BUSY_S
        while time.monotonic() < deadline_s and life.ended() is None:
            for pid in sorted(life.process.compute_children()):
                if _has_work_file(pid):
                    return pid
        return self.chance.choice(sorted(children))

    def _is_over(self, life: Life) -> bool:
        """Whether the tasks that met a death are at an end."""
        if time.monotonic() < self._child_killed_s + _CHILD_KILLS_APART_S:
            return False
        struck: set[str] = set()
        for line in life.log.read():
            if line.get("event") == "compute_process_died":
                struck.add(line["message_id"])
            elif line.get("event") == "task_ended":
                struck.discard(line["message_id"])
        return not struck

    def _kill(self, life: Life) -> None:
        if life.ended() is not None:
            self.kills["ended by itself"] += 1
            if life.ended() != NOT_READY:
                self.violations.append(f"{life.process.log.name} ended with {life.ended()}")
            return
        life.killed = True
        self.kills["worker"] += 1
        try:
            life.process.kill()
        except AssertionError as error:
            self.violations.append(f"{life.process.log.name}: {error}")


def _has_work_file(pid: int) -> bool:
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if "/waveflow-task-" in str(descriptor.readlink()):
                    return True
    return False


def _kill(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False
