"""What every `MessageQueue` does: subclass it where a fixture named `rig` gives the adapter.

Nothing is assumed that SQS doesn't promise: messages come in any order, a receive may give
fewer than there are, and time passes only through `rig.advance`.
"""

from __future__ import annotations

import pytest

from tests.support.contracts.queue_rig import QueueRig, assert_nothing_comes, expire, take, take_one
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import LeaseLost


class Messages:
    def test_an_empty_queue_has_nothing(self, rig: QueueRig) -> None:
        assert_nothing_comes(rig)

    @pytest.mark.parametrize(
        "body", ["{}", '{"filepath": "드럼 (최종) 🎸.wav"}', "not JSON", "x" * 200_000]
    )
    def test_what_was_sent_is_received(self, rig: QueueRig, body: str) -> None:
        earliest_ms = rig.now_ms()
        message_id = rig.queue.send(body)
        latest_ms = rig.now_ms()
        message = take_one(rig)
        assert (message.message_id, message.body) == (message_id, body)
        assert message.receive_count == 1
        # A second of tolerance for a server whose clock isn't ours.
        assert earliest_ms - 1000 <= message.sent_at_ms <= latest_ms + 1000

    def test_every_message_is_received_once(self, rig: QueueRig) -> None:
        sent = {rig.queue.send(str(number)): str(number) for number in range(25)}
        assert len(sent) == 25
        received = take(rig, 25)
        assert {message.message_id: message.body for message in received} == sent
        assert len({message.receipt for message in received}) == 25
        assert_nothing_comes(rig)

    @pytest.mark.parametrize("max_messages", [1, 3, 10])
    def test_no_more_are_received_than_were_asked_for(
        self, rig: QueueRig, max_messages: int
    ) -> None:
        for number in range(12):
            rig.queue.send(str(number))
        assert 1 <= len(rig.queue.receive(max_messages, rig.wait_s)) <= max_messages

    def test_a_delayed_message_comes_after_its_delay(self, rig: QueueRig) -> None:
        rig.queue.send("later", delay_s=2)
        assert_nothing_comes(rig)
        rig.advance(2.5)
        assert take_one(rig).body == "later"

    def test_a_deleted_message_never_comes_back(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        rig.queue.delete(take_one(rig))
        expire(rig)
        assert_nothing_comes(rig)
        assert rig.dead_letters() == []

    def test_deleting_one_message_leaves_the_others(self, rig: QueueRig) -> None:
        for body in ("a", "b", "c"):
            rig.queue.send(body)
        messages = {message.body: message for message in take(rig, 3)}
        rig.queue.delete(messages["b"])
        expire(rig)
        assert {message.body for message in take(rig, 2)} == {"a", "c"}


class Visibility:
    def test_a_received_message_is_hidden_and_comes_back(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        first = take_one(rig)
        assert_nothing_comes(rig)
        expire(rig)
        second = take_one(rig)
        assert (second.message_id, second.body, second.sent_at_ms) == (
            first.message_id,
            first.body,
            first.sent_at_ms,
        )
        assert (first.receive_count, second.receive_count) == (1, 2)
        assert first.receipt != second.receipt

    def test_a_message_that_is_given_back_comes_at_once(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        first = take_one(rig)
        rig.queue.change_visibility(first, 0)
        second = take_one(rig)
        assert (second.message_id, second.receive_count) == (first.message_id, 2)

    def test_a_lease_that_is_extended_lasts_longer(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.change_visibility(message, rig.visibility_timeout_s + 4)
        rig.advance(rig.visibility_timeout_s + 1)
        assert_nothing_comes(rig)
        rig.advance(4)
        assert take_one(rig).receive_count == 2

    def test_a_lease_may_be_extended_again_and_again(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        for _ in range(3):
            rig.advance(rig.visibility_timeout_s - 1)
            rig.queue.change_visibility(message, rig.visibility_timeout_s)
        assert_nothing_comes(rig)
        rig.queue.delete(message)
        expire(rig)
        assert_nothing_comes(rig)

    def test_a_message_that_backs_off_is_hidden_for_that_long(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        rig.queue.change_visibility(take_one(rig), 2)
        assert_nothing_comes(rig)
        rig.advance(2.5)
        assert take_one(rig).receive_count == 2

    def test_no_message_is_hidden_for_more_than_half_a_day(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.change_visibility(message, 13 * 3600.0)
        assert_nothing_comes(rig)
        rig.queue.change_visibility(message, 0)
        assert take_one(rig).receive_count == 2

    def test_many_messages_are_hidden_at_once(self, rig: QueueRig) -> None:
        for number in range(12):
            rig.queue.send(str(number))
        messages = take(rig, 12)
        rig.advance(rig.visibility_timeout_s - 1)
        assert rig.queue.change_visibility_of_all(messages, rig.visibility_timeout_s) == {}
        rig.advance(2)
        assert_nothing_comes(rig)
        assert rig.queue.change_visibility_of_all(messages, 0) == {}
        assert len(take(rig, 12)) == 12

    def test_hiding_no_message_is_nothing(self, rig: QueueRig) -> None:
        assert rig.queue.change_visibility_of_all([], 30) == {}


class StaleReceipts:
    """Another delivery of a message makes the receipt of the one before it stale."""

    @pytest.fixture
    def deliveries(self, rig: QueueRig) -> tuple[ReceivedMessage, ReceivedMessage]:
        rig.queue.send("body")
        first = take_one(rig)
        expire(rig)
        return first, take_one(rig)

    def test_a_stale_receipt_deletes_nothing(
        self, rig: QueueRig, deliveries: tuple[ReceivedMessage, ReceivedMessage]
    ) -> None:
        with pytest.raises(LeaseLost):
            rig.queue.delete(deliveries[0])
        expire(rig)
        assert take_one(rig).receive_count == 3

    def test_a_stale_receipt_extends_nothing(
        self, rig: QueueRig, deliveries: tuple[ReceivedMessage, ReceivedMessage]
    ) -> None:
        with pytest.raises(LeaseLost):
            rig.queue.change_visibility(deliveries[0], 0)
        assert_nothing_comes(rig)

    def test_of_many_the_stale_ones_are_told(
        self, rig: QueueRig, deliveries: tuple[ReceivedMessage, ReceivedMessage]
    ) -> None:
        stale, current = deliveries
        problems = rig.queue.change_visibility_of_all([stale, current], rig.visibility_timeout_s)
        assert {receipt: type(error) for receipt, error in problems.items()} == {
            stale.receipt: LeaseLost
        }
        assert_nothing_comes(rig)

    def test_a_stale_receipt_parks_nothing(
        self, rig: QueueRig, deliveries: tuple[ReceivedMessage, ReceivedMessage]
    ) -> None:
        with pytest.raises(LeaseLost):
            rig.queue.park(deliveries[0], "too late")
        assert rig.dead_letters() == []
        expire(rig)
        assert take_one(rig).receive_count == 3

    def test_the_current_receipt_is_good(
        self, rig: QueueRig, deliveries: tuple[ReceivedMessage, ReceivedMessage]
    ) -> None:
        rig.queue.change_visibility(deliveries[1], rig.visibility_timeout_s)
        rig.queue.delete(deliveries[1])
        expire(rig)
        assert_nothing_comes(rig)


class DeadLetters:
    @pytest.mark.parametrize("reason", ["not JSON", "드럼: 읽을 수 없음"])
    def test_a_parked_message_is_a_dead_letter_with_its_reason(
        self, rig: QueueRig, reason: str
    ) -> None:
        rig.queue.send('{"드럼": 1}')
        rig.queue.park(take_one(rig), reason)
        assert rig.dead_letters() == [('{"드럼": 1}', reason)]
        expire(rig)
        assert_nothing_comes(rig)

    def test_parking_one_message_leaves_the_others(self, rig: QueueRig) -> None:
        for body in ("a", "b"):
            rig.queue.send(body)
        messages = {message.body: message for message in take(rig, 2)}
        rig.queue.park(messages["a"], "reason")
        expire(rig)
        assert take_one(rig).body == "b"

    def test_a_message_that_was_received_too_often_is_a_dead_letter(self, rig: QueueRig) -> None:
        rig.queue.send("body")
        for count in range(1, rig.max_receive_count + 1):
            message = take_one(rig)
            assert message.receive_count == count
            rig.queue.change_visibility(message, 0)
        assert_nothing_comes(rig)
        assert [body for body, _ in rig.dead_letters()] == ["body"]

    def test_a_message_that_is_worked_on_for_the_last_time_is_no_dead_letter(
        self, rig: QueueRig
    ) -> None:
        rig.queue.send("body")
        for _ in range(rig.max_receive_count - 1):
            rig.queue.change_visibility(take_one(rig), 0)
        last = take_one(rig)
        assert rig.dead_letters() == []
        rig.queue.delete(last)
        expire(rig)
        assert_nothing_comes(rig)
        assert rig.dead_letters() == []


class MessageQueueContract(Messages, Visibility, StaleReceipts, DeadLetters):
    """The whole suite."""
