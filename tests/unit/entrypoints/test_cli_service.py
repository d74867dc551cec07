"""`waveflow ledger`, `waveflow cleanup`, and settings that can't be used."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine

PATTERN = "users/*/projects/{track}/stems/*"


@pytest.fixture
def storage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage with three stems in two tracks, two of them the same, and two other files."""
    storage = folder / "storage"
    monkeypatch.setenv("WAVEFLOW_STORAGE_FOLDER", str(storage))
    for key, content in {
        "users/u1/projects/t1/stems/a (1).wav": b"sound",
        "users/u1/projects/t1/stems/가.wav": b"sound",
        "users/u1/projects/t2/stems/a.wav": b"sound",
        "users/u1/projects/t2/stems/empty.wav": b"",
        "users/u1/avatar.png": b"face",
    }.items():
        (storage / key).parent.mkdir(parents=True, exist_ok=True)
        (storage / key).write_bytes(content)
    return storage


def files_of(storage: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(storage)): path.read_bytes()
        for path in storage.rglob("*")
        if path.is_file() and path.relative_to(storage).parts[0] != ".waveflow-tmp"
    }


class TestLedger:
    def test_every_stem_is_entered_once_and_the_first_copy_owns(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        before = files_of(storage)
        outcome = waveflow("ledger", "build", PATTERN, "--json")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.json == {"owners": 2, "duplicates": 1, "passed_over": 2}
        lines = {key: body for key, body in files_of(storage).items() if key not in before}
        assert sorted(json.loads(body)["path"] for body in lines.values()) == [
            "users/u1/projects/t1/stems/a (1).wav",
            "users/u1/projects/t2/stems/a.wav",
        ]

    def test_a_second_build_changes_nothing(self, waveflow: CommandLine, storage: Path) -> None:
        first = waveflow("ledger", "build", PATTERN)
        entered = files_of(storage)
        second = waveflow("ledger", "build", PATTERN)
        assert first.facts == second.facts
        assert second.facts == {"owners": "2", "duplicates": "1", "passed_over": "2"}
        assert files_of(storage) == entered

    @pytest.mark.parametrize("pattern", ["users/*", "{track}/{track}/*", ""])
    def test_a_pattern_names_the_track_once(
        self, waveflow: CommandLine, storage: Path, pattern: str
    ) -> None:
        assert waveflow.misused("ledger", "build", pattern) == (
            f"The pattern {pattern!r} must contain {{track}} once,"
            " as in 'users/*/projects/{track}/stems/*'."
        )
        assert not (storage / "ledger").exists()

    def test_a_pattern_that_matches_nothing_is_a_mistake(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        assert waveflow.refused("ledger", "build", "songs/{track}/*") == (
            "No stem matches 'songs/{track}/*' in the configured storage;"
            " compare the pattern with the stems' keys."
        )
        assert not (storage / "ledger").exists()

    def test_without_a_pattern_it_is_wrong_usage(self, waveflow: CommandLine) -> None:
        assert waveflow.misused("ledger", "build") == "Missing argument 'PATTERN'."


def test_cleanup_removes_what_a_crash_left_and_nothing_else(
    waveflow: CommandLine, folder: Path
) -> None:
    work = folder.with_name("work")
    long_ago_s = time.time() - 3600
    for name in ("waveflow-task-old", "waveflow-task-new", "somebody-else"):
        (work / name).mkdir(parents=True)
        (work / name / "stem").write_bytes(b"12345")
    for path in (
        work / "waveflow-task-old/stem",
        work / "waveflow-task-old",
        work / "somebody-else",
    ):
        os.utime(path, (long_ago_s, long_ago_s))
    assert waveflow("cleanup", "--json").json == {"removed_folders": 1, "freed_bytes": 5}
    assert sorted(path.name for path in work.iterdir()) == ["somebody-else", "waveflow-task-new"]
    assert waveflow("cleanup").facts == {"removed folders": "0", "freed bytes": "0"}


MISTAKES = {"WAVEFLOW_STORGE": "x", "LOG_LEVEL": "loud", "MAX_RETRIES": "-1"}
SENTENCES = [
    "WAVEFLOW_STORGE is set, but there is no such setting; did you mean WAVEFLOW_STORAGE?",
    "LOG_LEVEL is 'loud'; it must be one of: debug, info, warning, error, critical.",
    "MAX_RETRIES is '-1'; it must be a whole number of 0 or more.",
]


@pytest.mark.parametrize(
    "command",
    [
        ("health",),
        ("cleanup",),
        ("ledger", "build", PATTERN),
        ("ingest", "--stored", "a.wav", "--stem-id", "s1"),
        ("analyze", "--stored", "a.wav", "--stem-id", "s1"),
        ("mix", "--stored", "a.wav", "--stage-id", "g1"),
    ],
)
def test_all_mistakes_in_the_settings_are_said_at_once(
    waveflow: CommandLine, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in MISTAKES.items():
        monkeypatch.setenv(name, value)
    outcome = waveflow(*command)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [f"waveflow: {sentence}" for sentence in SENTENCES]
    errors = waveflow(*command, "--json").err.splitlines()
    assert [json.loads(line) for line in errors] == [
        {"error": sentence, "code": "invalid_settings"} for sentence in SENTENCES
    ]


def test_commands_on_local_files_look_at_no_settings(
    waveflow: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in MISTAKES.items():
        monkeypatch.setenv(name, value)
    (folder / "a.wav").write_bytes(b"sound")
    assert waveflow("ingest", "a.wav").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "--stored", "uevent_seqnum", "--stem-id", "s1"),
        ("mix", "--stored", "uevent_seqnum", "--stage-id", "g1"),
    ],
)
@pytest.mark.skipif(not Path("/sys/kernel/uevent_seqnum").exists(), reason="needs /sys")
def test_a_storage_that_fails_is_worth_another_try(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    # The kernel's files claim 4096 bytes and have fewer: as of a disk that fails.
    monkeypatch.setenv("WAVEFLOW_STORAGE_FOLDER", "/sys/kernel")
    assert "uevent_seqnum" in waveflow.complaint(3, *command)
    assert json.loads(waveflow(*command, "--json").err)["code"] == "try_later"
