"""The in-process queue keeps the contract of the port, and what it promises beyond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event, Lock

import pytest

from tests.support.contracts.queue import MessageQueueContract
from tests.support.contracts.queue_rig import QueueRig, take_one
from tests.support.contracts.storage_actions import at_once
from tests.support.workshop import FakeClock
from waveflow.adapters.queue.memory import DeadLetter, InProcessQueue
from waveflow.application.clock import Clock
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import LeaseLost

SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


class InProcessRig(QueueRig):
    """A queue whose time passes as told."""

    wait_s = 0.0
    visibility_timeout_s = 30.0
    max_receive_count = 4

    def __init__(self) -> None:
        self._time = FakeClock()
        self._queue = InProcessQueue(
            visibility_timeout_s=self.visibility_timeout_s,
            max_receive_count=self.max_receive_count,
            clock=self._time.as_clock(),
        )

    @property
    def queue(self) -> InProcessQueue:
        return self._queue

    def advance(self, seconds: float) -> None:
        self._time.advance(seconds)

    def now_ms(self) -> int:
        return int(self._time.as_clock().unix_s() * 1000)

    def dead_letters(self) -> list[tuple[str, str | None]]:
        return [(letter.body, letter.reason) for letter in self._queue.dead_letters()]


class TestInProcessQueue(MessageQueueContract):
    @pytest.fixture
    def rig(self) -> InProcessRig:
        return InProcessRig()

    @pytest.mark.parametrize("max_messages", [0, -1, 11])
    def test_only_one_to_ten_messages_can_be_asked_for(
        self, rig: InProcessRig, max_messages: int
    ) -> None:
        with pytest.raises(ValueError, match="1 to 10"):
            rig.queue.receive(max_messages, 0.0)

    def test_the_longest_visible_message_comes_first(self, rig: InProcessRig) -> None:
        for body in ("a", "b", "c"):
            rig.queue.send(body)
            rig.advance(1.0)
        [first] = rig.queue.receive(1, 0.0)
        rig.queue.change_visibility(first, 0)
        assert [message.body for message in rig.queue.receive(10, 0.0)] == ["b", "c", "a"]

    def test_visibility_ends_on_time(self, rig: InProcessRig) -> None:
        rig.queue.send("body")
        take_one(rig)
        rig.advance(29.9)
        assert rig.queue.receive(1, 0.0) == []
        rig.advance(0.1)
        assert rig.queue.receive(1, 0.0)

    def test_the_reason_of_a_message_that_came_too_often_is_the_count(
        self, rig: InProcessRig
    ) -> None:
        message_id = rig.queue.send("body")
        for _ in range(4):
            rig.queue.change_visibility(take_one(rig), 0)
        assert rig.queue.receive(1, 0.0) == []
        assert rig.queue.dead_letters() == [DeadLetter(message_id, "body", "received 4 times")]

    def test_a_dead_letter_does_not_take_the_place_of_a_message(self, rig: InProcessRig) -> None:
        rig.queue.send("dead")
        for _ in range(4):
            rig.queue.change_visibility(take_one(rig), 0)
        rig.advance(1.0)
        rig.queue.send("alive")
        assert take_one(rig).body == "alive"

    def test_hidden_messages_count_and_dead_letters_do_not(self, rig: InProcessRig) -> None:
        for body in ("a", "b", "c"):
            rig.queue.send(body)
        rig.queue.park(take_one(rig), "reason")
        take_one(rig)
        assert len(rig.queue) == 2

    def test_deleting_twice_is_no_error(self, rig: InProcessRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.delete(message)
        rig.queue.delete(message)

    def test_the_receipt_of_a_deleted_message_is_stale(self, rig: InProcessRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.delete(message)
        with pytest.raises(LeaseLost):
            rig.queue.change_visibility(message, 30.0)
        with pytest.raises(LeaseLost):
            rig.queue.park(message, "too late")
        assert rig.queue.dead_letters() == []


class StandingClock:
    """Stands still, and knows how often it was looked at."""

    def __init__(self) -> None:
        self._looks = 0
        self._waits = Event()

    def monotonic_s(self) -> float:
        self._looks += 1
        # A receive sets its deadline, looks for messages, then works out how long to wait: at
        # the third look it holds the lock, which it gives up only by waiting.
        if self._looks == 3:
            self._waits.set()
        return 0.0

    def while_waiting(self, queue: InProcessQueue, act: Callable[[], object]) -> ReceivedMessage:
        """What a receive gets that had to wait until another thread acted."""
        self._looks = 0
        self._waits.clear()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(queue.receive, 1, 2 * SECONDS)
            assert self._waits.wait(SECONDS)
            act()
            [message] = waiting.result(SECONDS)
        return message


def test_a_message_that_is_sent_wakes_up_somebody_who_waits() -> None:
    clock = StandingClock()
    queue = InProcessQueue(clock=Clock(monotonic_s=clock.monotonic_s))
    assert clock.while_waiting(queue, lambda: queue.send("body")).body == "body"


def test_a_message_that_is_given_back_wakes_up_somebody_who_waits() -> None:
    clock = StandingClock()
    queue = InProcessQueue(clock=Clock(monotonic_s=clock.monotonic_s))
    queue.send("body")
    [first] = queue.receive(1, 0.0)
    again = clock.while_waiting(queue, lambda: queue.change_visibility(first, 0))
    assert (again.message_id, again.receive_count) == (first.message_id, 2)


def test_waiting_ends_when_its_time_is_over() -> None:
    milliseconds = count()
    queue = InProcessQueue(clock=Clock(monotonic_s=lambda: next(milliseconds) / 1000))
    assert queue.receive(1, 0.02) == []


def test_waiting_ends_when_a_hidden_message_becomes_visible() -> None:
    queue = InProcessQueue(visibility_timeout_s=0.01)
    queue.send("body")
    queue.receive(1, 0.0)
    [again] = queue.receive(1, SECONDS)
    assert again.receive_count == 2


def test_eight_threads_handle_each_of_many_messages_exactly_once() -> None:
    queue = InProcessQueue(visibility_timeout_s=3600.0)
    handled: Counter[str] = Counter()
    lock = Lock()

    def work(number: int) -> None:
        for serial in range(100):
            queue.send(f"{number}/{serial}")
        while messages := queue.receive(3, 0.0):
            for message in messages:
                with lock:
                    handled[message.body] += 1
                queue.delete(message)

    at_once(8, work)
    assert handled == {f"{number}/{serial}": 1 for number in range(8) for serial in range(100)}
    assert len(queue) == 0
    assert queue.dead_letters() == []


def test_one_of_eight_threads_settles_a_message() -> None:
    queue = InProcessQueue()
    queue.send("body")
    [message] = queue.receive(1, 0.0)
    outcomes = at_once(8, lambda number: queue.park(message, f"thread {number}"))
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LeaseLost] * 7
    assert len(queue.dead_letters()) == 1
