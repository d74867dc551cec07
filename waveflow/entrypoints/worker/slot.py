"""A slot: works on one message after the other, each from its first step to its settlement."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import structlog
from attrs import field, frozen
from structlog.contextvars import bound_contextvars

from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease
from waveflow.application.delivery import MessageHandler
from waveflow.application.disposition import Acknowledge, Disposition, GiveBack, Park
from waveflow.application.ports import MessageQueue, ReceivedMessage
from waveflow.application.settling import forget, remember, settle
from waveflow.application.task_times import TaskTimes, in_stage, timed
from waveflow.domain.errors import LeaseLost, QueueUnavailable
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import subject_of_log
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.memory import RecentMemory
from waveflow.entrypoints.worker.summary import Observe, TaskSummary, unobserved

_log = structlog.get_logger(__name__)

_LONGEST_PAUSE_S = 10.0
_PARKING_S = 5.0
"""A dead-letter queue that takes nothing must not keep slots from the messages that are good."""


@frozen
class Slot:
    """Takes messages from the desk until it is closed.

    Attributes:
        memory_mb: how much memory the service uses, or used a moment ago, if that is known.
        wait: how to wait for so many seconds.
        observe: told of each task that has ended.
    """

    desk: Desk
    queue: MessageQueue
    handler: MessageHandler
    leases: LeaseKeeper
    current_lease: CurrentLease
    clock: Clock = field(factory=Clock)
    memory_mb: Callable[[], float | None] = field(factory=RecentMemory)
    wait: Callable[[float], object] = field(factory=lambda: Event().wait)
    observe: Observe = unobserved

    def run(self) -> None:
        """Work until the desk is closed."""
        while (held := self.desk.next()) is not None:
            try:
                self.work(held)
            finally:
                self.desk.done(held)

    def work(self, held: HeldMessage) -> None:
        """Handle one message and settle it with the queue."""
        message = held.message
        subject = subject_of_log(message.body, self.handler.parse)
        about = {"task_id": message.message_id} | subject
        with bound_contextvars(
            message_id=message.message_id, attempt=message.receive_count, **about
        ):
            times = TaskTimes(self.clock)
            wait_s = max(self.clock.unix_s() - message.sent_at_ms / 1000, 0.0)
            started_s = self.clock.monotonic_s()
            try:
                memory_mb = self.memory_mb()
                _log.info("task_started", lane=held.lane.name.lower(), memory_mb=memory_mb)
                with timed(times), self.current_lease.held(held.lease):
                    disposition = self.handler.handle(message)
            finally:
                self.leases.release([held.lease])
            # Outside of the lease: what the server was told is remembered also when it is lost.
            with timed(times), in_stage("settle"):
                self._settle(held, disposition)
            summary = TaskSummary.of(
                disposition,
                times,
                task=subject["task"],
                is_first=message.receive_count == 1,
                seconds=self.clock.monotonic_s() - started_s,
                wait_s=wait_s,
            )
            _log.info(
                "task_ended",
                **summary.facts(),
                memory_mb_before=memory_mb,
                memory_mb=self.memory_mb(),
            )
        self.observe(summary)

    def _settle(self, held: HeldMessage, disposition: Disposition) -> None:
        """Settle the message while it is ours; a queue that doesn't answer is asked again."""
        pause_s, remembered = 0.5, False
        begun_s = self.clock.monotonic_s()
        while not held.lease.lost:
            held.lease.step()
            try:
                settled = settle(self.queue, self.handler.outbox, held.message, disposition)
            except LeaseLost:
                break
            except QueueUnavailable as error:
                _log.warning("message_not_settled_yet", reason=str(error))
                remembered = remembered or self._remember(held.message, disposition)
                if (
                    isinstance(disposition, Park)
                    and self.clock.monotonic_s() - begun_s > _PARKING_S
                ):
                    break
                self.wait(min(pause_s, max(held.lease.ends_s - self.clock.monotonic_s(), 0.0)))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            if remembered and settled:
                forget(self.handler.outbox, held.message)
            return
        if isinstance(disposition, GiveBack):
            return
        _log.warning("message_not_settled", outcome=disposition.outcome)
        if not remembered:
            self._remember(held.message, disposition)

    def _remember(self, message: ReceivedMessage, disposition: Disposition) -> bool:
        """Keep the outcome for the next delivery: the server knows it, the queue doesn't yet."""
        if not isinstance(disposition, Acknowledge | Park):
            return False
        reason = disposition.reason if isinstance(disposition, Park) else None
        return remember(self.handler.outbox, message, reason)
