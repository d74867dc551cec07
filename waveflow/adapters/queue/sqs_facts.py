"""What a queue says of itself: how full it is, and where its dead letters go."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from attrs import frozen

from waveflow.adapters.queue.sqs_errors import queue_errors
from waveflow.domain.errors import NoDeadLetterQueue, QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

Value = TypeVar("Value")

_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "VisibilityTimeout",
)

_REGIONS = (
    re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$"),
    re.compile(r"^([a-z0-9-]+)\.queue\.amazonaws\.com(?:\.cn)?$"),
)


@frozen
class QueueFacts:
    """A queue at one moment; the counts are approximate, as SQS gives them.

    Attributes:
        visible: messages that could be received.
        in_flight: messages that somebody has received and not deleted yet.
        delayed: messages that are not to be received yet.
        dead_letter_queue_url: where messages are parked; None when there is nowhere.
        max_receive_count: receives after which SQS itself gives a message up; None for never.
        visibility_timeout_s: the queue's own; receives here ask for theirs.
    """

    visible: int
    in_flight: int
    delayed: int
    dead_letter_queue_url: str | None
    max_receive_count: int | None
    visibility_timeout_s: float


@frozen
class RedrivePolicy:
    """Where SQS itself moves messages that were received too often."""

    name: str
    account: str
    max_receive_count: int


class Once(Generic[Value]):
    """A value that is made when it is first needed, once; a failure to make it isn't kept."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._made: list[Value] = []
        self._lock = Lock()

    def get(self) -> Value:
        """The value. Raises whatever kept it from being made."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def region_of(queue_url: str) -> str | None:
    """The region in the address of one of Amazon's own queues."""
    host = urlsplit(queue_url).hostname or ""
    found = next((match for known in _REGIONS if (match := known.search(host))), None)
    return found.group(1) if found else None


def find_dead_letter_queue(client: SQSClient, queue_url: str) -> str:
    """The address of the queue that the redrive policy of `queue_url` names.

    Raises:
        NoDeadLetterQueue: when there is no such policy.
        QueueUnavailable: when it can't be found out.
    """
    with queue_errors(queue_url):
        reply = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    policy = parse_redrive_policy(reply.get("Attributes", {}).get("RedrivePolicy"))
    if policy is None:
        raise NoDeadLetterQueue(
            f"There is nowhere to park messages of {queue_url}: set "
            "WAVEFLOW_DEAD_LETTER_QUEUE_URL, or give the queue a redrive policy."
        )
    return _url_of(client, policy)


def read_facts(
    client: SQSClient, queue_url: str, find_dead_letters: Callable[[], str]
) -> QueueFacts:
    """Ask the queue about itself.

    Args:
        find_dead_letters: the address of the dead-letter queue; raises NoDeadLetterQueue.

    Raises:
        QueueUnavailable: when the queue isn't there, or isn't allowed to be used.
    """
    with queue_errors(queue_url):
        reply = client.get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=[*_COUNTS, "RedrivePolicy"]
        )
    said = reply.get("Attributes", {})
    policy = parse_redrive_policy(said.get("RedrivePolicy"))
    try:
        visible, in_flight, delayed, timeout_s = (int(said[name]) for name in _COUNTS)
    except (KeyError, ValueError) as exc:
        raise _unexpected("its own counts", exc) from exc
    try:
        dead_letter_queue_url = find_dead_letters()
    except NoDeadLetterQueue:
        dead_letter_queue_url = None
    return QueueFacts(
        visible=visible,
        in_flight=in_flight,
        delayed=delayed,
        dead_letter_queue_url=dead_letter_queue_url,
        max_receive_count=policy.max_receive_count if policy else None,
        visibility_timeout_s=float(timeout_s),
    )


def parse_redrive_policy(text: str | None) -> RedrivePolicy | None:
    """Read the policy as SQS gives it; None when there is none.

    Raises:
        QueueUnavailable: when it can't be understood.
    """
    if not text:
        return None
    try:
        policy = json.loads(text)
        if not policy:
            return None
        _, _, service, _, account, name = policy["deadLetterTargetArn"].split(":")
        # A number or digits in quotes: SQS gives back either.
        found = RedrivePolicy(name, account, int(policy["maxReceiveCount"]))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _unexpected(f"the redrive policy {text[:200]}", exc) from exc
    if service != "sqs":
        raise _unexpected(f"the redrive policy {text[:200]}", ValueError(service))
    return found


def _url_of(client: SQSClient, policy: RedrivePolicy) -> str:
    with queue_errors(f"{policy.name} (or set WAVEFLOW_DEAD_LETTER_QUEUE_URL)"):
        reply = client.get_queue_url(QueueName=policy.name, QueueOwnerAWSAccountId=policy.account)
    url = reply.get("QueueUrl")
    if not url:
        raise _unexpected("the address of the dead-letter queue", ValueError(policy.name))
    return url


def _unexpected(what: str, cause: Exception) -> QueueUnavailable:
    return QueueUnavailable(
        f"SQS answers with something else than {what} ({cause!r}): check AWS_ENDPOINT_URL."
    )
