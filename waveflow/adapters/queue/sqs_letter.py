"""A dead letter as it lies in its queue: what was sent, and what is known of its parking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from waveflow.adapters.queue import sqs_parking
from waveflow.adapters.queue.sqs_requests import Lent

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
    )

_OURS = frozenset(
    {
        sqs_parking.REASON,
        sqs_parking.MESSAGE_ID,
        sqs_parking.SENT_TIMESTAMP,
        sqs_parking.RECEIVE_COUNT,
        sqs_parking.PARKED_AT,
    }
)


@frozen
class DeadLetter:
    """A message that was given up.

    Attributes:
        message_id: its name as a dead letter.
        reason: why WaveFlow parked it; None when SQS moved it, which gives none.
        original_message_id: its name while it was on the queue. SQS keeps it when it moves one.
        sent_at_ms: when it was sent to the queue, Unix time in milliseconds.
        parked_at: ISO 8601 in UTC; None when it isn't known.
        receive_count: how often it was received from the queue; None when it isn't known.
        attributes: what its sender attached.
        receipt: names this delivery of the dead letter.
    """

    message_id: str
    body: str
    reason: str | None
    original_message_id: str
    sent_at_ms: int
    parked_at: str | None
    receive_count: int | None
    attributes: Mapping[str, MessageAttributeValueTypeDef]
    receipt: str


def letter_in(lent: Lent) -> DeadLetter:
    """The dead letter that was received, whoever sent it there."""
    message = lent.message
    said = {name: message.attributes.get(name) for name in _OURS}
    sent_at, receive_count = said[sqs_parking.SENT_TIMESTAMP], said[sqs_parking.RECEIVE_COUNT]
    return DeadLetter(
        message_id=message.message_id,
        body=message.body,
        reason=said[sqs_parking.REASON],
        original_message_id=said[sqs_parking.MESSAGE_ID] or message.message_id,
        sent_at_ms=_number(sent_at) or message.sent_at_ms,
        parked_at=said[sqs_parking.PARKED_AT],
        receive_count=_number(receive_count),
        attributes=_attached(lent.attachments),
        receipt=message.receipt,
    )


def _number(text: str | None) -> int | None:
    # Anybody can write to the queue: this may be anything, and more than a date can hold.
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 14 else None


def _attached(
    attachments: Mapping[str, MessageAttributeValueOutputTypeDef],
) -> dict[str, MessageAttributeValueTypeDef]:
    attached: dict[str, MessageAttributeValueTypeDef] = {}
    for name, value in attachments.items():
        if name in _OURS:
            continue
        attached[name] = {"DataType": value["DataType"]}
        if "StringValue" in value:
            attached[name]["StringValue"] = value["StringValue"]
        if "BinaryValue" in value:
            attached[name]["BinaryValue"] = value["BinaryValue"]
    return attached
