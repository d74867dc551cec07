"""A notifier that doesn't give up at once: the server being away is not the message's fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease
from waveflow.application.events import Event, HashGenerated, StageMixed, StemCompleted
from waveflow.application.outage import FIRST_PAUSE_S, LONGEST_PAUSE_S, Outage
from waveflow.application.ports import Notifier
from waveflow.application.task_times import in_stage
from waveflow.domain.errors import NotifierUnavailable

_Event = TypeVar("_Event", HashGenerated, StemCompleted, StageMixed)


class Undelivered(NotifierUnavailable):
    """Raised when an event was not delivered for as long as it was worth waiting.

    Attributes:
        event: what the server is still to be told.
    """

    def __init__(self, event: Event, cause: NotifierUnavailable) -> None:
        super().__init__(
            str(cause),
            retry_after_s=cause.retry_after_s,
            refused=cause.refused,
            too_slow=cause.too_slow,
        )
        self.event = event


_NOT_ASKED = NotifierUnavailable("The server is away; it was not asked.")


@frozen
class PatientNotifier(Notifier):
    """Wraps another notifier and tries again what it couldn't deliver.

    While others get through, an event is tried a few times in quick succession and then given
    up: something may be wrong with itself, and it shouldn't keep its place. One that the server
    was too slow to answer is not repeated so soon: it has probably arrived. While the server is
    away it is held for up to `patience_s`, until this event or another gets through. Then it is
    told again, and only once if the server is still too slow for it.

    Attributes:
        tries: attempts in quick succession.
        first_pause_s: between these; doubled after each.
    """

    inner: Notifier
    outage: Outage = field(factory=Outage)
    lease: CurrentLease = field(factory=CurrentLease)
    clock: Clock = field(factory=Clock)
    patience_s: float = 3600.0
    tries: int = 3
    first_pause_s: float = FIRST_PAUSE_S

    def hash_generated(self, event: HashGenerated) -> None:
        self._deliver(self.inner.hash_generated, event)

    def stem_completed(self, event: StemCompleted) -> None:
        self._deliver(self.inner.stem_completed, event)

    def stage_mixed(self, event: StageMixed) -> None:
        self._deliver(self.inner.stage_mixed, event)

    def _deliver(self, send: Callable[[_Event], None], event: _Event) -> None:
        """Raises `Undelivered` in the end, and `LeaseLost` as soon as the event isn't ours."""
        with in_stage("webhook"):
            self._deliver_in_time(send, event)

    def _deliver_in_time(self, send: Callable[[_Event], None], event: _Event) -> None:
        patient_until_s = self.clock.monotonic_s() + self.patience_s
        cause, tries = _NOT_ASKED, 0
        while True:
            is_new = cause is _NOT_ASKED
            if not self._has_turn(patient_until_s, is_new):
                raise Undelivered(event, cause) from cause
            seemed_there = not self.outage.is_open
            cause_or_none = self._attempt(send, event)
            if cause_or_none is None:
                return
            cause = cause_or_none
            # What was tried while the server was away doesn't count.
            tries = 0 if self.outage.is_open else tries + 1
            told_in_vain = cause.too_slow and seemed_there and not is_new
            if told_in_vain or not self._is_worth_another(cause, tries):
                raise Undelivered(event, cause) from cause
            if not self.outage.is_open:
                pause_s = self.first_pause_s * 2 ** max(tries - 1, 0)
                self.outage.wait(max(pause_s, cause.retry_after_s or 0.0))

    def _has_turn(self, patient_until_s: float, is_new: bool) -> bool:
        """Wait for the turn to ask the server. False when it isn't worth waiting any more."""
        while is_new or not self.outage.ending:
            self.lease.require()
            wait_s = self.outage.turn_in_s()
            if wait_s == 0:
                return True
            is_new = False
            if self.clock.monotonic_s() + wait_s >= patient_until_s:
                return False
            # Not for longer at a stretch: the lease may be lost meanwhile.
            self.outage.wait(min(wait_s, LONGEST_PAUSE_S), until_back=True)
        return False

    def _attempt(self, send: Callable[[_Event], None], event: _Event) -> NotifierUnavailable | None:
        """Ask the server once. Returns why it hasn't taken the event, if it hasn't."""
        asked_s = 0.0
        try:
            send(event)
        except NotifierUnavailable as error:
            asked_s = error.retry_after_s or 0.0
            if error.refused:
                self.outage.worked()
            else:
                self.outage.failed(event.event_id)
            return error
        else:
            self.outage.worked()
            return None
        finally:
            self.outage.turn_ends(retry_after_s=asked_s)

    def _is_worth_another(self, cause: NotifierUnavailable, tries: int) -> bool:
        if self.outage.ending:
            return False
        if self.outage.is_open:
            return True
        asked_s = cause.retry_after_s or 0.0
        return tries < self.tries and asked_s <= LONGEST_PAUSE_S and not cause.too_slow
