"""A notifier that doesn't give up at once: when it tries again, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from attrs import evolve

from tests.support.workshop import FakeOutage
from waveflow.application.current_lease import CurrentLease, Lease
from waveflow.application.events import Event as AnyEvent
from waveflow.application.events import Failure, HashGenerated, StageMixed, StemCompleted
from waveflow.application.outage import Outage
from waveflow.application.outbox import send_event
from waveflow.application.patient_notifier import PatientNotifier, Undelivered
from waveflow.application.ports import Notifier
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import LeaseLost, NotifierUnavailable

HASHED = HashGenerated(
    "hashed", "stem789", None, None, None, "a.wav", ContentHash("ab" * 32), None, "a.wav", None
)
FAILURE = Failure("Cut short.", "audio_truncated")
COMPLETED = StemCompleted("completed", "stem789", None, None, None, None, "now", 0.5, FAILURE)
MIXED = StageMixed("mixed", "stage001", None, "task", ("a.wav",), "now", FAILURE)
AWAY = NotifierUnavailable("status 503")
ALWAYS = 10_000
SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


class Server(Notifier):
    """Fails a number of times, then takes everything in.

    Attributes:
        meanwhile: called before each failure.
    """

    def __init__(self, failures: int = 0, error: Exception = AWAY) -> None:
        self.seen: list[AnyEvent] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self._failures = failures
        self._error = error

    def take_in(self) -> None:
        """Fail no more, not even at what is under way."""
        self._failures = 0

    def _take(self, event: AnyEvent) -> None:
        self.seen.append(event)
        if len(self.seen) <= self._failures:
            self.meanwhile()
        if len(self.seen) <= self._failures:
            raise self._error

    hash_generated = stem_completed = stage_mixed = _take


class RevocableLease(Lease):
    def __init__(self) -> None:
        self.lost = False

    def require(self) -> None:
        if self.lost:
            raise LeaseLost("stale")

    def lose(self) -> None:
        self.lost = True


def patient(server: Server, *, open_: bool = False, patience_s: float = 3600.0) -> PatientNotifier:
    """One whose waits take no time, with a breaker that is closed or open."""
    outage = FakeOutage()
    if open_:
        open_breaker(outage)
    clock = outage.time.as_clock()
    return PatientNotifier(server, outage, clock=clock, patience_s=patience_s)


def open_breaker(outage: Outage) -> None:
    for event_id in ("other-1", "other-2", "other-3"):
        outage.failed(event_id)
    assert outage.is_open


def pauses_s(notifier: PatientNotifier) -> list[float]:
    assert isinstance(notifier.outage, FakeOutage)
    return notifier.outage.pauses_s


def at_pause(notifier: PatientNotifier, number: int, act: Callable[[], object]) -> None:
    """Let that happen during the pause of that number, from 1."""
    outage = notifier.outage
    assert isinstance(outage, FakeOutage)
    outage.meanwhile = lambda: act() if len(outage.pauses_s) == number else None


@pytest.mark.parametrize("event", [HASHED, COMPLETED, MIXED], ids=lambda event: event.event_id)
class TestEveryKindOfEvent:
    def test_what_is_taken_in_at_first_is_sent_once(self, event: AnyEvent) -> None:
        server = Server()
        notifier = patient(server)
        send_event(notifier, event)
        assert server.seen == [event]
        assert pauses_s(notifier) == []

    def test_it_is_the_very_same_event_each_time_and_in_the_error(self, event: AnyEvent) -> None:
        server = Server(ALWAYS)
        with pytest.raises(Undelivered, match=r"^status 503$") as raised:
            send_event(patient(server), event)
        assert [seen is event for seen in server.seen] == [True, True, True]
        assert raised.value.event is event
        assert raised.value.__cause__ is AWAY
        assert raised.value.retry_after_s is None


class TestWhileOthersGetThrough:
    @pytest.mark.parametrize(("failures", "pauses"), [(1, [0.5]), (2, [0.5, 1.0])])
    def test_an_event_is_tried_three_times_in_quick_succession(
        self, failures: int, pauses: list[float]
    ) -> None:
        notifier = patient(Server(failures))
        notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == pauses

    def test_then_it_is_given_up_and_does_not_open_the_breaker(self) -> None:
        server = Server(ALWAYS)
        notifier = patient(server)
        for _ in range(5):
            with pytest.raises(Undelivered):
                notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1.0] * 5
        assert not notifier.outage.is_open

    def test_how_often_and_how_quickly_can_be_said(self) -> None:
        notifier = evolve(patient(Server(ALWAYS)), tries=5, first_pause_s=2.0)
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [2.0, 4.0, 8.0, 16.0]

    @pytest.mark.parametrize(
        ("retry_after_s", "pauses"),
        [(0.0, [0.5, 1.0]), (0.7, [0.7, 1.0]), (60.0, [60.0, 60.0]), (60.1, []), (3600.0, [])],
    )
    def test_a_server_that_asks_for_more_than_a_minute_is_left_alone(
        self, retry_after_s: float, pauses: list[float]
    ) -> None:
        error = NotifierUnavailable("status 429", retry_after_s=retry_after_s)
        notifier = patient(Server(ALWAYS, error))
        with pytest.raises(Undelivered) as raised:
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == pauses
        assert raised.value.retry_after_s == retry_after_s

    def test_a_defect_passes_through_and_says_nothing_about_the_server(self) -> None:
        server = Server(ALWAYS, ZeroDivisionError("our mistake"))
        notifier = evolve(patient(server), tries=3)
        for event in (HASHED, evolve(HASHED, event_id="2"), evolve(HASHED, event_id="3")):
            with pytest.raises(ZeroDivisionError):
                notifier.hash_generated(event)
        assert pauses_s(notifier) == []
        assert not notifier.outage.is_open


class TestWhileTheServerIsAway:
    def test_an_event_is_tried_at_growing_intervals_until_the_patience_is_over(self) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=True, patience_s=200.0)
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        # Tried at 0, 0.5, 1.5 ... and 183.5 s. The next turn would be at 243.5 s.
        assert pauses_s(notifier) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
        assert len(server.seen) == 10

    def test_an_event_that_gets_through_closes_the_breaker(self) -> None:
        server = Server(8)
        notifier = patient(server, open_=True)
        notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1, 2, 4, 8, 16, 32, 60]
        assert not notifier.outage.is_open

    def test_the_patience_counts_for_each_event_and_the_pause_for_all(self) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=True, patience_s=10.0)
        for event in (HASHED, COMPLETED, MIXED):
            with pytest.raises(Undelivered):
                send_event(notifier, event)
        # At 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s. Nobody waits 16 s for the last one.
        assert pauses_s(notifier) == [0.5, 1.0, 2.0, 4.0, 8.0]
        assert server.seen == [HASHED] * 5 + [COMPLETED]

    def test_an_event_that_never_got_its_turn_says_so(self) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=True, patience_s=0.0)
        with pytest.raises(Undelivered, match="status 503"):
            notifier.stem_completed(COMPLETED)
        with pytest.raises(Undelivered, match="it was not asked") as raised:
            notifier.stage_mixed(MIXED)
        assert raised.value.event is MIXED
        assert server.seen == [COMPLETED]

    def test_whatever_comes_of_a_turn_it_is_given_back(self) -> None:
        server = Server(1, ZeroDivisionError("our mistake"))
        notifier = patient(server, open_=True)
        with pytest.raises(ZeroDivisionError):
            notifier.stem_completed(COMPLETED)
        notifier.stage_mixed(MIXED)
        assert pauses_s(notifier) == [0.5]
        assert server.seen == [COMPLETED, MIXED]

    def test_the_breaker_opening_meanwhile_makes_a_quick_try_a_long_wait(self) -> None:
        server = Server(5)
        notifier = patient(server)
        at_pause(notifier, 2, lambda: open_breaker(notifier.outage))
        notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1.0, 0.5, 1.0, 2.0]

    def test_the_tries_start_anew_when_the_server_comes_back_during_a_pause(self) -> None:
        notifier = patient(Server(ALWAYS), open_=True)
        at_pause(notifier, 4, notifier.outage.worked)
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1.0, 2.0, 4.0, 0.5, 1.0]

    def test_the_tries_start_anew_when_the_server_comes_back_during_an_attempt(self) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=True)
        server.meanwhile = lambda: notifier.outage.worked() if len(server.seen) == 5 else None
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1.0, 2.0, 4.0, 0.5, 1.0]

    def test_whoever_waits_really_is_woken_by_another_event_that_gets_through(self) -> None:
        """That one was under way when the server went away, so it needs no turn."""
        entered, leave, outage = Event(), Event(), Outage()
        under_way = Server(1)

        def take_in_late() -> None:
            entered.set()
            assert leave.wait(SECONDS)
            under_way.take_in()

        under_way.meanwhile = take_in_late
        server = Server(1, NotifierUnavailable("status 503", retry_after_s=3000.0))
        with ThreadPoolExecutor(2) as pool:
            early = pool.submit(PatientNotifier(under_way, outage).stage_mixed, MIXED)
            assert entered.wait(SECONDS)
            open_breaker(outage)
            waiting = pool.submit(PatientNotifier(server, outage).stem_completed, COMPLETED)
            while not outage.waiting:
                assert not waiting.done()
            leave.set()
            early.result(SECONDS)
            waiting.result(SECONDS)
        assert server.seen == [COMPLETED, COMPLETED]
        assert under_way.seen == [MIXED]

    def test_what_the_server_asks_for_is_waited_for_within_the_patience(self) -> None:
        error = NotifierUnavailable("status 503", retry_after_s=600.0)
        server = Server(ALWAYS, error)
        notifier = patient(server, open_=True, patience_s=1500.0)
        with pytest.raises(Undelivered) as raised:
            notifier.stem_completed(COMPLETED)
        assert sum(pauses_s(notifier)) == 2 * 600.0
        assert len(server.seen) == 3
        assert raised.value.retry_after_s == 600.0

    def test_nobody_holds_an_event_for_a_server_that_asks_for_more_than_the_patience(self) -> None:
        error = NotifierUnavailable("status 503", retry_after_s=3600.0)
        notifier = patient(Server(ALWAYS, error), open_=True)
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == []


class TestRefusal:
    """The server is there, but doesn't want this very event."""

    REFUSED = NotifierUnavailable("status 422", refused=True)

    @pytest.mark.parametrize("open_", [False, True])
    def test_a_refused_event_is_given_up_after_its_quick_tries(self, open_: bool) -> None:
        server = Server(ALWAYS, self.REFUSED)
        notifier = patient(server, open_=open_)
        with pytest.raises(Undelivered) as raised:
            notifier.stem_completed(COMPLETED)
        assert raised.value.refused
        assert len(server.seen) == 3
        assert not notifier.outage.is_open

    def test_refused_events_never_open_the_breaker(self) -> None:
        notifier = patient(Server(ALWAYS, self.REFUSED))
        for number in range(5):
            with pytest.raises(Undelivered):
                notifier.stem_completed(evolve(COMPLETED, event_id=f"event-{number}"))
        assert not notifier.outage.is_open


