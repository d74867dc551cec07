"""Envelopes that are none, or broken: the sentence for each, and no way to make the parser fail."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from tests.support.celery_client import Protocol, celery_message
from waveflow.application.commands import HashRequest, HealthRequest
from waveflow.application.failures import StemSubject
from waveflow.application.parsed_message import RefusedMessage, UnreadableMessage
from waveflow.entrypoints.kombu_envelope import MAX_UNPACKED_BYTES
from waveflow.entrypoints.messages import HASH_TASK, MessageParser

PARSER = MessageParser(default_num_peaks=4000)
STEM = {"stemId": "stem-1", "filepath": "a.wav"}
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def base64_of(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def envelope(content: object = None, **changes: Any) -> str:
    """A message of protocol 2 in its envelope, some of whose keys are changed or left out."""
    whole: dict[str, Any] = {
        "body": json.dumps([[], {}, EMBED] if content is None else content),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": "health_check", "id": "sent-1"},
        "properties": {"body_encoding": "utf-8"},
    }
    changes = {name.replace("_", "-"): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in (whole | changes).items() if value != ...})


def compressed(body: bytes, method: object = "application/x-gzip") -> str:
    return envelope(
        body=base64_of(body),
        headers={"task": "health_check", "compression": method},
        properties={"body_encoding": "base64"},
    )


class TestReadable:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"content_type": ...},
            {"content_type": None},
            {"content_type": "application/json; charset=utf-8"},
            {"content_type": "Application/JSON"},
            {"content_encoding": ...},
            {"content_encoding": "UTF-8"},
            {"content_encoding": "binary"},
            {"properties": ...},
            {"properties": None},
            {"properties": {"body_encoding": None, "delivery_tag": "x"}},
            {"properties": {"body_encoding": "base64"}, "body": base64_of(b"[[], {}, null]")},
            {"properties": {"body_encoding": "BASE64"}, "body": base64_of(b"[[], {}, {}]")},
            {"unknown": {"deep": []}},
        ],
        ids=str,
    )
    def test_what_may_be_absent_may_be_absent(self, changes: dict[str, Any]) -> None:
        assert PARSER.parse(envelope(**changes)).command == HealthRequest()

    @pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
    @pytest.mark.parametrize("method", ["application/x-gzip", "gzip", "zlib"])
    def test_zlib_and_gzip_are_unpacked(self, pack: Callable[[bytes], bytes], method: str) -> None:
        assert PARSER.parse(compressed(pack(b"[[], {}, {}]"), method)).command == HealthRequest()


class TestUnreadable:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (base64_of("hello"), "The message is base64 of what is not JSON: "),
            (base64_of(b"\xff\xfe"), "The message is not JSON: "),
            (base64_of("[]"), "The message is JSON, but list and not an object."),
            (base64_of("{}"), "The message names no task, and is no bare hash request"),
            (base64_of(base64_of("{}")), "The message is base64 of what is not JSON: "),
            (base64_of('{"task": "health_check", "x": NaN}'), "NaN is not a JSON number"),
            ('{"body": "x"}', "The message names no task"),
            (envelope(properties=[]), "The envelope's properties are a list, not an object."),
            (envelope(body=None), "The body in the envelope is null, not text."),
            (envelope(body=[[], {}, {}]), "The body in the envelope is a list, not text."),
            (envelope(body="hello"), "The body in the envelope is not JSON: "),
            (envelope(body='[[], {"x": Infinity}, {}]'), "Infinity is not a JSON number"),
            (envelope(body="[" * 100_000), "The body in the envelope is not JSON: it is nested"),
            (envelope(body="\ud800"), "The body in the envelope is not utf-8: "),
            (envelope(content="x"), "is text, and neither an object nor a list."),
            (envelope(body="null"), "is null, and neither an object nor a list."),
            (
                envelope(properties={"body_encoding": "base64"}, body="%"),
                "The body in the envelope is not base64: ",
            ),
            (
                envelope(properties={"body_encoding": "base64"}, body=base64_of(b"\xff")),
                "The body in the envelope is not JSON: ",
            ),
            (
                envelope(properties={"body_encoding": "rot13"}),
                "The envelope's body_encoding is 'rot13'; send 'base64' or 'utf-8'.",
            ),
            (
                envelope(content_encoding="utf-16"),
                "The body in the envelope is encoded in 'utf-16'; send it in UTF-8.",
            ),
            (envelope(content_type="application/x-yaml"), "The body in the envelope is YAML. Only"),
            (envelope(content_type="application/x-msgpack"), "in the envelope is msgpack. Only"),
            (envelope(content_type="text/plain"), "The body in the envelope is 'text/plain'. Only"),
            (envelope(content_type=["x"]), "The body in the envelope is \"['x']\". Only JSON"),
            (envelope(headers={}), "The message names no task"),
            (envelope(headers={"task": 7}), "The message's task is a number, not text."),
            (envelope(headers=[]), "The message names no task"),
            (envelope(content=[[], []]), "kwargs is a list, not an object."),
            (envelope(content=[[], {}]), "must be a list of args, kwargs and embed, but has leng"),
            (envelope(content=[]), "must be a list of args, kwargs and embed, but has length 0"),
            (envelope(content=[[], {}, {}, 1]), "must be a list of args, kwargs and embed, but h"),
            (envelope(content=[[], {}, 7]), "embed must be an object, but is a number."),
            (envelope(content=[[], {}, []]), "embed must be an object, but is a list."),
            (compressed(b"[[], {}, {}]"), "The compressed body can't be unpacked: "),
            (compressed(zlib.compress(b"[[], {}, {}]")[:-5]), "The compressed body is cut short."),
            (compressed(b""), "The compressed body is cut short."),
            (compressed(zlib.compress(b"x")), "The body in the envelope is not JSON: "),
            (compressed(b"", "application/x-lzma"), "compressed by 'application/x-lzma'; send it"),
            (compressed(b"", 7), "compressed by '7'; send it as it is, or compressed by 'gzip'."),
        ],
        ids=lambda text: text[:40],
    )
    def test_the_reason_is_said(self, body: str, reason: str) -> None:
        with pytest.raises(UnreadableMessage) as error:
            PARSER.parse(body)
        assert reason in str(error.value)

    def test_a_bomb_is_not_unpacked(self) -> None:
        bomb = zlib.compress(b" " * (8 * MAX_UNPACKED_BYTES))
        assert len(bomb) < 1024**2
        with pytest.raises(UnreadableMessage, match="unpacks to more than 4194304 bytes"):
            PARSER.parse(compressed(bomb))

    def test_the_longest_content_allowed_is_read(self) -> None:
        content = b"[[], {}, {}]".ljust(MAX_UNPACKED_BYTES)
        assert PARSER.parse(compressed(zlib.compress(content))).command == HealthRequest()
        with pytest.raises(UnreadableMessage, match="unpacks to more than"):
            PARSER.parse(compressed(zlib.compress(content + b" ")))


class TestSubjects:
    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ([[], STEM], "the body must be a list of args, kwargs and embed, but has length 2"),
            ([[], STEM, "x"], "embed must be an object, but is text"),
            ([["x"], STEM, {}], "args must be empty, with the fields named in kwargs"),
            ([[], {"stemId": "stem-1", "original_filename": "a.wav"}, {}], "filepath is missing"),
        ],
    )
    def test_a_malformed_body_that_names_its_stem_is_refused_to_it(
        self, content: object, problem: str
    ) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(envelope(content, headers={"task": HASH_TASK, "id": "sent-1"}))
        assert str(error.value) == f"{HASH_TASK}: {problem}."
        assert error.value.subject == StemSubject(stem_id="stem-1", original_filename="a.wav")
        assert error.value.task_id == "sent-1"

    def test_malformed_headers_are_told_to_the_stem_that_the_body_names(self) -> None:
        content = {"task": HASH_TASK, "id": "sent-1", "args": [], "kwargs": STEM}
        assert PARSER.parse(envelope(content, headers=None)).command == HashRequest(
            stem_id="stem-1", filepath="a.wav"
        )
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(envelope(content, headers=[7]))
        assert str(error.value) == f"{HASH_TASK}: the envelope's headers are a list, not an object."
        assert error.value.subject == StemSubject(stem_id="stem-1", original_filename="a.wav")


def _parse(body: str) -> None:
    """Whatever comes of it, it can be logged and sent on."""
    with suppress(UnreadableMessage):
        try:
            parsed = PARSER.parse(body)
        except RefusedMessage as error:
            said = [asdict(error.subject), error.task_id, asdict(error.failure)]
            json.dumps(said, ensure_ascii=False).encode()
        else:
            assert parsed.earlier_tries >= 0


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_HEADERS = st.dictionaries(
    st.sampled_from(["task", "id", "eta", "expires", "retries", "compression"]),
    _JSON | st.just(HASH_TASK) | st.sampled_from(["gzip", "2025-07-16T07:39:22Z"]),
)
_CONTENTS = st.lists(st.just(STEM) | st.just(EMBED) | _JSON, max_size=4) | _HEADERS | _JSON


@given(st.binary())
def test_no_bytes_in_base64_make_the_parser_fail(content: bytes) -> None:
    _parse(base64_of(content))
    _parse(compressed(content))
    _parse(compressed(zlib.compress(content)))


@given(_CONTENTS, _HEADERS | _JSON, st.dictionaries(st.just("body_encoding"), _JSON) | _JSON)
def test_no_envelope_makes_the_parser_fail(content: Any, headers: Any, properties: Any) -> None:
    _parse(envelope(content, headers=headers, properties=properties))
    _parse(envelope(content, headers=headers))
    _parse(envelope(headers={"task": HASH_TASK} | (headers if isinstance(headers, dict) else {})))


@given(_JSON, _JSON)
def test_no_content_type_makes_the_parser_fail(content_type: Any, encoding: Any) -> None:
    _parse(envelope(content_type=content_type, content_encoding=encoding))


REAL: list[tuple[Protocol, bool]] = [(1, True), (1, False), (2, True), (2, False)]
REAL_BODIES = [
    celery_message(HASH_TASK, "sent-1", STEM, protocol=protocol, base64=outer, countdown=9)
    for protocol, outer in REAL
]


@given(
    st.sampled_from(REAL_BODIES), st.integers(min_value=0), st.text(max_size=3), st.integers(0, 9)
)
def test_no_damage_to_a_celery_message_makes_the_parser_fail(
    body: str, place: int, inserted: str, left_out: int
) -> None:
    place %= len(body)
    _parse(body[:place] + inserted + body[place + left_out :])


def _paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = document if isinstance(document, dict) else range(len(document))
    inner = [(*path, key) for key in keys]
    deeper = [key for key in keys if isinstance(document[key], dict | list)]
    return inner + [found for key in deeper for found in _paths(document[key], (*path, key))]


@given(st.sampled_from([1, 2]), st.integers(min_value=0), _JSON)
def test_no_value_in_a_celery_message_makes_the_parser_fail(
    protocol: Protocol, place: int, value: Any
) -> None:
    """Any one value, anywhere in the envelope or in the content, may be another."""
    real = celery_message(HASH_TASK, "sent-1", STEM, protocol=protocol, base64=False)
    document = json.loads(real)
    document["body"] = json.loads(base64.b64decode(document["body"]))
    paths = _paths(document)
    *above, last = paths[place % len(paths)]
    target = document
    for key in above:
        target = target[key]
    target[last] = value
    document["body"] = base64_of(json.dumps(document["body"]))
    _parse(json.dumps(document))
