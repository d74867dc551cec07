"""IngestStem: what the server hears of an upload, and what the ledger remembers."""

from __future__ import annotations

import json

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.application.disposition import Acknowledge, BackOff
from waveflow.domain.errors import StorageUnavailable

SAMPLE = "audio/sample.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"


def test_the_first_copy_of_a_content_owns_it(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    body = hash_message(
        SAMPLE,
        userId="user123",
        stageId="stage001",
        timestamp="2024-01-01T10:00:00Z",
        original_filename="sample.wav",
    )
    assert workshop.deliver(body) == Acknowledge()
    [request] = workshop.server.requests
    assert request.endpoint == "/hash-check"
    assert request.event_id == "msg_message-1.hash-check.hash_generated"
    assert request.body == {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": "track456",
        "stageId": "stage001",
        "filepath": "audio/sample.wav",
        "audio_hash": DRUMS_HASH,
        "timestamp": "2024-01-01T10:00:00Z",
        "original_filename": "sample.wav",
        "status": "hash_generated",
        "owner": "self",
        "duplicate_of": None,
    }


def test_a_second_copy_in_the_track_names_the_first(workshop: Workshop) -> None:
    workshop.upload("a/first.wav", b"drums")
    workshop.upload("b/second.wav", b"drums")
    workshop.deliver(hash_message("a/first.wav"))
    workshop.deliver(hash_message("b/second.wav", stemId="stem790"), message_id="message-2")
    assert workshop.server.bodies[1] == {
        "stemId": "stem790",
        "userId": None,
        "trackId": "track456",
        "stageId": None,
        "filepath": "b/second.wav",
        "audio_hash": DRUMS_HASH,
        "timestamp": None,
        "original_filename": "second.wav",
        "status": "hash_generated",
        "owner": "other",
        "duplicate_of": "a/first.wav",
    }


def test_a_copy_in_another_track_is_no_duplicate(workshop: Workshop) -> None:
    workshop.upload("a/first.wav", b"drums")
    workshop.upload("b/second.wav", b"drums")
    workshop.deliver(hash_message("a/first.wav"))
    workshop.deliver(hash_message("b/second.wav", trackId="track457"), message_id="message-2")
    assert [body["owner"] for body in workshop.server.bodies] == ["self", "self"]


def test_the_ledger_says_which_version_was_hashed(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.deliver(hash_message(SAMPLE))
    assert json.loads(workshop.content(f"ledger/track456/{DRUMS_HASH}")) == {
        "path": "audio/sample.wav",
        "etag": "143a299485808af42d46ab8feb3d8cfa",
        "size_bytes": 5,
        "token": "message-1",
        "user_id": None,
        "condemned": [],
    }


@pytest.mark.parametrize("timestamp", ["as received", 1_704_103_200_123, 1704103200.5, "", 0])
def test_the_timestamp_is_handed_back_as_received(
    workshop: Workshop, timestamp: str | float
) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.deliver(hash_message(SAMPLE, timestamp=timestamp))
    assert workshop.server.bodies[0]["timestamp"] == timestamp


@pytest.mark.parametrize(
    "key",
    [
        "users/u1/projects/t1/stems/2025-07-16T07-39-22_드럼 (최종).wav",
        "a%20b+c.wav",
        "🎸/é e\u0301",
    ],
)
def test_a_key_is_used_as_it_is(workshop: Workshop, key: str) -> None:
    workshop.upload(key, b"drums")
    workshop.deliver(hash_message(key))
    [body] = workshop.server.bodies
    assert (body["filepath"], body["audio_hash"]) == (key, DRUMS_HASH)
    assert body["original_filename"] == key.rsplit("/", 1)[-1]


def test_a_stem_of_any_size_is_hashed(workshop: Workshop) -> None:
    more_than_the_limit = bytes(100 * 1024**2 + 1)
    expected = workshop.upload("long.wav", more_than_the_limit)
    assert workshop.deliver(hash_message("long.wav")) == Acknowledge()
    assert workshop.server.bodies[0]["audio_hash"] == expected


@pytest.mark.parametrize(
    ("key", "content", "code"),
    [
        ("missing.wav", None, "object_not_found"),
        ("empty.wav", b"", "empty_file"),
        ("waveforms/w.json", b"{}", "protected_key"),
        ("../secret.wav", None, "invalid_key"),
    ],
)
def test_what_cannot_be_hashed_is_a_failure_and_claims_nothing(
    workshop: Workshop, key: str, content: bytes | None, code: str
) -> None:
    if content is not None:
        workshop.upload(key, content)
    assert workshop.deliver(hash_message(key)) == Acknowledge()
    [request] = workshop.server.requests
    assert request.endpoint == "/completion"
    assert (request.body["status"], request.body["result"]["code"]) == ("FAILED", code)
    assert not [written for written in workshop.objects() if written.startswith("ledger/")]


@pytest.mark.parametrize("stem_id", ["", "a/b", "a b", "드럼", "s" * 129])
def test_a_stem_id_that_cannot_be_part_of_a_key_is_refused(
    workshop: Workshop, stem_id: str
) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.deliver(hash_message(SAMPLE, stemId=stem_id))
    assert [body["result"]["code"] for body in workshop.server.bodies] == ["invalid_id"]
    assert list(workshop.objects()) == [SAMPLE]


def test_a_lost_reply_of_the_ledger_leaves_the_owner_its_own(
    workshop: Workshop,
) -> None:
    workshop.upload(SAMPLE, b"drums")

    def lose_reply(step: Step) -> None:
        if step.method == "write":
            raise StorageUnavailable("the reply got lost")

    workshop.storage.after = lose_reply
    assert workshop.deliver(hash_message(SAMPLE)) == BackOff(60.0)
    assert workshop.owner("track456", DRUMS_HASH) == SAMPLE
    workshop.storage.leave_alone()
    assert workshop.deliver(hash_message(SAMPLE), receive_count=2) == Acknowledge()
    [body] = workshop.server.bodies
    assert (body["owner"], body["duplicate_of"]) == ("self", None)


def test_a_recording_that_was_hashed_twice_is_never_deleted_as_its_own_duplicate(
    workshop: Workshop,
) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.deliver(hash_message(SAMPLE))
    workshop.deliver(hash_message(SAMPLE), receive_count=2)
    first, second = workshop.server.bodies
    assert first == second
    assert (second["owner"], second["duplicate_of"]) == ("self", None)
    workshop.deliver(hash_message(SAMPLE), message_id="message-2")
    assert workshop.server.bodies[2] == first
    workshop.deliver(duplicate_message(SAMPLE, DRUMS_HASH), message_id="message-3")
    assert workshop.server.bodies[3]["result"]["code"] == "last_copy"
    assert workshop.content(SAMPLE) == b"drums"


def test_without_a_track_another_users_key_is_not_told(workshop: Workshop) -> None:
    for user in ("u1", "u2"):
        workshop.upload(f"users/{user}/a.wav", b"drums")
        body = hash_message(f"users/{user}/a.wav", trackId=None, userId=user)
        workshop.deliver(body, message_id=f"hash-{user}")
    assert [body["owner"] for body in workshop.server.bodies] == ["self", "self"]
    assert [body["duplicate_of"] for body in workshop.server.bodies] == [None, None]
