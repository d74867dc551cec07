"""Which messages may hold how many slots, so that short work never waits for all of the long."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Self

from attrs import frozen

from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage


class Lane(Enum):
    """What kind of work a message asks for."""

    LIGHT = auto()
    ANALYSIS = auto()
    MIX = auto()


def lane_of(body: str, parse: Callable[[str], ParsedMessage]) -> Lane:
    """The lane of a message; light for one that asks for nothing that can be done."""
    try:
        command = parse(body).command
    except Exception:
        # Refused, unreadable, or a defect that is met again, and reported, in the slot.
        return Lane.LIGHT
    if isinstance(command, MixRequest):
        return Lane.MIX
    return Lane.ANALYSIS if isinstance(command, AnalysisRequest) else Lane.LIGHT


_TASKS: dict[type, str] = {
    HashRequest: "hash",
    DuplicateRequest: "duplicate",
    AnalysisRequest: "analysis",
    MixRequest: "mix",
    HealthRequest: "health",
    CleanupRequest: "cleanup",
}


UNREADABLE = "unreadable"
"""The task of a message that nobody can tell what it asks for."""

TASKS = (*_TASKS.values(), UNREADABLE)


def subject_of_log(body: str, parse: Callable[[str], ParsedMessage]) -> dict[str, str]:
    """What the log lines of a message say that it is about, as far as it can be told.

    Returns:
        `task`, one of `TASKS`, in any case; `task_id` and the ids of stem, stage and track.
    """
    try:
        parsed = parse(body)
    except RefusedMessage as error:
        return _about(_TASKS[error.request], error.task_id, error.subject)
    except Exception:
        # Unreadable, or a defect that is met again, and reported, in the slot.
        return {"task": UNREADABLE}
    return _about(_TASKS[type(parsed.command)], parsed.task_id, parsed.command)


def _about(task: str, task_id: str | None, subject: object) -> dict[str, str]:
    ids = {"task_id": task_id}
    ids |= {name: getattr(subject, name, None) for name in ("stem_id", "stage_id", "track_id")}
    return {"task": task, **{name: value for name, value in ids.items() if value is not None}}


@frozen
class LaneLimits:
    """How many slots there are, and how many of them each kind of work may hold at once.

    Attributes:
        heavy: analyses and mixes together.
        mixes: a mix takes longest and keeps analyses from the decoders.
    """

    slots: int
    heavy: int
    mixes: int

    @classmethod
    def of(cls, slots: int) -> Self:
        """A quarter of the slots, at least one, is for light work alone; a single slot does all."""
        heavy = max(slots - max(slots // 4, 1), 1)
        return cls(slots, heavy, max(heavy // 2, 1))

    def admits(self, lane: Lane, running: list[Lane]) -> bool:
        """Whether work of that lane may begin beside what runs."""
        if len(running) >= self.slots:
            return False
        if lane is Lane.LIGHT:
            return True
        if sum(other is not Lane.LIGHT for other in running) >= self.heavy:
            return False
        return lane is Lane.ANALYSIS or running.count(Lane.MIX) < self.mixes
