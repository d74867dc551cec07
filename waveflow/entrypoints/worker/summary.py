"""What there is to say of a task at its end: in one log line, and to whoever counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from attrs import frozen

from waveflow.application.disposition import BackOff, Disposition, OutcomeName
from waveflow.application.task_times import STAGES, TaskTimes

ALL_STAGES = ("wait", *STAGES, "other")


@frozen(kw_only=True)
class TaskSummary:
    """One delivery of one message, from the first step of its work to its settlement.

    Attributes:
        task: one of `lanes.TASKS`.
        code: of the failure, if it is one for good.
        delay_s: after which the message comes back, if it does.
        is_first: whether the message was delivered for the first time.
        seconds: wall time.
        wait_s: from when the message was sent to its first step: its time on the queue and on
            the desk. Of a later delivery, the earlier ones and their back-offs are part of it.
        stages: seconds of each that took place; with `other` they add up to `seconds`.
        size_bytes: of stems that were read.
        audio_s: seconds of audio that were drawn, or of the mix.
    """

    task: str
    outcome: OutcomeName
    code: str | None
    delay_s: float | None
    is_first: bool
    seconds: float
    wait_s: float
    stages: Mapping[str, float]
    size_bytes: int
    audio_s: float

    @classmethod
    def of(
        cls,
        disposition: Disposition,
        times: TaskTimes,
        *,
        task: str,
        is_first: bool,
        seconds: float,
        wait_s: float,
    ) -> Self:
        """The summary of a task that has taken `seconds`."""
        taken_s = times.taken_s()
        return cls(
            task=task,
            outcome=disposition.outcome,
            code=disposition.code,
            delay_s=disposition.delay_s if isinstance(disposition, BackOff) else None,
            is_first=is_first,
            seconds=seconds,
            wait_s=wait_s,
            stages={**taken_s, "other": max(seconds - sum(taken_s.values()), 0.0)},
            size_bytes=times.size_bytes,
            audio_s=times.audio_s,
        )

    def facts(self) -> dict[str, Any]:
        """What the log line says beside what is bound to it anyway. Times to the millisecond."""
        stages = {"wait": self.wait_s, **self.stages}
        facts: dict[str, Any] = {"outcome": self.outcome}
        if self.code is not None:
            facts["code"] = self.code
        if self.delay_s is not None:
            facts["delay_s"] = round(self.delay_s, 1)
        return facts | {
            "seconds": round(self.seconds, 3),
            "stages": {stage: round(taken_s, 3) for stage, taken_s in stages.items()},
            "bytes": self.size_bytes,
            "audio_s": round(self.audio_s, 3),
        }


Observe = Callable[[TaskSummary], object]


def unobserved(_: TaskSummary) -> None:
    """Nobody counts."""
