"""The server being away: who may ask it next, and what waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from tests.support.workshop import FakeClock
from waveflow.application.outage import Outage
from waveflow.application.tally import Tally

SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


def open_breaker(outage: Outage) -> None:
    for event_id in ("other-1", "other-2", "other-3"):
        outage.failed(event_id)
    assert outage.is_open


def away(clock: FakeClock | None = None, draw: float = 0.5) -> Outage:
    """One whose breaker is open."""
    outage = Outage(clock=(clock or FakeClock()).as_clock(), draw=lambda: draw)
    open_breaker(outage)
    return outage


class Somebody:
    """A thread of its own, which does what it is told."""

    def __init__(self, pool: ThreadPoolExecutor, outage: Outage) -> None:
        self._pool = pool
        self._outage = outage

    def turn_in_s(self) -> float:
        return self._pool.submit(self._outage.turn_in_s).result(SECONDS)

    def turn_ends(self, retry_after_s: float = 0.0) -> None:
        self._pool.submit(self._outage.turn_ends, retry_after_s=retry_after_s).result(SECONDS)


Make = Callable[[Outage], Somebody]


@pytest.fixture
def somebody() -> Iterator[Make]:
    """Makes threads, each with a number of its own for as long as the test runs."""
    pools: list[ThreadPoolExecutor] = []

    def make(outage: Outage) -> Somebody:
        pools.append(ThreadPoolExecutor(1))
        return Somebody(pools[-1], outage)

    yield make
    for pool in pools:
        pool.shutdown()


def test_the_server_is_there_until_something_else_is_heard() -> None:
    outage = Outage()
    assert (outage.is_open, outage.ending, outage.waiting) == (False, False, 0)


def test_beginning_and_end_of_an_outage_are_logged_and_it_is_counted() -> None:
    tally = Tally()
    outage = Outage(tally=tally)
    with capture_logs() as logs:
        open_breaker(outage)
        outage.worked()
    assert [log["event"] for log in logs] == ["server_is_away", "server_is_back"]
    assert tally.counts() == {"server_away": 1}


class TestTurns:
    def test_while_the_server_is_there_everybody_may_ask(self, somebody: Make) -> None:
        outage = Outage()
        for asker in [somebody(outage) for _ in range(3)]:
            assert [asker.turn_in_s(), asker.turn_in_s()] == [0.0, 0.0]

    def test_while_it_is_away_one_may_ask_at_a_time(self, somebody: Make) -> None:
        clock = FakeClock()
        outage = away(clock)
        one, other = somebody(outage), somebody(outage)
        assert one.turn_in_s() == 0.0
        assert other.turn_in_s() == 0.5
        clock.advance(3600.0)
        assert other.turn_in_s() == 0.5
        one.turn_ends()
        assert (one.turn_in_s(), other.turn_in_s()) == (0.5, 0.5)
        clock.advance(0.5)
        assert (other.turn_in_s(), one.turn_in_s()) == (0.0, 0.5)

    def test_whoever_asks_it_is_asked_at_growing_intervals(self, somebody: Make) -> None:
        clock = FakeClock()
        outage = away(clock)
        pauses_s = []
        for asker in [somebody(outage) for _ in range(10)]:
            assert asker.turn_in_s() == 0.0
            asker.turn_ends()
            pauses_s.append(outage.turn_in_s())
            clock.advance(pauses_s[-1])
        assert pauses_s == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]

    @pytest.mark.parametrize(("draw", "pause_s"), [(0.0, 3.2), (0.25, 3.6), (1.0, 4.8)])
    def test_pauses_are_spread_by_a_fifth(self, draw: float, pause_s: float) -> None:
        clock = FakeClock()
        outage = away(clock, draw)
        for _ in range(4):
            assert outage.turn_in_s() == 0.0
            outage.turn_ends()
            left_s = outage.turn_in_s()
            clock.advance(left_s)
        assert left_s == pytest.approx(pause_s)

    def test_those_who_asked_before_it_was_away_do_not_make_the_pause_grow(
        self, somebody: Make
    ) -> None:
        clock = FakeClock()
        outage = away(clock)
        for asker in [somebody(outage) for _ in range(8)]:
            asker.turn_ends()
        assert outage.turn_in_s() == 0.5
        clock.advance(0.5)
        assert outage.turn_in_s() == 0.0
        outage.turn_ends()
        assert outage.turn_in_s() == 0.5

    def test_nor_do_they_end_the_turn_of_another(self, somebody: Make) -> None:
        clock = FakeClock()
        outage = away(clock)
        early, asker, other = (somebody(outage) for _ in range(3))
        assert asker.turn_in_s() == 0.0
        early.turn_ends()
        clock.advance(3600.0)
        assert other.turn_in_s() == 0.5

    @pytest.mark.parametrize(
        ("asked_s", "pause_s"), [(0.0, 0.5), (0.4, 0.5), (20.0, 20.0), (3600.0, 3600.0)]
    )
    def test_what_the_server_asks_for_holds_for_everybody_and_is_not_shortened(
        self, somebody: Make, asked_s: float, pause_s: float
    ) -> None:
        clock = FakeClock()
        outage = away(clock)
        one, early, other = (somebody(outage) for _ in range(3))
        assert one.turn_in_s() == 0.0
        one.turn_ends(asked_s)
        early.turn_ends()
        assert other.turn_in_s() == pytest.approx(pause_s)

    def test_the_next_outage_begins_anew(self, somebody: Make) -> None:
        clock = FakeClock()
        outage = away(clock)
        for _ in range(6):
            clock.advance(600.0)
            assert outage.turn_in_s() == 0.0
            outage.turn_ends(retry_after_s=600.0)
        outage.worked()
        assert outage.turn_in_s() == 0.0
        open_breaker(outage)
        assert outage.turn_in_s() == 0.0
        outage.turn_ends()
        assert outage.turn_in_s() == 0.5

    def test_who_asked_in_an_outage_that_is_over_has_no_part_in_the_next(
        self, somebody: Make
    ) -> None:
        clock = FakeClock()
        outage = away(clock)
        late, asker, other = (somebody(outage) for _ in range(3))
        assert late.turn_in_s() == 0.0
        outage.worked()
        open_breaker(outage)
        assert asker.turn_in_s() == 0.0
        late.turn_ends()
        clock.advance(3600.0)
        assert other.turn_in_s() == 0.5
        asker.turn_ends()
        clock.advance(0.5)
        assert other.turn_in_s() == 0.0


@pytest.mark.parametrize("until_back", [False, True])
def test_a_wait_ends_with_its_time(until_back: bool) -> None:
    outage = away()
    outage.wait(0.001, until_back=until_back)
    assert (outage.is_open, outage.waiting) == (True, 0)


def test_nobody_waits_for_a_server_that_is_back_already() -> None:
    outage = Outage()
    outage.wait(SECONDS * 60, until_back=True)
    assert outage.waiting == 0


def test_nobody_waits_once_the_service_ends() -> None:
    outage = away()
    outage.end()
    assert outage.ending
    outage.wait(SECONDS * 60)
    outage.wait(SECONDS * 60, until_back=True)


def waiters(
    outage: Outage, pool: ThreadPoolExecutor, *waits: Callable[[], None]
) -> list[Future[None]]:
    """Threads of which each is certainly in its wait."""
    begun = [pool.submit(wait) for wait in waits]
    deadline_s = time.monotonic() + SECONDS
    while outage.waiting < len(waits):
        assert time.monotonic() < deadline_s
        time.sleep(0)
    return begun


def test_the_server_being_back_ends_the_waits_for_it() -> None:
    outage = away()
    with ThreadPoolExecutor(2) as pool:

        def wait() -> None:
            outage.wait(SECONDS * 60, until_back=True)

        begun = waiters(outage, pool, wait, wait)
        assert outage.waiting == 2
        outage.worked()
        for waiter in begun:
            waiter.result(SECONDS)
    assert outage.waiting == 0


def test_a_plain_pause_is_not_ended_by_the_server() -> None:
    outage = away()
    with ThreadPoolExecutor(2) as pool:
        plain, patient = waiters(
            outage,
            pool,
            lambda: outage.wait(SECONDS * 60),
            lambda: outage.wait(SECONDS * 60, until_back=True),
        )
        outage.worked()
        patient.result(SECONDS)
        assert not plain.done()
        assert outage.waiting == 1
        outage.end()
        plain.result(SECONDS)


def test_the_end_of_the_service_ends_every_wait() -> None:
    outage = away()
    with ThreadPoolExecutor(2) as pool:
        begun = waiters(
            outage,
            pool,
            lambda: outage.wait(SECONDS * 60),
            lambda: outage.wait(SECONDS * 60, until_back=True),
        )
        outage.end()
        for waiter in begun:
            waiter.result(SECONDS)
    assert (outage.is_open, outage.waiting) == (True, 0)
