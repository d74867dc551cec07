"""Dead letters on real servers: all of them are found, given back, and put on the queue again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import define

from tests.support.aws_servers import AwsServer, Queues
from waveflow.adapters.aws.clients import sqs_client
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_ages import OldestMessage, QueueAges
from waveflow.adapters.queue.sqs_dead_letters import DeadLetterKept, SqsDeadLetters
from waveflow.adapters.queue.sqs_parking import REASON
from waveflow.application.clock import Clock
from waveflow.domain.errors import LeaseLost, NoDeadLetterQueue, QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sqs import SQSClient

KOREAN = "스템을 처리하지 못했습니다: 저장소가 응답하지 않습니다."


@pytest.fixture
def queues(aws: AwsServer) -> Queues:
    return aws.new_queues(max_receive_count=2)


@pytest.fixture
def dead_letters(queues: Queues) -> Iterator[SqsDeadLetters]:
    with dead_letters_of(queues) as dead_letters:
        yield dead_letters


def dead_letters_of(queues: Queues, **options: Any) -> SqsDeadLetters:
    chosen: dict[str, Any] = {"look_s": 0, "new_client": reused_client} | options
    return SqsDeadLetters(queues.url, **chosen)


def queue_at(queues: Queues) -> SqsQueue:
    return SqsQueue(queues.url, new_client=reused_client)


def reused_client(wait_s: float, attempts: int) -> SQSClient:
    """Making a client takes longer than most of these tests."""
    return _made_client(os.environ["AWS_ENDPOINT_URL"], wait_s, attempts)


@cache
def _made_client(_: str, wait_s: float, attempts: int) -> SQSClient:
    return sqs_client(None, 4, wait_s, attempts)


def plain_sqs() -> SQSClient:
    """To set up and to look with."""
    return reused_client(0.0, 1)


def park(queues: Queues, count: int, reason: str = "because") -> None:
    """Park `count` new messages."""
    queue = queue_at(queues)
    for number in range(count):
        queue.send(f"body {number}")
    left = count
    while left:
        for message in queue.receive(10, 0.0):
            queue.park(message, reason)
            left -= 1


def let_sqs_move(queues: Queues, body: str) -> str:
    """A message that was received once too often. Returns its id."""
    sqs = plain_sqs()
    message_id = sqs.send_message(QueueUrl=queues.url, MessageBody=body)["MessageId"]
    for _ in range(4):
        sqs.receive_message(QueueUrl=queues.url, VisibilityTimeout=0)
    return message_id


def waiting(url: str) -> list[dict[str, Any]]:
    """What can be received from a queue now."""
    sqs, found = plain_sqs(), []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        found += [dict(message) for message in messages]
    return found


class TestLetters:
    def test_a_parked_message_tells_all_about_itself(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        queue = queue_at(queues)
        message_id = queue.send("가나다")
        [message] = queue.receive(1, 0.0)
        queue.park(message, KOREAN)
        [letter] = dead_letters.letters(1)
        assert (letter.body, letter.reason) == ("가나다", KOREAN)
        assert letter.original_message_id == message_id != letter.message_id
        assert (letter.sent_at_ms, letter.receive_count) == (message.sent_at_ms, 1)
        parked_at = datetime.fromisoformat(letter.parked_at or "")
        assert abs((datetime.now(UTC) - parked_at).total_seconds()) < 60
        assert letter.attributes == {}

    def test_one_that_sqs_moved_has_no_reason(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        message_id = let_sqs_move(queues, "too often")
        [letter] = dead_letters.letters()
        assert letter.message_id == letter.original_message_id == message_id
        assert (letter.reason, letter.parked_at, letter.receive_count) == (None, None, None)
        assert abs(letter.sent_at_ms / 1000 - time.time()) < 60

    def test_twenty_five_come_once_each_and_are_given_back_at_the_end(self, queues: Queues) -> None:
        park(queues, 25)
        for _ in range(2):
            with dead_letters_of(queues) as dead_letters:
                bodies = [letter.body for letter in dead_letters.letters()]
            assert sorted(bodies) == sorted(f"body {number}" for number in range(25))
        assert len(waiting(queues.dead_letter_url)) == 25

    def test_no_more_are_borrowed_than_are_asked_for(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        park(queues, 14)
        assert len(list(dead_letters.letters(12))) == 12
        assert len(waiting(queues.dead_letter_url)) == 2

    def test_they_are_given_back_after_an_error_and_one_by_one(self, queues: Queues) -> None:
        park(queues, 3)
        with suppress(KeyboardInterrupt), dead_letters_of(queues) as dead_letters:
            first, *_ = dead_letters.letters()
            dead_letters.release([first])
            [back] = waiting(queues.dead_letter_url)
            assert back["MessageId"] == first.message_id
            # No longer ours to give back.
            dead_letters.release([first])
            raise KeyboardInterrupt
        assert len(waiting(queues.dead_letter_url)) == 2

    def test_facts_that_somebody_made_up_are_not_believed(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        made_up = {"DataType": "String", "StringValue": "9" * 20}
        plain_sqs().send_message(
            QueueUrl=queues.dead_letter_url,
            MessageBody="x",
            MessageAttributes={"WaveFlow-SentTimestamp": made_up, "WaveFlow-ReceiveCount": made_up},  # type: ignore[dict-item]
        )
        [letter] = dead_letters.letters(1)
        assert letter.receive_count is None
        assert abs(letter.sent_at_ms / 1000 - time.time()) < 60

    def test_without_a_dead_letter_queue_a_sentence_says_so(self, aws: AwsServer) -> None:
        url = plain_sqs().create_queue(QueueName=f"alone-{time.time_ns()}")["QueueUrl"]
        with (
            pytest.raises(NoDeadLetterQueue, match="WAVEFLOW_DEAD_LETTER_QUEUE_URL"),
            SqsDeadLetters(url) as dead_letters,
        ):
            list(dead_letters.letters())

    def test_the_queue_that_was_named_counts(self, queues: Queues) -> None:
        named = plain_sqs().create_queue(QueueName=f"named-{time.time_ns()}")["QueueUrl"]
        plain_sqs().send_message(QueueUrl=named, MessageBody="there")
        with dead_letters_of(queues, dead_letter_queue_url=named) as dead_letters:
            assert dead_letters.url == named
            assert dead_letters.facts().visible == 1
            assert [letter.body for letter in dead_letters.letters(1)] == ["there"]

    def test_a_queue_that_is_not_there_is_said_to_be_missing(self, queues: Queues) -> None:
        gone = f"{queues.url}-gone"
        with pytest.raises(QueueUnavailable, match="knows no queue"):
            dead_letters_of(queues, dead_letter_queue_url=gone).facts()


class TestRedrive:
    def test_the_message_is_on_the_queue_as_it_was_sent(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        plain_sqs().send_message(
            QueueUrl=queues.url,
            MessageBody='{"task": "가"}',
            MessageAttributes={
                "Trace": {"DataType": "String", "StringValue": "추적"},
                "Flags": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            },
        )
        queue = queue_at(queues)
        [message] = queue.receive(1, 0.0)
        queue.park(message, KOREAN)
        [letter] = dead_letters.letters(1)
        assert letter.reason == KOREAN
        new_id = dead_letters.redrive(letter)
        [back] = waiting(queues.url)
        assert (back["MessageId"], back["Body"]) == (new_id, '{"task": "가"}')
        assert set(back["MessageAttributes"]) == {"Trace", "Flags"}
        assert back["MessageAttributes"]["Trace"]["StringValue"] == "추적"
        assert back["MessageAttributes"]["Flags"]["BinaryValue"] == b"\x00\xff"
        assert waiting(queues.dead_letter_url) == []

    def test_twenty_five_are_put_back_while_they_are_read(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        park(queues, 25)
        moved = {letter.body: dead_letters.redrive(letter) for letter in dead_letters.letters()}
        back = {message["Body"]: message["MessageId"] for message in waiting(queues.url)}
        assert back == moved
        assert len(back) == 25

    def test_what_fails_again_at_once_is_not_put_back_for_ever(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        """A worker that parks each message as soon as it is back on the queue."""
        park(queues, 3)
        worker = queue_at(queues)
        redriven = 0
        for letter in dead_letters.letters():
            dead_letters.redrive(letter)
            [message] = worker.receive(1, 0.0)
            worker.park(message, "again")
            redriven += 1
            assert redriven <= 3
        assert redriven == 3

    def test_a_letter_that_was_given_back_is_not_put_back(
        self, queues: Queues, dead_letters: SqsDeadLetters
    ) -> None:
        park(queues, 1)
        [letter] = dead_letters.letters(1)
        dead_letters.release([letter])
        with pytest.raises(LeaseLost):
            dead_letters.redrive(letter)
        assert waiting(queues.url) == []


@define
class HandTime:
    """Time that passes as told."""

    now_s: float = 1000.0

    def clock(self) -> Clock:
        return Clock(unix_s=time.time, monotonic_s=lambda: self.now_s)


class TestLoans:
    """On one server: what is asked of it is what matters."""

    @pytest.fixture
    def queues(self, moto: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Queues:
        for name, value in moto.environment().items():
            monkeypatch.setenv(name, value)
        return moto.new_queues()

    def test_a_long_run_renews_what_it_holds(self, queues: Queues) -> None:
        park(queues, 12)
        hidden: list[tuple[int, set[int]]] = []
        passing = HandTime()

        def client(wait_s: float, attempts: int) -> SQSClient:
            made = sqs_client(None, 2, wait_s, attempts)
            made.meta.events.register(
                "provide-client-params.sqs.ChangeMessageVisibilityBatch",
                lambda params, **_: hidden.append(
                    (
                        len(params["Entries"]),
                        {each["VisibilityTimeout"] for each in params["Entries"]},
                    )
                ),
            )
            return made

        with dead_letters_of(queues, clock=passing.clock(), new_client=client) as dead_letters:
            for number, letter in enumerate(dead_letters.letters()):
                if number in (9, 10):
                    passing.now_s += 16
                if number == 11:
                    dead_letters.redrive(letter)
            assert hidden == [(10, {300}), (2, {300})]
        assert hidden[2:] == [(10, {0}), (1, {0})]

    def test_a_letter_whose_loan_may_be_over_is_renewed_before_it_is_put_back(
        self, queues: Queues
    ) -> None:
        park(queues, 1)
        passing = HandTime()
        with dead_letters_of(queues, clock=passing.clock()) as dead_letters:
            [letter] = dead_letters.letters(1)
            passing.now_s += 29
            dead_letters.redrive(letter)
        assert len(waiting(queues.url)) == 1

    def test_one_that_somebody_has_deleted_meanwhile_is_not_put_back(self, queues: Queues) -> None:
        park(queues, 1)
        passing = HandTime()
        with dead_letters_of(queues, clock=passing.clock()) as dead_letters:
            [letter] = dead_letters.letters(1)
            plain_sqs().delete_message(
                QueueUrl=queues.dead_letter_url, ReceiptHandle=letter.receipt
            )
            passing.now_s += 16
            with pytest.raises(LeaseLost):
                dead_letters.redrive(letter)
        assert waiting(queues.url) == []

    def test_a_dead_letter_that_can_not_be_deleted_is_named_with_its_copy(
        self, queues: Queues
    ) -> None:
        park(queues, 1)

        def client(wait_s: float, attempts: int) -> SQSClient:
            made = sqs_client(None, 2, wait_s, attempts)
            made.meta.events.register("before-call.sqs.DeleteMessageBatch", _refuse)
            return made

        with dead_letters_of(queues, new_client=client) as dead_letters:
            [letter] = dead_letters.letters(1)
            with pytest.raises(DeadLetterKept, match="still a dead letter") as caught:
                dead_letters.redrive(letter)
        [copy] = waiting(queues.url)
        assert copy["MessageId"] == caught.value.new_message_id
        [kept] = waiting(queues.dead_letter_url)
        assert kept["MessageAttributes"][REASON]["StringValue"] == "because"

    def test_whoever_is_told_of_a_copy_learns_of_it_before_the_deletion(
        self, queues: Queues
    ) -> None:
        """And an error of theirs doesn't leave the message there twice."""
        park(queues, 1)
        told: list[tuple[str, int]] = []

        with dead_letters_of(queues) as borrowed:

            def tell(new_message_id: str) -> None:
                told.append((new_message_id, len(borrowed._loans)))
                raise BrokenPipeError

            [letter] = borrowed.letters(1)
            with pytest.raises(BrokenPipeError):
                borrowed.redrive(letter, tell)
        [copy] = waiting(queues.url)
        assert told == [(copy["MessageId"], 1)]
        assert waiting(queues.dead_letter_url) == []


