"""Damaged messages of all five forms: understood, refused or unreadable, and that in no time."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.message_forms import (
    ANALYSIS,
    DUPLICATE,
    FORMS,
    FORMS_OF_A_HASH_REQUEST,
    HASH,
    MIX,
)
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.entrypoints.messages import MessageParser

PARSER = MessageParser(default_num_peaks=4000)
STEM = {
    "stemId": "stem-1",
    "filepath": "users/u1/드럼 (1).wav",
    "userId": "u1",
    "trackId": "t1",
    "original_filename": "a.wav",
}
FIELDS: Mapping[str, Mapping[str, Any]] = {
    HASH: STEM | {"timestamp": 7, "stageId": "g1"},
    DUPLICATE: STEM | {"audio_hash": "0" * 64},
    ANALYSIS: STEM | {"num_peaks": 100, "audio_hash": None, "upstreamId": "up"},
    MIX: {"stageId": "g1", "stem_paths": ["a.wav", "b.flac"], "upstreamId": "up"},
}
BODIES = [
    form(task, "sent-1", fields)
    for task, fields in FIELDS.items()
    for form in (FORMS_OF_A_HASH_REQUEST if task == HASH else FORMS)
]
MOST_BYTES = 256 * 1024
"""What SQS takes."""
MOST_S = 5.0
"""Far above what the longest message takes, on a machine that is busy too."""

# Values that a program stumbles over rather than a person.
_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324, -0.0,
        float("nan"), float("inf"), "", "\0", "\ud800", "\udfff\ud800", "\u202e", "\ufeff",
        "\x1b[2J",
        "../../etc/passwd", "a" * 5000, "𝔞", "İ", [], {}, [[]], [None], {"": None},
        {"__type__": "uuid", "__value__": "x"}, {"task": HASH}, "null", "1e999", "{}",
    ]
).map(copy.deepcopy)  # fmt: skip
_JSON: st.SearchStrategy[Any] = st.recursive(
    _ODD | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_TOKENS = st.sampled_from(
    ["{", "}", "[", "]", '"', ",", ":", "\\", "\\u", "\\ud800", "null", "NaN", "-", "1e", "e9",
     "\0", "\ufeff", " ", "\n", "//", "'", '"task":', '"kwargs":{', '"body":"', "=", "=="]
)  # fmt: skip


def outcome(body: str) -> ParsedMessage | RefusedMessage | UnreadableMessage:
    """What becomes of a body; anything but these three is raised. All of it can be sent on."""
    try:
        parsed = PARSER.parse(body)
    except RefusedMessage as error:
        told = [asdict(error.subject), error.task_id, asdict(error.failure)]
        json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
        return error
    except UnreadableMessage as error:
        reason = error
    else:
        json.dumps(asdict(parsed.command), ensure_ascii=False, allow_nan=False).encode()
        return parsed
    str(reason).encode()
    assert len(str(reason)) < 2_000
    return reason


def test_all_of_them_are_understood_undamaged() -> None:
    assert [type(outcome(body)) for body in BODIES] == [ParsedMessage] * len(BODIES)
    assert len(BODIES) == 5 + 3 * 4


def _unpacked(body: str) -> tuple[Any, bool]:
    """The message as JSON, the body of an envelope opened too; and whether it was in base64."""
    is_packed = not body.startswith("{")
    document = json.loads(base64.b64decode(body) if is_packed else body)
    if "body" in document:
        document["body"] = json.loads(base64.b64decode(document["body"]))
    return document, is_packed


def _packed(document: Any, is_packed: bool) -> str:
    document = copy.copy(document)
    if isinstance(document, dict) and "body" in document:
        inner = json.dumps(document["body"]).encode()
        document["body"] = base64.b64encode(inner).decode()
    text = json.dumps(document)
    return base64.b64encode(text.encode()).decode() if is_packed else text


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(document, dict):
        items = list(document.items())
    else:
        items = list(enumerate(document)) if isinstance(document, list) else []
    found = [(*path, key) for key, _ in items]
    return found + [place for key, value in items for place in _places(value, (*path, key))]


def _holder(document: Any, place: tuple[Any, ...]) -> Any:
    for key in place[:-1]:
        document = document[key]
    return document


def test_what_is_taken_apart_is_put_together_again() -> None:
    for body in BODIES:
        assert type(outcome(_packed(*_unpacked(body)))) is ParsedMessage


@pytest.mark.slow
@given(st.sampled_from(BODIES), st.data())
@settings(max_examples=500)
def test_any_values_anywhere_may_be_others(body: str, data: st.DataObject) -> None:
    document, is_packed = _unpacked(body)
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(document)
        if not places:
            break
        place = data.draw(st.sampled_from(places))
        _holder(document, place)[place[-1]] = data.draw(_JSON)
    outcome(_packed(document, is_packed))


@given(st.sampled_from(BODIES), st.data())
def test_any_part_may_be_missing_or_there_twice(body: str, data: st.DataObject) -> None:
    document, is_packed = _unpacked(body)
    place = data.draw(st.sampled_from(_places(document)))
    holder = _holder(document, place)
    if data.draw(st.booleans()):
        del holder[place[-1]]
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[place[-1]]))
    else:
        holder[f" {place[-1]}".upper()] = copy.deepcopy(holder[place[-1]])
    outcome(_packed(document, is_packed))


@given(st.sampled_from(BODIES), st.lists(st.tuples(st.integers(0), _TOKENS, st.integers(0, 5))))
@settings(max_examples=150)
def test_any_text_of_it_may_be_overwritten(body: str, edits: list[tuple[int, str, int]]) -> None:
    for place, token, left_out in edits:
        place %= len(body) + 1
        body = body[:place] + token + body[place + left_out :]
    outcome(body)


@given(st.sampled_from(BODIES), st.integers(0), st.integers(0))
def test_it_may_be_cut_off_on_either_side(body: str, start: int, end: int) -> None:
    outcome(body[start % (len(body) + 1) :])
    outcome(body[: end % (len(body) + 1)])


@pytest.mark.slow
@given(st.sampled_from([name for fields in FIELDS.values() for name in fields]), _JSON, _JSON)
def test_of_a_key_that_is_there_twice_the_last_counts(name: str, one: Any, two: Any) -> None:
    """As in every JSON parser that the server's language knows."""
    for task, fields in FIELDS.items():
        inner = json.dumps(dict(fields))
        pair = f"{json.dumps(name)}: {json.dumps(one)}, {json.dumps(name)}: {json.dumps(two)}"
        doubled = f'{{"task": "{task}", "kwargs": {inner[:-1]}, {pair}}}}}'
        single = json.dumps({"task": task, "kwargs": {**fields, name: two}})
        first, second = outcome(doubled), outcome(single)
        assert (type(first), str(first)) == (type(second), str(second)) or _is_odd(one)


