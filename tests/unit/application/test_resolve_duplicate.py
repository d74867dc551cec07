"""ResolveDuplicate: the copy that is named goes only when another one is proven to live."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.application.disposition import Acknowledge
from waveflow.domain.keys import removal_key

OWNER = "users/u1/owner.wav"
COPY = "users/u2/copy.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
KEPT = {
    "last_copy": "This is the only known copy of the recording, so the file is kept.",
    "content_changed": "The file no longer holds the recording that was called a duplicate,"
    " so it is kept.",
    "owner_lost": "The other copy of this recording is missing or changed, so this file is kept.",
    "unknown_content": "No other copy of this recording is known in this track,"
    " so the file is kept.",
    "content_lost": "Neither this file nor the copy it duplicated holds the recording any more;"
    " restore it from a backup or an earlier version of the object.",
    "protected_key": "'{key}' is not an uploaded stem, but an object that WaveFlow writes.",
}


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One in which the owner and the copy of the drums were uploaded and hashed."""
    for number, key in enumerate((OWNER, COPY)):
        workshop.upload(key, b"drums")
        workshop.deliver(hash_message(key), message_id=f"hash-{number}")
    workshop.server.requests.clear()
    return workshop


def resolve(workshop: Workshop, key: str = COPY, **fields: str) -> None:
    """One delivery of the duplicate request for `key`."""
    workshop.deliver(duplicate_message(key, DRUMS_HASH, **fields))


def assert_refused(workshop: Workshop, code: str, key: str = COPY) -> None:
    """The last webhook says that `key` was not deleted, and why."""
    request = workshop.server.requests[-1]
    assert (request.endpoint, request.event_id) == (
        "/completion",
        "msg_message-1.completion.failed",
    )
    assert request.body == {
        "stemId": "stem789",
        "userId": None,
        "trackId": request.body["trackId"],
        "upstreamId": None,
        "status": "FAILED",
        "result": {"error": KEPT[code].format(key=key), "code": code},
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": key.rsplit("/", 1)[-1],
        "processing_time": 0.0,
        "audio_wave_path": None,
    }


def test_a_verified_duplicate_is_deleted(workshop: Workshop) -> None:
    body = duplicate_message(COPY, DRUMS_HASH, userId="user123")
    assert workshop.deliver(body) == Acknowledge()
    [request] = workshop.server.requests
    assert request.endpoint == "/completion"
    assert request.event_id == "msg_message-1.completion.success"
    assert request.body == {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": "track456",
        "upstreamId": None,
        "status": "SUCCESS",
        "result": {
            "isDuplicate": True,
            "action": "duplicate_deleted",
            "audio_data_hash": DRUMS_HASH,
        },
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": "copy.wav",
        "processing_time": 0.0,
        "audio_wave_path": None,
    }
    assert set(workshop.objects()) == {
        OWNER,
        f"ledger/track456/{DRUMS_HASH}",
        removal_key("stem789", COPY),
    }


def test_a_deletion_is_logged_with_what_is_kept(workshop: Workshop) -> None:
    with capture_logs() as logs:
        resolve(workshop)
    assert logs == [
        {
            "event": "duplicate_deleted",
            "log_level": "info",
            "stem_id": "stem789",
            "track_id": "track456",
            "filepath": COPY,
            "kept": OWNER,
            "audio_hash": DRUMS_HASH,
        }
    ]


def test_a_hash_in_capitals_is_the_same_hash(workshop: Workshop) -> None:
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH.upper()))
    assert workshop.server.bodies[0]["result"]["audio_data_hash"] == DRUMS_HASH
    assert COPY not in workshop.objects()


def test_a_deletion_that_was_done_is_a_success_again(workshop: Workshop) -> None:
    resolve(workshop)
    resolve(workshop)
    first, second = workshop.server.requests
    assert first == second
    assert OWNER in workshop.objects()


def test_the_owner_is_never_deleted(workshop: Workshop) -> None:
    resolve(workshop, OWNER)
    resolve(workshop, OWNER)
    assert_refused(workshop, "last_copy", OWNER)
    assert {OWNER, COPY} <= set(workshop.objects())


def test_a_copy_that_changed_since_its_hash_is_kept(workshop: Workshop) -> None:
    workshop.upload(COPY, b"other")
    resolve(workshop)
    assert_refused(workshop, "content_changed")
    assert workshop.content(COPY) == b"other"


