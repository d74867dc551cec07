"""What the board says of events that are rare: work that waits, webhooks that come twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.clock import Clock
from waveflow.application.commands import (
    AnalysisRequest,
    Command,
    HashRequest,
    HealthRequest,
    MixRequest,
    Origin,
)
from waveflow.domain.errors import StorageUnavailable
from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.studio.advice import problem_of
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.notes import Notes
from waveflow.entrypoints.studio.records import MixRecord, StemRecord
from waveflow.entrypoints.studio.work import Watch

HASHING = HashRequest(stem_id="stem-1", filepath="a.wav")
ANALYZING = AnalysisRequest(stem_id="stem-1", filepath="a.wav", num_peaks=1)
MIXING = MixRequest(stage_id="mix-1", stem_paths=("a.wav",))
ORIGIN = Origin("m1", 0, "t1")


class Desk:
    """A board with a stem and a mix, ten seconds after the upload."""

    def __init__(self, folder: Path) -> None:
        self.board = Board(folder / "studio.json", 1)
        self.stem = StemRecord("stem-1", "a.wav", "a.wav", 1, 100.0)
        self.stem.take("queued", "", 100.0)
        self.board.stems["stem-1"] = self.stem
        self.mix = MixRecord("mix-1", ["stem-1"])
        self.board.mixes["mix-1"] = self.mix
        self.server = StandInServer(lambda _: None, "u", "t", "g", mixes_by_itself=False)
        self.server.upload_finished("stem-1", "a.wav", "a.wav")
        self.server.ask_for_mix("mix-1", ["a.wav"])
        self.notes = Notes(
            self.board, self.server, InMemoryAudioStorage(), Clock(unix_s=lambda: 110.0)
        )
        self.watch = Watch(self.notes.begins, self.notes.waits)

    def webhook(self, endpoint: str, event_id: str = "e", **body: Any) -> None:
        request = WebhookRequest(endpoint, event_id, body)
        self.server.receive(request)
        self.notes.heard(request)

    def failed(self, event_id: str = "e") -> None:
        result = {"error": "It is no audio.", "code": "not_audio"}
        self.webhook(
            "/completion",
            event_id,
            stemId="stem-1",
            status="FAILED",
            result=result,
            audio_wave_path=None,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def unavailable(command: Command, origin: Origin) -> object:
    raise StorageUnavailable("The disk is full.")


def test_work_is_noted_when_it_begins_and_done_as_it_was_asked_for(desk: Desk) -> None:
    done: list[object] = []
    desk.watch.perform(lambda *asked: done.append(asked), HASHING, ORIGIN)
    assert done == [(HASHING, ORIGIN)]
    assert (desk.stem.step, desk.stem.history[-1].at_s) == ("hashing", 10.0)


@pytest.mark.parametrize(("command", "begun"), [(HASHING, "hashing"), (ANALYZING, "analyzing")])
def test_work_that_can_not_be_done_now_waits_and_says_why(
    desk: Desk, command: Command, begun: str
) -> None:
    with pytest.raises(StorageUnavailable):
        desk.watch.perform(unavailable, command, ORIGIN)
    assert [entry.step for entry in desk.stem.history] == ["queued", begun, "queued"]
    assert desk.stem.history[-1].sentence == (
        "It can't be done now, and is tried again soon. The disk is full."
    )


def test_so_does_a_mix(desk: Desk) -> None:
    seen: list[str] = []
    with desk.board.told(lambda: seen.append(desk.mix.step)), pytest.raises(StorageUnavailable):
        desk.watch.perform(unavailable, MIXING, ORIGIN)
    assert seen == ["mixing", "queued"]


def test_work_on_what_is_not_on_the_board_is_nobodys_news(desk: Desk) -> None:
    before = desk.board.version
    for command in (
        HealthRequest(),
        HashRequest(stem_id="other", filepath="b.wav"),
        MixRequest(stage_id="other", stem_paths=("b.wav",)),
    ):
        with pytest.raises(StorageUnavailable):
            desk.watch.perform(unavailable, command, ORIGIN)
    desk.webhook("/hash-check", stemId="other", audio_hash="11" * 32)
    desk.webhook("/completion", stemId="other", status="FAILED", result={})
    desk.webhook("/mixing-complete", stageId="other", status="FAILED")
    assert desk.board.version == before


def test_what_has_ended_stays_so(desk: Desk) -> None:
    desk.webhook("/hash-check", stemId="stem-1", audio_hash="11" * 32)
    desk.failed()
    steps = ["queued", "deciding", "failed"]
    assert [entry.step for entry in desk.stem.history] == steps
    desk.failed("again")
    desk.watch.perform(lambda *_: None, HASHING, ORIGIN)
    desk.webhook("/hash-check", stemId="stem-1", audio_hash="11" * 32)
    assert [entry.step for entry in desk.stem.history] == steps
    kept = json.loads((desk.board.file).read_text())["stems"][0]
    assert kept["error"] == {"sentence": "It is no audio.", "code": "not_audio"}


def test_a_stem_that_meets_its_own_hash_names_no_other(desk: Desk) -> None:
    for event_id in ("one", "two"):
        desk.webhook("/hash-check", event_id, stemId="stem-1", audio_hash="11" * 32)
    assert desk.server.repeated == 0
    assert desk.stem.duplicate_of is None
    assert "of another upload" in desk.stem.history[-1].sentence


def test_a_mix_of_other_stems_than_were_asked_for_is_not_taken(desk: Desk) -> None:
    desk.webhook("/mixing-complete", stageId="mix-1", status="SUCCESS", stem_paths=["b.wav"])
    assert desk.mix.step == "queued"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("not_audio", "So it is."),
        ("object_not_found", "So it is. Upload it again."),
        ("last_copy", "So it is. Nothing is lost: the upload is still here, and can be played and"),
    ],
)
def test_a_failure_says_what_to_do(code: str, sentence: str) -> None:
    problem = problem_of({"error": "So it is.", "code": code})
    assert problem.code == code
    assert problem.sentence.startswith(sentence)
