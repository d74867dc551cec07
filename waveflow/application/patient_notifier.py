"""A notifier that doesn't give up at once: the server being away is not the message's fault."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.current_lease import CurrentLease
from waveflow.application.events import Event, HashGenerated, StageMixed, StemCompleted
from waveflow.application.outage import Outage
from waveflow.application.ports import Notifier
from waveflow.domain.errors import NotifierUnavailable

_Event = TypeVar("_Event", HashGenerated, StemCompleted, StageMixed)


class Undelivered(NotifierUnavailable):
    """Raised when an event was not delivered for as long as it was worth waiting.

    Attributes:
        event: what the server is still to be told.
    """

    def __init__(self, event: Event, cause: NotifierUnavailable) -> None:
        super().__init__(str(cause), retry_after_s=cause.retry_after_s, refused=cause.refused)
        self.event = event


@frozen
class PatientNotifier(Notifier):
    """Wraps another notifier and tries again what it couldn't deliver.

    While others get through, an event is tried a few times in quick succession and then given
    up: something may be wrong with itself, and it shouldn't keep its place. While the server
    is away it is held, and tried at growing intervals, for up to `patience_s`.

    Attributes:
        tries: attempts in quick succession.
        first_pause_s: doubled after each attempt, up to `longest_pause_s`.
        spread: each pause is multiplied by 1 ± this, so that workers don't come back together.
        draw: uniform in [0, 1).
    """

    inner: Notifier
    outage: Outage = field(factory=Outage)
    lease: CurrentLease = field(factory=CurrentLease)
    clock: Clock = field(factory=Clock)
    patience_s: float = 3600.0
    tries: int = 3
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    spread: float = 0.2
    draw: Callable[[], float] = random.random

    def hash_generated(self, event: HashGenerated) -> None:
        self._deliver(self.inner.hash_generated, event)

    def stem_completed(self, event: StemCompleted) -> None:
        self._deliver(self.inner.stem_completed, event)

    def stage_mixed(self, event: StageMixed) -> None:
        self._deliver(self.inner.stage_mixed, event)

    def _deliver(self, send: Callable[[_Event], None], event: _Event) -> None:
        """Raises `Undelivered` in the end, and `LeaseLost` as soon as the event isn't ours."""
        begun_s = self.clock.monotonic_s()
        tries, pause_s, was_away = 0, self.first_pause_s, False
        while True:
            self.lease.require()
            try:
                send(event)
            except NotifierUnavailable as error:
                cause = error
            else:
                self.outage.delivered()
                return
            is_away = self._is_away(event, cause)
            if was_away and not is_away:
                tries, pause_s = 0, self.first_pause_s
            tries, was_away = tries + 1, is_away
            asked_s = cause.retry_after_s or 0.0
            if is_away:
                waited_s = self.clock.monotonic_s() - begun_s
                is_worth_waiting = waited_s + asked_s < self.patience_s
            else:
                is_worth_waiting = tries < self.tries and asked_s <= self.longest_pause_s
            if is_worth_waiting:
                self.outage.wait(max(self._jittered(pause_s), asked_s), until_back=is_away)
            if not is_worth_waiting or self.outage.ending:
                raise Undelivered(event, cause) from cause
            pause_s = min(pause_s * 2, self.longest_pause_s)

    def _is_away(self, event: Event, cause: NotifierUnavailable) -> bool:
        if cause.refused:
            self.outage.delivered()
            return False
        return self.outage.undelivered(event.event_id)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self.spread * (2 * self.draw() - 1))