class TestTooSlow:
    """The event has probably arrived; only its answer didn't come in time."""

    TOO_SLOW = NotifierUnavailable("no answer in time", too_slow=True)

    def test_while_others_get_through_it_is_not_told_again_so_soon(self) -> None:
        server = Server(ALWAYS, self.TOO_SLOW)
        notifier = patient(server)
        with pytest.raises(Undelivered, match="no answer in time") as raised:
            notifier.stem_completed(COMPLETED)
        assert (server.seen, pauses_s(notifier)) == ([COMPLETED], [])
        assert raised.value.too_slow

    def test_such_events_open_the_breaker_and_the_third_is_held(self) -> None:
        server = Server(3, self.TOO_SLOW)
        notifier = patient(server)
        for event in (HASHED, COMPLETED):
            with pytest.raises(Undelivered):
                send_event(notifier, event)
        notifier.stage_mixed(MIXED)
        assert server.seen == [HASHED, COMPLETED, MIXED, MIXED]
        assert pauses_s(notifier) == [0.5]

    def test_one_that_is_held_asks_for_as_long_as_the_server_is_away(self) -> None:
        notifier = patient(Server(5, self.TOO_SLOW), open_=True)
        notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [0.5, 1.0, 2.0, 4.0, 8.0]

    @pytest.mark.parametrize("opens_again", [False, True])
    def test_once_the_server_is_back_it_is_told_once_more_and_no_more(
        self, opens_again: bool
    ) -> None:
        """Others get through, again and again: it is this event that takes so long."""
        server = Server(ALWAYS, self.TOO_SLOW)
        notifier = patient(server, open_=True)
        at_pause(notifier, 3, notifier.outage.worked)
        if opens_again:
            server.meanwhile = lambda: (
                open_breaker(notifier.outage) if len(server.seen) == 4 else None
            )
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert len(server.seen) == 4


