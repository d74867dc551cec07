"""Leases: when they are extended, and when they are lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
from attrs import field, frozen

from tests.support.worker_rig import ObedientQueue, a_message
from tests.support.workshop import FakeClock
from waveflow.application.ports import ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import LeaseLost, QueueUnavailable, TransientError
from waveflow.entrypoints.worker.leases import LONGEST_LEASE_S, LeaseKeeper, MessageLease

TIMEOUT_S = 60.0
NOW_S = 1000.0
"""Where the clock begins."""


@frozen
class Rig:
    """A keeper of leases of a minute, and what it works with."""

    queue: ObedientQueue = field(factory=ObedientQueue)
    time: FakeClock = field(factory=FakeClock)
    tally: Tally = field(factory=Tally)
    lost: list[MessageLease] = field(factory=list)
    keeper: LeaseKeeper = field(init=False)

    @keeper.default
    def _keeper(self) -> LeaseKeeper:
        clock = self.time.as_clock()
        return LeaseKeeper(
            self.queue,
            visibility_timeout_s=TIMEOUT_S,
            on_lost=self.lost.append,
            clock=clock,
            tally=self.tally,
        )

    def take(self, name: str = "1", lasts_s: float = TIMEOUT_S) -> MessageLease:
        now_s = self.time.as_clock().monotonic_s()
        return self.keeper.take(a_message(name, lease_ends_s=now_s + lasts_s))

    def beat_after(self, seconds: float) -> None:
        self.time.advance(seconds)
        self.keeper.beat()


class FailingFor(ObedientQueue):
    """Breaks its word when it is asked about the message of that name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        problems = super().change_visibility_of_all(messages, timeout_s)
        if self.name in {message.message_id for message in messages}:
            raise RuntimeError("a defect")
        return problems


@pytest.fixture
def rig() -> Rig:
    return Rig()


class TestExtending:
    def test_a_lease_is_extended_when_a_third_of_it_has_passed(self, rig: Rig) -> None:
        rig.take()
        rig.beat_after(0.0)
        rig.beat_after(19.9)
        assert rig.queue.hidden == []
        rig.beat_after(0.1)
        assert rig.queue.hidden == [({"1"}, TIMEOUT_S)]

    def test_it_lasts_from_then_on_and_is_extended_again(self, rig: Rig) -> None:
        lease = rig.take()
        for beat in range(1, 30):
            rig.beat_after(20.0)
            assert len(rig.queue.hidden) == beat
            assert lease.ends_s == NOW_S + 20.0 * beat + TIMEOUT_S
        assert not lease.lost
        lease.require()

    def test_what_is_due_is_extended_together_and_the_rest_left_alone(self, rig: Rig) -> None:
        for name in ("1", "2"):
            rig.take(name)
        rig.time.advance(10.0)
        rig.take("3")
        rig.beat_after(10.0)
        rig.beat_after(10.0)
        assert rig.queue.hidden == [({"1", "2"}, TIMEOUT_S), ({"3"}, TIMEOUT_S)]

    def test_it_lasts_from_before_the_call_however_long_that_takes(self, rig: Rig) -> None:
        lease = rig.take()
        rig.queue.on_hide = lambda: rig.time.advance(15.0)
        rig.beat_after(20.0)
        assert lease.ends_s == NOW_S + 20.0 + TIMEOUT_S

    def test_a_lease_that_is_almost_over_is_due_at_once(self, rig: Rig) -> None:
        lease = rig.take(lasts_s=2.0)
        rig.beat_after(0.0)
        assert lease.ends_s == NOW_S + TIMEOUT_S

    def test_a_released_lease_is_extended_no_more(self, rig: Rig) -> None:
        lease, other = rig.take("1"), rig.take("2")
        rig.keeper.release([lease])
        assert rig.keeper.held() == [other]
        rig.beat_after(30.0)
        assert rig.queue.hidden == [({"2"}, TIMEOUT_S)]
        assert not lease.lost
        rig.time.advance(30.0)
        assert lease.lost

    def test_no_extension_reaches_beyond_the_twelve_hours_of_a_queue(self, rig: Rig) -> None:
        """The queue cuts it, and calls that a success."""
        lease = rig.take()
        while not lease.lost:
            rig.beat_after(15.0)
        assert lease.ends_s == NOW_S + LONGEST_LEASE_S
        assert 12 * 3600.0 - 60.0 < LONGEST_LEASE_S < 12 * 3600.0

    def test_its_last_minute_is_not_spent_with_asking_in_vain(self, rig: Rig) -> None:
        lease = rig.take()
        while lease.ends_s < NOW_S + LONGEST_LEASE_S:
            rig.beat_after(20.0)
        rig.queue.hidden.clear()
        for _ in range(30):
            rig.beat_after(1.0)
        assert len(rig.queue.hidden) <= 10

    def test_a_lease_without_an_end_never_needs_extending(self, rig: Rig) -> None:
        lease = rig.take(lasts_s=math.inf)
        rig.beat_after(1e9)
        assert rig.queue.hidden == []
        assert not lease.lost


