"""`waveflow send`: what it writes, and what it refuses before a worker would."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.entrypoints.command_line import CommandLine
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
)
from waveflow.entrypoints.messages import MessageParser

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
STEM = ("stemId=s1", "filepath=stems/가 (1).wav")


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQS_QUEUE_URL", raising=False)


def written(waveflow: CommandLine, *arguments: str) -> dict[str, Any]:
    """The message that a command would send."""
    outcome = waveflow("send", *arguments, "--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    document: dict[str, Any] = outcome.json
    return document


@pytest.mark.parametrize(
    ("name", "task", "fields", "id_begins", "command"),
    [
        (
            "hash",
            "app.tasks.generate_hash_and_webhook",
            (*STEM, "trackId=t1", "timestamp=2025-07-16T07:39:22.281Z"),
            "hash-s1-",
            HashRequest(
                stem_id="s1",
                filepath="stems/가 (1).wav",
                track_id="t1",
                timestamp="2025-07-16T07:39:22.281Z",
            ),
        ),
        (
            "duplicate",
            "app.tasks.process_duplicate_file",
            (*STEM, f"audio_hash={HASH}"),
            "duplicate-s1-",
            DuplicateRequest(stem_id="s1", filepath="stems/가 (1).wav", audio_hash=HASH),
        ),
        (
            "analysis",
            "app.tasks.process_audio_analysis",
            (*STEM, "num_peaks=800", "upstreamId=a=b"),
            "analysis-s1-",
            AnalysisRequest(
                stem_id="s1", filepath="stems/가 (1).wav", num_peaks=800, upstream_id="a=b"
            ),
        ),
        (
            "mix",
            "app.tasks.mix_stems_and_upload",
            ("stageId=g1", "stem_paths=a.wav", "stem_paths=b (2).wav"),
            "mixing-g1-",
            MixRequest(stage_id="g1", stem_paths=("a.wav", "b (2).wav")),
        ),
        ("health", "health_check", (), "health-", HealthRequest()),
        ("cleanup", "cleanup_temp_files", (), "cleanup-", CleanupRequest()),
    ],
)
class TestEveryTask:
    def test_is_written_as_the_main_server_writes_it(
        self,
        waveflow: CommandLine,
        name: str,
        task: str,
        fields: tuple[str, ...],
        id_begins: str,
        command: Command,
    ) -> None:
        message = written(waveflow, name, *fields)
        assert list(message) == ["task", "id", "args", "kwargs"]
        assert (message["task"], message["args"]) == (task, [])
        assert message["id"].startswith(id_begins)
        assert message["id"].removeprefix(id_begins).isdigit()
        parsed = MessageParser(default_num_peaks=4000).parse(json.dumps(message))
        assert (parsed.command, parsed.task_id) == (command, message["id"])

    def test_has_its_full_name_as_well(
        self,
        waveflow: CommandLine,
        name: str,
        task: str,
        fields: tuple[str, ...],
        id_begins: str,
        command: Command,
    ) -> None:
        full = task if task.startswith("app.") else f"app.tasks.{task}"
        for known in (task, full):
            assert written(waveflow, known, *fields, "--id", "mine") == {
                "task": task,
                "id": "mine",
                "args": [],
                "kwargs": written(waveflow, name, *fields)["kwargs"],
            }


class TestFieldsAsJson:
    def test_from_a_file(self, waveflow: CommandLine, folder: Path) -> None:
        fields = {"stageId": "g1", "stem_paths": ["가.wav"], "upstreamId": None}
        (folder / "fields.json").write_text(json.dumps(fields))
        assert written(waveflow, "mix", "--json-fields", "fields.json")["kwargs"] == fields

    def test_from_standard_input(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = '{"stemId": "s1", "filepath": "가.wav", "timestamp": 12.5}'
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        kwargs = written(waveflow, "hash", "--json-fields", "-")["kwargs"]
        assert kwargs == {"stemId": "s1", "filepath": "가.wav", "timestamp": 12.5}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (b"[1]", "--json-fields: fields.json is a list, not an object of fields."),
            (b"{", "--json-fields: fields.json is not JSON: "),
            (b'{"stemId": NaN}', "--json-fields: fields.json is not JSON: NaN is not a JSON"),
            (b'{"stemId": "\xff"}', "--json-fields: fields.json is not JSON: 'utf-8' codec can't"),
            (b'{"stem_id": "s1"}', "hash has no field 'stem_id' (did you mean 'stemId'?)."),
            (b'{"stemId": 1, "filepath": "a"}', "stemId must be text, but is a number."),
        ],
    )
    def test_what_holds_no_fields_is_a_mistake(
        self, waveflow: CommandLine, folder: Path, text: bytes, problem: str
    ) -> None:
        (folder / "fields.json").write_bytes(text)
        assert problem in waveflow.misused("send", "hash", "--json-fields", "fields.json")

    def test_fields_are_given_in_one_way(self, waveflow: CommandLine, folder: Path) -> None:
        (folder / "fields.json").write_text("{}")
        problem = waveflow.misused("send", "hash", "stemId=s1", "--json-fields", "fields.json")
        assert problem == "Give the fields as NAME=VALUE or with --json-fields, not as both."


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["hahs"], "There is no task 'hahs' (did you mean 'hash'?). Known are: hash, duplicate,"),
        (["app.tasks.hash"], "There is no task 'app.tasks.hash'"),
        (["hash", "stemId"], "'stemId' is no field; write NAME=VALUE."),
        (
            ["hash", "stageid=g"],
            "hash has no field 'stageid' (did you mean 'stageId'?). It takes stemId, filepath,",
        ),
        (["mix", "num_peaks=3"], "mix has no field 'num_peaks'. It takes stageId, stem_paths,"),
        (["health", "stemId=s1"], "health has no field 'stemId'. It takes no fields."),
        (["hash", "stemId=s1", "stemId=s2"], "stemId is given twice."),
        (["analysis", *STEM, "num_peaks=many"], "num_peaks must be a whole number, but is 'many'."),
        (["hash", "stemId=s1"], "app.tasks.generate_hash_and_webhook: filepath is missing."),
        (["mix", "stageId=g1"], "app.tasks.mix_stems_and_upload: stem_paths is missing."),
        (["analysis", *STEM, "num_peaks=4001"], "num_peaks is 4001; 1 to 4000 are possible."),
        (["hash", "stemId=a/b", "filepath=a"], "stemId 'a/b' can't be part of a storage key"),
        (["hash", "stemId=s1", "filepath=../a"], "The storage key '../a' contains a '.' or '..'"),
        (
            ["hash", "stemId=s1", "filepath=mixed/g1.wav"],
            "'mixed/g1.wav' is not an uploaded stem, but an object that WaveFlow writes.",
        ),
        (["duplicate", *STEM, "audio_hash=beef"], "audio_hash 'beef' is not a SHA-256 hash"),
        (["mix", "stageId=g1", "stem_paths=a", "stem_paths="], "The storage key '' is empty."),
        (["mix", "stageId=", "stem_paths=a"], "stageId '' can't be part of a storage key"),
        (["hash", "stemId=s1", "filepath=a\udcff"], "is not valid Unicode"),
        (["health", "--delay-s", "901"], "Invalid value for '--delay-s': 901 is not in the range"),
    ],
)
def test_what_would_fail_at_once_is_a_mistake(
    waveflow: CommandLine, arguments: list[str], problem: str
) -> None:
    assert problem in waveflow.misused("send", *arguments, "--dry-run")


class TestSettings:
    def test_a_queue_is_needed(self, waveflow: CommandLine) -> None:
        for command in (["send", "health"], ["queue", "status"], ["queue", "dead-letters"]):
            assert waveflow.complaint(2, *command) == (
                "SQS_QUEUE_URL is not set; set it to the address of the queue."
            )

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("", "WAVEFLOW_QUEUE is memory, and there is nothing to look at in an in-process"),
            (
                "http://127.0.0.1:9/1/q",
                "WAVEFLOW_QUEUE is memory: an in-process queue is only seen",
            ),
        ],
    )
    def test_an_in_process_queue_is_seen_by_nobody_else(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, url: str, problem: str
    ) -> None:
        monkeypatch.setenv("WAVEFLOW_QUEUE", "memory")
        monkeypatch.setenv("SQS_QUEUE_URL", url)
        for command in (
            ["send", "health"],
            ["queue", "status"],
            ["queue", "redrive", "--all", "--yes"],
        ):
            assert waveflow.complaint(2, *command).startswith(problem)

    def test_dead_letters_are_not_kept_in_the_queue_itself(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("SQS_QUEUE_URL", "WAVEFLOW_DEAD_LETTER_QUEUE_URL"):
            monkeypatch.setenv(name, "http://127.0.0.1:9/1/q")
        problem = waveflow.complaint(2, "queue", "redrive", "--all", "--yes")
        assert "WAVEFLOW_DEAD_LETTER_QUEUE_URL is the same as SQS_QUEUE_URL" in problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Say which: --id MESSAGE_ID (several times, if need be) or --all."),
        (["--all", "--id", "a"], "Say which: --id MESSAGE_ID (several times, if need be) or"),
        (["--id", "a", "--limit", "1"], "--limit goes with --all only."),
        (["--all"], "There is no terminal to ask on: say --yes."),
    ],
)
def test_a_re_drive_says_which_and_is_agreed_to(
    waveflow: CommandLine, arguments: list[str], problem: str
) -> None:
    assert waveflow.misused("queue", "redrive", *arguments).startswith(problem)


@pytest.mark.parametrize(
    "command",
    [["send"], ["queue"]] + [["queue", name] for name in ("status", "dead-letters", "redrive")],
)
def test_each_command_explains_itself(waveflow: CommandLine, command: list[str]) -> None:
    outcome = waveflow(*command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"Examples:\n    waveflow {command[0]} " in outcome.out
