"""Eight slots and a server that takes events in, but is too slow to answer: real threads."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, get_ident

import pytest
from attrs import frozen

from tests.support.workshop import FakeClock
from waveflow.application.events import Failure, HashGenerated, StageMixed, StemCompleted
from waveflow.application.outage import Outage
from waveflow.application.patient_notifier import PatientNotifier, Undelivered
from waveflow.application.ports import Notifier
from waveflow.domain.errors import NotifierUnavailable

SLOTS = 8
TIMEOUT_S = 30.0
"""Of one attempt, on the fake clock."""
SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


class SteppedOutage(Outage):
    """One in which time passes, on a fake clock, only when a test lets it."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.clock = self.time.as_clock()
        super().__init__(clock=self.clock, draw=lambda: 0.5)
        self.busy = 0
        self._due_s: dict[int, float] = {}

    def wait(self, seconds: float, *, until_back: bool = False) -> None:
        with self._changed:
            due_s = self._due_s[get_ident()] = self.clock.monotonic_s() + seconds
            self._changed.notify_all()
            assert self._changed.wait_for(
                lambda: (
                    self._ending
                    or (until_back and not self._is_open)
                    or self.clock.monotonic_s() >= due_s
                ),
                SECONDS,
            )
            del self._due_s[get_ident()]

    def leave(self) -> None:
        """The calling thread is done."""
        with self._changed:
            self.busy -= 1
            self._changed.notify_all()

    def pass_time(self, seconds: float) -> None:
        with self._changed:
            self.time.advance(seconds)
            self._changed.notify_all()

    def rest(self) -> None:
        """Return once every thread waits, or is done."""
        with self._changed:
            assert self._changed.wait_for(self._all_wait, SECONDS)

    def step(self) -> bool:
        """Once every thread waits, go on to when the first is due. False when all are done."""
        with self._changed:
            self.rest()
            if not self.busy:
                return False
            self.pass_time(min(self._due_s.values()) - self.clock.monotonic_s() + 1e-6)
            return True

    def _all_wait(self) -> bool:
        now_s = self.clock.monotonic_s()
        return len(self._due_s) == self.busy and all(due > now_s for due in self._due_s.values())


@frozen
class Attempt:
    event_id: str
    begun_s: float
    ended_s: float


class SlowServer(Notifier):
    """Hears everything, and answers in time only once it is quick."""

    def __init__(self, outage: SteppedOutage) -> None:
        self.attempts: list[Attempt] = []
        self.quick = False
        self._outage = outage
        self._all_have_asked = Barrier(SLOTS, timeout=SECONDS)

    def stem_completed(self, event: StemCompleted) -> None:
        begun_s = self._outage.clock.monotonic_s()
        if not self._outage.is_open:
            if not self.quick:
                self._all_have_asked.wait()
        elif not self.quick:
            self._outage.pass_time(TIMEOUT_S)
        ended_s = self._outage.clock.monotonic_s()
        self.attempts.append(Attempt(event.event_id, begun_s, ended_s))
        if not self.quick:
            raise NotifierUnavailable("no answer in time", too_slow=True)

    def hash_generated(self, event: HashGenerated) -> None:
        raise NotImplementedError

    def stage_mixed(self, event: StageMixed) -> None:
        raise NotImplementedError

    def told(self) -> Counter[str]:
        return Counter(attempt.event_id for attempt in self.attempts)


class Slots:
    """Eight threads with one event each."""

    def __init__(self, pool: ThreadPoolExecutor, *, patience_s: float = 1e9) -> None:
        self.outage = SteppedOutage()
        self.server = SlowServer(self.outage)
        self._notifier = PatientNotifier(
            self.server, self.outage, clock=self.outage.clock, patience_s=patience_s
        )
        self.outage.busy = SLOTS
        self._slots: list[Future[None]] = [
            pool.submit(self._tell, f"event-{number}") for number in range(SLOTS)
        ]

    def _tell(self, event_id: str) -> None:
        failure = Failure("Cut short.", "audio_truncated")
        try:
            self._notifier.stem_completed(
                StemCompleted(event_id, "stem789", None, None, None, None, "now", 0.5, failure)
            )
        finally:
            self.outage.leave()

    def run_until_told(self, times: int) -> None:
        """Let time pass until the server has been told so often; then nobody is asking it."""
        self.outage.rest()
        while len(self.server.attempts) < times:
            assert self.outage.step()
            self.outage.rest()

    def run(self) -> None:
        """Let time pass until every slot is done."""
        while self.outage.step():
            pass

    def given_up(self) -> int:
        return sum(isinstance(slot.exception(SECONDS), Undelivered) for slot in self._slots)


def test_each_event_is_told_once_and_then_one_asks_at_growing_intervals() -> None:
    with ThreadPoolExecutor(SLOTS) as pool:
        slots = Slots(pool)
        server = slots.server
        slots.run_until_told(SLOTS + 10)
        server.quick = True
        slots.run()
    first, asked = server.attempts[:SLOTS], server.attempts[SLOTS : SLOTS + 10]
    assert len({attempt.event_id for attempt in first}) == SLOTS
    pauses_s = [following.begun_s - attempt.ended_s for attempt, following in pairwise(asked)]
    grown_s = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    # Who waits while another asks looks again every half second.
    assert all(
        grown - 0.001 <= pause <= grown + 0.501
        for grown, pause in zip(grown_s, pauses_s, strict=True)
    ), pauses_s
    after = Counter(attempt.event_id for attempt in server.attempts[SLOTS + 10 :])
    assert set(after.values()) == {1}
    # At most two may have been given up before the breaker opened; the outbox has them.
    assert slots.given_up() + len(after) == SLOTS
    assert slots.given_up() <= 2


def test_when_the_patience_is_over_every_slot_is_free_again() -> None:
    with ThreadPoolExecutor(SLOTS) as pool:
        slots = Slots(pool, patience_s=3600.0)
        slots.run()
    assert slots.given_up() == SLOTS
    # 0.5 to 60 s apart, and 30 s each: some 43 attempts in an hour, by all of them together.
    assert SLOTS + 35 < len(slots.server.attempts) < SLOTS + 50
    assert slots.outage.clock.monotonic_s() - 1_000.0 < 3600.0 + TIMEOUT_S


@pytest.mark.parametrize("asked", [0, 3])
def test_the_end_of_the_service_frees_every_slot_at_once(asked: int) -> None:
    with ThreadPoolExecutor(SLOTS) as pool:
        slots = Slots(pool)
        slots.run_until_told(SLOTS + asked)
        slots.outage.end()
        slots.run()
    assert slots.given_up() == SLOTS
    assert len(slots.server.attempts) == SLOTS + asked
