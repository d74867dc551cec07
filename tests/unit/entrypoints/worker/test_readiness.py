"""Whether a message would be worked on now: from what is tried regularly, for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate
from tests.support.workshop import FakeClock
from waveflow.application.health_checks import Check, DependencyCheck
from waveflow.domain.errors import QueueUnavailable
from waveflow.entrypoints.worker.readiness import Readiness
from waveflow.entrypoints.worker.service import State


class Rig:
    """A queue that is there or not, and a worker in a state."""

    def __init__(self, every_s: float = 1e6) -> None:
        self.time = FakeClock()
        self.state = State.WORKING
        self.away: list[str] = []
        self.attempt: Callable[[], object] = lambda: None
        self.asked = 0
        self.readiness = Readiness(
            (DependencyCheck("queue", self._ask, clock=self.time.as_clock()),),
            lambda: self.state,
            lambda: self.away,
            self.time.as_clock(),
            every_s=every_s,
            again_s=0.001,
        )

    def _ask(self) -> None:
        self.asked += 1
        self.attempt()

    def problems(self) -> dict[str, str]:
        checks = self.readiness.report().checks
        return {check.name: check.problem for check in checks if check.problem}

    @contextmanager
    def begun(self) -> Iterator[Readiness]:
        self.readiness.begin()
        try:
            assert eventually(lambda: self.problems().get("queue") != "Not tried yet.")
            yield self.readiness
        finally:
            self.readiness.end()


@pytest.fixture
def rig() -> Rig:
    return Rig()


def away() -> None:
    raise QueueUnavailable("SQS can't be reached.")


def test_a_worker_that_has_all_it_needs_is_ready(rig: Rig) -> None:
    with rig.begun() as readiness:
        assert readiness.is_ready()
        assert readiness.report().checks == (Check("queue"), Check("codec"), Check("receiving"))


def test_before_it_begins_nothing_is_tried_and_nothing_ready(rig: Rig) -> None:
    assert not rig.readiness.is_ready()
    assert set(rig.problems()) == {"queue", "codec", "receiving"}
    assert rig.asked == 0
    rig.readiness.end()


@pytest.mark.parametrize("state", [State.STARTING, State.DRAINING])
def test_a_worker_that_starts_or_drains_is_not_ready(rig: Rig, state: State) -> None:
    with rig.begun() as readiness:
        rig.state = state
        assert not readiness.is_ready()
        assert readiness.report().state is state


def test_a_dependency_that_fails_is_tried_again_soon(rig: Rig) -> None:
    rig.attempt = away
    with rig.begun() as readiness:
        assert rig.problems() == {"queue": "SQS can't be reached."}
        assert not readiness.is_ready()
        rig.attempt = lambda: None
        assert eventually(readiness.is_ready)


def test_what_works_is_left_alone_however_often_somebody_asks(rig: Rig) -> None:
    with rig.begun() as readiness:
        for _ in range(100):
            assert readiness.is_ready()
    assert rig.asked == 1


def test_what_works_is_tried_regularly() -> None:
    rig = Rig(every_s=0.001)
    with rig.begun():
        assert eventually(lambda: rig.asked > 3)
        rig.attempt = away
        assert eventually(lambda: not rig.readiness.is_ready())


def test_a_dependency_that_hangs_is_not_ready_and_keeps_nobody_waiting(rig: Rig) -> None:
    gate = Gate()
    rig.attempt = gate
    rig.readiness.limit_s = 0.01
    rig.readiness.begin()
    gate.wait_until_reached()
    rig.time.advance(1.0)
    assert rig.problems() == {"queue": "No answer within 0.01 s."}
    gate.open()
    assert eventually(rig.readiness.is_ready)
    rig.readiness.end()


@pytest.mark.parametrize("name", ["server", "storage_reading", "storage_writing", "machine"])
def test_an_open_breaker_keeps_messages_away(rig: Rig, name: str) -> None:
    with rig.begun() as readiness:
        rig.away = [name]
        assert not readiness.is_ready()
        assert f"({name})" in rig.problems()["receiving"]
        rig.away = []
        assert readiness.is_ready()


def test_what_was_tried_long_ago_counts_no_more(rig: Rig) -> None:
    with rig.begun() as readiness:
        rig.time.advance(60.0)
        assert readiness.is_ready()
        rig.time.advance(1.0)
        assert not readiness.is_ready()
        assert rig.problems() == {"receiving": "Nothing has been tried for more than 60 s."}


def test_a_defect_in_trying_is_logged_and_not_the_end_of_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = DependencyCheck.wait
    failed: list[int] = []

    def fail_once(self: DependencyCheck, limit_s: float) -> Check:
        failed.append(1)
        if len(failed) == 1:
            raise MemoryError
        return wait(self, limit_s)

    monkeypatch.setattr(DependencyCheck, "wait", fail_once)
    with capture_logs() as logs, rig.begun():
        assert eventually(lambda: len(failed) == 2, within_s=SECONDS)
    assert [log["event"] for log in logs] == ["defect"]
