"""The stand-in for the main server: its forms, its questions, its habits good and bad."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.commands import HashRequest
from waveflow.entrypoints.demo.main_server import ServerStem, StandInServer
from waveflow.entrypoints.messages import (
    ANALYSIS_TASK,
    DUPLICATE_TASK,
    MIX_TASK,
    MessageParser,
)

TAKEN = WebhookAnswer(201, b'{"success":true}')
FIRST, SECOND = "11" * 32, "22" * 32


class Stage:
    """A server with what it put on the queue and what it told."""

    def __init__(self, *stem_ids: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.server = StandInServer(
            send=lambda body: self.sent.append(json.loads(body)),
            user_id="u1",
            track_id="t1",
            stage_id="g1",
            tell=self.told.append,
        )
        for stem_id in stem_ids:
            self.server.upload_finished(stem_id, f"stems/{stem_id}.wav", f"{stem_id}.wav")
        self.uploads, self.sent[:] = list(self.sent), []

    def hash_check(self, stem_id: str, audio_hash: str, event_id: str = "") -> WebhookAnswer:
        body = {"stemId": stem_id, "audio_hash": audio_hash}
        return self.server.receive(
            WebhookRequest("/hash-check", event_id or f"hash-{stem_id}", body)
        )

    def completion(self, stem_id: str, event_id: str = "", **result: object) -> WebhookAnswer:
        drawn = not result
        body = {
            "stemId": stem_id,
            "status": "FAILED" if "error" in result else "SUCCESS",
            "result": result or {"duration": 1.0},
            "audio_wave_path": f"waveforms/{stem_id}.json" if drawn else None,
        }
        return self.server.receive(
            WebhookRequest("/completion", event_id or f"done-{stem_id}", body)
        )


def test_uploads_are_announced_in_all_three_forms_in_turn() -> None:
    stage = Stage("a", "b", "c", "d")
    forms = [
        "nested" if "kwargs" in body else "flat" if "task" in body else "bare"
        for body in stage.uploads
    ]
    assert sorted(forms[:3]) == ["bare", "flat", "nested"]
    assert forms[3] == forms[0]
    parser = MessageParser(default_num_peaks=4000)
    commands = [parser.parse(json.dumps(body)).command for body in stage.uploads]
    assert commands == [
        HashRequest(
            stem_id=stem_id,
            filepath=f"stems/{stem_id}.wav",
            user_id="u1",
            track_id="t1",
            stage_id="g1",
            timestamp="2025-07-16T07:39:22.281Z",
            original_filename=f"{stem_id}.wav",
        )
        for stem_id in "abcd"
    ]


def test_a_new_hash_is_answered_with_a_request_for_the_waveform() -> None:
    stage = Stage("a")
    assert stage.hash_check("a", FIRST) == TAKEN
    [message] = stage.sent
    assert (message["task"], message["args"]) == (ANALYSIS_TASK, [])
    assert message["kwargs"] == {
        "stemId": "a",
        "userId": "u1",
        "trackId": "t1",
        "filepath": "stems/a.wav",
        "audio_hash": None,
        "num_peaks": 4000,
    }
    assert stage.server.stems["a"].verdict == "new"


def test_a_known_hash_is_answered_with_a_request_for_deletion() -> None:
    stage = Stage("a", "b")
    stage.hash_check("a", FIRST)
    assert stage.hash_check("b", FIRST) == TAKEN
    message = stage.sent[1]
    assert message["task"] == DUPLICATE_TASK
    assert message["kwargs"] == {
        "stemId": "b",
        "userId": "u1",
        "trackId": "t1",
        "filepath": "stems/b.wav",
        "audio_hash": FIRST,
    }
    assert stage.server.stems["b"].verdict == "duplicate"


def test_a_repeated_webhook_is_counted_and_meets_its_own_hash() -> None:
    stage = Stage("a", "b")
    stage.hash_check("a", FIRST)
    stage.hash_check("b", SECOND)
    assert stage.server.repeated == 0
    assert stage.hash_check("a", FIRST) == TAKEN
    assert stage.server.repeated == 1
    assert stage.server.stems["a"].verdict == "duplicate"
    assert [message["task"] for message in stage.sent] == [
        ANALYSIS_TASK,
        ANALYSIS_TASK,
        DUPLICATE_TASK,
    ]
    stage.hash_check("a", FIRST)
    assert stage.server.repeated == 2


def test_an_event_under_another_id_is_no_repetition() -> None:
    stage = Stage("a")
    stage.hash_check("a", FIRST, "event-1")
    stage.hash_check("a", FIRST, "event-2")
    assert stage.server.repeated == 0


@pytest.mark.parametrize(
    ("endpoint", "body", "problem"),
    [
        ("/hash-check", {"stemId": "x", "audio_hash": FIRST}, "stem x not found"),
        ("/completion", {"stemId": "x", "status": "SUCCESS", "result": {}}, "stem x not found"),
        ("/mixing-complete", {"stageId": "g2", "status": "SUCCESS"}, "stage g2 not found"),
    ],
)
def test_what_it_does_not_know_is_answered_with_200_and_an_error(
    endpoint: str, body: dict[str, Any], problem: str
) -> None:
    stage = Stage("a")
    answer = stage.server.receive(WebhookRequest(endpoint, "event-1", body))
    assert answer.status == 200
    assert json.loads(answer.body) == {"success": False, "error": problem}
    assert stage.sent == []
    assert stage.server.mix is None


def test_the_mix_is_asked_for_once_all_stems_are_done() -> None:
    stage = Stage("a", "b", "c", "d")
    stage.completion("a")
    stage.completion("c", isDuplicate=True, action="duplicate_deleted")
    stage.completion("d", error="It is not audio.", code="not_audio")
    assert stage.sent == []
    stage.completion("b")
    [message] = stage.sent
    assert message["task"] == MIX_TASK
    assert message["kwargs"] == {"stageId": "g1", "stem_paths": ["stems/a.wav", "stems/b.wav"]}
    assert stage.told[-2:] == [
        "b.wav: SUCCESS, waveform drawn",
        "all stems are done; asks for the mix of 2",
    ]


def test_without_a_single_waveform_no_mix_is_asked_for() -> None:
    stage = Stage("a")
    stage.completion("a", error="It is not audio.", code="not_audio")
    assert stage.sent == []
    assert stage.told == ["a.wav: FAILED, It is not audio."]


def test_the_mix_is_kept_when_it_comes() -> None:
    stage = Stage("a")
    stage.completion("a")
    assert stage.server.mix is None
    body = {"stageId": "g1", "status": "SUCCESS", "mixed_file_path": "mixed/g1.wav"}
    assert stage.server.receive(WebhookRequest("/mixing-complete", "e", body)) == TAKEN
    assert stage.server.mix == body


def test_every_message_has_a_name_of_its_own() -> None:
    stage = Stage("a", "b")
    stage.hash_check("a", FIRST)
    stage.hash_check("b", FIRST)
    stage.completion("a")
    stage.completion("b")
    names = [message["id"] for message in stage.uploads + stage.sent if "id" in message]
    assert len(names) == len(set(names)) == 4


def test_a_mix_of_fewer_stems_that_comes_in_late_does_not_replace_the_whole_one() -> None:
    stage = Stage("a", "b")
    for number, stem_id in enumerate("ab"):
        stage.hash_check(stem_id, f"{number}{number}" * 32)
        stage.completion(stem_id)
    stage.server.upload_finished("c", "stems/c.wav", "c.wav")
    stage.hash_check("c", "33" * 32)
    stage.completion("c")
    mixes = [sent["kwargs"]["stem_paths"] for sent in stage.sent if sent.get("task") == MIX_TASK]
    assert [len(paths) for paths in mixes] == [2, 3]
    for paths in reversed(mixes):
        body = {"stageId": "g1", "status": "SUCCESS", "stem_paths": paths}
        event_id = f"mix-{len(paths)}"
        stage.server.receive(WebhookRequest("/mixing-complete", event_id, body))
    assert stage.server.mix is not None
    assert stage.server.mix["stem_paths"] == mixes[1]
    assert stage.told[-1] == "mix: SUCCESS, but of other stems than there are now"


class TestMixesThatPeopleChoose:
    """As in the studio: a mix when it is asked for, and each in a stage of its own."""

    def stage(self) -> Stage:
        stage = Stage("a", "b")
        stage.server.mixes_by_itself = False
        return stage

    def test_none_is_asked_for_when_all_stems_are_done(self) -> None:
        stage = self.stage()
        stage.completion("a")
        stage.completion("b")
        assert stage.sent == []

    def test_each_has_stems_and_an_outcome_of_its_own(self) -> None:
        stage = self.stage()
        stage.server.ask_for_mix("mix-1", ["stems/a.wav"])
        stage.server.ask_for_mix("mix-2", ["stems/b.wav", "stems/a.wav"])
        assert [message["kwargs"] for message in stage.sent] == [
            {"stageId": "mix-1", "stem_paths": ["stems/a.wav"]},
            {"stageId": "mix-2", "stem_paths": ["stems/b.wav", "stems/a.wav"]},
        ]
        body = {"stageId": "mix-2", "status": "SUCCESS", "mixed_file_path": "mixed/2.wav"}
        assert stage.server.receive(WebhookRequest("/mixing-complete", "e", body)) == TAKEN
        outcomes = {name: mix.outcome for name, mix in stage.server.mixes.items()}
        assert outcomes == {"mix-1": None, "mix-2": body}


def test_a_duplicate_names_the_stem_that_was_first() -> None:
    stage = Stage("a", "b", "c")
    for stem_id in "abc":
        stage.hash_check(stem_id, FIRST)
    assert [stem.duplicate_of for stem in stage.server.stems.values()] == [None, "a", "a"]


def test_a_stem_that_meets_its_own_hash_is_nobody_elses_duplicate() -> None:
    stage = Stage("a")
    stage.hash_check("a", FIRST)
    stage.hash_check("a", FIRST)
    assert stage.server.stems["a"].duplicate_of is None


def test_stems_of_an_earlier_run_are_known_by_their_hash() -> None:
    stage = Stage("b")
    stage.server.know(ServerStem("a", "stems/a.wav", "a.wav", audio_hash=FIRST, verdict="new"))
    stage.server.know(ServerStem("c", "stems/c.wav", "c.wav"))
    stage.hash_check("b", FIRST)
    assert stage.server.stems["b"].duplicate_of == "a"
    assert stage.sent[0]["task"] == DUPLICATE_TASK
