"""A client of SQS that answers as told, for what no server can be made to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.application.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/stems"
DEAD_URL = f"{URL}-dead"
POLICY = json.dumps(
    {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:stems-dead", "maxReceiveCount": 5}
)

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class ScriptedSqs:
    """Answers requests with what `answers` says of their operation, and keeps them."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {
            "receive_message": lambda request: {"Messages": [received()]},
            "delete_message_batch": all_successful,
            "change_message_visibility_batch": all_successful,
            "send_message": lambda request: {"MessageId": "sent"},
            "get_queue_attributes": lambda request: {"Attributes": {"RedrivePolicy": POLICY}},
            "get_queue_url": lambda request: {"QueueUrl": DEAD_URL},
        } | answers
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Callable[..., Mapping[str, Any]]:
        answer = self.answers[operation]

        def call(**request: Any) -> Mapping[str, Any]:
            with self._lock:
                self.requests.append((operation, request))
            return answer(request)

        return call

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The requests of that kind."""
        return [request for name, request in self.requests if name == operation]

    def as_client(self) -> SQSClient:
        return cast("SQSClient", self)

    def queue(self, clock: Clock | None = None, **settings: Any) -> SqsQueue:
        """A queue behind this client."""
        return SqsQueue(
            URL, clock=clock, new_client=lambda wait_s, attempts: self.as_client(), **settings
        )


def received(number: int = 1, *, count: int = 1, body: str = "body", **more: Any) -> dict[str, Any]:
    """A message as SQS gives it out."""
    return {
        "MessageId": f"m{number}",
        "ReceiptHandle": f"m{number}r{count}",
        "Body": body,
        "Attributes": {
            "ApproximateReceiveCount": str(count),
            "SentTimestamp": "1704103200123",
        },
        **more,
    }


def all_successful(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """A batch of which every entry was carried out."""
    return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}


def failing(codes: Mapping[str, str]) -> Answer:
    """A batch of which the entries with these receipts fail, with these codes."""

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        reply: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in request["Entries"]:
            code = codes.get(entry["ReceiptHandle"])
            if code is None:
                reply["Successful"].append({"Id": entry["Id"]})
            else:
                failed = {"Id": entry["Id"], "Code": code, "Message": "no", "SenderFault": True}
                reply["Failed"].append(failed)
        return reply

    return answer


def raising(error: Exception) -> Answer:
    """No answer, but that error."""

    def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    return answer