class TestManyTogether:
    def test_each_request_is_for_ten_and_those_that_end_first_are_together(self, rig: Rig) -> None:
        for number in range(25):
            # Taken in an order that isn't that of their ends.
            rig.take(str(number * 7 % 25), lasts_s=10.0 + number * 7 % 25)
        rig.beat_after(0.0)
        asked = sorted(sorted(map(int, names)) for names, _ in rig.queue.hidden)
        assert asked == [[*range(10)], [*range(10, 20)], [*range(20, 25)]]

    def test_each_request_counts_from_its_own_beginning(self, rig: Rig) -> None:
        """They may begin one after the other, where there is no room for threads, say."""
        leases = [rig.take(str(number)) for number in range(30)]
        rig.queue.on_hide = lambda: rig.time.advance(1.0)
        rig.beat_after(20.0)
        ends_s = sorted(lease.ends_s for lease in leases)
        assert ends_s[0] >= NOW_S + 80.0
        assert ends_s[-1] <= NOW_S + 82.0

    def test_one_that_fails_is_no_failure_of_the_others(self, rig: Rig) -> None:
        leases = [rig.take(str(number), lasts_s=10.0 + number) for number in range(30)]
        rig.keeper._queue = FailingFor("0")
        rig.beat_after(5.0)
        assert [lease.ends_s for lease in leases[:10]] == [NOW_S + 10.0 + n for n in range(10)]
        assert {lease.ends_s for lease in leases[10:]} == {NOW_S + 65.0}
        assert rig.tally.counts() == {"defect": 1}

    def test_what_failed_is_tried_again_soon_but_not_at_once(self, rig: Rig) -> None:
        lease = rig.take()
        queue = FailingFor("1")
        rig.keeper._queue = queue
        rig.beat_after(20.0)
        rig.beat_after(2.9)
        assert len(queue.hidden) == 1
        queue.name = ""
        rig.beat_after(0.1)
        assert lease.ends_s == NOW_S + 23.0 + TIMEOUT_S
        assert rig.tally.counts() == {"defect": 1}


