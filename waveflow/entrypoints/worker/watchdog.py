"""What the main thread looks for while the others work: a silent queue, and what is stuck."""

from __future__ import annotations

import sys
from traceback import walk_stack

import structlog
from attrs import define, field

from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.poller import Poller

_log = structlog.get_logger(__name__)

_STOOD_STILL_S = 5.0
"""Looks come twice a second. With as much between two of them nobody ran, not only the queue."""
_SHOWN_CALLS = 12


@define(eq=False)
class Watchdog:
    """Looks at the poller and at everything that is being worked on; decides nothing.

    The time in which the whole machine or process stood still (suspended, say) is nobody's
    fault: it doesn't count, and everybody gets a fresh start after it.

    Attributes:
        silent_after_s: how long the queue may stay silent.
        stuck_after_s: how long a slot may go without a step; 0 for as long as it likes.
    """

    poller: Poller
    desk: Desk
    silent_after_s: float
    stuck_after_s: float
    clock: Clock = field(factory=Clock)
    _looked_s: float = field(init=False)
    _awake_since_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looked_s = self._awake_since_s = self.clock.monotonic_s()

    def look(self) -> None:
        """To be called often: notices when nobody ran."""
        now_s = self.clock.monotonic_s()
        if now_s - self._looked_s > _STOOD_STILL_S:
            _log.warning("worker_stood_still", seconds=round(now_s - self._looked_s, 1))
            self._awake_since_s = now_s
        self._looked_s = now_s

    def queue_is_silent(self) -> bool:
        """Whether the queue has given no good answer for too long."""
        silent_s = min(self.poller.silent_s(), self._looked_s - self._awake_since_s)
        if silent_s <= self.silent_after_s:
            return False
        _log.critical("queue_is_silent", silent_s=round(silent_s, 1))
        return True

    def stuck(self) -> list[HeldMessage]:
        """What is worked on by somebody who has made no step for too long."""
        if not self.stuck_after_s:
            return []
        found = [held for held in self.desk.running() if self._idle_s(held) > self.stuck_after_s]
        for held in found:
            _log.critical(
                "slot_is_stuck",
                message_id=held.message.message_id,
                attempt=held.message.receive_count,
                idle_s=round(self._idle_s(held), 1),
                calls=_calls_of(held.lease.last_step.thread_id),
            )
        return found

    def _idle_s(self, held: HeldMessage) -> float:
        return self._looked_s - max(held.lease.last_step.at_s, self._awake_since_s)


def _calls_of(thread_id: int) -> list[str]:
    """Where a thread is, innermost call first. Reads no file: a disk may be what hangs."""
    innermost = sys._current_frames().get(thread_id)  # noqa: SLF001 (there is no other way)
    if innermost is None:
        return []
    calls = [
        f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{line})"
        for frame, line in walk_stack(innermost)
    ]
    return calls[:_SHOWN_CALLS]
