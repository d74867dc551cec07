"""Celery's messages, made by Celery's own code: both protocols, in every wrapping."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest

from tests.support.celery_client import Protocol, celery_app, celery_message
from waveflow.application.commands import (
    CleanupRequest,
    Command,
    HashRequest,
    HealthRequest,
)
from waveflow.application.failures import StageSubject, StemSubject
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.entrypoints.messages import (
    HASH_TASK,
    MIX_TASK,
    MessageParser,
)

PARSER = MessageParser(default_num_peaks=4000)
HASH_FIELDS = {"stemId": "stem-1", "filepath": "a/드럼 (1).wav"}
HASH_REQUEST = HashRequest(stem_id="stem-1", filepath="a/드럼 (1).wav")
MIX_FIELDS = {"stageId": "stage-1", "stem_paths": ["a.wav"]}

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
each_wrapping = pytest.mark.parametrize("body_encoding", ["base64", "utf-8"])
each_outside = pytest.mark.parametrize("outer_base64", [True, False])


def nested(**keys: object) -> str:
    return json.dumps({"task": HASH_TASK, "id": "sent-1", "args": [], "kwargs": HASH_FIELDS} | keys)


class TestForms:
    @each_protocol
    @each_wrapping
    @each_outside
    def test_a_stems_message_is_understood_in_every_wrapping(
        self, protocol: Protocol, body_encoding: str, outer_base64: bool
    ) -> None:
        body = celery_message(
            HASH_TASK,
            "sent-1",
            HASH_FIELDS,
            protocol=protocol,
            base64=outer_base64,
            body_encoding=body_encoding,
        )
        assert body.startswith("{") is not outer_base64
        assert PARSER.parse(body) == ParsedMessage(HASH_REQUEST, "sent-1")

    @each_protocol
    @pytest.mark.parametrize("prefix", ["", "app.tasks."])
    @pytest.mark.parametrize(
        ("task", "command"),
        [("health_check", HealthRequest()), ("cleanup_temp_files", CleanupRequest())],
    )
    def test_maintenance_comes_with_or_without_prefix(
        self, protocol: Protocol, prefix: str, task: str, command: Command
    ) -> None:
        parsed = PARSER.parse(celery_message(prefix + task, "sent-1", {}, protocol=protocol))
        assert parsed == ParsedMessage(command, "sent-1")

    @each_protocol
    def test_the_id_that_celery_makes_is_the_task_id(self, protocol: Protocol) -> None:
        parsed = PARSER.parse(celery_message(MIX_TASK, None, MIX_FIELDS, protocol=protocol))
        assert parsed.task_id is not None
        assert len(parsed.task_id) == 36

    @each_protocol
    def test_a_compressed_body_is_unpacked(self, protocol: Protocol) -> None:
        body = celery_message(
            HASH_TASK, "sent-1", HASH_FIELDS, protocol=protocol, compression="gzip"
        )
        assert PARSER.parse(body) == ParsedMessage(HASH_REQUEST, "sent-1")

    @each_protocol
    def test_what_concerns_other_workers_is_ignored(self, protocol: Protocol) -> None:
        options: dict[str, Any] = {"time_limit": 7, "soft_time_limit": 5, "group_id": "group-1"}
        options |= {"shadow": "x", "ignore_result": True, "priority": 3, "headers": {"mine": 1}}
        body = celery_message(HASH_TASK, "sent-1", HASH_FIELDS, protocol=protocol, **options)
        assert PARSER.parse(body) == ParsedMessage(HASH_REQUEST, "sent-1")

    def test_every_form_may_be_base64(self) -> None:
        for body in (
            nested(),
            json.dumps(HASH_FIELDS),
            json.dumps({"task": HASH_TASK} | HASH_FIELDS),
        ):
            encoded = base64.b64encode(body.encode()).decode()
            assert PARSER.parse(f"{encoded}\n") == PARSER.parse(body)

    def test_a_task_named_in_headers_counts_for_a_body_of_protocol_1(self) -> None:
        content = json.dumps({"args": [], "kwargs": HASH_FIELDS, "id": "other", "retries": 1})
        headers = {"task": HASH_TASK, "id": "sent-1", "retries": 2, "eta": None}
        parsed = PARSER.parse(json.dumps({"body": content, "headers": headers}))
        assert parsed == ParsedMessage(HASH_REQUEST, "sent-1", earlier_tries=2)

    @pytest.mark.parametrize("inner", [nested(), json.dumps({"task": HASH_TASK} | HASH_FIELDS)])
    def test_the_servers_own_forms_may_come_in_an_envelope(self, inner: str) -> None:
        body = json.dumps({"body": inner, "properties": {}})
        assert PARSER.parse(body).command == HASH_REQUEST

    def test_fields_called_like_the_envelopes_keys_make_no_envelope(self) -> None:
        more = {"body": "x", "headers": {"task": "sing"}, "properties": []}
        assert PARSER.parse(json.dumps(HASH_FIELDS | more)).command == HASH_REQUEST
        assert PARSER.parse(nested(**more)).command == HASH_REQUEST


def linked(app: Any) -> dict[str, Any]:
    return {"link": app.signature("sing")}


def with_error_link(app: Any) -> dict[str, Any]:
    return {"link_error": app.signature("sing")}


def in_a_chain(app: Any) -> dict[str, Any]:
    return {"chain": [app.signature("sing")]}


def in_a_chord(app: Any) -> dict[str, Any]:
    return {"chord": app.signature("sing"), "group_id": "group-1"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("protocol", "workflow", "name"),
        [
            (1, linked, "callbacks"),
            (2, linked, "callbacks"),
            (1, with_error_link, "errbacks"),
            (2, with_error_link, "errbacks"),
            (2, in_a_chain, "chain"),
            (1, in_a_chord, "chord"),
            (2, in_a_chord, "chord"),
        ],
    )
    def test_a_workflow_is_refused_and_not_cut_short(
        self, protocol: Protocol, workflow: Callable[[Any], dict[str, Any]], name: str
    ) -> None:
        with celery_app() as app:
            options = workflow(app)
        with pytest.raises(RefusedMessage, match=f": {name} can't be carried out") as error:
            PARSER.parse(
                celery_message(HASH_TASK, "sent-1", HASH_FIELDS, protocol=protocol, **options)
            )
        assert "send what follows once the webhook has come" in str(error.value)
        assert error.value.task_id == "sent-1"

    @each_protocol
    def test_positional_arguments_are_refused(self, protocol: Protocol) -> None:
        body = celery_message(MIX_TASK, "sent-1", MIX_FIELDS, protocol=protocol, args=["a.wav"])
        with pytest.raises(RefusedMessage, match="args must be empty, with the fields") as error:
            PARSER.parse(body)
        assert error.value.subject == StageSubject(stage_id="stage-1", stem_paths=("a.wav",))

    @each_protocol
    def test_a_malformed_request_names_its_stem(self, protocol: Protocol) -> None:
        body = celery_message(HASH_TASK, "sent-1", {"stemId": "stem-1"}, protocol=protocol)
        with pytest.raises(RefusedMessage, match=f"^{HASH_TASK}: filepath is missing.$") as error:
            PARSER.parse(body)
        assert error.value.subject == StemSubject(stem_id="stem-1")
        assert error.value.task_id == "sent-1"
        assert error.value.failure.code == "invalid_message"

    @each_protocol
    def test_an_unknown_task_is_told_which_ones_there_are(self, protocol: Protocol) -> None:
        with pytest.raises(UnreadableMessage, match=r"no known task: 'sing'\. Known are: "):
            PARSER.parse(celery_message("sing", None, {}, protocol=protocol))

    @each_protocol
    def test_pickle_is_refused_unread(self, protocol: Protocol) -> None:
        body = celery_message("health_check", None, {}, protocol=protocol, serializer="pickle")
        with pytest.raises(UnreadableMessage, match="is pickle") as error:
            PARSER.parse(body)
        assert "set the sender's task_serializer to 'json'" in str(error.value)

    def test_another_compression_is_refused(self) -> None:
        body = celery_message("health_check", None, {}, compression="bzip2")
        with pytest.raises(UnreadableMessage, match="compressed by 'application/x-bz2'; send it"):
            PARSER.parse(body)
