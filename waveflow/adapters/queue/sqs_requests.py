"""The requests to SQS, and reading what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from waveflow.adapters.queue.sqs_batches import Outcome, outcomes_of
from waveflow.adapters.queue.sqs_errors import is_denied, queue_errors
from waveflow.adapters.queue.sqs_facts import Once, QueueFacts, find_dead_letter_queue, read_facts
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
    )

_ATTEMPTS = 2
"""Few: a worker asks again as long as its lease holds, and puts the outcome by meanwhile."""

ClientFactory = Callable[[float, int], "SQSClient"]
"""Makes a client, given for how many seconds its receives may wait, and its attempts."""


@frozen
class Lent:
    """A message as it came, and everything that its sender attached, binary values too."""

    message: ReceivedMessage
    attachments: Mapping[str, MessageAttributeValueOutputTypeDef]


class SqsRequests:
    """Asks SQS. Every method raises `QueueUnavailable` when it doesn't answer as it should."""

    def __init__(self, queue_url: str, new_client: ClientFactory, longest_wait_s: int) -> None:
        """Nothing is asked, and no client made, before the first request."""
        self._url = queue_url
        self._longest_wait_s = longest_wait_s
        # A receive whose reply got lost has lent its messages already: asking again inside of it
        # would only use up the loan, which is counted from before it.
        self._receiving = Once(lambda: new_client(float(longest_wait_s), 1))
        # Apart from receives, so that a lost reply is noticed sooner than after a poll.
        self._client = Once(lambda: new_client(0.0, _ATTEMPTS))

    def receive(self, most: int, wait_s: float, lent_s: int, lease_ends_s: float) -> list[Lent]:
        """Borrow up to `most` messages for `lent_s` seconds."""
        with queue_errors(self._url):
            reply = self._receiving.get().receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=int(min(max(wait_s, 0.0), self._longest_wait_s)),
                VisibilityTimeout=lent_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
            return [_lent(item, lease_ends_s) for item in reply.get("Messages") or []]

    def delete(self, receipts: Sequence[str]) -> list[Outcome]:
        """What became of the deletion of each message, up to 10 of them."""
        with queue_errors(self._url):
            reply = self._client.get().delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt}
                    for number, receipt in enumerate(receipts)
                ],
            )
            return outcomes_of(reply, len(receipts))

    def hide(self, wanted: Sequence[tuple[str, int]]) -> list[Outcome]:
        """What became of hiding each message for that many seconds from now, up to 10 of them."""
        with queue_errors(self._url):
            reply = self._client.get().change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                    for number, (receipt, seconds) in enumerate(wanted)
                ],
            )
            return outcomes_of(reply, len(wanted))

    def send(
        self,
        body: str,
        *,
        delay_s: int = 0,
        to_url: str | None = None,
        attributes: Mapping[str, MessageAttributeValueTypeDef] | None = None,
    ) -> str:
        """Put a message on the queue, or on the one at `to_url`, and return its id."""
        url = to_url or self._url
        with queue_errors(url):
            reply = self._client.get().send_message(
                QueueUrl=url,
                MessageBody=body,
                DelaySeconds=delay_s,
                MessageAttributes=attributes or {},
            )
            message_id = reply.get("MessageId")
        if not message_id:
            raise QueueUnavailable("SQS took a message without naming it; it may be there or not.")
        return message_id

    def find_dead_letter_queue(self) -> str:
        """Where the queue's redrive policy sends dead letters. Raises `NoDeadLetterQueue`."""
        with queue_errors(self._url):
            return find_dead_letter_queue(self._client.get(), self._url)

    def require_queue(self, url: str) -> None:
        """Accept a queue that exists; one that may not be asked about is believed in."""
        try:
            with queue_errors(url):
                self._client.get().get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        except QueueUnavailable as error:
            if not is_denied(error):
                raise

    def facts(self, find_dead_letters: Callable[[], str]) -> QueueFacts:
        """What the queue says of itself."""
        with queue_errors(self._url):
            return read_facts(self._client.get(), self._url, find_dead_letters)


def _lent(item: MessageTypeDef, lease_ends_s: float) -> Lent:
    attachments = item.get("MessageAttributes") or {}
    try:
        system = item["Attributes"]
        message = ReceivedMessage(
            message_id=item["MessageId"],
            body=item["Body"],
            receipt=item["ReceiptHandle"],
            receive_count=int(system["ApproximateReceiveCount"]),
            sent_at_ms=int(system["SentTimestamp"]),
            lease_ends_s=lease_ends_s,
            attributes={
                name: value["StringValue"]
                for name, value in attachments.items()
                if "StringValue" in value
            },
        )
    except (KeyError, ValueError) as exc:
        raise QueueUnavailable(
            f"SQS answered with half a message ({exc!r}): check AWS_ENDPOINT_URL."
        ) from exc
    return Lent(message, attachments)