def _is_odd(value: Any) -> bool:
    """Whether even a value that doesn't count makes a message unreadable: NaN, 1e999 and such."""
    return type(outcome(json.dumps({"task": "health_check", "x": value}))) is not ParsedMessage


def _deep(opening: str, closing: str) -> str:
    depth = MOST_BYTES // (len(opening) + len(closing)) - 40
    return opening * depth + "1" + closing * depth


LONG = {
    "lists in lists": '{"task": "health_check", "x": ' + _deep("[", "]") + "}",
    "objects in objects": '{"task": "health_check", "x": ' + _deep('{"a":', "}") + "}",
    "lists alone": "[" * MOST_BYTES,
    "objects alone": '{"":' * (MOST_BYTES // 4),
    "a number": '{"task": "health_check", "x": ' + "9" * (MOST_BYTES - 40) + "}",
    "a fraction": '{"task": "health_check", "x": 0.' + "9" * (MOST_BYTES - 40) + "}",
    "an exponent": '{"task": "health_check", "x": 1e' + "9" * (MOST_BYTES - 40) + "}",
    "num_peaks": json.dumps({"task": ANALYSIS, **STEM})[:-1] + ', "num_peaks": ' + "1" * 4000 + "}",
    "a text": json.dumps({"task": HASH, "stemId": "s", "filepath": "x" * (MOST_BYTES - 99)}),
    "escapes": '{"task": "' + "\\u0000" * (MOST_BYTES // 6 - 9) + '"}',
    "surrogates": '{"task": "' + "\\ud800" * (MOST_BYTES // 6 - 9) + '"}',
    "backslashes": '{"task": "' + "\\" * (MOST_BYTES - 20),
    "blanks": " " * MOST_BYTES,
    "many keys": json.dumps({str(number): 0 for number in range(20_000)} | {"task": MIX}),
    "one key often": '{"task": "health_check"' + ', "x": 0' * (MOST_BYTES // 9) + "}",
    "many stems": json.dumps({"task": MIX, "stageId": "g", "stem_paths": ["a"] * 50_000}),
    "base64": base64.b64encode(b"\0" * (MOST_BYTES * 3 // 4)).decode(),
    "base64 of lists": base64.b64encode(b"[" * (MOST_BYTES * 3 // 4)).decode(),
    "base64 without end": "A" * (MOST_BYTES - 1),
    "equals signs": "=" * MOST_BYTES,
    "an eta": json.dumps({"task": HASH, "kwargs": STEM, "eta": "2" * (MOST_BYTES - 999)}),
}


@pytest.mark.parametrize("name", LONG)
def test_the_longest_messages_take_no_time(name: str) -> None:
    assert len(LONG[name]) <= MOST_BYTES
    started_s = time.process_time()
    outcome(LONG[name])
    assert time.process_time() - started_s < MOST_S
