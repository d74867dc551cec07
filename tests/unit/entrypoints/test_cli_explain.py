"""`waveflow explain` on a folder: each state that a stem can be in, and what helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from tests.support.waveform_documents import stem_document, store_mix, store_stem
from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.application.events import Failure, StemCompleted
from waveflow.application.outbox import Outbox, Outcome
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import StorageUnavailable
from waveflow.entrypoints.cli.output import NO_BUCKET

STEMS = "users/u1/projects/t1/stems"
STEM, COPY = f"{STEMS}/드럼 (최종).wav", f"{STEMS}/copy.wav"
IDENTITY = ("--stem-id", "s1", "--track-id", "t1")
UNTOLD = StemCompleted(
    event_id="msg_m7.completion.failed",
    stem_id="s1",
    user_id=None,
    track_id=None,
    upstream_id=None,
    original_filename="a.wav",
    completed_at="2026-11-22T01:00:00.000000Z",
    processing_time_s=0.1,
    outcome=Failure("It is cut short.", "audio_truncated"),
)


@pytest.fixture
def storage(folder_storage: Path) -> Path:
    """A storage with a stem and a copy of it."""
    song = WriteSong(folder_storage)
    song(STEM)
    song(COPY)
    return folder_storage


Explain = Callable[..., dict[str, Any]]


@pytest.fixture
def explain(waveflow: CommandLine) -> Explain:
    def explain(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
        outcome = waveflow("explain", *arguments, "--json")
        assert (outcome.code, outcome.err) == (code, "")
        said: dict[str, Any] = outcome.json
        return said

    return explain


def log_of(folder: Path, *lines: dict[str, Any]) -> Path:
    log = folder / "worker.log"
    log.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return log


def sentences(said: dict[str, Any]) -> str:
    return "\n".join(finding["sentence"] for finding in said["timeline"])


class TestStates:
    def test_a_stem_that_was_analysed(
        self, waveflow: CommandLine, explain: Explain, storage: Path
    ) -> None:
        hashed = waveflow("ingest", "--stored", STEM, *IDENTITY, "--json").json["audio_hash"]
        document = stem_document(STEM, audio_hash=hashed)
        store_stem(FolderAudioStorage(storage), "s1", document)
        said = explain("s1")
        assert said["state"] == "analysed"
        assert said["commands"] == ["waveflow resend --stem-id s1", "waveflow again --stem-id s1"]
        assert f"{STEM} is stored, " in sentences(said)
        assert f"to keep in track t1 is {STEM}." in sentences(said)
        assert said["unknown"].keys() == {"log", "dead letters", "queue", f"versions of {STEM}"}

    def test_a_waveform_of_an_earlier_version_leads_to_the_log(
        self, waveflow: CommandLine, explain: Explain, storage: Path
    ) -> None:
        store_stem(FolderAudioStorage(storage), "s1", stem_document(None))
        said = explain("s1")
        assert said["state"] == "analysed"
        assert said["commands"][0] == "waveflow resend --log LOG --stem-id s1"
        assert said["commands"][1] == "waveflow again --stem-id s1 KEY"

    def test_a_stem_that_was_removed_as_a_duplicate(
        self, waveflow: CommandLine, explain: Explain, storage: Path
    ) -> None:
        hashed = waveflow("ingest", "--stored", STEM, *IDENTITY, "--json").json["audio_hash"]
        identity = ("--stem-id", "s2", "--track-id", "t1", "--audio-hash", hashed)
        assert waveflow("resolve-duplicate", "--stored", COPY, *identity).code == 0
        for asked in ("s2", COPY):
            said = explain(asked, "--stem-id", "s2")
            assert said["state"] == "removed_as_duplicate"
            assert said["commands"] == [f"waveflow explain '{STEM}'"]
            assert f"to keep in track t1 is {STEM}." in sentences(said)

    def test_a_stage_that_was_mixed(
        self, waveflow: CommandLine, explain: Explain, storage: Path
    ) -> None:
        store_mix(FolderAudioStorage(storage), "g1")
        said = explain("g1")
        assert said["state"] == "mixed"
        assert "of a mix of 2 stems was stored" in sentences(said)

    @pytest.mark.parametrize("is_stored", [True, False])
    def test_a_waveform_with_a_dat(self, explain: Explain, storage: Path, is_stored: bool) -> None:
        key = "waveforms/s1_waveform_2026-11-22T01:00:00.123456Z.dat"
        folder = FolderAudioStorage(storage)
        store_stem(folder, "s1", evolve(stem_document(STEM), waveform_dat_path=key))
        if is_stored:
            folder.write(key, b"dat", content_type="application/octet-stream")
        said = explain("s1")
        assert said["state"] == "analysed"
        end = "stored, 3 bytes" if is_stored else "not stored"
        assert f"The waveform data {key} is {end}." in sentences(said)

    def test_an_outcome_that_waits_to_be_told(self, explain: Explain, storage: Path) -> None:
        Outbox(FolderAudioStorage(storage)).keep("m7", Outcome(UNTOLD))
        for asked in ("s1", "m7", "msg_m7.completion.failed"):
            said = explain(asked)
            assert said["state"] == "untold"
            assert said["timeline"][-1]["facts"]["code"] == "audio_truncated"
        assert explain("s2", code=1)["state"] == "unknown"

    def test_an_outcome_that_only_the_queue_does_not_know(
        self, explain: Explain, storage: Path
    ) -> None:
        Outbox(FolderAudioStorage(storage)).keep("m7", Outcome(None, "Too often."))
        assert explain("m7")["state"] == "unsettled"

    def test_an_upload_without_a_waveform(self, explain: Explain, storage: Path) -> None:
        said = explain(STEM, "--stem-id", "s1")
        assert said["state"] == "not_analysed"
        assert "or failed for good. Only a log of that time says which" in said["sentence"]
        assert said["commands"] == [f"waveflow again --stem-id s1 '{STEM}'"]
        assert explain(STEM)["state"] == "stored"

    def test_an_upload_that_went_by_hand(
        self, waveflow: CommandLine, explain: Explain, storage: Path
    ) -> None:
        store_stem(FolderAudioStorage(storage), "s1", stem_document(STEM))
        (storage / STEM).unlink()
        said = explain("s1")
        assert said["state"] == "upload_gone"
        assert "Undo a deletion" in said["sentence"]

    def test_a_stem_of_which_nothing_is_known(self, explain: Explain, storage: Path) -> None:
        said = explain("s9", code=1)
        assert (said["state"], said["commands"], said["timeline"]) == ("unknown", [], [])


class TestLog:
    FAILED: ClassVar[dict[str, Any]] = {
        "event": "webhook_delivered",
        "timestamp": "2026-11-22T01:00:02.000000Z",
        "endpoint": "/completion",
        "webhook_id": "msg_m1.completion.failed",
        "message_id": "m1",
        "stem_id": "s1",
        "status": 200,
        "body": {
            "stemId": "s1",
            "trackId": "t1",
            "status": "FAILED",
            "result": {"error": "It is \x1b[31mempty.", "code": "empty_file"},
        },
    }
    STARTED: ClassVar[dict[str, Any]] = {
        "event": "task_started",
        "timestamp": "2026-11-22T01:00:01.000000Z",
        "task": "analysis",
        "message_id": "m1",
        "stem_id": "s1",
        "attempt": 1,
    }
    LOST: ClassVar[dict[str, Any]] = {
        "event": "lease_lost",
        "timestamp": "2026-11-22T01:00:03Z",
        "message_id": "m1",
    }
    OTHERS: ClassVar[dict[str, Any]] = {
        "event": "task_started",
        "message_id": "m2",
        "stem_id": "s2",
        "attempt": 1,
    }

    def test_a_failure_is_told_with_its_sentence(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        log = log_of(folder, self.STARTED, self.OTHERS, self.FAILED, self.LOST)
        said = explain("s1", "--log", log)
        assert said["state"] == "failed"
        assert "(empty_file)" in said["sentence"]
        events = [each["facts"]["event"] for each in said["timeline"]]
        assert events == ["task_started", "webhook_delivered", "lease_lost"]

    def test_work_that_is_over_and_left_nothing_is_said_to_be_over(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        ended = {"event": "task_ended", "task": "hash", "outcome": "removed", "seconds": 1}
        log = log_of(folder, self.STARTED, ended | {"message_id": "m1"})
        assert explain("m1", "--log", log)["state"] == "worked"
        retried = ended | {"message_id": "m1", "outcome": "retried"}
        assert explain("m1", "--log", log_of(folder, retried))["state"] == "at_work"

    def test_logs_of_two_workers_may_follow_each_other(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        earlier = self.STARTED | {"timestamp": "2026-11-22T01:00:00.5Z"}
        log = log_of(folder, self.FAILED, earlier)
        later = self.FAILED | {"body": {"stemId": "s1"}, "timestamp": "2026-11-22T01:00:01Z"}
        assert explain("s1", "--log", log)["state"] == "failed"
        assert explain("s1", "--log", log_of(folder, later, earlier))["state"] == "worked"

    def test_a_waveform_of_the_same_second_as_the_failure_counts(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        store_stem(FolderAudioStorage(storage), "s1", stem_document(STEM))
        made_at = stem_document(STEM).created_at
        whole = self.FAILED | {"timestamp": f"{made_at[:19]}Z"}
        assert made_at > f"{made_at[:19]}.000000Z"
        assert explain("s1", "--log", log_of(folder, whole))["state"] == "analysed"

    def test_a_message_leads_to_its_stem(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        said = explain("m1", "--log", log_of(folder, self.STARTED, self.LOST))
        assert said["state"] == "at_work"
        assert len(said["timeline"]) == 2

    def test_a_waveform_made_after_the_failure_counts(
        self, waveflow: CommandLine, explain: Explain, storage: Path, folder: Path
    ) -> None:
        store_stem(FolderAudioStorage(storage), "s1", stem_document(STEM))
        old = self.FAILED | {"timestamp": "2020-01-01T00:00:00Z"}
        assert explain("s1", "--log", log_of(folder, old))["state"] == "analysed"

    def test_a_key_leads_to_what_was_told_of_it(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        body = {"stemId": "s5", "filepath": STEM, "trackId": "t1", "audio_hash": "ab" * 32}
        told = {"event": "webhook_delivered", "stem_id": "s5", "body": body}
        said = explain(STEM, "--log", log_of(folder, told))
        assert f"No copy of {'ab' * 32} is on record in track t1." in sentences(said)
        assert said["commands"] == [f"waveflow again --stem-id s5 '{STEM}'"]

    def test_nothing_reaches_the_terminal_that_it_would_act_on(
        self, waveflow: CommandLine, storage: Path, folder: Path
    ) -> None:
        hostile = self.LOST | {"event": "odd\x1b]0;title\x07", "reason": "\u202e\r\nnow  forged"}
        log = log_of(folder, self.STARTED, self.FAILED, hostile)
        outcome = waveflow("explain", "s1", "--log", log)
        assert outcome.code == 0
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(outcome.out)
        assert "\nnow  forged" not in outcome.out

    @pytest.mark.parametrize(
        "hostile",
        [
            {"stem_id": "../up", "message_id": "m1"},
            {"stem_id": ["s1"], "message_id": "m1", "body": {"filepath": 7, "result": []}},
            {"message_id": "m1", "body": {"filepath": "/etc/passwd", "audio_hash": "x"}},
            {"message_id": "m1", "timestamp": 7, "attempt": {"a": 1}},
        ],
    )
    def test_odd_values_in_a_log_are_no_reason_to_fail(
        self, explain: Explain, storage: Path, folder: Path, hostile: dict[str, Any]
    ) -> None:
        log = log_of(folder, {"event": "task_started"} | hostile)
        assert explain("m1", "--log", log)["state"] == "at_work"

    def test_of_very_many_lines_the_last_ones_are_kept(
        self, explain: Explain, storage: Path, folder: Path
    ) -> None:
        lines = [self.STARTED | {"attempt": number} for number in range(300)]
        said = explain("s1", "--log", log_of(folder, *lines))
        assert [each["facts"]["attempt"] for each in said["timeline"]] == list(range(100, 300))
        assert said["unknown"]["log"].startswith("100 earlier lines")


def test_a_storage_that_can_not_be_asked_is_no_missing_waveform(
    explain: Explain, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FolderAudioStorage, prefix: str) -> list[ObjectStat]:
        raise StorageUnavailable("Listing isn't allowed.")

    monkeypatch.setattr(FolderAudioStorage, "list", refuse)
    assert explain("s1", code=3)["state"] == "unknown"
    said = explain(STEM, "--stem-id", "s1")
    assert said["unknown"]["waveforms"] == "Listing isn't allowed."
    assert said["state"] == "not_analysed"
    assert said["sentence"].endswith(
        "This may be wrong: dead letters, mixes, outcomes, removals, waveforms could not be asked."
    )


def test_an_upload_that_can_not_be_asked_for_is_no_unknown_one(
    explain: Explain, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FolderAudioStorage, key: str) -> ObjectStat:
        raise StorageUnavailable("S3 is away.")

    monkeypatch.setattr(FolderAudioStorage, "stat", refuse)
    assert f"upload {STEM} could not be asked" in explain(STEM, code=3)["sentence"]


def test_without_a_bucket_nothing_is_said_of_what_is_stored(explain: Explain, folder: Path) -> None:
    said = explain(STEM, "--stem-id", "s1", code=3)
    stored = ("waveforms", "mixes", "removals", "ledger", "outcomes", f"upload {STEM}")
    assert {said["unknown"][each] for each in stored} == {NO_BUCKET}
    assert "could not be asked" in said["sentence"]
    assert list(folder.iterdir()) == []


def test_the_timeline_is_in_order_and_now_comes_last(waveflow: CommandLine, storage: Path) -> None:
    store_stem(FolderAudioStorage(storage), "s1", stem_document(STEM))
    lines = waveflow("explain", "s1").out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["now", "now"]
    assert lines[0].split()[1] == "waveforms"
    assert "analysed: The waveform is stored." in "\n".join(lines)


@pytest.mark.parametrize("what", ["a/../b", "/etc/passwd", "é", "s" * 129])
def test_what_can_be_neither_an_id_nor_a_key_is_refused(
    waveflow: CommandLine, storage: Path, what: str
) -> None:
    assert waveflow("explain", what).code == 1
    assert waveflow.refused("explain", what)
