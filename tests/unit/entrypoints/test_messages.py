"""Messages: the three forms, what each task takes, and the sentence for everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.application.parsed_message import RefusedMessage, UnreadableMessage
from waveflow.entrypoints.messages import WIRE_NAMES, MessageParser

PARSER = MessageParser(default_num_peaks=1234)

HASH = "app.tasks.generate_hash_and_webhook"
DUPLICATE = "app.tasks.process_duplicate_file"
ANALYSIS = "app.tasks.process_audio_analysis"
MIX = "app.tasks.mix_stems_and_upload"

STEM = {"stemId": "stem-1", "userId": "user-1", "trackId": "track-1", "filepath": "a/드럼 (1).wav"}
HASH_FIELDS: dict[str, Any] = STEM | {
    "stageId": "stage-1",
    "timestamp": "2025-07-16T07:39:22.281Z",
    "original_filename": "드럼.wav",
}
ANALYSIS_FIELDS: dict[str, Any] = STEM | {
    "audio_hash": "ab",
    "timestamp": 1752651562281,
    "original_filename": "드럼.wav",
    "upstreamId": "up-1",
    "num_peaks": 800,
}
PATHS = ["a.wav", "b c.wav"]
MIX_FIELDS: dict[str, Any] = {"stageId": "stage-1", "stem_paths": PATHS, "upstreamId": "up-1"}
STEM_ATTRIBUTES = {
    "stem_id": "stem-1",
    "user_id": "user-1",
    "track_id": "track-1",
    "filepath": "a/드럼 (1).wav",
}
TASKS: list[tuple[str, dict[str, Any], Command]] = [
    (
        HASH,
        HASH_FIELDS,
        HashRequest(
            **STEM_ATTRIBUTES,
            stage_id="stage-1",
            timestamp="2025-07-16T07:39:22.281Z",
            original_filename="드럼.wav",
        ),
    ),
    (DUPLICATE, STEM | {"audio_hash": "ab"}, DuplicateRequest(**STEM_ATTRIBUTES, audio_hash="ab")),
    (
        ANALYSIS,
        ANALYSIS_FIELDS,
        AnalysisRequest(
            **STEM_ATTRIBUTES,
            num_peaks=800,
            audio_hash="ab",
            timestamp=1752651562281,
            original_filename="드럼.wav",
            upstream_id="up-1",
        ),
    ),
    (MIX, MIX_FIELDS, MixRequest(stage_id="stage-1", stem_paths=tuple(PATHS), upstream_id="up-1")),
    ("health_check", {}, HealthRequest()),
    ("app.tasks.health_check", {}, HealthRequest()),
    ("cleanup_temp_files", {}, CleanupRequest()),
    ("app.tasks.cleanup_temp_files", {}, CleanupRequest()),
]
REQUIRED = {
    HASH: ("stemId", "filepath"),
    DUPLICATE: ("stemId", "filepath", "audio_hash"),
    ANALYSIS: ("stemId", "filepath"),
    MIX: ("stageId", "stem_paths"),
}
FIELDS = {task: fields for task, fields, _ in TASKS}
each_task = pytest.mark.parametrize(("task", "fields", "command"), TASKS)
each_required = pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, names in REQUIRED.items() for name in names]
)


def nested(task: str, fields: object, **more: object) -> str:
    return json.dumps({"task": task, "id": "sent-1", "args": [], "kwargs": fields} | more)


def command_in(body: str) -> Command:
    return PARSER.parse(body).command


class TestForms:
    def test_the_bare_form_is_a_hash_request(self) -> None:
        parsed = PARSER.parse(json.dumps(HASH_FIELDS))
        assert parsed.command == TASKS[0][2]
        assert parsed.task_id is None

    def test_a_null_task_is_an_absent_one(self) -> None:
        assert command_in(json.dumps({"task": None} | HASH_FIELDS)) == TASKS[0][2]

    @each_task
    def test_the_flat_form_has_the_fields_beside_the_task(
        self, task: str, fields: dict[str, Any], command: Command
    ) -> None:
        parsed = PARSER.parse(json.dumps({"task": task, "id": "sent-1"} | fields))
        assert parsed.command == command
        assert parsed.task_id == "sent-1"

    @each_task
    def test_the_nested_form_has_the_fields_in_kwargs(
        self, task: str, fields: dict[str, Any], command: Command
    ) -> None:
        parsed = PARSER.parse(nested(task, fields))
        assert parsed.command == command
        assert parsed.task_id == "sent-1"

    @each_task
    def test_unknown_fields_are_ignored(
        self, task: str, fields: dict[str, Any], command: Command
    ) -> None:
        unknown = {"retries": 0, "eta": None, "priority": {"deep": [1, 2]}}
        assert command_in(nested(task, fields | unknown, **unknown)) == command
        assert command_in(json.dumps({"task": task} | fields | unknown)) == command

    @pytest.mark.parametrize("task_id", [None, 7, ["x"], "\ud800"])
    def test_an_id_that_is_no_text_counts_as_none(self, task_id: object) -> None:
        assert PARSER.parse(nested(MIX, MIX_FIELDS, id=task_id)).task_id is None

    def test_kwargs_may_be_null_where_nothing_is_required(self) -> None:
        assert command_in(nested("health_check", None)) == HealthRequest()

    def test_of_a_key_given_twice_the_last_one_counts(self) -> None:
        body = '{"stemId": "first", "filepath": "a.wav", "stemId": "last"}'
        assert command_in(body) == HashRequest(stem_id="last", filepath="a.wav")

    def test_the_default_number_of_peaks_is_the_configured_one(self) -> None:
        expected = AnalysisRequest(stem_id="s", filepath="a.wav", num_peaks=1234)
        assert command_in(nested(ANALYSIS, {"stemId": "s", "filepath": "a.wav"})) == expected


class TestNullMeansAbsent:
    @pytest.mark.parametrize("task", REQUIRED)
    def test_in_every_optional_field(self, task: str) -> None:
        required = {name: FIELDS[task][name] for name in REQUIRED[task]}
        nulls = dict.fromkeys(FIELDS[task]) | required
        assert command_in(nested(task, nulls)) == command_in(nested(task, required))

    @each_required
    def test_in_a_required_field_as_well(self, task: str, name: str) -> None:
        with pytest.raises((UnreadableMessage, RefusedMessage), match=f"^{task}: {name} is missi"):
            PARSER.parse(nested(task, FIELDS[task] | {name: None}))


class TestMistakes:
    @each_required
    def test_a_missing_field_is_named(self, task: str, name: str) -> None:
        fields = {key: value for key, value in FIELDS[task].items() if key != name}
        for body in (nested(task, fields), json.dumps({"task": task} | fields)):
            with pytest.raises((UnreadableMessage, RefusedMessage)) as error:
                PARSER.parse(body)
            assert str(error.value) == f"{task}: {name} is missing."

    def test_a_missing_field_of_a_bare_request_is_named_too(self) -> None:
        with pytest.raises(RefusedMessage, match="filepath is missing"):
            PARSER.parse('{"stemId": "stem-1"}')
        with pytest.raises(UnreadableMessage, match="stemId is missing"):
            PARSER.parse('{"filepath": "a.wav"}')

    @pytest.mark.parametrize("task", REQUIRED)
    def test_all_wrong_types_are_named_in_one_sentence(self, task: str) -> None:
        with pytest.raises(UnreadableMessage) as error:
            PARSER.parse(nested(task, dict.fromkeys(FIELDS[task], True)))
        kinds = {"timestamp": "text or a number", "num_peaks": "a whole number"}
        kinds["stem_paths"] = "a list"
        problems = {
            f"{name} must be {kinds.get(name, 'text')}, but is a boolean" for name in FIELDS[task]
        }
        assert str(error.value).startswith(f"{task}: ")
        assert set(str(error.value).removeprefix(f"{task}: ")[:-1].split("; ")) == problems

    @pytest.mark.parametrize(
        ("value", "kind"),
        [(0.5, "a decimal number"), (True, "a boolean"), ([], "a list"), ({}, "an obj")],
    )
    def test_what_stands_in_place_of_a_text_is_said(self, value: object, kind: str) -> None:
        with pytest.raises(RefusedMessage, match=f"filepath must be text, but is {kind}"):
            PARSER.parse(nested(HASH, HASH_FIELDS | {"filepath": value}))

    @pytest.mark.parametrize("num_peaks", ["many", "800", 800.0, True, [], {}])
    def test_a_number_of_peaks_that_is_none_is_refused(self, num_peaks: object) -> None:
        with pytest.raises(RefusedMessage, match="num_peaks must be a whole number, but is"):
            PARSER.parse(nested(ANALYSIS, ANALYSIS_FIELDS | {"num_peaks": num_peaks}))

    @pytest.mark.parametrize(
        ("paths", "problem"),
        [
            ([], "stem_paths must name at least one stem, but is empty"),
            ("a.wav", "stem_paths must be a list, but is text"),
            (["a.wav", 7], "stem_paths item 1 must be text, but is a number"),
            ([None], "stem_paths item 0 must be text, but is null"),
            (["\udfff"], "stem_paths item 0 is not valid Unicode"),
        ],
    )
    def test_stem_paths_that_name_no_stems_are_refused(self, paths: object, problem: str) -> None:
        with pytest.raises(RefusedMessage) as error:
            PARSER.parse(nested(MIX, MIX_FIELDS | {"stem_paths": paths}))
        assert str(error.value) == f"{MIX}: {problem}."

    @pytest.mark.parametrize("name", ["userId", "filepath", "timestamp", "original_filename"])
    def test_a_lone_surrogate_is_refused_where_it_would_be_sent_on(self, name: str) -> None:
        with pytest.raises(RefusedMessage, match=f"{name} is not valid Unicode"):
            PARSER.parse(nested(HASH, HASH_FIELDS | {name: "a\ud800b"}))


def _texts() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        AnalysisRequest,
        stem_id=_texts(),
        filepath=_texts(),
        num_peaks=st.integers(),
        audio_hash=st.none() | _texts(),
        user_id=st.none() | _texts(),
        timestamp=st.none() | _texts() | st.integers() | st.floats(allow_nan=False, width=32),
        original_filename=st.none() | _texts(),
        upstream_id=st.none() | _texts(),
    ).filter(lambda request: request.timestamp not in (float("inf"), float("-inf")))
)
def test_whatever_the_strings_are_a_request_arrives_as_it_was_sent(
    request_: AnalysisRequest,
) -> None:
    fields = {WIRE_NAMES.get(name, name): value for name, value in asdict(request_).items()}
    assert command_in(nested(ANALYSIS, fields)) == request_
    assert command_in(json.dumps({"task": ANALYSIS} | fields, ensure_ascii=False)) == request_


def test_a_body_is_taken_apart_once_however_many_ask() -> None:
    parser = MessageParser(default_num_peaks=10)
    body = json.dumps({"task": HASH, "kwargs": HASH_FIELDS})
    parsed = parser.parse(body)
    assert parser.parse(body) is parsed
    assert MessageParser(default_num_peaks=11).parse(body) is not parsed


def test_what_is_refused_is_refused_again() -> None:
    body = json.dumps({"task": HASH, "kwargs": HASH_FIELDS | {"filepath": 3}})
    for _ in range(2):
        with pytest.raises(RefusedMessage, match="filepath"):
            PARSER.parse(body)


def test_long_and_many_bodies_are_not_kept_in_memory() -> None:
    parser = MessageParser(default_num_peaks=10)
    long = json.dumps({"task": HASH, "kwargs": HASH_FIELDS, "x": "x" * 10_000})
    assert parser.parse(long) is not parser.parse(long)
    first = json.dumps({"task": HASH, "kwargs": HASH_FIELDS})
    parsed = parser.parse(first)
    for number in range(1_000):
        parser.parse(json.dumps({"task": HASH, "kwargs": HASH_FIELDS, "x": number}))
    assert parser.parse(first) is not parsed
