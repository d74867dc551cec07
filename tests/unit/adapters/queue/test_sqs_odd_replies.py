"""Replies that are something else than SQS's: a gateway's error page that is JSON, say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from attrs import field, frozen

from tests.support.http_receiver import HttpReceiver
from tests.unit.adapters.queue.sqs_double import ScriptedSqs, received
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import QueueUnavailable

PAGE = "Bad Gateway"


def _park(queue: SqsQueue, message: ReceivedMessage) -> None:
    queue.park(message, "no audio")


def _hide(queue: SqsQueue, message: ReceivedMessage) -> None:
    queue.change_visibility(message, 60.0)


@frozen
class Asking:
    """How to have the queue make one kind of request."""

    operation: str
    ask: Callable[[SqsQueue, ReceivedMessage], object] = field(repr=False)


ASKINGS = [
    Asking("receive_message", lambda queue, message: queue.receive(1, 0.0)),
    Asking("delete_message_batch", lambda queue, message: queue.delete(message)),
    Asking("change_message_visibility_batch", _hide),
    Asking("send_message", lambda queue, message: queue.send("body")),
    Asking("get_queue_attributes", lambda queue, message: queue.facts()),
    Asking("get_queue_attributes", _park),
    Asking("get_queue_url", _park),
]
ODD: list[Any] = [PAGE, [], [PAGE], 5, 0, True, None, [[]]]
HALF: Mapping[str, list[Any]] = {
    "receive_message": [
        {"Messages": PAGE},
        {"Messages": 5},
        {"Messages": [PAGE]},
        {"Messages": [None]},
        {"Messages": [received(Attributes=PAGE)]},
        {"Messages": [received(Attributes=None)]},
        {"Messages": [received(Attributes={"ApproximateReceiveCount": [], "SentTimestamp": "1"})]},
        {"Messages": [received(MessageAttributes=PAGE)]},
        {"Messages": [received(MessageAttributes={"name": None})]},
    ],
    "delete_message_batch": [{"Failed": PAGE}, {"Failed": [PAGE]}, {"Successful": 5}],
    "change_message_visibility_batch": [
        {"Failed": [{"Id": "0", "Code": 5}]},
        {"Failed": [{"Id": []}]},
        {"Successful": [None]},
    ],
    "send_message": [{}, {"MessageId": ""}, {"MessageId": None}],
    "get_queue_attributes": [
        {"Attributes": PAGE},
        {"Attributes": None},
        {"Attributes": {"RedrivePolicy": 5}},
    ],
    "get_queue_url": [{}, {"QueueUrl": None}],
}


@pytest.mark.parametrize(
    ("asking", "reply"),
    [(asking, reply) for asking in ASKINGS for reply in [*ODD, *HALF[asking.operation]]],
    ids=repr,
)
def test_a_reply_that_is_none_is_a_queue_that_does_not_answer(asking: Asking, reply: Any) -> None:
    sqs = ScriptedSqs()
    queue = sqs.queue()
    [message] = queue.receive(1, 0.0)
    sqs.answers[asking.operation] = lambda request: reply
    with pytest.raises(QueueUnavailable):
        asking.ask(queue, message)


@pytest.mark.parametrize("asking", ASKINGS[1:3], ids=repr)
def test_the_message_is_still_ours_and_can_be_settled_later(asking: Asking) -> None:
    sqs = ScriptedSqs()
    queue = sqs.queue()
    [message] = queue.receive(1, 0.0)
    as_it_should = sqs.answers[asking.operation]
    sqs.answers[asking.operation] = lambda request: {"Failed": PAGE}
    with pytest.raises(QueueUnavailable):
        asking.ask(queue, message)
    sqs.answers[asking.operation] = as_it_should
    queue.delete(message)


def test_messages_that_are_hidden_together_have_each_its_problem() -> None:
    sqs = ScriptedSqs(
        receive_message=lambda request: {"Messages": [received(number) for number in range(10)]},
        change_message_visibility_batch=lambda request: {"Successful": PAGE},
    )
    queue = sqs.queue()
    messages = queue.receive(10, 0.0)
    problems = queue.change_visibility_of_all(messages, 60.0)
    assert set(problems) == {message.receipt for message in messages}
    assert all(type(problem) is QueueUnavailable for problem in problems.values())


class TestByHttp:
    """What botocore makes of them."""

    @pytest.fixture
    def server(self) -> Iterator[HttpReceiver]:
        with HttpReceiver() as server:
            yield server

    @pytest.fixture
    def queue(self, server: HttpReceiver, monkeypatch: pytest.MonkeyPatch) -> SqsQueue:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        return SqsQueue(f"{server.url}/111122223333/stems", region="eu-west-1")

    @pytest.mark.parametrize("status", [200, 502])
    @pytest.mark.parametrize("body", [PAGE, [PAGE], None, 5])
    def test_a_gateway_that_answers_in_json_is_a_queue_that_does_not_answer(
        self, queue: SqsQueue, server: HttpReceiver, status: int, body: object
    ) -> None:
        server.answer(200, json.dumps({"Messages": [received()]}).encode())
        [message] = queue.receive(1, 0.0)
        as_json = {"Content-Type": "application/x-amz-json-1.0"}
        server.answer(status, json.dumps(body).encode(), as_json)
        for asking in ASKINGS[:5]:
            before = len(server.requests())
            with pytest.raises(QueueUnavailable):
                asking.ask(queue, message)
            target = server.requests()[before].headers["x-amz-target"]
            assert target.lower() == f"amazonsqs.{asking.operation.replace('_', '')}"