class TestLosing:
    def test_a_lease_is_kept_until_its_own_end_when_extensions_fail(self, rig: Rig) -> None:
        lease = rig.take()
        rig.queue.problems = {"1": QueueUnavailable("away")}
        rig.beat_after(20.0)
        rig.beat_after(39.9)
        lease.require()
        rig.time.advance(0.1)
        assert lease.lost
        with pytest.raises(LeaseLost, match="message 1 is lost"):
            lease.require()

    def test_the_next_extension_may_succeed_in_time(self, rig: Rig) -> None:
        lease = rig.take()
        rig.queue.problems = {"1": QueueUnavailable("away")}
        rig.beat_after(50.0)
        rig.queue.problems.clear()
        rig.beat_after(9.0)
        assert lease.ends_s == NOW_S + 59.0 + TIMEOUT_S

    def test_a_failed_extension_is_tried_again_soon_but_not_at_once(self, rig: Rig) -> None:
        rig.take()
        rig.queue.problems = {"1": QueueUnavailable("away")}
        rig.beat_after(20.0)
        rig.beat_after(2.9)
        assert len(rig.queue.hidden) == 1
        rig.beat_after(0.1)
        assert len(rig.queue.hidden) == 2

    def test_a_stale_receipt_loses_the_lease_at_once(self, rig: Rig) -> None:
        stale, current = rig.take("1"), rig.take("2")
        rig.queue.problems["1"] = LeaseLost("stale")
        rig.beat_after(20.0)
        assert stale.lost
        assert not current.lost
        assert rig.keeper.held() == [current]

    def test_a_lost_lease_is_dropped_and_counted_once(self, rig: Rig) -> None:
        rig.take()
        rig.beat_after(60.0)
        rig.beat_after(1.0)
        assert rig.keeper.held() == []
        assert rig.queue.hidden == []
        assert rig.tally.counts() == {"lease_lost": 1}

    def test_who_wants_to_know_is_told_of_each_lost_lease_once(self, rig: Rig) -> None:
        stale, over, kept = rig.take("1"), rig.take("2", lasts_s=15.0), rig.take("3")
        rig.queue.problems["1"] = LeaseLost("stale")
        rig.beat_after(20.0)
        rig.beat_after(1.0)
        assert set(rig.lost) == {stale, over}
        assert len(rig.lost) == 2
        assert rig.keeper.held() == [kept]

    def test_it_may_let_go_of_others_when_it_is_told(self, rig: Rig) -> None:
        """Nothing that it could want is held meanwhile."""
        lost, other = rig.take("1", lasts_s=5.0), rig.take("2")
        keeper = LeaseKeeper(
            rig.queue,
            visibility_timeout_s=TIMEOUT_S,
            on_lost=lambda lease: keeper.release([lease, other]),
            clock=rig.time.as_clock(),
        )
        for lease in (lost, other):
            keeper.take(lease.message)
        rig.time.advance(5.0)
        keeper.beat()
        assert [lease.message.message_id for lease in keeper.held()] == ["2"]

    def test_what_is_released_is_not_lost(self, rig: Rig) -> None:
        rig.keeper.release([rig.take(lasts_s=5.0)])
        rig.beat_after(60.0)
        assert rig.lost == []

    def test_a_success_that_comes_too_late_does_not_revive_it(self, rig: Rig) -> None:
        lease = rig.take()
        rig.queue.on_hide = lambda: rig.time.advance(41.0)
        rig.beat_after(20.0)
        assert lease.lost
        assert rig.tally.counts() == {"lease_lost": 1}
        lease.extended_until(NOW_S + 1e6)
        assert lease.lost

    def test_a_revoked_lease_is_lost_whatever_the_time(self, rig: Rig) -> None:
        lease = rig.take()
        lease.revoke()
        assert lease.lost
        lease.extended_until(NOW_S + 1e6)
        assert lease.lost


class TestGivingBack:
    def test_all_are_given_back_in_one_call_and_nothing_more_may_be_done(self, rig: Rig) -> None:
        leases = [rig.take(str(number)) for number in range(12)]
        rig.keeper.give_back(leases)
        assert rig.queue.hidden == [({str(number) for number in range(12)}, 0.0)]
        assert all(lease.lost for lease in leases)
        assert rig.keeper.held() == []

    def test_nothing_may_be_done_from_before_the_call(self, rig: Rig) -> None:
        lease = rig.take()
        lost_meanwhile = []
        rig.queue.on_hide = lambda: lost_meanwhile.append(lease.lost)
        rig.keeper.give_back([lease])
        assert lost_meanwhile == [True]

    def test_what_is_lost_is_not_ours_to_give(self, rig: Rig) -> None:
        lost = rig.take("1", lasts_s=5.0)
        held = rig.take("2")
        rig.time.advance(5.0)
        rig.keeper.give_back(iter([lost, held]))
        assert rig.queue.hidden == [({"2"}, 0.0)]

    def test_a_queue_that_does_not_answer_is_no_reason_to_fail(self, rig: Rig) -> None:
        lease = rig.take()
        rig.queue.problems = {"1": QueueUnavailable("away")}
        rig.keeper.give_back([lease])
        assert lease.lost

    def test_nothing_can_be_given_back(self, rig: Rig) -> None:
        rig.keeper.give_back([])
        assert rig.queue.hidden == []
