"""Messages that are no request at all, and whom a malformed one is about."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from waveflow.application.failures import StageSubject, StemSubject
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.entrypoints.messages import MessageParser

PARSER = MessageParser(default_num_peaks=4000)
HASH = "app.tasks.generate_hash_and_webhook"
MIX = "app.tasks.mix_stems_and_upload"


class TestUnreadable:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("", "The message is not JSON"),
            ("hello", "The message is not JSON"),
            ('{"task": ', "The message is not JSON"),
            ("{'task': 'health_check'}", "The message is not JSON"),
            ("[]", "The message is JSON, but list and not an object."),
            ("7", "The message is JSON, but int and not an object."),
            ('"health_check"', "The message is JSON, but str and not an object."),
            ("null", "The message is JSON, but NoneType and not an object."),
            ("{}", "The message names no task, and is no bare hash request"),
            ('{"stem": "s"}', "The message names no task, and is no bare hash request"),
            ('{"task": 7}', "The message's task is a number, not text."),
            ('{"task": ["health_check"]}', "The message's task is a list, not text."),
            ('{"task": ""}', "The message names no known task: ''."),
            ('{"task": "app.tasks.sing"}', "The message names no known task: 'app.tasks.sing'."),
            ('{"task": "\\ud800", "kwargs": 1}', "The message names no known task: '\\ud800'."),
            ('{"task": "HEALTH_CHECK"}', "The message names no known task: 'HEALTH_CHECK'."),
            ('{"task": "health_check", "kwargs": []}', "kwargs is a list, not an object."),
            ('{"task": "health_check", "kwargs": "x"}', "kwargs is text, not an object."),
            ('{"task": "health_check", "kwargs": 0}', "kwargs is a number, not an object."),
            (
                '{"task": "health_check", "args": [1]}',
                "args must be empty, with the fields named in kwargs",
            ),
            ('{"task": "health_check", "x": NaN}', "NaN is not a JSON number"),
            ('{"task": "health_check", "x": -Infinity}', "-Infinity is not a JSON number"),
            ('{"task": "health_check", "x": 1e999}', "1e999 is not a JSON number"),
            ("[" * 100_000, "The message is not JSON"),
            ('{"a":' * 100_000 + "1" + "}" * 100_000, "The message is not JSON"),
            ('{"task": "health_check", "x": 1' + "0" * 5000 + "}", "The message is not JSON"),
        ],
        ids=lambda text: text[:24],
    )
    def test_the_reason_is_said(self, body: str, reason: str) -> None:
        with pytest.raises(UnreadableMessage) as error:
            PARSER.parse(body)
        assert reason in str(error.value)

    def test_an_unknown_task_is_told_which_ones_there_are(self) -> None:
        with pytest.raises(
            UnreadableMessage, match=r"Known are: .*mix_stems_and_upload.*health_ch"
        ):
            PARSER.parse('{"task": "sing"}')

    def test_the_name_of_an_unknown_task_is_cut_off(self) -> None:
        with pytest.raises(UnreadableMessage) as error:
            PARSER.parse(json.dumps({"task": "x" * 100_000}))
        assert len(str(error.value)) < 600


class TestSubjects:
    def test_a_refused_stem_request_names_its_stem_as_far_as_it_can_be_read(self) -> None:
        fields = {
            "stemId": "stem-1",
            "userId": 7,
            "trackId": "track-1",
            "upstreamId": "\ud800",
            "original_filename": "드럼.wav",
        }
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(json.dumps({"task": HASH, "id": "sent-1", "kwargs": fields}))
        assert error.value.subject == StemSubject(
            stem_id="stem-1", track_id="track-1", original_filename="드럼.wav"
        )
        assert error.value.failure.code == "invalid_message"
        assert error.value.failure.error == str(error.value)
        assert error.value.task_id == "sent-1"

    @pytest.mark.parametrize(
        ("paths", "known"),
        [(None, ()), ("a.wav", ()), ([], ()), (["a.wav"], ("a.wav",)), (["a.wav", 1], ())],
    )
    def test_a_refused_mix_names_its_stage_and_the_stems_it_could_read(
        self, paths: object, known: tuple[str, ...]
    ) -> None:
        fields = {"stageId": "stage-1", "upstreamId": 7, "stem_paths": paths}
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(json.dumps({"task": MIX} | fields))
        assert error.value.subject == StageSubject(stage_id="stage-1", stem_paths=known)

    def test_paths_that_could_not_be_sent_on_are_left_out(self) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(json.dumps({"task": MIX, "stageId": "s", "stem_paths": ["a", "\ud800"]}))
        assert error.value.subject == StageSubject(stage_id="s")

    def test_args_are_refused_to_the_stem_that_kwargs_name(self) -> None:
        message = {"task": HASH, "args": ["a.wav"], "kwargs": {"stemId": "stem-1"}}
        with pytest.raises(RefusedMessage, match="args must be empty") as error:
            PARSER.parse(json.dumps(message))
        assert error.value.subject == StemSubject(stem_id="stem-1")

    @pytest.mark.parametrize("stem_id", ["", None, 7, "\ud800"])
    def test_without_a_stem_there_is_nobody_to_tell(self, stem_id: object) -> None:
        with pytest.raises(UnreadableMessage):
            PARSER.parse(json.dumps({"task": HASH, "stemId": stem_id}))


def _parsed(body: str) -> ParsedMessage | None:
    with suppress(UnreadableMessage, RefusedMessage):
        return PARSER.parse(body)
    return None


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["task", "id", "args", "kwargs", "stemId", "filepath", "stageId", "stem_paths", "num_peaks"]
)
_FIELDS = st.dictionaries(_NAMES, _JSON, max_size=6)
_TASK_NAMES = st.sampled_from([HASH, MIX, "app.tasks.process_audio_analysis", "health_check"])


@given(st.text())
def test_no_text_makes_the_parser_fail(body: str) -> None:
    assert _parsed(body) is None or body.startswith("{")


@given(_JSON | _FIELDS)
def test_no_json_makes_the_parser_fail(document: object) -> None:
    _parsed(json.dumps(document))


@given(_TASK_NAMES, _FIELDS | _JSON, _JSON)
def test_no_arguments_make_the_parser_fail(task: str, kwargs: object, args: object) -> None:
    _parsed(json.dumps({"task": task, "kwargs": kwargs, "args": args}))
    _parsed(json.dumps({"kwargs": kwargs} | (kwargs if isinstance(kwargs, dict) else {})))


@given(_TASK_NAMES, _FIELDS)
def test_what_a_refusal_names_can_be_sent_on(task: str, fields: dict[str, Any]) -> None:
    with suppress(UnreadableMessage):
        try:
            PARSER.parse(json.dumps(fields | {"task": task}))
        except RefusedMessage as error:
            json.dumps([asdict(error.subject), error.task_id], ensure_ascii=False).encode()