def test_a_copy_that_was_emptied_is_kept(workshop: Workshop) -> None:
    workshop.upload(COPY, b"")
    resolve(workshop)
    assert_refused(workshop, "content_changed")
    assert COPY in workshop.objects()


@pytest.mark.parametrize("now", [None, b"other", b""], ids=["gone", "overwritten", "emptied"])
def test_a_lost_owner_hands_its_ownership_to_the_copy(
    workshop: Workshop, now: bytes | None
) -> None:
    if now is None:
        workshop.remove(OWNER)
    else:
        workshop.upload(OWNER, now)
    resolve(workshop)
    assert_refused(workshop, "owner_lost")
    assert workshop.owner("track456", DRUMS_HASH) == COPY
    resolve(workshop)
    assert_refused(workshop, "owner_lost")
    assert workshop.server.requests[0] == workshop.server.requests[1]
    assert workshop.content(COPY) == b"drums"


def test_the_new_owner_is_the_last_copy_for_any_other_message(workshop: Workshop) -> None:
    workshop.remove(OWNER)
    resolve(workshop)
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH), message_id="message-2")
    assert workshop.server.bodies[-1]["result"]["code"] == "last_copy"
    assert workshop.content(COPY) == b"drums"


def test_another_track_owns_nothing_here(workshop: Workshop) -> None:
    resolve(workshop, trackId="track457")
    assert_refused(workshop, "unknown_content")
    assert COPY in workshop.objects()


def test_a_content_that_was_never_hashed_is_unknown(workshop: Workshop) -> None:
    workshop.remove(f"ledger/track456/{DRUMS_HASH}")
    resolve(workshop)
    assert_refused(workshop, "unknown_content")
    assert COPY in workshop.objects()


@pytest.mark.parametrize("owner_now", [None, b"other"], ids=["gone", "overwritten"])
def test_both_copies_gone_is_said_loudly(workshop: Workshop, owner_now: bytes | None) -> None:
    workshop.remove(COPY)
    workshop.remove(OWNER)
    if owner_now:
        workshop.upload(OWNER, owner_now)
    resolve(workshop)
    assert_refused(workshop, "content_lost")


def test_an_owner_that_is_gone_when_it_is_named_is_lost(workshop: Workshop) -> None:
    workshop.remove(OWNER)
    resolve(workshop, OWNER)
    assert_refused(workshop, "content_lost", OWNER)


@pytest.mark.parametrize("folder", ["waveforms", "mixed", "ledger", "outcomes", "removed"])
def test_what_waveflow_wrote_is_never_deleted(workshop: Workshop, folder: str) -> None:
    key = f"{folder}/drums.wav"
    workshop.upload(key, b"drums")
    resolve(workshop, key)
    assert_refused(workshop, "protected_key", key)
    assert workshop.content(key) == b"drums"


@pytest.mark.parametrize("audio_hash", ["", "abc", "g" * 64, DRUMS_HASH + "0", f" {DRUMS_HASH}"])
def test_what_is_not_a_hash_is_refused(workshop: Workshop, audio_hash: str) -> None:
    workshop.deliver(duplicate_message(COPY, audio_hash))
    assert workshop.server.bodies[0]["result"]["code"] == "invalid_hash"
    assert COPY in workshop.objects()


def test_without_a_track_no_file_rests_on_another_users(workshop: Workshop) -> None:
    for user in ("u1", "u2"):
        key = f"users/{user}/loose.wav"
        workshop.upload(key, b"loose")
        body = hash_message(key, trackId=None, userId=user)
        workshop.deliver(body, message_id=f"hash-{user}")
    loose_hash = workshop.server.bodies[-1]["audio_hash"]
    theirs = duplicate_message("users/u2/loose.wav", loose_hash, trackId=None, userId="u2")
    workshop.deliver(theirs)
    assert workshop.server.bodies[-1]["result"]["code"] == "unknown_content"
    assert workshop.content("users/u2/loose.wav") == b"loose"


def test_a_deleted_copy_is_on_record_as_condemned(workshop: Workshop) -> None:
    resolve(workshop)
    line = json.loads(workshop.content(f"ledger/track456/{DRUMS_HASH}"))
    assert (line["path"], line["condemned"]) == (OWNER, [COPY])
