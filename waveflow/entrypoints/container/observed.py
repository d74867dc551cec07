"""Metrics, and the thread that looks at what they need from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_ages import QueueAges
from waveflow.adapters.queue.sqs_dead_letters import SqsDeadLetters
from waveflow.application.clock import Clock
from waveflow.application.ports import MessageQueue
from waveflow.entrypoints.metrics import Metrics, SqsFacts, Surroundings, TaskFigures, WorkerParts


def facts_of(
    queue: MessageQueue,
    queue_url: str | None,
    dead_letters: Callable[[], SqsDeadLetters],
    ages: Callable[[], QueueAges],
) -> SqsFacts | None:
    """Whom to ask about the queue; None for one that lies in this process."""
    if not isinstance(queue, SqsQueue) or queue_url is None:
        return None
    return SqsFacts(
        queue=queue.facts,
        dead_letters=lambda: dead_letters().facts(),
        oldest=lambda: ages().of([queue_url])[queue_url],
    )


def metrics_of(
    figures: TaskFigures,
    parts: WorkerParts,
    facts: SqsFacts | None,
    work_folder: Path,
    every_s: float,
    clock: Clock,
) -> Iterator[Metrics]:
    """The metrics of a worker, and a thread that looks at its surroundings until they are shut."""
    surroundings = Surroundings(facts, work_folder=work_folder, every_s=every_s, clock=clock)
    metrics = Metrics(figures, parts, surroundings, clock)
    surroundings.start()
    try:
        yield metrics
    finally:
        surroundings.end()
