"""The heartbeat beside other threads: nothing it does comes late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Barrier, Thread

import pytest
from structlog.testing import capture_logs

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, ObedientQueue, a_message, in_thread
from tests.support.workshop import FakeClock
from waveflow.application.ports import ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import TransientError
from waveflow.entrypoints.worker.leases import LeaseKeeper, MessageLease

NOW_S = 1000.0


@contextmanager
def keeping(keeper: LeaseKeeper) -> Iterator[None]:
    """The heartbeat runs within the block, and ends after it."""
    with in_thread(keeper.keep) as kept:
        try:
            yield
        finally:
            keeper.end()
            kept.result(SECONDS)


def due(keeper: LeaseKeeper, name: str) -> MessageLease:
    """A lease that is due at once."""
    return keeper.take(a_message(name, lease_ends_s=NOW_S + 10.0))


class Answering(ObedientQueue):
    """A queue that keeps who asks about one message waiting, and answers all others at once."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.slow = slow
        self.gate = Gate()

    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        problems = super().change_visibility_of_all(messages, timeout_s)
        if self.slow in {message.message_id for message in messages}:
            self.gate()
        return problems


class NoThread(Thread):
    """What a process gets that has as many as it may."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def _is_extended(lease: MessageLease) -> bool:
    return lease.ends_s == NOW_S + 60.0


def _pass(barrier: Barrier) -> None:
    barrier.wait()


class TestReleasing:
    def test_it_returns_only_when_no_extension_is_under_way(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.on_hide = gate
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        lease = due(keeper, "1")
        with in_thread(keeper.beat):
            gate.wait_until_reached()
            with in_thread(lambda: keeper.release([lease])) as release:
                # It may not have begun to wait yet, but it can't have ended.
                assert keeper.held() in ([lease], [])
                assert not release.done()
                gate.open()
                release.result(SECONDS)
        assert keeper.held() == []
        assert lease.ends_s == NOW_S + 60.0

    def test_a_message_is_given_back_only_when_no_extension_is_under_way(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.on_hide = gate
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        lease = due(keeper, "1")
        with in_thread(keeper.beat):
            gate.wait_until_reached()
            with in_thread(lambda: keeper.give_back([lease])) as given_back:
                assert len(queue.hidden) == 1
                gate.open()
                given_back.result(SECONDS)
        assert queue.hidden == [({"1"}, 60.0), ({"1"}, 0.0)]

    def test_others_do_not_wait_for_an_extension(self) -> None:
        queue, gate = ObedientQueue(), Gate()
        queue.on_hide = gate
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        due(keeper, "1")
        other = keeper.take(a_message("2", lease_ends_s=NOW_S + 60.0))
        with in_thread(keeper.beat):
            gate.wait_until_reached()
            keeper.release([other])
            keeper.take(a_message("3"))
            assert len(keeper.held()) == 2
            gate.open()

    def test_a_queue_that_breaks_its_word_keeps_nobody_waiting(self) -> None:
        queue = ObedientQueue()
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        lease = due(keeper, "1")

        def fail() -> None:
            raise RuntimeError("a defect")

        queue.on_hide = fail
        with capture_logs() as logs:
            keeper.beat()
        assert [log["event"] for log in logs] == ["defect"]
        keeper.release([lease])

    def test_what_has_its_answer_does_not_wait_for_the_other_requests(self) -> None:
        queue = Answering("slow")
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        slow = keeper.take(a_message("slow", lease_ends_s=NOW_S + 1.0))
        others = [due(keeper, str(number)) for number in range(20)]
        with in_thread(keeper.beat) as beat:
            queue.gate.wait_until_reached()
            # Nine of them share the request of the slow one.
            assert eventually(lambda: sum(map(_is_extended, others)) == 11)
            extended = [other for other in others if _is_extended(other)]
            keeper.release(extended)
            assert len(keeper.held()) == 10
            assert not beat.done()
            queue.gate.open()
        assert {lease.ends_s for lease in (slow, *others)} == {NOW_S + 60.0}

    def test_seventy_two_leases_outlive_a_queue_that_takes_its_time(self) -> None:
        """Each request takes 0.1 s, and none of them waits for another one."""
        time, rounds = FakeClock(), 20
        side_by_side = Barrier(8, action=lambda: time.advance(0.1), timeout=SECONDS)
        queue = ObedientQueue(on_hide=lambda: _pass(side_by_side))
        lost: list[MessageLease] = []
        keeper = LeaseKeeper(
            queue, visibility_timeout_s=0.6, on_lost=lost.append, clock=time.as_clock()
        )
        leases = [
            keeper.take(a_message(str(number), lease_ends_s=NOW_S + 0.3)) for number in range(72)
        ]
        for beats in range(1, rounds + 1):
            keeper.beat()
            assert len(queue.hidden) == 8 * beats
            time.advance(0.25)
        assert lost == []
        assert not any(lease.lost for lease in leases)
        assert set(keeper.held()) == set(leases)

    def test_without_room_for_threads_the_requests_are_made_one_after_the_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue = ObedientQueue()
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        leases = [
            keeper.take(a_message(str(number), lease_ends_s=NOW_S + number + 1))
            for number in range(15)
        ]
        monkeypatch.setattr("waveflow.entrypoints.worker.leases.Thread", NoThread)
        keeper.beat()
        assert {lease.ends_s for lease in leases} == {NOW_S + 60.0}
        assert [names for names, _ in queue.hidden] == [
            {str(number) for number in numbers} for numbers in (range(10), range(10, 15))
        ]
        keeper.release(leases)


class TestKeeping:
    def test_a_lease_that_is_almost_over_is_extended_at_once(self) -> None:
        queue = ObedientQueue()
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        with keeping(keeper):
            # The heartbeat sleeps for a minute by now, or is about to.
            lease = due(keeper, "1")
            assert eventually(lambda: lease.ends_s == NOW_S + 60.0)
        assert queue.hidden == [({"1"}, 60.0)]

    def test_leases_are_kept_for_as_long_as_work_takes(self) -> None:
        queue, time = ObedientQueue(), FakeClock()

        def has_beaten(times: int) -> bool:
            return len(queue.hidden) >= times

        keeper = LeaseKeeper(queue, visibility_timeout_s=0.2, clock=time.as_clock())
        lease = keeper.take(a_message(lease_ends_s=NOW_S + 0.2))
        with keeping(keeper):
            for beats in range(1, 6):
                time.advance(0.15)
                assert eventually(partial(has_beaten, beats))
        assert lease.ends_s > NOW_S + 0.2

    def test_a_request_that_is_not_answered_keeps_no_other_lease_waiting(self) -> None:
        queue = Answering("slow")
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        with keeping(keeper):
            slow = due(keeper, "slow")
            queue.gate.wait_until_reached()
            for number in range(3):
                assert eventually(partial(_is_extended, due(keeper, str(number))))
            assert slow.ends_s == NOW_S + 10.0
            assert len(queue.hidden) == 4  # And is not asked for a second time meanwhile.
            queue.gate.open()
            assert eventually(lambda: _is_extended(slow))

    def test_the_heartbeat_ends_only_when_no_request_is_under_way(self) -> None:
        queue = Answering("slow")
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=FakeClock().as_clock())
        due(keeper, "slow")
        with in_thread(keeper.keep) as kept:
            queue.gate.wait_until_reached()
            keeper.end()
            assert not kept.done()
            queue.gate.open()
            kept.result(SECONDS)

    def test_a_queue_that_breaks_its_word_does_not_end_the_heartbeat(self) -> None:
        queue, time, tally = ObedientQueue(), FakeClock(), Tally()
        troubles = [RuntimeError("a defect"), AttributeError("another one")]

        def fail_twice() -> None:
            if troubles:
                raise troubles.pop()

        queue.on_hide = fail_twice
        keeper = LeaseKeeper(queue, visibility_timeout_s=0.2, clock=time.as_clock(), tally=tally)
        lease = keeper.take(a_message(lease_ends_s=NOW_S + 0.2))

        def is_extended() -> bool:
            # By less than the lease, each time that the heartbeat may look.
            if lease.ends_s == NOW_S + 0.2 and time.as_clock().monotonic_s() < NOW_S + 0.18:
                time.advance(0.01)
            return lease.ends_s > NOW_S + 0.2

        with keeping(keeper):
            assert eventually(is_extended)
        assert tally.counts() == {"defect": 2}

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_request_whose_thread_is_ended_costs_one_beat(self) -> None:
        queue, time, tally = ObedientQueue(), FakeClock(), Tally()
        endings: list[BaseException] = [SystemExit(), SystemExit()]

        def end_twice() -> None:
            if endings:
                raise endings.pop()

        queue.on_hide = end_twice
        keeper = LeaseKeeper(queue, visibility_timeout_s=60.0, clock=time.as_clock(), tally=tally)
        lease = due(keeper, "1")
        for _ in range(3):
            assert lease in keeper.held()
            before_s = lease.ends_s
            keeper.beat()
            time.advance(3.0)
        assert lease.ends_s > before_s
        keeper.release([lease])

    def test_a_lease_without_an_end_does_not_stop_the_heartbeat(self) -> None:
        keeper = LeaseKeeper(ObedientQueue(), visibility_timeout_s=60.0)
        with keeping(keeper):
            keeper.take(a_message())
            lease = keeper.take(a_message("2", lease_ends_s=0.0))
            assert eventually(lambda: lease not in keeper.held())

    def test_the_heartbeat_ends_when_it_is_told_before_it_begins(self) -> None:
        keeper = LeaseKeeper(ObedientQueue(), visibility_timeout_s=60.0)
        keeper.end()
        keeper.keep()
