"""What the main thread looks for while the others work: a silent queue, and what is stuck."""

from __future__ import annotations

import sys
from traceback import walk_stack

import structlog
from attrs import define, field

from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.awake import AwakeTime
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.poller import Poller

_log = structlog.get_logger(__name__)

_SHOWN_CALLS = 12


@define(eq=False)
class Watchdog:
    """Looks at the poller and at everything that is being worked on; decides nothing.

    The time in which the whole machine or process stood still (suspended, say) is nobody's
    fault: it doesn't count.

    Attributes:
        silent_after_s: how long the queue may stay silent.
        stuck_after_s: how long a slot may go without a step; 0 for as long as it likes.
    """

    poller: Poller
    desk: Desk
    silent_after_s: float
    stuck_after_s: float
    clock: Clock = field(factory=Clock)
    _awake: AwakeTime = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._awake = AwakeTime(max(self.silent_after_s, self.stuck_after_s), self.clock)

    def look(self) -> None:
        """To be called often: notices when nobody ran."""
        self._awake.look()

    def queue_is_silent(self) -> bool:
        """Whether the queue has given no good answer for too long."""
        heard_s = self.clock.monotonic_s() - self.poller.silent_s()
        silent_s = self._awake.since_s(heard_s)
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
        return self._awake.since_s(held.lease.last_step.at_s)


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
