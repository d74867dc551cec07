"""The time in which a process ran: gaps are left out, for everybody, whenever they came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.workshop import FakeClock
from waveflow.entrypoints.worker.awake import AwakeTime

HORIZON_S = 50.0


class Rig:
    def __init__(self) -> None:
        self.time = FakeClock()
        self.awake = AwakeTime(HORIZON_S, self.time.as_clock())

    def now_s(self) -> float:
        return self.time.as_clock().monotonic_s()

    def pass_s(self, seconds: float) -> None:
        """Time passes until the next look."""
        self.time.advance(seconds)
        self.awake.look()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with capture_logs():
        yield Rig()


def test_without_gaps_it_is_the_time_that_passed(rig: Rig) -> None:
    begun_s = rig.now_s()
    for _ in range(20):
        rig.pass_s(0.5)
    assert rig.awake.since_s(begun_s) == 10.0
    assert rig.awake.since_s(begun_s + 4.0) == 6.0


def test_a_gap_counts_as_one_look_for_those_who_were_there_before_it(rig: Rig) -> None:
    before_s = rig.now_s()
    rig.pass_s(2.0)
    rig.pass_s(60.0)
    after_s = rig.now_s()
    rig.pass_s(3.0)
    assert rig.awake.since_s(before_s) == 2.0 + 0.5 + 3.0
    assert rig.awake.since_s(after_s) == 3.0


def test_who_ran_within_a_gap_of_the_looks_gets_no_credit_for_the_time_before(rig: Rig) -> None:
    rig.pass_s(40.0)
    shortly_before_its_end_s = rig.now_s() - 2.0
    rig.pass_s(4.0)
    assert rig.awake.since_s(shortly_before_its_end_s) == 4.0


def test_gaps_add_up(rig: Rig) -> None:
    begun_s = rig.now_s()
    for _ in range(3):
        rig.pass_s(1.0)
        rig.pass_s(1000.0)
    assert rig.awake.since_s(begun_s) == 3 * 1.5


def test_gaps_beyond_the_horizon_are_forgotten_and_change_no_answer_within_it(rig: Rig) -> None:
    begun_s = rig.now_s()
    for _ in range(1000):
        rig.pass_s(4.0)
        rig.pass_s(6.0)
    assert len(rig.awake._gaps) <= HORIZON_S / 4.5 + 1
    assert rig.awake.since_s(begun_s) > HORIZON_S
    assert rig.awake.since_s(rig.now_s() - 10 * 10.0) == 10 * 4.5


def test_a_process_that_only_crawls_grows_older_all_the_same(rig: Rig) -> None:
    begun_s = rig.now_s()
    for _ in range(101):
        rig.pass_s(7.0)
    assert rig.awake.since_s(begun_s) > HORIZON_S
