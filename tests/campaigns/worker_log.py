"""What workers say about themselves, and what of that is no good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

Line = dict[str, Any]

_ERRORS = ("error", "critical")
_QUIET = ("debug", "info")
_AN_OUTAGE = "_is_away"
"""Said, as an error, of what fails again and again. Chaos sees to that."""
_OF_THE_MACHINE = ("compute_processes_not_confined", "work_folder_is_small")
"""Warnings about where the worker runs, and not about how."""
_DELIBERATE = "task_failed"


class LogTail:
    """The lines of a growing log; each is read once.

    Attributes:
        lines: those of the log itself, in JSON.
        strays: all others: what an interpreter prints when it goes wrong, say.
        rest: the beginning of a line that has not come to its end.
    """

    def __init__(self, path: Path) -> None:
        self.lines: list[Line] = []
        self.strays: list[str] = []
        self.rest = ""
        self._path = path
        self._offset = 0

    def read(self) -> list[Line]:
        """All lines of the log itself so far."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        end = text.rfind(b"\n") + 1
        self._offset += end
        self.rest = text[end:].decode(errors="replace")
        for line in text[:end].decode(errors="replace").splitlines():
            try:
                parsed = json.loads(line)
            except ValueError:
                parsed = None
            if isinstance(parsed, dict) and {"event", "level"} <= parsed.keys():
                self.lines.append(parsed)
            elif line:
                self.strays.append(line)
        return self.lines

    def count(self, *events: str) -> int:
        """How many lines there are of these events."""
        return sum(line.get("event") in events for line in self.read())


@frozen
class WorkerLog:
    """All that one run of a worker has said, now that it has ended.

    Attributes:
        strays: what isn't a line of the log.
        killed: by SIGKILL, which leaves no time for last words.
    """

    name: str
    lines: Sequence[Line]
    strays: Sequence[str] = ()
    killed: bool = False

    @classmethod
    def of(cls, log: Path, *, killed: bool = False) -> WorkerLog:
        """Read a log. Whoever was killed may have been interrupted."""
        tail = LogTail(log)
        lines = tail.read()
        cut_off = [tail.rest] if tail.rest and not killed else []
        return cls(log.name, lines, [*tail.strays, *cut_off], killed)

    def count(self, event: str) -> int:
        """How many lines there are of an event."""
        return sum(line.get("event") == event for line in self.lines)

    def about(self, message_id: str) -> list[Line]:
        """The lines about one message."""
        return [line for line in self.lines if line.get("message_id") == message_id]

    def tries(self, message_id: str, event: str) -> list[int]:
        """The tries of a message of which there is that event."""
        return [line["attempt"] for line in self.about(message_id) if line["event"] == event]

    def defects(self) -> list[str]:
        """What no weather excuses: errors that are no outage, and whatever isn't a log line.

        A start that fails says why in plain words, so these are no defect before it is ready.
        """
        found = [
            self._said(line)
            for line in self.lines
            if line["level"] in _ERRORS and not line["event"].endswith(_AN_OUTAGE)
        ]
        if self.count("worker_started") and self.strays:
            found.append(f"{self.name} printed {list(self.strays)}")
        return found

    def blemishes(self, failures: int) -> list[str]:
        """What has no place in good weather.

        Args:
            failures: how many messages can only fail.
        """
        found = [
            self._said(line)
            for line in self.lines
            if line["level"] not in _QUIET and line["event"] not in (_DELIBERATE, *_OF_THE_MACHINE)
        ]
        found += [
            f"{line['message_id']} was delivered {line['attempt']} times"
            for line in self.lines
            if line["event"] == "task_started" and line["attempt"] > 1
        ]
        if (failed := self.count(_DELIBERATE)) != failures:
            found.append(f"{failed} tasks failed, and {failures} should")
        if self.strays:
            found.append(f"{self.name} printed {list(self.strays)}")
        return found

    def _said(self, line: Line) -> str:
        return f"{self.name} says {line}"


def explains_outcome(lives: Sequence[WorkerLog], message_id: str) -> bool:
    """Whether the logs explain that an outcome is left: the lifecycle rule is for these.

    The message is off the queue. Who worked on it last either died before the try was at an end,
    or says that it could not settle the message or forget the outcome.
    """
    tried = [life for life in lives if life.tries(message_id, "task_started")]
    if not tried:
        return False
    last = tried[-1]
    ended = last.tries(message_id, "task_ended")
    if set(last.tries(message_id, "task_started")) - set(ended):
        return last.killed
    # With a lost lease a try may end after the next one; what it keeps then, it keeps last.
    return any(
        line["event"] in ("outcome_not_forgotten", "message_not_settled")
        for line in last.about(message_id)
        if line.get("attempt") == ended[-1]
    )