def _refuse(**_: object) -> None:
    raise OSError("the network is away")


class TestAges:
    def test_the_latest_value_of_cloudwatch_counts_for_each_queue(self, queues: Queues) -> None:
        measure(queues.url, 30.0, minutes_ago=5)
        measure(queues.url, 42.0, minutes_ago=2)
        measure(queues.dead_letter_url, 86400.0, minutes_ago=30)
        ages = QueueAges().of([queues.url, queues.dead_letter_url])
        assert ages[queues.url].age_s == 42.0
        assert (ages[queues.url].measured_at or "").endswith("Z")
        assert ages[queues.dead_letter_url] == OldestMessage(
            why_unknown="CloudWatch has no value of the last 15 minutes for it."
        )

    def test_a_cloudwatch_that_is_not_there_makes_ages_unknown(
        self, monkeypatch: pytest.MonkeyPatch, aws: AwsServer
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        url = "http://127.0.0.1:9/1/q"
        [age] = QueueAges().of([url]).values()
        assert (age.age_s, age.measured_at) == (None, None)
        assert (age.why_unknown or "").startswith("CloudWatch doesn't tell (")

    def test_a_missing_right_is_named(self) -> None:
        client = cast("CloudWatchClient", _Denied())
        [age] = QueueAges(new_client=lambda: client).of(["http://queue/1/q"]).values()
        assert "allow it cloudwatch:GetMetricData" in (age.why_unknown or "")


class _Denied:
    def get_metric_data(self, **_: object) -> None:
        from botocore.exceptions import ClientError

        raise ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "GetMetricData"
        )


def measure(queue_url: str, age_s: float, *, minutes_ago: float) -> None:
    """Let CloudWatch know an age, as SQS does."""
    import boto3

    moment = datetime.fromtimestamp(time.time() - 60 * minutes_ago, UTC)
    boto3.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": queue_url.rpartition("/")[2]}],
                "Timestamp": moment,
                "Value": age_s,
                "Unit": "Seconds",
            }
        ],
    )
