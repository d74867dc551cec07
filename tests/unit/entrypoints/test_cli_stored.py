"""The four steps with --stored: a folder as the storage, the webhook as a line of output."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.support.audio_files import write_audio
from tests.unit.entrypoints.command_line import CommandLine, Outcome, WriteSong

STEMS = "users/u1/projects/t1/stems"
FIRST, COPY = f"{STEMS}/드럼 (최종).wav", f"{STEMS}/drums.wav"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def storage(folder_storage: Path) -> Path:
    """A storage with a stem of a tenth of a second and a copy of it."""
    song = WriteSong(folder_storage)
    song(FIRST, channels=2)
    song(COPY, channels=2)
    return folder_storage


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keys(storage: Path) -> list[str]:
    """Everything that is stored, hidden files left out."""
    paths = (path.relative_to(storage) for path in storage.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if not path.parts[0].startswith("."))


def webhook(outcome: Outcome, endpoint: str, event: str) -> dict[str, Any]:
    """The body of the one webhook that was sent, its moments as `<moment>`."""
    assert outcome.code == 0
    line = json.loads(outcome.err.splitlines()[0])
    assert list(line) == ["endpoint", "webhook-id", "body"]
    assert line["endpoint"] == endpoint
    assert re.fullmatch(rf"msg_[0-9a-f-]{{36}}\.{event}", line["webhook-id"])
    body: dict[str, Any] = json.loads(MOMENT.sub("<moment>", json.dumps(line["body"])))
    return body


def ingest(waveflow: CommandLine, key: str, *more: str) -> Outcome:
    return waveflow("ingest", "--stored", key, "--stem-id", "s1", "--track-id", "t1", *more)


def resolve(waveflow: CommandLine, key: str, audio_hash: str, *more: str) -> Outcome:
    identity = ("--stem-id", "s1", "--track-id", "t1")
    return waveflow(
        "resolve-duplicate", "--stored", key, *identity, "--audio-hash", audio_hash, *more
    )


def assert_failed(outcome: Outcome, code: str) -> None:
    """The command says so, and the failure webhook was sent as the worker would."""
    assert outcome.code == 1
    line, complaint = map(json.loads, outcome.err.splitlines())
    assert (outcome.out, complaint["code"]) == ("", code)
    assert line["body"]["status"] == "FAILED"
    assert line["body"]["result"] == complaint


def test_ingest_sends_the_hash_check(waveflow: CommandLine, storage: Path) -> None:
    outcome = ingest(waveflow, FIRST, "--user-id", "u1", "--stage-id", "g1", "--json")
    assert webhook(outcome, "/hash-check", "hash-check.hash_generated") == {
        "stemId": "s1",
        "userId": "u1",
        "trackId": "t1",
        "stageId": "g1",
        "filepath": FIRST,
        "audio_hash": sha256(storage / FIRST),
        "timestamp": None,
        "original_filename": "드럼 (최종).wav",
        "status": "hash_generated",
        "owner": "self",
        "duplicate_of": None,
    }
    assert outcome.lines == [
        {"filepath": FIRST, "audio_hash": sha256(storage / FIRST), "duplicate_of": None}
    ]
    assert len(outcome.err.splitlines()) == 1


def test_ingest_of_a_copy_names_the_owner(waveflow: CommandLine, storage: Path) -> None:
    ingest(waveflow, FIRST)
    outcome = ingest(waveflow, COPY, "--json")
    body = webhook(outcome, "/hash-check", "hash-check.hash_generated")
    assert (body["owner"], body["duplicate_of"]) == ("other", FIRST)
    assert outcome.lines[0]["duplicate_of"] == FIRST


def test_analyze_stores_the_waveform_and_sends_the_completion(
    waveflow: CommandLine, storage: Path, folder: Path
) -> None:
    identity = ("--stem-id", "s1", "--track-id", "t1", "--num-peaks", "2")
    outcome = waveflow("analyze", "--stored", FIRST, *identity, "--json")
    body = webhook(outcome, "/completion", "completion.success")
    assert 0 < body.pop("processing_time") < 60
    assert body == {
        "stemId": "s1",
        "userId": None,
        "trackId": "t1",
        "upstreamId": None,
        "status": "SUCCESS",
        "result": {
            "audio_data_hash": sha256(storage / FIRST),
            "waveform_data_path": "waveforms/s1_waveform_<moment>.json",
            "file_size": (storage / FIRST).stat().st_size,
            "duration": 0.1,
            "sample_rate": 44100,
            "num_peaks": 2,
        },
        "timestamp": "<moment>",
        "original_filename": "드럼 (최종).wav",
        "audio_wave_path": "waveforms/s1_waveform_<moment>.json",
    }
    stored = outcome.lines[0]["waveform"]
    assert json.loads((storage / stored).read_text())["peaks"] == [1.0, 1.0]
    assert list(folder.with_name("work").iterdir()) == []


def test_mix_stores_mix_and_waveform_and_sends_mixing_complete(
    waveflow: CommandLine, storage: Path, folder: Path
) -> None:
    write_audio(
        storage / "stem.flac", soundfile.read(storage / FIRST, dtype="int16")[0], kind="flac-16"
    )
    outcome = waveflow("mix", "--stored", FIRST, "stem.flac", "--stage-id", "g1", "--json")
    body = webhook(outcome, "/mixing-complete", "mixing-complete.success")
    assert body.pop("task_id").startswith("cli-")
    assert body == {
        "stageId": "g1",
        "upstreamId": None,
        "status": "SUCCESS",
        "mixed_file_path": "mixed/g1_mixed_<moment>.wav",
        "waveform_data_path": "waveforms/g1_mixed_waveform_<moment>.json",
        "stem_count": 2,
        "stem_paths": [FIRST, "stem.flac"],
        "processed_at": "<moment>",
    }
    facts = outcome.lines[0]
    assert soundfile.info(storage / facts["mix"]).frames == 4410
    assert json.loads((storage / facts["waveform"]).read_text())["num_peaks"] == 4000
    assert list(folder.with_name("work").iterdir()) == []


def test_resolve_duplicate_deletes_the_copy_and_only_the_copy(
    waveflow: CommandLine, storage: Path
) -> None:
    audio_hash = sha256(storage / FIRST)
    ingest(waveflow, FIRST)
    before = keys(storage)
    outcome = resolve(waveflow, COPY, audio_hash.upper())
    body = webhook(outcome, "/completion", "completion.success")
    assert body["status"] == "SUCCESS"
    assert body["audio_wave_path"] is None
    assert body["result"] == {
        "isDuplicate": True,
        "action": "duplicate_deleted",
        "audio_data_hash": audio_hash,
    }
    assert set(before) - set(keys(storage)) == {COPY}


@pytest.mark.parametrize(
    ("key", "known", "code"),
    [
        (FIRST, True, "last_copy"),
        (COPY, False, "unknown_content"),
        (f"{STEMS}/other.wav", True, "content_changed"),
        ("ledger/t1/x", True, "protected_key"),
    ],
)
def test_resolve_duplicate_keeps_what_could_be_lost(
    waveflow: CommandLine, storage: Path, key: str, known: bool, code: str
) -> None:
    WriteSong(storage)(f"{STEMS}/other.wav", level=0.25)
    if known:
        ingest(waveflow, FIRST)
    before = keys(storage)
    outcome = resolve(waveflow, key, sha256(storage / FIRST), "--json")
    assert_failed(outcome, code)
    assert keys(storage) == before


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("ingest", "gone.wav", "--stem-id", "s1"), "object_not_found"),
        (("ingest", "../secret", "--stem-id", "s1"), "invalid_key"),
        (("ingest", COPY, "--stem-id", "s/1"), "invalid_id"),
        (("analyze", "/etc/passwd", "--stem-id", "s1"), "invalid_key"),
        (("analyze", COPY, "--stem-id", "é"), "invalid_id"),
        (("mix", COPY, "gone.wav", "--stage-id", "g1"), "object_not_found"),
        (("resolve-duplicate", COPY, "--stem-id", "s1", "--audio-hash", "abc"), "invalid_hash"),
    ],
)
def test_bad_requests_are_refused_with_a_code(
    waveflow: CommandLine, storage: Path, command: tuple[str, ...], code: str
) -> None:
    outcome = waveflow(*command, "--stored", "--json")
    assert_failed(outcome, code)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("ingest", COPY), "--stored needs --stem-id."),
        (("ingest", COPY, FIRST, "--stem-id", "s1"), "--stored takes one key at a time."),
        (("analyze", COPY), "--stored needs --stem-id."),
        (("analyze", COPY, "--stem-id", ""), "--stored needs --stem-id."),
        (("mix", COPY), "--stored needs --stage-id."),
        (("resolve-duplicate", COPY, "--audio-hash", "a"), "--stored needs --stem-id."),
        (("resolve-duplicate", COPY, "--stem-id", "s"), "--stored needs --audio-hash."),
    ],
)
def test_what_stored_needs_is_said(
    waveflow: CommandLine, storage: Path, command: tuple[str, ...], problem: str
) -> None:
    assert waveflow.misused(*command, "--stored") == problem


def test_what_settings_ask_for_is_stored_beside_the_waveform(
    waveflow: CommandLine, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEFLOW_LEVELS", "true")
    monkeypatch.setenv("WAVEFLOW_DAT_BITS", "8")
    stem = waveflow("analyze", "--stored", FIRST, "--stem-id", "s1")
    mix = waveflow("mix", "--stored", FIRST, "--stage-id", "g1")
    result = webhook(stem, "/completion", "completion.success")["result"]
    assert result["levels"]["sample_peak_dbfs"] == -6.02
    for outcome in (stem, mix):
        dat = outcome.facts["dat"]
        assert dat == outcome.facts["waveform"].replace(".json", ".dat")
        header = (storage / dat).read_bytes()[:20]
        assert struct.unpack("<5i", header) == (1, 1, 44_100, 512, 9)
