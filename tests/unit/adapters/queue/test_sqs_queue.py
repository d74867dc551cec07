"""What the SQS adapter does beyond its contract, against a client that answers as told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.workshop import FakeClock
from tests.unit.adapters.queue.sqs_double import (
    DEAD_URL,
    POLICY,
    URL,
    ScriptedSqs,
    failing,
    raising,
    received,
)
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_facts import QueueFacts
from waveflow.domain.errors import LeaseLost, NoDeadLetterQueue, QueueUnavailable

LOST = EndpointConnectionError(endpoint_url=URL)


class TestReceiving:
    def test_a_receive_asks_for_what_it_was_told(self) -> None:
        sqs = ScriptedSqs()
        sqs.queue(visibility_timeout_s=59.2).receive(7, 3.9)
        assert sqs.asked("receive_message") == [
            {
                "QueueUrl": URL,
                "MaxNumberOfMessages": 7,
                "WaitTimeSeconds": 3,
                "VisibilityTimeout": 60,
                "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
                "MessageAttributeNames": ["All"],
            }
        ]

    @pytest.mark.parametrize(
        ("settings", "wait_s", "asked"),
        [
            ({}, 60.0, 20),
            ({}, -1.0, 0),
            ({"longest_wait_s": 5.0}, 60.0, 5),
            ({"longest_wait_s": 0.0}, 60.0, 0),
            ({"visibility_timeout_s": 11.0}, 60.0, 5),
            ({"visibility_timeout_s": 1.0}, 60.0, 0),
        ],
    )
    def test_a_poll_lasts_no_longer_than_half_the_loan_and_20_seconds(
        self, settings: dict[str, Any], wait_s: float, asked: int
    ) -> None:
        sqs = ScriptedSqs()
        sqs.queue(**settings).receive(1, wait_s)
        assert sqs.asked("receive_message")[0]["WaitTimeSeconds"] == asked

    def test_the_loan_counts_from_before_the_poll(self) -> None:
        time = FakeClock()
        began_s = time.as_clock().monotonic_s()

        def late(request: Mapping[str, Any]) -> Mapping[str, Any]:
            time.advance(20)
            return {"Messages": [received()]}

        sqs = ScriptedSqs(receive_message=late)
        [message] = sqs.queue(time.as_clock()).receive(1, 20)
        assert message.lease_ends_s == began_s + 60

    def test_what_a_reply_brings_after_its_loan_is_left_to_come_back(self) -> None:
        time = FakeClock()

        def too_late(request: Mapping[str, Any]) -> Mapping[str, Any]:
            time.advance(60)
            return {"Messages": [received()]}

        sqs = ScriptedSqs(receive_message=too_late)
        assert sqs.queue(time.as_clock()).receive(1, 20) == []

    def test_attributes_that_are_text_come_with_the_message(self) -> None:
        attachments = {
            "trace": {"DataType": "String", "StringValue": "드럼"},
            "number": {"DataType": "Number", "StringValue": "7"},
            "binary": {"DataType": "Binary", "BinaryValue": b"\x00"},
        }
        sqs = ScriptedSqs(
            receive_message=lambda request: {"Messages": [received(MessageAttributes=attachments)]}
        )
        [message] = sqs.queue().receive(1, 0)
        assert message.attributes == {"trace": "드럼", "number": "7"}

    @pytest.mark.parametrize("reply", [{}, {"Messages": []}, {"Messages": None}])
    def test_no_message_is_no_message_however_it_is_said(self, reply: dict[str, Any]) -> None:
        assert ScriptedSqs(receive_message=lambda request: reply).queue().receive(1, 0) == []

    @pytest.mark.parametrize("missing", ["MessageId", "ReceiptHandle", "Body", "Attributes"])
    def test_half_a_message_is_none(self, missing: str) -> None:
        half = {name: value for name, value in received().items() if name != missing}
        sqs = ScriptedSqs(receive_message=lambda request: {"Messages": [half]})
        with pytest.raises(QueueUnavailable, match=missing):
            sqs.queue().receive(1, 0)

    def test_a_count_that_is_no_number_is_none(self) -> None:
        odd = received() | {"Attributes": {"ApproximateReceiveCount": "x", "SentTimestamp": "1"}}
        sqs = ScriptedSqs(receive_message=lambda request: {"Messages": [odd]})
        with pytest.raises(QueueUnavailable):
            sqs.queue().receive(1, 0)


class TestSettings:
    def test_the_dead_letter_queue_is_another_one(self) -> None:
        with pytest.raises(ValueError, match="the queue itself"):
            SqsQueue(URL, dead_letter_queue_url=URL)

    @pytest.mark.parametrize("seconds", [0.0, 43201.0, math.nan])
    def test_messages_are_lent_for_up_to_twelve_hours(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="visibility"):
            SqsQueue(URL, visibility_timeout_s=seconds)

    @pytest.mark.parametrize("seconds", [-1.0, 21.0])
    def test_a_poll_is_possible_for_up_to_twenty_seconds(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="wait"):
            SqsQueue(URL, longest_wait_s=seconds)

    def test_clients_are_made_once_and_when_needed(self) -> None:
        sqs = ScriptedSqs()
        made: list[tuple[float, int]] = []

        def new_client(wait_s: float, attempts: int) -> Any:
            made.append((wait_s, attempts))
            return sqs.as_client()

        queue = SqsQueue(URL, new_client=new_client)
        assert made == []
        for _ in range(2):
            queue.receive(1, 0)
            queue.send("body")
        # A receive is not repeated inside of itself; everything else is.
        assert made == [(20.0, 1), (0.0, 2)]


class TestSending:
    @pytest.mark.parametrize(("delay_s", "asked"), [(0.0, 0), (0.1, 1), (1.0, 1), (900.0, 900)])
    def test_a_delay_is_never_shorter_than_asked(self, delay_s: float, asked: int) -> None:
        sqs = ScriptedSqs()
        assert sqs.queue().send("body", delay_s=delay_s) == "sent"
        assert sqs.asked("send_message")[0]["DelaySeconds"] == asked

    @pytest.mark.parametrize("delay_s", [-1.0, 900.1, math.inf, math.nan])
    def test_no_delay_is_longer_than_fifteen_minutes(self, delay_s: float) -> None:
        with pytest.raises(ValueError, match="900"):
            ScriptedSqs().queue().send("body", delay_s=delay_s)

    @pytest.mark.parametrize("body", ["", "\x00", "bell\x07", "\ud800", "\ufffe", "x" * 1_048_577])
    def test_what_sqs_can_not_hold_is_not_sent(self, body: str) -> None:
        sqs = ScriptedSqs()
        with pytest.raises(ValueError, match="SQS holds"):
            sqs.queue().send(body)
        assert sqs.requests == []

    def test_a_message_without_a_name_may_not_be_there(self) -> None:
        with pytest.raises(QueueUnavailable):
            ScriptedSqs(send_message=lambda request: {}).queue().send("body")


class TestHiding:
    @pytest.mark.parametrize(
        ("timeout_s", "asked"),
        [(-1.0, 0), (0.0, 0), (0.2, 1), (30.0, 30), (30.01, 31), (math.inf, 43_195)],
    )
    def test_a_message_is_hidden_for_whole_seconds_and_no_less_than_asked(
        self, timeout_s: float, asked: int
    ) -> None:
        sqs = ScriptedSqs()
        queue = sqs.queue(FakeClock().as_clock())
        [message] = queue.receive(1, 0)
        queue.change_visibility(message, timeout_s)
        [request] = sqs.asked("change_message_visibility_batch")
        assert [entry["VisibilityTimeout"] for entry in request["Entries"]] == [asked]

    def test_what_is_left_of_twelve_hours_shrinks(self) -> None:
        time, sqs = FakeClock(), ScriptedSqs()
        queue = sqs.queue(time.as_clock())
        [message] = queue.receive(1, 0)
        queue.change_visibility(message, 13 * 3600.0)
        time.advance(11 * 3600.0)
        queue.change_visibility(message, 3600.0)
        time.advance(3590.0)
        queue.change_visibility(message, 60.0)
        asked = [
            request["Entries"][0]["VisibilityTimeout"]
            for request in sqs.asked("change_message_visibility_batch")
        ]
        assert asked == [43_195, 3595, 5]

    def test_an_extension_counts_from_before_its_request(self) -> None:
        time = FakeClock()

        def slow(request: Mapping[str, Any]) -> Mapping[str, Any]:
            time.advance(5)
            return {"Successful": [{"Id": "0"}]}

        sqs = ScriptedSqs(change_message_visibility_batch=slow)
        queue = sqs.queue(time.as_clock())
        [message] = queue.receive(1, 0)
        queue.change_visibility(message, 10.0)
        time.advance(5)
        with pytest.raises(LeaseLost):
            queue.delete(message)

    def test_each_of_many_has_its_own_result(self) -> None:
        sqs = ScriptedSqs(
            receive_message=lambda request: {"Messages": [received(n) for n in range(25)]},
            change_message_visibility_batch=failing(
                {"m3r1": "ReceiptHandleIsInvalid", "m14r1": "InternalError"}
            ),
        )
        queue = sqs.queue()
        messages = queue.receive(10, 0)
        problems = queue.change_visibility_of_all(messages, 60)
        assert {receipt: type(error) for receipt, error in problems.items()} == {
            "m3r1": LeaseLost,
            "m14r1": QueueUnavailable,
        }
        sizes = [len(each["Entries"]) for each in sqs.asked("change_message_visibility_batch")]
        assert sizes == [10, 10, 5]
        with pytest.raises(LeaseLost):
            queue.delete(messages[3])
        queue.delete(messages[14])

    def test_after_a_request_that_fails_no_other_is_sent(self) -> None:
        sqs = ScriptedSqs(
            receive_message=lambda request: {"Messages": [received(n) for n in range(12)]}
        )
        sqs.answers["change_message_visibility_batch"] = raising(LOST)
        queue = sqs.queue()
        problems = queue.change_visibility_of_all(queue.receive(10, 0), 60)
        assert sorted(problems) == sorted(f"m{n}r1" for n in range(12))
        assert {type(error) for error in problems.values()} == {QueueUnavailable}
        assert len(sqs.asked("change_message_visibility_batch")) == 1

    def test_when_nobody_knows_the_shorter_lease_counts(self) -> None:
        time = FakeClock()
        sqs = ScriptedSqs(change_message_visibility_batch=raising(LOST))
        queue = sqs.queue(time.as_clock())
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable):
            queue.change_visibility(message, 300)
        with pytest.raises(QueueUnavailable):
            queue.change_visibility(message, 5)
        time.advance(5)
        with pytest.raises(LeaseLost):
            queue.delete(message)

    def test_an_entry_that_the_reply_leaves_out_may_not_have_been_carried_out(self) -> None:
        sqs = ScriptedSqs(change_message_visibility_batch=lambda request: {})
        queue = sqs.queue()
        with pytest.raises(QueueUnavailable, match="left a message out"):
            queue.change_visibility(queue.receive(1, 0)[0], 60)


class TestDeleting:
    @pytest.mark.parametrize(
        "code", ["ReceiptHandleIsInvalid", "AWS.SimpleQueueService.MessageNotInflight"]
    )
    def test_a_receipt_that_is_refused_while_it_is_ours_belongs_to_a_deleted_message(
        self, code: str
    ) -> None:
        sqs = ScriptedSqs(delete_message_batch=failing({"m1r1": code}))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        queue.delete(message)
        queue.delete(message)
        assert len(sqs.asked("delete_message_batch")) == 1

    def test_a_receipt_that_is_refused_when_it_may_not_be_ours_any_more_is_lost(self) -> None:
        time = FakeClock()

        def refuse_late(request: Any) -> Any:
            time.advance(61)
            return failing({"m1r1": "ReceiptHandleIsInvalid"})(request)

        queue = ScriptedSqs(delete_message_batch=refuse_late).queue(clock=time.as_clock())
        [message] = queue.receive(1, 0)
        with pytest.raises(LeaseLost):
            queue.delete(message)

    def test_another_refusal_is_to_be_tried_again(self) -> None:
        sqs = ScriptedSqs(delete_message_batch=failing({"m1r1": "InternalError"}))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable):
            queue.delete(message)

    def test_after_a_failure_it_may_be_tried_again(self) -> None:
        sqs = ScriptedSqs(delete_message_batch=raising(LOST))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable, match="AWS_ENDPOINT_URL"):
            queue.delete(message)
        sqs.answers["delete_message_batch"] = ScriptedSqs().answers["delete_message_batch"]
        queue.delete(message)
        queue.delete(message)
        assert len(sqs.asked("delete_message_batch")) == 2

    def test_a_message_that_is_delivered_after_its_deletion_is_deleted_again(self) -> None:
        counts = iter([1, 2])
        sqs = ScriptedSqs(
            receive_message=lambda request: {"Messages": [received(count=next(counts))]}
        )
        queue = sqs.queue()
        for _ in range(2):
            [message] = queue.receive(1, 0)
            queue.delete(message)
        assert len(sqs.asked("delete_message_batch")) == 2

    def test_a_defect_is_not_taken_for_the_network(self) -> None:
        sqs = ScriptedSqs(delete_message_batch=raising(RuntimeError("defect")))
        queue = sqs.queue()
        with pytest.raises(RuntimeError, match="defect"):
            queue.delete(queue.receive(1, 0)[0])


class TestParking:
    def test_a_message_is_sent_first_and_deleted_then(self) -> None:
        sqs = ScriptedSqs()
        queue = sqs.queue(FakeClock().as_clock())
        queue.park(queue.receive(1, 0)[0], "not JSON")
        assert [name for name, _ in sqs.requests] == [
            "receive_message",
            "get_queue_attributes",
            "get_queue_url",
            "send_message",
            "delete_message_batch",
        ]
        [sent] = sqs.asked("send_message")
        assert (sent["QueueUrl"], sent["MessageBody"]) == (DEAD_URL, "body")
        assert {
            name: value["StringValue"] for name, value in sent["MessageAttributes"].items()
        } == {
            "WaveFlow-Reason": "not JSON",
            "WaveFlow-MessageId": "m1",
            "WaveFlow-SentTimestamp": "1704103200123",
            "WaveFlow-ReceiveCount": "1",
            "WaveFlow-ParkedAt": FakeClock.NOW,
        }
        assert sqs.asked("get_queue_url") == [
            {"QueueName": "stems-dead", "QueueOwnerAWSAccountId": "111122223333"}
        ]

    @pytest.mark.parametrize(
        "code", ["AccessDenied", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"]
    )
    def test_a_dead_letter_queue_that_can_not_be_used_is_none(self, code: str) -> None:
        # Asking it again would keep the slots of a worker busy with what can't be parked.
        refused = ClientError({"Error": {"Code": code, "Message": "no"}}, "SendMessage")
        sqs = ScriptedSqs(send_message=raising(refused))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(NoDeadLetterQueue, match="no"):
            queue.park(message, "reason")
        assert sqs.asked("delete_message_batch") == []
        queue.change_visibility(message, 60)

    def test_a_dead_letter_queue_that_is_busy_is_to_be_asked_again(self) -> None:
        busy = ClientError({"Error": {"Code": "ThrottlingException"}}, "SendMessage")
        queue = ScriptedSqs(send_message=raising(busy)).queue()
        with pytest.raises(QueueUnavailable):
            queue.park(queue.receive(1, 0)[0], "reason")

    @pytest.mark.parametrize(
        ("code", "passes"), [("QueueDoesNotExist", False), ("AccessDenied", True)]
    )
    def test_whether_it_exists_can_be_asked_before_it_is_needed(
        self, code: str, passes: bool
    ) -> None:
        refused = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetQueueAttributes")
        sqs = ScriptedSqs(get_queue_attributes=raising(refused))
        queue = sqs.queue(dead_letter_queue_url=DEAD_URL)
        if passes:
            queue.require_dead_letter_queue()
        else:
            with pytest.raises(QueueUnavailable, match=DEAD_URL):
                queue.require_dead_letter_queue()

    def test_who_was_told_of_a_dead_letter_queue_does_not_ask(self) -> None:
        sqs = ScriptedSqs()
        queue = sqs.queue(dead_letter_queue_url="https://other/queue")
        queue.park(queue.receive(1, 0)[0], "reason")
        assert sqs.asked("send_message")[0]["QueueUrl"] == "https://other/queue"
        assert not sqs.asked("get_queue_attributes")

    def test_the_dead_letter_queue_is_found_once_but_looked_for_until_then(self) -> None:
        counts = iter([1, 2, 3])
        sqs = ScriptedSqs(
            receive_message=lambda request: {"Messages": [received(count=next(counts))]},
            get_queue_url=raising(LOST),
        )
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable, match="WAVEFLOW_DEAD_LETTER_QUEUE_URL"):
            queue.park(message, "reason")
        sqs.answers["get_queue_url"] = lambda request: {"QueueUrl": DEAD_URL}
        queue.park(message, "reason")
        queue.park(queue.receive(1, 0)[0], "reason")
        assert len(sqs.asked("get_queue_url")) == 2

    @pytest.mark.parametrize("attributes", [{}, {"RedrivePolicy": ""}, {"RedrivePolicy": "{}"}])
    def test_without_a_dead_letter_queue_a_message_stays(self, attributes: dict[str, str]) -> None:
        sqs = ScriptedSqs(get_queue_attributes=lambda request: {"Attributes": attributes})
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(NoDeadLetterQueue, match="WAVEFLOW_DEAD_LETTER_QUEUE_URL"):
            queue.park(message, "reason")
        queue.change_visibility(message, 60)
        assert not sqs.asked("send_message")

    def test_a_message_that_was_sent_but_not_deleted_is_not_sent_again(self) -> None:
        sqs = ScriptedSqs(delete_message_batch=raising(LOST))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable):
            queue.park(message, "reason")
        sqs.answers["delete_message_batch"] = ScriptedSqs().answers["delete_message_batch"]
        queue.park(message, "reason")
        assert len(sqs.asked("send_message")) == 1

    def test_a_message_that_could_not_be_sent_is_not_deleted(self) -> None:
        sqs = ScriptedSqs(send_message=raising(LOST))
        queue = sqs.queue()
        [message] = queue.receive(1, 0)
        with pytest.raises(QueueUnavailable):
            queue.park(message, "reason")
        assert not sqs.asked("delete_message_batch")
        queue.delete(message)

    def test_a_message_that_is_being_parked_is_extended_but_not_deleted(self) -> None:
        sqs = ScriptedSqs()
        queue = sqs.queue()
        [message] = queue.receive(1, 0)

        def meanwhile(request: Mapping[str, Any]) -> Mapping[str, Any]:
            assert queue.change_visibility_of_all([message], 60) == {}
            with pytest.raises(LeaseLost, match="being parked"):
                queue.delete(message)
            with pytest.raises(LeaseLost, match="being parked"):
                queue.park(message, "again")
            return {"MessageId": "dead"}

        sqs.answers["send_message"] = meanwhile
        queue.park(message, "reason")
        assert len(sqs.asked("delete_message_batch")) == 1


COUNTS = {
    "ApproximateNumberOfMessages": "3",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "1",
    "VisibilityTimeout": "30",
}


class TestFacts:
    def test_a_queue_says_how_full_it_is_and_where_dead_letters_go(self) -> None:
        said = COUNTS | {"RedrivePolicy": POLICY}
        sqs = ScriptedSqs(get_queue_attributes=lambda request: {"Attributes": said})
        assert sqs.queue().facts() == QueueFacts(3, 2, 1, DEAD_URL, 5, 30.0)

    def test_a_queue_may_have_nowhere_for_dead_letters(self) -> None:
        sqs = ScriptedSqs(get_queue_attributes=lambda request: {"Attributes": COUNTS})
        assert sqs.queue().facts() == QueueFacts(3, 2, 1, None, None, 30.0)

    def test_what_the_settings_say_counts(self) -> None:
        sqs = ScriptedSqs(get_queue_attributes=lambda request: {"Attributes": COUNTS})
        queue = sqs.queue(dead_letter_queue_url=DEAD_URL)
        assert queue.facts() == QueueFacts(3, 2, 1, DEAD_URL, None, 30.0)

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"ApproximateNumberOfMessages": "x"},
            {"RedrivePolicy": "{"},
            {"RedrivePolicy": "7"},
            {"RedrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:r:1:n"}'},
            {"RedrivePolicy": '{"deadLetterTargetArn": "stems", "maxReceiveCount": 1}'},
            {"RedrivePolicy": '{"deadLetterTargetArn": "a:aws:sns:r:1:n", "maxReceiveCount": 1}'},
            {"RedrivePolicy": '{"deadLetterTargetArn": 7, "maxReceiveCount": 1}'},
        ],
    )
    def test_an_answer_that_makes_no_sense_is_none(self, said: dict[str, str]) -> None:
        attributes = COUNTS | said if said else {}
        sqs = ScriptedSqs(get_queue_attributes=lambda request: {"Attributes": attributes})
        with pytest.raises(QueueUnavailable, match="AWS_ENDPOINT_URL"):
            sqs.queue().facts()

    def test_a_dead_letter_queue_without_an_address_is_none(self) -> None:
        said = COUNTS | {"RedrivePolicy": POLICY}
        sqs = ScriptedSqs(
            get_queue_attributes=lambda request: {"Attributes": said},
            get_queue_url=lambda request: {},
        )
        with pytest.raises(QueueUnavailable):
            sqs.queue().facts()

    def test_a_role_without_the_right_is_told_which_one(self) -> None:
        denied = ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetQueueAttributes"
        )
        sqs = ScriptedSqs(get_queue_attributes=raising(denied))
        with pytest.raises(QueueUnavailable, match="sqs:GetQueueAttributes"):
            sqs.queue().facts()
