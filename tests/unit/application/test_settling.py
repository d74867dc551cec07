"""What was decided about a message is done to it, with and without a dead-letter queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, hash_message
from waveflow.adapters.queue.memory import DeadLetter, InProcessQueue
from waveflow.application.disposition import Acknowledge, BackOff, Disposition, GiveBack, Park
from waveflow.application.drain import drain
from waveflow.application.outbox import Outcome
from waveflow.application.ports import ReceivedMessage
from waveflow.application.settling import settle
from waveflow.domain.errors import (
    LeaseLost,
    NoDeadLetterQueue,
    ObjectChanged,
    QueueUnavailable,
    StorageUnavailable,
)

SAMPLE = "audio/sample.wav"
HALF_A_DAY_S = 12 * 3600.0
REFUSED = hash_message(SAMPLE, userId=7)
REASON = "app.tasks.generate_hash_and_webhook: userId must be text, but is a number."


class TroubledQueue(InProcessQueue):
    """One whose dead-letter queue may be missing, and that may not answer.

    Attributes:
        has_dead_letter_queue: whether anything can be parked.
        trouble: raised instead of deleting, parking or hiding anything.
        hidden_s: for how long messages were to be hidden.
    """

    has_dead_letter_queue = True
    trouble: Exception | None = None

    def __init__(self, workshop: Workshop) -> None:
        super().__init__(clock=workshop.time.as_clock(), new_id=_counted_ids().__next__)
        self.hidden_s: list[float] = []

    def delete(self, message: ReceivedMessage) -> None:
        self._answer()
        super().delete(message)

    def park(self, message: ReceivedMessage, reason: str) -> None:
        self._answer()
        if not self.has_dead_letter_queue:
            raise NoDeadLetterQueue("There is no dead-letter queue.")
        super().park(message, reason)

    def change_visibility(self, message: ReceivedMessage, timeout_s: float) -> None:
        self._answer()
        self.hidden_s.append(timeout_s)
        super().change_visibility(message, timeout_s)

    def _answer(self) -> None:
        if self.trouble:
            raise self.trouble


def _counted_ids() -> Iterator[str]:
    return (f"message-{number}" for number in count(1))


@pytest.fixture
def queue(workshop: Workshop) -> TroubledQueue:
    return TroubledQueue(workshop)


def receive(queue: InProcessQueue, receive_count: int = 1, body: str = "body") -> ReceivedMessage:
    """A new message's delivery of that number."""
    queue.send(body)
    [message] = queue.receive(1, 0.0)
    while message.receive_count < receive_count:
        InProcessQueue.change_visibility(queue, message, 0.0)
        [message] = queue.receive(1, 0.0)
    return message


def failing(error: Exception) -> Callable[[Step], None]:
    def fail(step: Step) -> None:
        raise error

    return fail


def kept(workshop: Workshop) -> list[str]:
    return [stat.key for stat in workshop.outcomes.inner.list("")]


