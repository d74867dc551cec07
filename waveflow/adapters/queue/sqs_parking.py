"""A dead letter: the message as it was, and why it was parked, within the limits of SQS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from waveflow.application.ports import ReceivedMessage

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
    )

REASON = "WaveFlow-Reason"
MESSAGE_ID = "WaveFlow-MessageId"
SENT_TIMESTAMP = "WaveFlow-SentTimestamp"
RECEIVE_COUNT = "WaveFlow-ReceiveCount"
PARKED_AT = "WaveFlow-ParkedAt"

MAX_ATTRIBUTES = 10
MAX_REASON_BYTES = 8 * 1024
"""It is a sentence; what is longer than this must not drive out the sender's attributes."""

SIZES_BYTES = (256 * 1024, 1024 * 1024)
"""What a queue holds by default, and at most: body and attributes together."""

_NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_allowed(text: str) -> bool:
    """Whether SQS takes that as a body or as the value of an attribute."""
    return bool(text) and not _NOT_ALLOWED.search(text)


def dead_letter_attributes(
    message: ReceivedMessage,
    attachments: Mapping[str, MessageAttributeValueOutputTypeDef],
    reason: str,
    parked_at: str,
) -> dict[str, MessageAttributeValueTypeDef]:
    """What a dead letter carries besides its body: facts and reason first, then what the sender
    attached, as far as there is room.

    Args:
        attachments: what the sender attached, binary values too.
        parked_at: when, ISO 8601 in UTC.
    """
    room = _room_bytes(message.body)
    chosen: dict[str, MessageAttributeValueTypeDef] = {}
    for name, value in _wanted(message, attachments, parked_at):
        if name == REASON:
            value = _text(_reason_that_fits(reason, room - _size_bytes(REASON, _text(""))))
        size_bytes = _size_bytes(name, value)
        if _has_value(value) and size_bytes <= room and len(chosen) < MAX_ATTRIBUTES:
            chosen[name] = value
            room -= size_bytes
    return chosen


def _wanted(
    message: ReceivedMessage,
    attachments: Mapping[str, MessageAttributeValueOutputTypeDef],
    parked_at: str,
) -> Iterator[tuple[str, MessageAttributeValueTypeDef]]:
    ours = {
        MESSAGE_ID: message.message_id,
        SENT_TIMESTAMP: str(message.sent_at_ms),
        RECEIVE_COUNT: str(message.receive_count),
        PARKED_AT: parked_at,
        REASON: "",
    }
    for name, text in ours.items():
        yield name, _text(text)
    for name, value in attachments.items():
        if name not in ours:
            yield name, _as_sent(value)


def _room_bytes(body: str) -> int:
    used = len(body.encode("utf-8", "replace"))
    return next((size - used for size in SIZES_BYTES if used <= size), 0)


def _reason_that_fits(reason: str, room: int) -> str:
    allowed = _NOT_ALLOWED.sub("\ufffd", reason) or "(no reason given)"
    cut = allowed.encode("utf-8")[: max(min(room, MAX_REASON_BYTES), 0)]
    # A character that was cut through goes altogether.
    return cut.decode("utf-8", "ignore")


def _text(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}


def _as_sent(value: MessageAttributeValueOutputTypeDef) -> MessageAttributeValueTypeDef:
    sent: MessageAttributeValueTypeDef = {"DataType": value["DataType"]}
    if "StringValue" in value:
        sent["StringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        sent["BinaryValue"] = value["BinaryValue"]
    return sent


def _has_value(value: MessageAttributeValueTypeDef) -> bool:
    return bool(value.get("StringValue") or value.get("BinaryValue"))


def _size_bytes(name: str, value: MessageAttributeValueTypeDef) -> int:
    text = f"{name}{value['DataType']}{value.get('StringValue', '')}"
    binary = value.get("BinaryValue")
    return len(text.encode("utf-8", "replace")) + (len(binary) if isinstance(binary, bytes) else 0)
