"""The heartbeat beside other threads: nothing it does comes late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, ObedientQueue, a_message, in_thread
from tests.support.workshop import FakeClock
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
        with pytest.raises(RuntimeError):
            keeper.beat()
        keeper.release([lease])


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
