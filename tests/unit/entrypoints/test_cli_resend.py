"""`waveflow resend` from logs and from stored waveforms, with the webhooks as lines of output."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.contracts.notifier_events import EXAMPLES
from tests.support.waveform_documents import stem_document, store_stem
from tests.unit.entrypoints.command_line import CommandLine, Outcome, WriteSong
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.entrypoints.cli.output import NO_BUCKET

STEM = "users/u1/projects/t1/stems/드럼 (최종).wav"


@pytest.fixture
def storage(folder_storage: Path) -> Path:
    """A storage with one stem; webhooks go to standard error."""
    WriteSong(folder_storage)(STEM)
    return folder_storage


@pytest.fixture
def log(folder: Path) -> Path:
    """A log with one of each webhook, each at another minute."""
    lines = [delivered(name, minute) for minute, name in enumerate(EXAMPLES)]
    path = folder / "worker.log"
    path.write_text('{"event": "worker_started"}\n' + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def many(folder: Path) -> Path:
    """A log of six webhooks: more than are sent unasked."""
    name = names_of("/completion")[0]
    ids = [f"msg_{number}.completion.success" for number in range(6)]
    log = folder / "many.log"
    log.write_text("\n".join(delivered(name, webhook_id=each) for each in ids))
    return log


def delivered(name: str, minute: int = 0, **facts: Any) -> str:
    request = EXAMPLES[name].arrives
    line = {
        "event": "webhook_delivered",
        "timestamp": f"2026-11-22T01:{minute:02d}:00.000000Z",
        "endpoint": request.endpoint,
        "webhook_id": request.event_id,
        "status": 200,
        "body": request.body,
    }
    return json.dumps(line | facts)


def sent(outcome: Outcome) -> list[dict[str, Any]]:
    """What arrived, a line of the console notifier each."""
    lines = [line for line in outcome.err.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def names_of(endpoint: str) -> list[str]:
    return [name for name, each in EXAMPLES.items() if each.arrives.endpoint == endpoint]


class TestFromALog:
    def test_everything_but_hash_checks_is_sent_word_for_word(
        self, waveflow: CommandLine, storage: Path, log: Path
    ) -> None:
        outcome = waveflow("resend", "--log", log, "--yes", "--per-second", "1000")
        wanted = [
            {"endpoint": each.endpoint, "webhook-id": each.event_id, "body": each.body}
            for each in (example.arrives for example in EXAMPLES.values())
            if each.endpoint != "/hash-check"
        ]
        found = {each["webhook-id"]: each for each in sent(outcome)}
        assert found == {each["webhook-id"]: each for each in wanted}
        assert outcome.code == 0
        assert outcome.out.endswith(f"Sent: {len(found)}. Problems: 0.\n")

    def test_hash_checks_have_to_be_named_and_are_warned_of(
        self, waveflow: CommandLine, storage: Path, log: Path
    ) -> None:
        outcome = waveflow("resend", "--log", log, "--endpoint", "/hash-check", "--yes", "--json")
        assert {each["endpoint"] for each in sent(outcome)} == {"/hash-check"}
        assert "a second category and a second analysis" in outcome.err

    def test_they_are_chosen_by_subject_and_moment(
        self, waveflow: CommandLine, storage: Path, log: Path
    ) -> None:
        minutes = {name: minute for minute, name in enumerate(EXAMPLES)}
        mixes = names_of("/mixing-complete")
        by_stage = waveflow("resend", "--log", log, "--stage-id", "stage001", "--dry-run", "--json")
        ids = {EXAMPLES[name].arrives.event_id for name in mixes}
        assert {each["webhook_id"] for each in by_stage.json["would_send"]} == ids
        last = max(minutes[name] for name in mixes)
        moments = (
            "--since",
            f"2026-11-22T01:{last:02d}",
            "--until",
            f"2026-11-22T01:{last + 1:02d}",
        )
        timed = waveflow("resend", "--log", log, *moments, "--dry-run", "--json")
        assert len(timed.json["would_send"]) == 1
        assert sent(timed) == []

    def test_a_webhook_that_was_delivered_twice_is_sent_once(
        self, waveflow: CommandLine, storage: Path, folder: Path
    ) -> None:
        [name, *_] = names_of("/mixing-complete")
        log = folder / "twice.log"
        log.write_text(f"{delivered(name, 1)}\n{delivered(name, 2)}\n")
        assert len(sent(waveflow("resend", "--log", log))) == 1

    @pytest.mark.parametrize(
        ("facts", "problem"),
        [
            ({"body": None}, "has no body"),
            ({"body_cut": True}, "too long for the log"),
            ({"webhook_id": "msg_1.completion.success\r\nx: y"}, "has no webhook id"),
            ({"webhook_id": "msg_1.hash-check.hash_generated"}, "has no webhook id"),
            ({"body": {"stageId": "\x1b[31mred"}}, "not whole"),
        ],
    )
    def test_what_is_not_whole_is_a_problem_and_never_sent(
        self,
        waveflow: CommandLine,
        storage: Path,
        folder: Path,
        facts: dict[str, Any],
        problem: str,
    ) -> None:
        log = folder / "odd.log"
        log.write_text(delivered(names_of("/mixing-complete")[0], **facts))
        outcome = waveflow("resend", "--log", log)
        assert (outcome.code, sent(outcome)) == (1, [])
        assert problem in outcome.err
        assert "\x1b" not in outcome.err + outcome.out

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400])
    def test_a_number_that_no_webhook_has_keeps_no_other_from_being_sent(
        self, waveflow: CommandLine, storage: Path, folder: Path, number: float
    ) -> None:
        name = names_of("/completion")[0]
        odd = EXAMPLES[name].arrives.body | {"processing_time": number}
        log = folder / "odd.log"
        first = delivered(name, webhook_id="msg_0.completion.success", body=odd)
        log.write_text(f"{first}\n{delivered(name)}\n")
        outcome = waveflow("resend", "--log", log)
        assert (outcome.code, len(sent(outcome))) == (1, 1)
        assert "not whole" in outcome.err

    def test_lines_that_were_cut_short_are_spoken_of(
        self, waveflow: CommandLine, storage: Path, folder: Path
    ) -> None:
        log = folder / "cut.log"
        name = names_of("/completion")[0]
        log.write_text(f"{delivered(name)[:-40]}\n{delivered(name)}\n")
        outcome = waveflow("resend", "--log", log)
        assert "1 lines of" in outcome.err
        assert len(sent(outcome)) == 1

    def test_standard_input_is_a_log_too(
        self, waveflow: CommandLine, storage: Path, log: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))
        outcome = waveflow("resend", "--log", "-", "--stage-id", "stage001", "--dry-run")
        assert outcome.code == 0
        assert "/mixing-complete  stage001" in outcome.out

    def test_many_are_not_sent_unasked(
        self, waveflow: CommandLine, storage: Path, many: Path
    ) -> None:
        problem = waveflow.misused("resend", "--log", many)
        assert problem == (
            "Send 6 webhooks to the console again? There is no terminal to ask on: say --yes."
        )

    def test_it_says_which_server_they_go_to_and_no_secret_of_its_address(
        self, waveflow: CommandLine, storage: Path, many: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("WAVEFLOW_NOTIFIER")
        monkeypatch.setenv("WEBHOOK_URL", "https://me:hidden@staging.example.com/hooks?key=hidden")
        named = "https://staging.example.com/hooks"
        question = waveflow.misused("resend", "--log", many)
        assert f"webhooks to {named} again?" in question
        rehearsal = waveflow("resend", "--log", many, "--dry-run")
        assert f"Webhooks go to {named}." in rehearsal.err
        assert "hidden" not in question + rehearsal.err + rehearsal.out

    def test_a_log_without_json_and_one_without_the_wanted_say_so(
        self, waveflow: CommandLine, storage: Path, folder: Path, log: Path
    ) -> None:
        (folder / "text.log").write_text("2026 [info] worker_started\n")
        assert "LOG_FORMAT=json" in waveflow.misused("resend", "--log", "text.log")
        complaint = waveflow.refused("resend", "--log", log, "--stem-id", "other")
        assert complaint.startswith(f"None of the {len(EXAMPLES)} webhooks")


class TestFromAWaveform:
    def test_the_completion_is_the_one_that_was_sent(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        identity = ("--stem-id", "s1", "--track-id", "t1", "--user-id", "u1")
        first = sent(waveflow("analyze", "--stored", STEM, *identity))
        again = waveflow("resend", "--stem-id", "s1")
        assert again.code == 0
        assert sent(again) == first
        assert first[0]["body"]["original_filename"] == "드럼 (최종).wav"

    def test_one_of_an_earlier_version_says_nothing_of_its_request(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        store_stem(FolderAudioStorage(storage), "s1", stem_document(None))
        complaint = waveflow.refused("resend", "--stem-id", "s1")
        assert "doesn't say who asked for it" in complaint
        assert "--log FILE" in complaint

    def test_an_older_one_is_not_sent_for_the_newest(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        stored = FolderAudioStorage(storage)
        store_stem(stored, "s1", stem_document(STEM), "2026-11-22T01:00:00.000000Z")
        store_stem(stored, "s1", stem_document(None), "2026-11-22T02:00:00.000000Z")
        assert "T02:00:00" in waveflow.refused("resend", "--stem-id", "s1")
        assert waveflow("explain", "s1", "--json").json["commands"] == [
            "waveflow resend --log LOG --stem-id s1",
            "waveflow again --stem-id s1",
        ]

    def test_a_stem_without_a_waveform_has_nothing_to_be_told(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        assert "waveflow explain s2" in waveflow.refused("resend", "--stem-id", "s2")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Say which: --log FILE, or one --stem-id with a waveform document."),
        (("--stem-id", "a", "--stem-id", "b"), "Say which: "),
        (("--stage-id", "g1"), "--stage-id, --since, --until and --endpoint choose from a log"),
        (("--stem-id", "a", "--since", "2026-01-01"), "--stage-id, --since"),
        (("--stem-id", "a", "--since", "soon"), "Invalid value for '--since': 'soon' is no moment"),
        (("--log", "gone.log"), "Invalid value for '--log': 'gone.log': No such file"),
        (("--stem-id", "a", "--per-second", "0"), "Invalid value for '--per-second'"),
    ],
)
def test_wrong_usage_is_said(
    waveflow: CommandLine, storage: Path, arguments: tuple[str, ...], problem: str
) -> None:
    assert waveflow.misused("resend", *arguments).startswith(problem)


def test_without_a_bucket_there_is_nothing_to_read(
    waveflow: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:9")
    assert waveflow.complaint(2, "resend", "--stem-id", "s1") == (NO_BUCKET)
    assert list(folder.iterdir()) == []


def test_without_a_server_there_is_nobody_to_tell(waveflow: CommandLine, log: Path) -> None:
    assert waveflow.complaint(2, "resend", "--log", log) == (
        "WEBHOOK_URL is not set; set it to the address of the main server."
    )
