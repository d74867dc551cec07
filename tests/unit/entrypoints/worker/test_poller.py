"""The poller: how many messages it receives, and when it receives none."""

from __future__ import annotations

from threading import Event

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, ObedientQueue, a_message, in_thread
from tests.support.workshop import FakeClock
from waveflow.application.breaker import Breaker, Excuses
from waveflow.application.outage import Outage
from waveflow.domain.errors import QueueUnavailable
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller


class ImpatientEvent(Event):
    """Notes how long it is waited for, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return self.is_set()


class Rig:
    """A poller, and everything round it."""

    def __init__(self, slots: int = 4, waiting_messages: int = 0, *, trusted: bool = True) -> None:
        self.time = FakeClock()
        self.queue = ObedientQueue()
        clock = self.time.as_clock()
        self.desk = Desk(LaneLimits.of(slots), waiting_messages, clock, trusted=trusted)
        self.outage = Outage(clock=clock)
        self.excuses = Excuses()
        self.stop = ImpatientEvent()
        self.leases = LeaseKeeper(self.queue, visibility_timeout_s=60.0, clock=clock)
        self.poller = Poller(
            queue=self.queue,
            desk=self.desk,
            leases=self.leases,
            outage=self.outage,
            excuses=self.excuses,
            lane_of=lambda body: Lane[body],
            stop=self.stop,
            wait_s=7.0,
            clock=clock,
        )

    def poll_bringing(self, *bodies: str) -> None:
        names = range(len(self.queue.asked) * 100, 10**6)
        messages = [a_message(str(name), body) for name, body in zip(names, bodies, strict=False)]
        self.queue.replies.append(list(messages))
        self.poller.poll()

    def finish_one(self) -> None:
        held = self.desk.next()
        assert held is not None
        self.desk.done(held)

    def open_breaker(self) -> None:
        open_it(self.outage)


def open_it(breaker: Breaker) -> None:
    """Let one asking after the other fail."""
    for number in range(99):
        breaker.failed(str(number))
    assert breaker.is_open


def breakers_of(rig: Rig) -> dict[str, Breaker]:
    """Everything that may be away."""
    return {
        "server": rig.outage,
        "reading": rig.excuses.storage.reading,
        "writing": rig.excuses.storage.writing,
        "machine": rig.excuses.machine,
    }


@pytest.fixture
def rig() -> Rig:
    return Rig()


class TestReceiving:
    def test_as_many_are_asked_for_as_there_are_free_slots(self, rig: Rig) -> None:
        rig.poll_bringing("LIGHT", "MIX")
        rig.poll_bringing("LIGHT")
        rig.poll_bringing()
        assert rig.queue.asked == [(4, 7.0), (2, 7.0), (1, 7.0)]

    def test_ten_are_the_most_that_a_queue_gives(self) -> None:
        rig = Rig(slots=40)
        rig.poll_bringing()
        assert rig.queue.asked == [(10, 7.0)]

    def test_messages_whose_lane_is_full_leave_the_other_slots_to_others(self) -> None:
        rig = Rig(slots=4, waiting_messages=9)
        rig.poll_bringing(*["MIX"] * 4)
        rig.poll_bringing(*["MIX"] * 3)
        rig.poll_bringing("LIGHT")
        assert [asked for asked, _ in rig.queue.asked] == [4, 3, 3]

    def test_what_comes_lies_on_the_desk_with_its_lease_kept(self, rig: Rig) -> None:
        rig.poll_bringing("ANALYSIS")
        [lease] = rig.leases.held()
        held = rig.desk.next()
        assert held is not None
        assert (held.lease, held.message, held.lane) == (lease, lease.message, Lane.ANALYSIS)

    def test_without_room_nothing_is_received_until_there_is_some(self) -> None:
        rig = Rig(slots=1)
        rig.poll_bringing("LIGHT")
        held = rig.desk.next()
        assert held is not None
        with in_thread(rig.poller.poll) as polled:
            rig.desk.done(held)
            polled.result(SECONDS)
        assert len(rig.queue.asked) == 1
        rig.poller.poll()
        assert len(rig.queue.asked) == 2

    def test_what_a_last_receive_brings_is_given_back(self, rig: Rig) -> None:
        def close_the_desk() -> None:
            rig.desk.close()

        rig.queue.on_receive = close_the_desk
        rig.poll_bringing("LIGHT", "MIX", "LIGHT")
        assert rig.queue.hidden == [({"0", "1", "2"}, 0.0)]
        assert rig.leases.held() == []

    def test_a_worker_that_has_just_begun_receives_one_message_and_then_more(self) -> None:
        rig = Rig(slots=8, trusted=False)
        rig.poll_bringing("LIGHT")
        for _ in range(3):
            rig.time.advance(1.0)
            rig.poll_bringing("LIGHT")
        rig.finish_one()
        rig.poll_bringing()
        assert [asked for asked, _ in rig.queue.asked] == [1, 1, 1, 1, 2]

    def test_beside_a_message_that_came_too_often_nothing_is_received(self, rig: Rig) -> None:
        rig.queue.replies = [[a_message("often", "LIGHT", receive_count=7)]]
        rig.poller.poll()
        held = rig.desk.next()
        assert held is not None
        with in_thread(rig.poller.poll) as polled:
            rig.desk.done(held)
            polled.result(SECONDS)
        assert len(rig.queue.asked) == 1
        rig.poller.poll()
        assert [asked for asked, _ in rig.queue.asked] == [4, 4]

    def test_what_came_too_late_is_not_worked_on(self, rig: Rig) -> None:
        rig.queue.replies = [[a_message("late", "LIGHT", lease_ends_s=0.0)]]
        rig.poller.poll()
        assert rig.desk.counts() == {"running": 0, "waiting": 0}
        rig.leases.beat()
        assert rig.leases.held() == []
        assert rig.queue.hidden == []

    def test_it_polls_until_it_is_stopped(self, rig: Rig) -> None:
        rig.queue.on_receive = lambda: rig.stop.set() if len(rig.queue.asked) == 5 else None
        rig.poller.run()
        assert len(rig.queue.asked) == 5


class TestUnavailableQueue:
    def test_the_pauses_grow_and_can_be_interrupted(self, rig: Rig) -> None:
        rig.queue.replies = [QueueUnavailable("away") for _ in range(8)]
        for _ in range(8):
            rig.poller.poll()
        assert rig.stop.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]

    def test_an_answer_ends_the_growing(self, rig: Rig) -> None:
        away = QueueUnavailable("away")
        rig.queue.replies = [away, away, [], away]
        for _ in range(4):
            rig.poller.poll()
        assert rig.stop.waits == [1.0, 2.0, 1.0]


class TestServerAway:
    def test_nothing_is_received_while_the_server_is_away(self, rig: Rig) -> None:
        rig.open_breaker()
        rig.time.advance(30.0)
        rig.poller.poll()
        assert rig.queue.asked == []
        assert rig.stop.waits == [1.0]

    def test_with_nobody_waiting_a_message_is_fetched_soon_to_ask_it_with(self, rig: Rig) -> None:
        rig.open_breaker()
        rig.time.advance(30.1)
        rig.poll_bringing("LIGHT")
        assert rig.queue.asked == [(1, 7.0)]
        rig.poller.poll()
        assert len(rig.queue.asked) == 1
        rig.time.advance(30.1)
        rig.poll_bringing("LIGHT")
        assert len(rig.queue.asked) == 2

    def test_a_probe_that_found_no_message_is_not_over(self, rig: Rig) -> None:
        rig.open_breaker()
        rig.time.advance(30.1)
        rig.poll_bringing()
        rig.poll_bringing()
        assert rig.queue.asked == [(1, 7.0), (1, 7.0)]

    def test_with_somebody_waiting_a_message_is_fetched_seldom(self, rig: Rig) -> None:
        rig.open_breaker()
        with in_thread(lambda: rig.outage.wait(SECONDS)):
            assert eventually(lambda: rig.outage.waiting == 1)
            rig.time.advance(300.0)
            rig.poller.poll()
            assert rig.queue.asked == []
            rig.time.advance(0.1)
            rig.poller.poll()
            rig.outage.end()
        assert rig.queue.asked == [(1, 7.0)]

    def test_no_slot_is_made_free_for_a_probe(self) -> None:
        rig = Rig(slots=1)
        rig.poll_bringing("LIGHT")
        rig.open_breaker()
        rig.time.advance(1000.0)
        rig.poller.poll()
        assert len(rig.queue.asked) == 1

    def test_everything_goes_on_when_the_server_is_back(self, rig: Rig) -> None:
        rig.open_breaker()
        rig.poller.poll()
        rig.outage.worked()
        rig.poller.poll()
        assert rig.queue.asked == [(4, 7.0)]


class TestOthersAway:
    """Storage and machine: what each message needs, and comes back by itself."""

    @pytest.mark.parametrize("away", ["server", "reading", "writing", "machine"])
    def test_nothing_is_received_but_a_probe_now_and_then(self, rig: Rig, away: str) -> None:
        open_it(breakers_of(rig)[away])
        for _ in range(100):
            rig.poll_bringing("ANALYSIS")
            while rig.desk.counts()["waiting"]:
                rig.finish_one()
            rig.time.advance(1.0)
        assert rig.queue.asked == [(1, 7.0)] * 3
        assert set(rig.stop.waits) == {1.0}

    @pytest.mark.parametrize("away", ["server", "reading", "writing", "machine"])
    def test_everything_goes_on_when_it_is_back(self, rig: Rig, away: str) -> None:
        breaker = breakers_of(rig)[away]
        open_it(breaker)
        rig.poller.poll()
        assert rig.queue.asked == []
        breaker.worked()
        rig.poller.poll()
        assert rig.queue.asked == [(4, 7.0)]

    def test_what_can_not_be_deleted_keeps_nobody_from_receiving(self, rig: Rig) -> None:
        open_it(rig.excuses.storage.deleting)
        rig.poller.poll()
        assert rig.queue.asked == [(4, 7.0)]

    def test_nothing_goes_on_before_all_of_them_are_back(self, rig: Rig) -> None:
        open_it(rig.outage)
        open_it(rig.excuses.machine)
        rig.outage.worked()
        rig.poller.poll()
        assert rig.queue.asked == []

    def test_light_work_asks_nothing_of_the_machine_and_is_no_probe(self, rig: Rig) -> None:
        open_it(rig.excuses.machine)
        rig.time.advance(30.1)
        for lane in ("LIGHT", "LIGHT", "MIX", "LIGHT"):
            rig.poll_bringing(lane)
        assert rig.queue.asked == [(1, 7.0)] * 3

    @pytest.mark.parametrize("away", ["server", "reading", "writing"])
    def test_everything_else_is_asked_for_by_light_work_too(self, rig: Rig, away: str) -> None:
        open_it(rig.excuses.machine)
        open_it(breakers_of(rig)[away])
        rig.time.advance(30.1)
        rig.poll_bringing("LIGHT")
        rig.poll_bringing("LIGHT")
        assert rig.queue.asked == [(1, 7.0)]

    def test_who_pauses_before_a_server_that_is_there_keeps_no_probe_back(self, rig: Rig) -> None:
        open_it(rig.excuses.storage.reading)
        with in_thread(lambda: rig.outage.wait(SECONDS)):
            assert eventually(lambda: rig.outage.waiting == 1)
            rig.time.advance(30.1)
            rig.poller.poll()
            rig.outage.end()
        assert rig.queue.asked == [(1, 7.0)]


class TestSilence:
    def test_a_poller_that_has_not_begun_is_not_waiting(self, rig: Rig) -> None:
        rig.time.advance(1000.0)
        assert rig.poller.silent_s() == 0.0

    def test_it_grows_while_a_receive_does_not_end(self, rig: Rig) -> None:
        silences: list[float] = []

        def hang() -> None:
            rig.time.advance(50.0)
            silences.append(rig.poller.silent_s())

        rig.queue.on_receive = hang
        rig.poller.poll()
        assert silences == [50.0]
        assert rig.poller.silent_s() == 0.0

    def test_it_grows_while_receives_fail_and_ends_with_an_empty_one(self, rig: Rig) -> None:
        rig.queue.on_receive = lambda: rig.time.advance(10.0)
        rig.queue.replies = [QueueUnavailable("away"), QueueUnavailable("away"), []]
        silences = []
        for _ in range(3):
            rig.poller.poll()
            silences.append(rig.poller.silent_s())
        assert silences == [10.0, 20.0, 0.0]

    def test_full_slots_are_no_silence(self) -> None:
        rig = Rig(slots=1)
        rig.poll_bringing("LIGHT")
        held = rig.desk.next()
        assert held is not None
        rig.time.advance(10.0)
        assert rig.poller.silent_s() == 10.0
        with in_thread(rig.poller.poll):
            assert eventually(lambda: rig.poller.silent_s() == 0.0)
            rig.time.advance(1000.0)
            assert rig.poller.silent_s() == 0.0
            rig.desk.done(held)

    def test_a_server_that_is_away_is_no_silence_of_the_queue(self, rig: Rig) -> None:
        rig.poll_bringing()
        rig.open_breaker()
        rig.poller.poll()
        rig.time.advance(20.0)
        assert rig.poller.silent_s() == 0.0