class TestEnding:
    @pytest.mark.parametrize("open_", [False, True])
    def test_a_new_event_is_tried_once(self, open_: bool) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=open_)
        notifier.outage.end()
        with pytest.raises(Undelivered) as raised:
            notifier.stem_completed(COMPLETED)
        assert server.seen == [COMPLETED]
        assert raised.value.event is COMPLETED

    @pytest.mark.parametrize("open_", [False, True])
    def test_an_event_that_is_held_is_given_up_without_another_try(self, open_: bool) -> None:
        server = Server(ALWAYS)
        notifier = patient(server, open_=open_)
        at_pause(notifier, 2, notifier.outage.end)
        with pytest.raises(Undelivered):
            notifier.stem_completed(COMPLETED)
        assert len(server.seen) == 2

    def test_a_new_event_does_not_wait_for_its_turn(self) -> None:
        server = Server()
        notifier = patient(server, open_=True)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(notifier.outage.turn_in_s).result(SECONDS) == 0.0
            notifier.outage.end()
            with pytest.raises(Undelivered, match="it was not asked"):
                notifier.stem_completed(COMPLETED)
        assert server.seen == []
        # The one wait that there is ends at once, really.
        assert len(pauses_s(notifier)) == 1


class TestLease:
    @pytest.mark.parametrize("open_", [False, True])
    def test_nothing_is_published_any_more_once_the_lease_is_lost(self, open_: bool) -> None:
        server, lease = Server(ALWAYS), RevocableLease()
        notifier = evolve(patient(server, open_=open_), lease=CurrentLease())
        at_pause(notifier, 2, lease.lose)
        with notifier.lease.held(lease), pytest.raises(LeaseLost):
            notifier.stem_completed(COMPLETED)
        assert len(server.seen) == 2

    def test_whoever_is_left_waiting_for_an_hour_looks_at_the_lease_every_minute(self) -> None:
        error = NotifierUnavailable("status 503", retry_after_s=3599.0)
        server, lease = Server(ALWAYS, error), RevocableLease()
        notifier = evolve(patient(server, open_=True), lease=CurrentLease())
        at_pause(notifier, 3, lease.lose)
        with notifier.lease.held(lease), pytest.raises(LeaseLost):
            notifier.stem_completed(COMPLETED)
        assert pauses_s(notifier) == [60.0, 60.0, 60.0]

    def test_nothing_at_all_is_published_under_a_lost_lease(self) -> None:
        server, lease = Server(), RevocableLease()
        lease.lose()
        notifier = patient(server)
        with notifier.lease.held(lease):
            for event in (HASHED, COMPLETED, MIXED):
                with pytest.raises(LeaseLost):
                    send_event(notifier, event)
        assert server.seen == []
