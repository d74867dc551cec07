"""The circuit breaker: when the server counts as away, and what waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from tests.support.contracts.storage_actions import at_once
from waveflow.application.outage import Outage
from waveflow.application.tally import Tally

SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


def away() -> Outage:
    """One whose breaker is open."""
    outage = Outage(opens_after=1)
    outage.undelivered("first")
    return outage


def test_the_server_is_there_until_something_else_is_heard() -> None:
    outage = Outage()
    assert (outage.is_open, outage.ending, outage.waiting) == (False, False, 0)


def test_three_different_events_in_a_row_mean_that_the_server_is_away() -> None:
    outage = Outage()
    assert [outage.undelivered(event) for event in ("a", "b", "c", "d")] == [
        False,
        False,
        True,
        True,
    ]
    assert outage.is_open


def test_the_same_events_again_and_again_may_be_at_fault_themselves() -> None:
    outage = Outage()
    for event in ("a", "b", "a", "b", "a", "b", "b"):
        assert outage.undelivered(event) is False
    assert not outage.is_open


def test_one_delivery_begins_the_count_anew() -> None:
    outage = Outage()
    for event in ("a", "b"):
        outage.undelivered(event)
    outage.delivered()
    assert [outage.undelivered(event) for event in ("c", "d", "e")] == [False, False, True]


def test_one_delivery_ends_an_outage_and_another_takes_three_events_again() -> None:
    outage = Outage()
    for event in ("a", "b", "c"):
        outage.undelivered(event)
    outage.delivered()
    assert not outage.is_open
    assert [outage.undelivered(event) for event in ("a", "b", "c")] == [False, False, True]


@pytest.mark.parametrize("opens_after", [1, 2, 5])
def test_how_many_events_it_takes_can_be_said(opens_after: int) -> None:
    outage = Outage(opens_after=opens_after)
    opened = [outage.undelivered(f"event-{number}") for number in range(opens_after)]
    assert opened == [False] * (opens_after - 1) + [True]


def test_beginning_and_end_of_an_outage_are_logged_once_and_it_is_counted() -> None:
    tally = Tally()
    outage = Outage(tally=tally)
    with capture_logs() as logs:
        outage.delivered()
        for event in ("a", "b", "c", "d"):
            outage.undelivered(event)
        outage.delivered()
        outage.delivered()
    assert logs == [
        {"event": "server_is_away", "log_level": "error", "undelivered": 3},
        {"event": "server_is_back", "log_level": "warning"},
    ]
    assert tally.counts() == {"server_away": 1}


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
        outage.delivered()
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
        outage.delivered()
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


def test_eight_threads_open_the_breaker_once() -> None:
    tally = Tally()
    outage = Outage(opens_after=800, tally=tally)

    def fail(thread: int) -> list[bool]:
        return [outage.undelivered(f"{thread}/{number}") for number in range(100)]

    answers = [answer for thread in at_once(8, fail) for answer in _list(thread)]
    assert answers.count(True) == 1
    assert outage.is_open
    assert tally.counts() == {"server_away": 1}


def _list(answers: list[bool] | Exception) -> list[bool]:
    assert isinstance(answers, list)
    return answers
