"""A dead letter fits in SQS, whatever it was parked for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveflow.adapters.queue.sqs_parking import (
    MAX_ATTRIBUTES,
    MAX_REASON_BYTES,
    REASON,
    SIZES_BYTES,
    dead_letter_attributes,
    is_allowed,
)
from waveflow.application.ports import ReceivedMessage

OURS = {
    "WaveFlow-MessageId",
    "WaveFlow-SentTimestamp",
    "WaveFlow-ReceiveCount",
    "WaveFlow-ParkedAt",
    REASON,
}


def letter(
    reason: str = "reason", body: str = "body", attachments: dict[str, Any] | None = None
) -> dict[str, Any]:
    message = ReceivedMessage("m1", body, "r1", 3, 1_704_103_200_123)
    return dict(
        dead_letter_attributes(message, attachments or {}, reason, "2024-01-01T10:00:00.0Z")
    )


def size_bytes(attributes: dict[str, Any]) -> int:
    return sum(
        len(name.encode())
        + len(value["DataType"].encode())
        + len(value.get("StringValue", "").encode())
        + len(value.get("BinaryValue", b""))
        for name, value in attributes.items()
    )


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("드럼: 읽을 수 없음 🎸", "드럼: 읽을 수 없음 🎸"),
        ("tab\tnew\nline", "tab\tnew\nline"),
        ("bell\x07 null\x00", "bell\ufffd null\ufffd"),
        ("half a character \ud83c", "half a character \ufffd"),
        ("\uffff", "\ufffd"),
        ("", "(no reason given)"),
        ("x" * 300_000, "x" * MAX_REASON_BYTES),
        ("드" * 300_000, "드" * (MAX_REASON_BYTES // 3)),
    ],
)
def test_the_reason_is_what_sqs_can_hold_of_it(reason: str, kept: str) -> None:
    assert letter(reason)[REASON] == text(kept)


def test_what_the_sender_attached_is_kept_as_it_was() -> None:
    attachments = {
        "trace": text("abc"),
        "number": {"DataType": "Number.int", "StringValue": "7"},
        "binary": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    attributes = letter(attachments=attachments)
    assert {name: attributes[name] for name in attachments} == attachments
    assert set(attributes) == OURS | set(attachments)


def test_there_are_ten_attributes_at_most_ours_among_them() -> None:
    attributes = letter(attachments={f"a{number}": text("x") for number in range(10)})
    assert len(attributes) == MAX_ATTRIBUTES
    assert set(attributes) >= OURS


def test_a_letter_that_is_parked_again_has_its_new_reason() -> None:
    assert letter("new", attachments={REASON: text("old")})[REASON] == text("new")


def test_an_attribute_without_a_value_is_left_out() -> None:
    assert set(letter(attachments={"empty": text("")})) == OURS


@given(
    reason=st.text(max_size=50).map(lambda text: text * 2000),
    limit=st.sampled_from(SIZES_BYTES),
    room=st.integers(0, 20_000),
    attached=st.lists(st.integers(1, 9_000), max_size=10),
)
def test_body_and_attributes_fit_together(
    reason: str, limit: int, room: int, attached: list[int]
) -> None:
    body = "x" * (limit - room)
    attachments = {f"a{number}": text("y" * size) for number, size in enumerate(attached)}
    attributes = letter(reason, body, attachments)
    assert size_bytes(attributes) <= room
    assert len(attributes) <= MAX_ATTRIBUTES
    assert all(is_allowed(value["StringValue"]) for value in attributes.values())
    if room > 400:
        assert set(attributes) >= OURS


def test_a_body_beyond_every_limit_carries_nothing() -> None:
    assert letter(body="x" * 2_000_000) == {}
