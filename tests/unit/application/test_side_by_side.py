"""Several things at once, with the outcome of one after the other."""

from __future__ import annotations

import signal
import threading
from contextvars import ContextVar
from threading import Barrier, Event, Lock, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waveflow.application.side_by_side import Wanted, side_by_side

WITHIN_S = 20.0


class OurError(Exception):
    pass


class TheEnd(BaseException):
    pass


def test_results_come_in_the_order_of_the_items() -> None:
    assert side_by_side([3, 1, 2], lambda item, _: item * 10, at_once=2) == [30, 10, 20]


def test_of_nothing_comes_nothing() -> None:
    assert side_by_side([], lambda item, _: item, at_once=4) == []


def test_as_many_as_allowed_are_worked_on_at_once() -> None:
    together = Barrier(4)

    def meet(item: int, _: Wanted) -> int:
        together.wait(WITHIN_S)
        return item

    assert side_by_side(list(range(8)), meet, at_once=4) == list(range(8))


def test_no_more_than_allowed_are_worked_on_at_once() -> None:
    lock, running, most = Lock(), 0, 0
    together = Barrier(3)

    def count(item: int, _: Wanted) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(WITHIN_S)
        with lock:
            running -= 1

    side_by_side(list(range(9)), count, at_once=3)
    assert most == 3


def test_one_item_needs_no_other_thread() -> None:
    assert side_by_side([1], lambda item, _: threading.get_ident(), at_once=4) == [
        threading.get_ident()
    ]


def test_helpers_have_ended_on_return() -> None:
    before = set(threading.enumerate())
    side_by_side(list(range(8)), lambda item, _: item, at_once=4)
    assert set(threading.enumerate()) == before


def test_helpers_know_what_the_caller_knows() -> None:
    known: ContextVar[str] = ContextVar("known", default="nothing")
    known.set("the message")
    together = Barrier(3)

    def tell(item: int, _: Wanted) -> str:
        together.wait(WITHIN_S)
        return known.get()

    assert side_by_side([1, 2, 3], tell, at_once=3) == ["the message"] * 3


def test_the_first_failure_is_raised_and_not_the_earliest() -> None:
    last_has_failed = Event()

    def fail(item: int, _: Wanted) -> None:
        if item == 2:
            last_has_failed.set()
        else:
            assert last_has_failed.wait(WITHIN_S)
        if item:
            raise OurError(str(item))

    with pytest.raises(OurError, match="1"):
        side_by_side([0, 1, 2], fail, at_once=3)


def test_what_comes_after_a_failure_is_given_up_and_what_comes_before_is_finished() -> None:
    finished, last_has_begun, given_up = Event(), Event(), Event()

    def work(item: int, wanted: Wanted) -> None:
        if item == 0:
            assert given_up.wait(WITHIN_S)
            wanted()
            finished.set()
        elif item == 1:
            assert last_has_begun.wait(WITHIN_S)
            raise OurError
        else:
            last_has_begun.set()
            try:
                while True:
                    wanted()
            finally:
                given_up.set()

    with pytest.raises(OurError):
        side_by_side([0, 1, 2], work, at_once=3)
    assert finished.is_set()


def test_nothing_is_begun_after_a_failure() -> None:
    begun = []

    def work(item: int, _: Wanted) -> None:
        begun.append(item)
        raise OurError

    with pytest.raises(OurError):
        side_by_side([0, 1, 2], work, at_once=1)
    assert begun == [0]


def test_the_end_of_a_helper_is_the_end_of_the_caller() -> None:
    together = Barrier(2)

    def end(item: int, _: Wanted) -> None:
        together.wait(WITHIN_S)
        raise TheEnd

    with pytest.raises(TheEnd):
        side_by_side([0, 1], end, at_once=2)


def test_without_room_for_threads_the_caller_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    assert side_by_side([1, 2, 3], lambda item, _: item, at_once=3) == [1, 2, 3]


@settings(deadline=None)
@given(st.sets(st.integers(0, 7)), st.integers(1, 5))
def test_the_outcome_is_that_of_one_after_the_other(failing: set[int], at_once: int) -> None:
    def work(item: int, wanted: Wanted) -> int:
        wanted()
        if item in failing:
            raise OurError(str(item))
        return item

    if failing:
        with pytest.raises(OurError, match=str(min(failing))):
            side_by_side(list(range(8)), work, at_once=at_once)
    else:
        assert side_by_side(list(range(8)), work, at_once=at_once) == list(range(8))


@pytest.mark.parametrize("at_once", [1, 2])
def test_nothing_is_begun_after_an_interrupt(at_once: int) -> None:
    begun = []

    def work(item: int, wanted: Wanted) -> None:
        begun.append(item)
        raise TheEnd

    with pytest.raises(TheEnd):
        side_by_side([0, 1, 2], work, at_once=at_once)
    assert len(begun) <= at_once


@pytest.mark.parametrize("also_fails", [False, True])
def test_an_interrupt_gives_up_earlier_items_as_well_and_is_not_replaced(also_fails: bool) -> None:
    first_has_begun, never = Event(), Event()

    def work(item: int, wanted: Wanted) -> None:
        if item:
            assert first_has_begun.wait(WITHIN_S)
            raise TheEnd
        first_has_begun.set()
        try:
            for _ in range(500):
                wanted()
                never.wait(0.01)
        except BaseException:
            if also_fails:
                raise OurError from None
            raise
        raise AssertionError("was not given up")

    with pytest.raises(TheEnd):
        side_by_side([0, 1], work, at_once=2)


def test_helpers_have_ended_also_when_waiting_for_them_is_interrupted() -> None:
    caller, caller_is_done, never = threading.get_ident(), Event(), Event()
    helpers_work, signalled = Barrier(3), Lock()

    def work(item: int, wanted: Wanted) -> None:
        helpers_work.wait(WITHIN_S)
        if threading.get_ident() == caller:
            caller_is_done.set()
            return
        assert caller_is_done.wait(WITHIN_S)
        never.wait(0.05)  # The caller is waiting by then; if not, it is interrupted before.
        if not signalled.acquire(blocking=False):
            signal.pthread_kill(caller, signal.SIGINT)
        for _ in range(500):
            wanted()
            never.wait(0.01)
        raise AssertionError("was not given up")

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        side_by_side([0, 1, 2], work, at_once=3)
    assert set(threading.enumerate()) == before