class TestQueue:
    def test_an_acknowledged_message_is_deleted(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        settle(queue, workshop.outbox, receive(queue), Acknowledge())
        assert (len(queue), queue.dead_letters()) == (0, [])

    def test_a_message_that_backs_off_comes_back_after_its_delay(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        message = receive(queue)
        settle(queue, workshop.outbox, message, BackOff(120.0))
        workshop.time.advance(119.9)
        assert queue.receive(1, 0.0) == []
        workshop.time.advance(0.1)
        [again] = queue.receive(1, 0.0)
        assert (again.message_id, again.receive_count) == (message.message_id, 2)

    def test_a_message_that_is_given_back_comes_at_once(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        settle(queue, workshop.outbox, receive(queue), GiveBack())
        [again] = queue.receive(1, 0.0)
        assert again.receive_count == 2

    def test_a_parked_message_is_a_dead_letter_with_its_reason(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        settle(queue, workshop.outbox, receive(queue), Park("not JSON"))
        assert len(queue) == 0
        assert queue.dead_letters() == [DeadLetter("message-1", "body", "not JSON")]

    @pytest.mark.parametrize("disposition", [Acknowledge(), BackOff(1.0), Park("reason")])
    def test_a_delivery_that_was_overtaken_settles_nothing(
        self, workshop: Workshop, queue: TroubledQueue, disposition: Disposition
    ) -> None:
        overtaken = receive(queue)
        workshop.time.advance(31.0)
        [current] = queue.receive(1, 0.0)
        with pytest.raises(LeaseLost):
            settle(queue, workshop.outbox, overtaken, disposition)
        assert len(queue) == 1
        settle(queue, workshop.outbox, current, Acknowledge())
        assert len(queue) == 0


class TestForgetting:
    @pytest.mark.parametrize("disposition", [Acknowledge(), Park("reason")])
    def test_of_a_message_that_is_settled_nothing_is_kept(
        self, workshop: Workshop, queue: TroubledQueue, disposition: Disposition
    ) -> None:
        workshop.outbox.keep("message-1", Outcome(None))
        settle(queue, workshop.outbox, receive(queue, 2), disposition)
        assert kept(workshop) == []
        assert len(queue) == 0

    @pytest.mark.parametrize("disposition", [BackOff(1.0), GiveBack()])
    def test_of_a_message_that_comes_back_everything_is_kept(
        self, workshop: Workshop, queue: TroubledQueue, disposition: Disposition
    ) -> None:
        workshop.outbox.keep("message-1", Outcome(None))
        settle(queue, workshop.outbox, receive(queue, 2), disposition)
        assert kept(workshop) == ["outcomes/message-1.json"]

    @pytest.mark.parametrize("disposition", [Acknowledge(), Park("reason")])
    def test_of_a_first_delivery_there_is_nothing_to_forget(
        self, workshop: Workshop, queue: TroubledQueue, disposition: Disposition
    ) -> None:
        settle(queue, workshop.outbox, receive(queue), disposition)
        assert workshop.outcomes.steps == []

    @pytest.mark.parametrize("error", [QueueUnavailable("away"), LeaseLost("stale")])
    @pytest.mark.parametrize("disposition", [Acknowledge(), Park("reason")])
    def test_nothing_is_forgotten_before_the_queue_knows(
        self,
        workshop: Workshop,
        queue: TroubledQueue,
        disposition: Disposition,
        error: Exception,
    ) -> None:
        workshop.outbox.keep("message-1", Outcome(None))
        message = receive(queue, 2)
        queue.trouble = error
        with pytest.raises(type(error)):
            settle(queue, workshop.outbox, message, disposition)
        assert kept(workshop) == ["outcomes/message-1.json"]
        assert len(queue) == 1

    @pytest.mark.parametrize(
        "error", [StorageUnavailable("away"), LeaseLost("stale"), ObjectChanged("newer")]
    )
    @pytest.mark.parametrize("disposition", [Acknowledge(), Park("reason")])
    def test_a_message_is_settled_though_its_outcome_cannot_be_forgotten(
        self,
        workshop: Workshop,
        queue: TroubledQueue,
        disposition: Disposition,
        error: Exception,
    ) -> None:
        workshop.outcomes.before = failing(error)
        settle(queue, workshop.outbox, receive(queue, 2), disposition)
        assert len(queue) == 0


class TestWithoutDeadLetterQueue:
    @pytest.fixture
    def queue(self, workshop: Workshop) -> TroubledQueue:
        queue = TroubledQueue(workshop)
        queue.has_dead_letter_queue = False
        return queue

    def test_a_message_stays_for_half_a_day_and_nothing_more_is_done_for_it(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        queue.send(REFUSED)
        assert drain(queue, workshop.handler) == 1
        assert workshop.outbox.find("message-1") == Outcome(None, REASON)
        assert len(workshop.server.requests) == 1
        for _ in range(2):
            workshop.time.advance(HALF_A_DAY_S - 1)
            assert drain(queue, workshop.handler) == 0
            workshop.time.advance(1)
            assert drain(queue, workshop.handler) == 1
            assert workshop.outbox.find("message-1") == Outcome(None, REASON)
        assert len(workshop.server.requests) == 1
        assert workshop.storage.steps == []
        assert queue.hidden_s == [HALF_A_DAY_S] * 3
        assert (len(queue), queue.dead_letters()) == (1, [])

    def test_it_is_parked_as_soon_as_there_is_one(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        queue.send(REFUSED)
        drain(queue, workshop.handler)
        queue.has_dead_letter_queue = True
        workshop.time.advance(HALF_A_DAY_S)
        assert drain(queue, workshop.handler) == 1
        assert queue.dead_letters() == [DeadLetter("message-1", REFUSED, REASON)]
        assert len(queue) == 0
        assert kept(workshop) == []
        assert len(workshop.server.requests) == 1

    def test_work_that_was_given_up_is_not_taken_up_again(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        workshop.storage.before = failing(StorageUnavailable("away"))
        queue.send(hash_message(SAMPLE))
        for _ in range(4):
            drain(queue, workshop.handler)
            workshop.time.advance(300.0)
        [request] = workshop.server.requests
        assert request.event_id == "msg_message-1.completion.failed"
        # Now it would work, but the musician has been told that it doesn't.
        workshop.storage.leave_alone()
        workshop.upload(SAMPLE, b"drums")
        workshop.storage.steps.clear()
        workshop.time.advance(HALF_A_DAY_S)
        assert drain(queue, workshop.handler) == 1
        assert workshop.server.requests == [request]
        assert workshop.storage.steps == []
        assert len(queue) == 1

    @pytest.mark.parametrize("receive_count", [1, 2])
    def test_a_message_is_hidden_though_its_outcome_cannot_be_kept(
        self, workshop: Workshop, queue: TroubledQueue, receive_count: int
    ) -> None:
        workshop.outcomes.before = failing(StorageUnavailable("away"))
        settle(queue, workshop.outbox, receive(queue, receive_count), Park("reason"))
        assert queue.hidden_s == [HALF_A_DAY_S]
        assert len(queue) == 1

    def test_the_server_is_told_the_same_again_when_the_outcome_could_not_be_kept(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        queue.send(REFUSED)
        workshop.outcomes.before = failing(StorageUnavailable("away"))
        drain(queue, workshop.handler)
        workshop.outcomes.leave_alone()
        for _ in range(3):
            workshop.time.advance(HALF_A_DAY_S)
            drain(queue, workshop.handler)
        first, second = workshop.server.requests
        assert first.event_id == second.event_id
        assert len(queue) == 1

    @pytest.mark.parametrize("error", [QueueUnavailable("away"), LeaseLost("stale")])
    def test_a_queue_that_does_not_answer_is_told_to_the_caller(
        self, workshop: Workshop, queue: TroubledQueue, error: Exception
    ) -> None:
        message = receive(queue)
        queue.trouble = error
        with pytest.raises(type(error)):
            settle(queue, workshop.outbox, message, Park("reason"))

    def test_what_cannot_be_kept_under_a_lost_lease_is_left_to_the_next_delivery(
        self, workshop: Workshop, queue: TroubledQueue
    ) -> None:
        workshop.outcomes.before = failing(LeaseLost("stale"))
        with pytest.raises(LeaseLost):
            settle(queue, workshop.outbox, receive(queue), Park("reason"))
        assert queue.hidden_s == []
