"""What lies outside of the process: looked at now and then, so that no scrape waits for it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import structlog
from attrs import frozen

from waveflow.adapters.queue.sqs_ages import OldestMessage
from waveflow.adapters.queue.sqs_facts import QueueFacts
from waveflow.application.clock import Clock
from waveflow.domain.errors import TransientError
from waveflow.entrypoints.metrics.figures import Labels, Reading, Readings

_log = structlog.get_logger(__name__)

AGES_EVERY_S = 300.0
"""CloudWatch is paid for by the question, and hears from SQS every minute or every five."""
_STALE_S = 120.0
"""A look may take as long. One that hangs, on a disk say, must not leave old numbers behind."""
_ENDS_S = 1.0


@frozen
class SqsFacts:
    """Whom to ask about a queue of SQS.

    Attributes:
        queue, dead_letters: raise `TransientError` when they can't say.
    """

    queue: Callable[[], QueueFacts]
    dead_letters: Callable[[], QueueFacts]
    oldest: Callable[[], OldestMessage]


class Surroundings:
    """Queue, dead-letter queue and disk, looked at by a thread of its own.

    What couldn't be looked at is not known until the next look that succeeds: there is no
    reading of it. That it can't is logged once.
    """

    def __init__(
        self,
        facts: SqsFacts | None,
        *,
        work_folder: Path,
        every_s: float,
        clock: Clock | None = None,
    ) -> None:
        """Look at nothing yet.

        Args:
            facts: None for a queue that lies in this process.
            every_s: from the end of one look to the next.
        """
        self._work_folder = work_folder
        self._every_s = every_s
        self._facts = facts
        self._clock = clock or Clock()
        self._asked_age_s = -math.inf
        self._looked_s = -math.inf
        self._unknown: set[str] = set()
        self._readings: Readings = {}
        self._end = Event()
        self._thread = Thread(target=self._look_again_and_again, name="surroundings", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def end(self) -> None:
        """Look no more. Doesn't wait for a look that gets no answer."""
        self._end.set()
        self._thread.join(_ENDS_S)

    def readings(self) -> Readings:
        """As of the last look; nothing, if that is long ago."""
        age_s = self._clock.monotonic_s() - self._looked_s
        return {} if age_s > self._every_s + _STALE_S else dict(self._readings)

    def look(self) -> None:
        """Look at everything, one after the other."""
        if self._facts is not None:
            queue = self._answer("queue", self._facts.queue)
            self._look_at_the_queue(queue)
            has_dead_letters = queue is not None and queue.dead_letter_queue_url is not None
            self._look_at_dead_letters(self._facts.dead_letters if has_dead_letters else None)
            self._look_at_the_age(self._facts.oldest)
        # The disk last: it may hang.
        self._look_at_the_disk()
        self._looked_s = self._clock.monotonic_s()

    def _look_again_and_again(self) -> None:
        while not self._end.is_set():
            try:
                self.look()
            except Exception as error:
                _log.error("defect", exc_info=error)
            self._end.wait(self._every_s)

    def _look_at_the_queue(self, facts: QueueFacts | None) -> None:
        if facts is None:
            self._know("queue_messages", None)
            return
        counts: dict[Labels, Reading] = {
            ("visible",): facts.visible,
            ("in_flight",): facts.in_flight,
            ("delayed",): facts.delayed,
        }
        self._know("queue_messages", counts)

    def _look_at_dead_letters(self, ask: Callable[[], QueueFacts] | None) -> None:
        facts = None if ask is None else self._answer("dead_letter_queue", ask)
        if facts is None:
            self._know("dead_letters", None)
        else:
            self._know("dead_letters", {(): facts.visible + facts.in_flight + facts.delayed})

    def _look_at_the_age(self, ask: Callable[[], OldestMessage]) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._asked_age_s < AGES_EVERY_S:
            return
        self._asked_age_s = now_s
        oldest = ask()
        self._note("oldest_message", oldest.why_unknown)
        age_s = oldest.age_s
        self._know("queue_oldest_message_age_seconds", None if age_s is None else {(): age_s})

    def _look_at_the_disk(self) -> None:
        try:
            free_bytes = shutil.disk_usage(self._work_folder).free
        except OSError as error:
            self._note("work_folder", str(error))
            self._know("work_folder_free_bytes", None)
        else:
            self._note("work_folder", None)
            self._know("work_folder_free_bytes", {(): free_bytes})

    def _answer(self, what: str, ask: Callable[[], QueueFacts]) -> QueueFacts | None:
        try:
            facts = ask()
        except TransientError as error:
            self._note(what, str(error))
            return None
        self._note(what, None)
        return facts

    def _know(self, metric: str, values: dict[Labels, Reading] | None) -> None:
        if values is None:
            self._readings.pop(metric, None)
        else:
            self._readings[metric] = values

    def _note(self, what: str, problem: str | None) -> None:
        if problem is None:
            self._unknown.discard(what)
        elif what not in self._unknown:
            self._unknown.add(what)
            _log.info("not_measured", what=what, reason=problem)
