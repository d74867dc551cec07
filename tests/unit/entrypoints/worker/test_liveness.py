"""Whether the worker lives: by its main thread, and by what it can't do without."""

from __future__ import annotations

from typing import cast

import pytest
from attrs import define, field

from tests.support.workshop import FakeClock
from waveflow.entrypoints.worker.liveness import LONGEST_START_S, LifeSigns, Liveness
from waveflow.entrypoints.worker.service import State, Worker

SILENT_AFTER_S = 90.0
LONGEST_DRAIN_S = 230.0


@define
class FakeWorker:
    state: State = State.WORKING
    gone: list[str] = field(factory=list)

    def missing(self) -> list[str]:
        return self.gone


class Rig:
    def __init__(self) -> None:
        self.time = FakeClock()
        self.worker = FakeWorker()
        self.waited: list[float] = []
        self.liveness = Liveness(
            SILENT_AFTER_S, LONGEST_DRAIN_S, self.time.as_clock(), self.waited.append
        )

    def begin(self, state: State = State.WORKING) -> Liveness:
        self.worker.state = state
        self.liveness.begin(cast(Worker, self.worker))
        return self.liveness


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize(
    ("state", "limit_s"),
    [
        (State.STARTING, LONGEST_START_S),
        (State.WORKING, SILENT_AFTER_S),
        (State.DRAINING, LONGEST_DRAIN_S),
    ],
)
def test_it_lives_as_long_as_what_it_is_about_may_take(
    rig: Rig, state: State, limit_s: float
) -> None:
    liveness = rig.begin(state)
    rig.time.advance(limit_s)
    assert liveness.signs() == LifeSigns(state)
    assert rig.waited == []
    rig.time.advance(1.0)
    signs = liveness.signs()
    assert signs.state is state
    assert signs.problem
    assert f"{limit_s + 1:.0f} s" in signs.problem


def test_before_there_is_a_worker_it_starts(rig: Rig) -> None:
    assert rig.liveness.signs() == LifeSigns(State.STARTING)
    rig.time.advance(LONGEST_START_S + 1)
    assert rig.liveness.signs().problem


def test_each_look_of_the_main_thread_is_a_sign_of_life(rig: Rig) -> None:
    liveness = rig.begin()
    for _ in range(10):
        rig.time.advance(SILENT_AFTER_S)
        liveness.look()
    assert liveness.signs().problem is None


def test_a_process_that_was_suspended_is_given_time_to_look(rig: Rig) -> None:
    liveness = rig.begin()
    rig.time.advance(3600.0)

    def look_at_last(_: float) -> None:
        rig.waited.append(1)
        if len(rig.waited) == 3:
            liveness.look()

    liveness.wait = look_at_last
    assert liveness.signs() == LifeSigns(State.WORKING)
    assert len(rig.waited) == 3


def test_who_is_silent_is_waited_for_no_longer_than_two_seconds(rig: Rig) -> None:
    liveness = rig.begin()
    rig.time.advance(SILENT_AFTER_S + 1)
    assert liveness.signs().problem
    assert sum(rig.waited) == pytest.approx(2.0)


def test_a_thread_that_is_missing_is_named(rig: Rig) -> None:
    rig.worker.gone = ["poller", "log"]
    assert rig.begin().signs().problem == "What is needed has ended: poller, log."


@pytest.mark.parametrize("state", [State.STARTING, State.DRAINING])
def test_threads_that_have_not_begun_or_have_done_their_work_are_not_missing(
    rig: Rig, state: State
) -> None:
    rig.worker.gone = ["poller"]
    assert rig.begin(state).signs() == LifeSigns(state)
