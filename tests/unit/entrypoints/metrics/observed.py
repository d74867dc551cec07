"""Metrics of a worker whose parts the test tells what to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.worker_rig import WorkerRig
from tests.support.workshop import FakeClock
from waveflow.adapters.queue.sqs_ages import OldestMessage
from waveflow.adapters.queue.sqs_facts import QueueFacts
from waveflow.entrypoints.metrics import Metrics, SqsFacts, Surroundings, TaskFigures, WorkerParts
from waveflow.entrypoints.worker.memory import ServiceMemory
from waveflow.entrypoints.worker.summary import TaskSummary

MEMORY = ServiceMemory(worker_bytes=300, compute_bytes=500)


def facts(visible: int, in_flight: int = 0, delayed: int = 0, *, dead: bool = True) -> QueueFacts:
    """What a queue says of itself."""
    return QueueFacts(visible, in_flight, delayed, "https://dead" if dead else None, 10, 30.0)


def summary(task: str = "hash", outcome: str = "done", **facts: object) -> TaskSummary:
    """Of a task that took a quarter of a second, most of it for the download."""
    given: dict[str, object] = {
        "code": None,
        "delay_s": None,
        "is_first": True,
        "seconds": 0.25,
        "wait_s": 3.0,
        "stages": {"download": 0.2, "other": 0.05},
        "size_bytes": 0,
        "audio_s": 0.0,
    }
    return TaskSummary(task=task, outcome=outcome, **given | facts)  # type: ignore[arg-type]


class Observed:
    """A worker's rig that isn't running, what surrounds it, and its metrics."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.rig = WorkerRig()
        self.queue: Callable[[], QueueFacts] = lambda: facts(3, 2, 1)
        self.dead_letters: Callable[[], QueueFacts] = lambda: facts(4)
        self.oldest = OldestMessage(12.0, "2024-01-01T10:05:00Z")
        self.ages_asked = 0
        self.figures = TaskFigures()
        self.parts = WorkerParts(
            tally=self.rig.tally,
            desk=self.rig.desk,
            poller=self.rig.poller,
            outage=self.rig.outage,
            excuses=self.rig.excuses,
            slots=4,
            memory=lambda: MEMORY,
        )
        self.surroundings = Surroundings(
            SqsFacts(lambda: self.queue(), lambda: self.dead_letters(), self._oldest),
            work_folder=Path("/"),
            every_s=3600.0,
            clock=self.time.as_clock(),
        )
        self.metrics = Metrics(self.figures, self.parts, self.surroundings, self.time.as_clock())

    def _oldest(self) -> OldestMessage:
        self.ages_asked += 1
        return self.oldest

    def everything(self) -> str:
        """The text of a scrape for which every metric has a value."""
        self.rig.poller.poll()
        self.rig.send("{}")
        self.rig.poller.poll()
        self.surroundings.look()
        self.figures.observe(summary(outcome="failed", code="not_audio"))
        self.metrics.set_log(lambda: 7)
        self.metrics.set_ready(lambda: True)
        return self.text()

    def text(self) -> str:
        """The text of a scrape."""
        return self.metrics.render()[1].decode()

    def value(self, name: str, **labels: str) -> float | None:
        """One sample of a scrape, by its name without `waveflow_`; None if there is none."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == "waveflow_" + name and sample.labels == labels
        ]
        assert len(found) <= 1
        return found[0] if found else None
