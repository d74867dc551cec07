"""Threads that want something sent share requests, and each gets its own result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Event, Lock, Thread, current_thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.contracts.storage_actions import at_once
from tests.unit.adapters.queue.sqs_double import ScriptedSqs, received
from waveflow.adapters.queue.sqs_batches import Outcome, Together, outcomes_of
from waveflow.domain.errors import LeaseLost, QueueUnavailable

SECONDS = 10.0
"""How long a test waits for another thread before it fails; never waited for in full."""


class Gate:
    """A sender that keeps the first batch until it is opened."""

    def __init__(self, then: Callable[[Sequence[int]], Sequence[Outcome]]) -> None:
        self.batches: list[list[int]] = []
        self.is_closed = Event()
        self._open = Event()
        self._then = then

    def send(self, items: Sequence[int]) -> Sequence[Outcome]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.is_closed.set()
            assert self._open.wait(SECONDS)
        return self._then(items)

    def while_closed(
        self, pool: ThreadPoolExecutor, together: Together[int], count: int
    ) -> list[Future[None]]:
        """Submit 0 alone, and the rest while it is under way."""
        first = pool.submit(together.submit, 0)
        assert self.is_closed.wait(SECONDS)
        rest: list[Future[None]] = []
        for number in range(1, count):
            rest.append(pool.submit(together.submit, number))
            deadline_s = time.monotonic() + SECONDS
            while len(together._waiting) < number and time.monotonic() < deadline_s:
                time.sleep(0.001)
        self._open.set()
        return [first, *rest]


def nothing_wrong(items: Sequence[int]) -> Sequence[Outcome]:
    return [None for _ in items]


def test_a_single_one_is_sent_at_once_by_its_own_thread() -> None:
    senders: list[str] = []

    def send(items: Sequence[int]) -> Sequence[Outcome]:
        senders.append(current_thread().name)
        return [None]

    together = Together(send)
    together.submit(1)
    together.submit(2)
    assert senders == [current_thread().name] * 2


def test_what_arrives_meanwhile_is_sent_together_ten_at_a_time() -> None:
    gate = Gate(nothing_wrong)
    together = Together(gate.send)
    with ThreadPoolExecutor(30) as pool:
        for future in gate.while_closed(pool, together, 25):
            future.result(SECONDS)
    assert gate.batches == [[0], list(range(1, 11)), list(range(11, 21)), list(range(21, 25))]


def test_those_that_are_expected_share_the_first_request() -> None:
    batches: list[list[int]] = []

    def send(items: Sequence[int]) -> Sequence[Outcome]:
        batches.append(sorted(items))
        return nothing_wrong(items)

    together = Together(send, expected=lambda: 4, moment_s=100 * SECONDS)
    assert at_once(4, together.submit) == [None] * 4
    assert batches == [[0, 1, 2, 3]]


def test_those_that_do_not_come_are_not_waited_for_long() -> None:
    batches: list[list[int]] = []

    def send(items: Sequence[int]) -> Sequence[Outcome]:
        batches.append(list(items))
        return nothing_wrong(items)

    together = Together(send, expected=lambda: 4, moment_s=0.001)
    together.submit(1)
    assert batches == [[1]]


def test_a_leader_that_is_interrupted_while_it_waits_for_others_leaves_its_place() -> None:
    class Interrupted(Condition):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    together = Together(nothing_wrong, expected=lambda: 2, moment_s=0.001)
    patient, together._changed = together._changed, Interrupted()
    with pytest.raises(KeyboardInterrupt):
        together.submit(1)
    together._changed = patient
    together.submit(2)


def test_a_leader_that_cannot_tell_how_many_to_expect_leaves_its_place() -> None:
    counts = iter([0])

    def expected() -> int:
        return 1 // next(counts, 1)

    together = Together(nothing_wrong, expected=expected)
    with pytest.raises(ZeroDivisionError):
        together.submit(1)
    # In a thread of its own: it would wait for ever.
    after = Thread(target=together.submit, args=[2], daemon=True)
    after.start()
    after.join(SECONDS)
    assert not after.is_alive()


def test_the_last_message_on_loan_is_deleted_at_once_and_two_together() -> None:
    sqs, serials = ScriptedSqs(), iter(range(9))
    sqs.answers["receive_message"] = lambda request: {"Messages": [received(next(serials))]}
    queue = sqs.queue()
    queue._deletes._moment_s = 100 * SECONDS
    messages = [queue.receive(1, 0)[0] for _ in range(2)]
    assert at_once(2, lambda number: queue.delete(messages[number])) == [None] * 2
    [last] = queue.receive(1, 0)
    queue.delete(last)
    assert [len(each["Entries"]) for each in sqs.asked("delete_message_batch")] == [2, 1]


def test_each_gets_its_own_result() -> None:
    def send(items: Sequence[int]) -> Sequence[Outcome]:
        return [LeaseLost(str(item)) if item % 3 == 0 else None for item in items]

    gate = Gate(send)
    together = Together(gate.send)
    with ThreadPoolExecutor(30) as pool:
        for number, future in enumerate(gate.while_closed(pool, together, 25)):
            error = future.exception(SECONDS)
            assert str(error) == str(number) if number % 3 == 0 else error is None


def test_a_defect_reaches_all_who_waited_and_nobody_after_them() -> None:
    def send(items: Sequence[int]) -> Sequence[Outcome]:
        if 5 in items:
            raise RuntimeError("defect")
        return nothing_wrong(items)

    gate = Gate(send)
    together = Together(gate.send)
    with ThreadPoolExecutor(30) as pool:
        errors = [future.exception(SECONDS) for future in gate.while_closed(pool, together, 25)]
    assert errors[0] is None
    # The leader of that batch meets the defect itself; all others are told of it.
    assert sorted(type(error).__name__ for error in errors[1:11]) == sorted(
        ["RuntimeError"] + ["QueueUnavailable"] * 9
    )
    assert errors[11:] == [None] * 14
    together.submit(99)


def test_a_leader_that_is_interrupted_leaves_its_place() -> None:
    interruptions = iter([KeyboardInterrupt(), None])

    def send(items: Sequence[int]) -> Sequence[Outcome]:
        if interruption := next(interruptions):
            raise interruption
        return nothing_wrong(items)

    together = Together(send)
    with pytest.raises(KeyboardInterrupt):
        together.submit(1)
    together.submit(2)


def test_who_is_interrupted_while_waiting_is_not_waited_for() -> None:
    together: Together[int]

    class Interrupted(Condition):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    def send(items: Sequence[int]) -> Sequence[Outcome]:
        if items == [1]:
            patient, together._changed = together._changed, Interrupted()
            with pytest.raises(KeyboardInterrupt):
                together.submit(2)
            together._changed = patient
        sent.extend(items)
        return nothing_wrong(items)

    sent: list[int] = []
    together = Together(send)
    together.submit(1)
    together.submit(3)
    assert sent == [1, 3]


def test_an_answer_of_the_wrong_length_is_a_defect() -> None:
    together: Together[int] = Together(lambda items: [])
    with pytest.raises(ValueError, match="zip"):
        together.submit(1)


@given(threads=st.integers(1, 12), each=st.integers(1, 8), most=st.integers(1, 10))
def test_everything_is_sent_once_whoever_sends_it(threads: int, each: int, most: int) -> None:
    sent: list[tuple[int, int]] = []
    sizes: list[int] = []

    def send(items: Sequence[tuple[int, int]]) -> Sequence[Outcome]:
        sizes.append(len(items))
        sent.extend(items)
        return [QueueUnavailable(repr(item)) if item[1] % 2 else None for item in items]

    together = Together(send, most)

    def work(number: int) -> list[tuple[str, str]]:
        return [_result_of(together, (number, serial)) for serial in range(each)]

    for number, results in enumerate(at_once(threads, work)):
        assert results == [
            ("QueueUnavailable", repr((number, serial))) if serial % 2 else ("", "")
            for serial in range(each)
        ]
    assert sorted(sent) == [(n, serial) for n in range(threads) for serial in range(each)]
    assert max(sizes) <= min(most, threads)


def _result_of(together: Together[tuple[int, int]], item: tuple[int, int]) -> tuple[str, str]:
    try:
        together.submit(item)
    except QueueUnavailable as error:
        return type(error).__name__, str(error)
    return "", ""


def test_under_load_there_are_far_fewer_requests_than_deletions() -> None:
    sqs, lock, serials = ScriptedSqs(), Lock(), iter(range(10_000))
    quick = sqs.answers["delete_message_batch"]

    def slow(request: object) -> object:
        time.sleep(0.005)
        return quick(request)  # type: ignore[arg-type]

    def receive(request: object) -> dict[str, object]:
        with lock:
            return {"Messages": [received(next(serials))]}

    sqs.answers["delete_message_batch"] = slow  # type: ignore[assignment]
    sqs.answers["receive_message"] = receive
    queue = sqs.queue()

    def work(number: int) -> None:
        for _ in range(20):
            [message] = queue.receive(1, 0)
            queue.delete(message)

    assert at_once(20, work) == [None] * 20
    requests = sqs.asked("delete_message_batch")
    deleted = [entry["ReceiptHandle"] for request in requests for entry in request["Entries"]]
    assert len(deleted) == len(set(deleted)) == 400
    assert len(requests) < 200
    assert len(queue._leases) == 0


def test_two_threads_that_delete_the_same_message_are_both_told_that_it_is_gone() -> None:
    sqs = ScriptedSqs()
    queue = sqs.queue()
    [message] = queue.receive(1, 0)
    assert at_once(8, lambda number: queue.delete(message)) == [None] * 8
    deleted = [len(request["Entries"]) for request in sqs.asked("delete_message_batch")]
    assert deleted == [1]


def test_what_has_waited_too_long_is_not_sent_any_more() -> None:
    sqs = ScriptedSqs()
    queue = sqs.queue()
    [message] = queue.receive(1, 0)
    queue._leases.lose(message)
    with pytest.raises(LeaseLost):
        queue._deletes.submit(message)
    assert not sqs.asked("delete_message_batch")


def test_what_another_thread_has_deleted_meanwhile_is_not_sent_again() -> None:
    sqs = ScriptedSqs()
    queue = sqs.queue()
    [message] = queue.receive(1, 0)
    queue.delete(message)
    queue._deletes.submit(message)
    assert len(sqs.asked("delete_message_batch")) == 1


def test_a_reply_is_read_by_its_ids() -> None:
    reply = {
        "Successful": [{"Id": "2"}, {"Id": "0"}],
        "Failed": [
            {"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": True},
            {"Id": "9", "Code": "InternalError", "SenderFault": False},
        ],
    }
    outcomes = outcomes_of(reply, 4)  # type: ignore[arg-type]
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [type(None), LeaseLost, type(None), QueueUnavailable]
