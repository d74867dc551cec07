"""A hash request that is delivered again after its stem was removed, and the record of that."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.storage_doubles import ProcessDiedError, Step, Trouble
from tests.support.workshop import SENT_AT_MS, Workshop, duplicate_message, hash_message
from waveflow.application.disposition import Acknowledge, BackOff, Disposition
from waveflow.domain.errors import StorageUnavailable
from waveflow.domain.keys import removal_key

OWNER = "users/u1/owner.wav"
COPY = "users/u2/드럼.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
OTHER_HASH = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
HASH = hash_message(COPY, stemId="copy-stem")
DELETION = duplicate_message(COPY, DRUMS_HASH, stemId="copy-stem")
RECORD = removal_key("copy-stem", COPY)


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One in which both copies were hashed, and nobody took the messages off the queue."""
    workshop.upload(OWNER, b"drums")
    workshop.deliver(hash_message(OWNER, stemId="owner-stem"), message_id="hash-owner")
    workshop.upload(COPY, b"drums")
    workshop.deliver(HASH, message_id="hash-copy")
    workshop.server.requests.clear()
    return workshop


def delete(
    workshop: Workshop,
    receive_count: int = 1,
    message_id: str = "deletion",
    sent_at_ms: int = SENT_AT_MS + 50,
) -> Disposition:
    """One delivery of the request to delete the copy."""
    return workshop.deliver(
        DELETION, receive_count=receive_count, message_id=message_id, sent_at_ms=sent_at_ms
    )


def hash_again(
    workshop: Workshop,
    body: str = HASH,
    receive_count: int = 2,
    message_id: str = "hash-copy",
    sent_at_ms: int = SENT_AT_MS,
) -> Disposition:
    """Another delivery of a hash request of the copy."""
    return workshop.deliver(
        body, receive_count=receive_count, message_id=message_id, sent_at_ms=sent_at_ms
    )


def told(workshop: Workshop) -> list[str]:
    """What the server has heard, by the last part of each event's id and its code."""
    return [
        " ".join(
            filter(None, [request.event_id.split(".", 1)[1], request.body["result"].get("code")])
        )
        if "result" in request.body
        else request.event_id.split(".", 1)[1]
        for request in workshop.server.requests
    ]


def test_a_redelivered_hash_request_of_a_removed_stem_is_done(workshop: Workshop) -> None:
    assert delete(workshop) == Acknowledge()
    with capture_logs() as logs:
        assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.success"]
    assert logs == [
        {
            "event": "stem_was_removed",
            "log_level": "info",
            "stem_id": "copy-stem",
            "filepath": COPY,
            "kept": OWNER,
            "audio_hash": DRUMS_HASH,
            "asked_by": "deletion",
        }
    ]


def test_the_record_says_what_was_removed_for_what_and_by_whom(workshop: Workshop) -> None:
    delete(workshop)
    assert json.loads(workshop.content(RECORD)) == {
        "path": COPY,
        "stem_id": "copy-stem",
        "track_id": "track456",
        "audio_hash": DRUMS_HASH,
        "kept": OWNER,
        "message_id": "deletion",
        "asked_at_ms": SENT_AT_MS + 50,
    }


def test_a_second_delivery_of_the_deletion_writes_the_same_record(workshop: Workshop) -> None:
    delete(workshop)
    before = workshop.objects()
    workshop.time.advance(100)
    delete(workshop, receive_count=2)
    assert workshop.objects() == before


def test_a_stem_that_somebody_removed_by_hand_is_reported_as_missing(workshop: Workshop) -> None:
    workshop.remove(COPY)
    assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.failed object_not_found"]


@pytest.mark.parametrize("receive_count", [2, 4, 9])
def test_no_number_of_deliveries_makes_a_failure_of_it(
    workshop: Workshop, receive_count: int
) -> None:
    delete(workshop)
    assert hash_again(workshop, receive_count=receive_count) == Acknowledge()
    assert told(workshop) == ["completion.success"]


def test_a_first_delivery_that_comes_late_contradicts_nothing(workshop: Workshop) -> None:
    """Its lease was lost, and another delivery told the hash; or the server had asked twice."""
    delete(workshop)
    for message_id in ("hash-copy", "hash-too"):
        assert hash_again(workshop, receive_count=1, message_id=message_id) == Acknowledge()
    assert told(workshop) == ["completion.success"]


def test_a_hash_request_sent_anew_for_a_removed_stem_is_answered(workshop: Workshop) -> None:
    delete(workshop)
    answer = hash_again(
        workshop, receive_count=1, message_id="hash-anew", sent_at_ms=SENT_AT_MS + 51
    )
    assert answer == Acknowledge()
    assert told(workshop) == ["completion.success", "completion.failed object_not_found"]


def test_a_hash_request_sent_after_the_removal_was_asked_for_is_not_excused(
    workshop: Workshop,
) -> None:
    """The path was used anew, and somebody deleted that upload: the record is of the one before."""
    delete(workshop)
    later_ms = SENT_AT_MS + 51
    answer = hash_again(workshop, message_id="hash-new", sent_at_ms=later_ms)
    assert answer == Acknowledge()
    assert told(workshop) == ["completion.success", "completion.failed object_not_found"]


def test_another_stem_at_the_same_path_is_not_excused(workshop: Workshop) -> None:
    delete(workshop)
    other = hash_message(COPY, stemId="other-stem")
    assert hash_again(workshop, other, message_id="hash-other") == Acknowledge()
    assert told(workshop) == ["completion.success", "completion.failed object_not_found"]


def test_a_new_upload_at_the_same_path_is_hashed(workshop: Workshop) -> None:
    delete(workshop)
    workshop.upload(COPY, b"other")
    later_ms = SENT_AT_MS + 1000
    for receive_count in (1, 2):
        answer = hash_again(
            workshop, receive_count=receive_count, message_id="hash-new", sent_at_ms=later_ms
        )
        assert answer == Acknowledge()
    assert told(workshop)[1:] == ["hash-check.hash_generated"] * 2
    assert {body["audio_hash"] for body in workshop.server.bodies[1:]} == {OTHER_HASH}


def test_a_new_upload_that_is_removed_too_has_the_newer_record(workshop: Workshop) -> None:
    delete(workshop)
    workshop.upload(COPY, b"drums")
    delete(workshop, message_id="deletion-2", sent_at_ms=SENT_AT_MS + 2000)
    answer = hash_again(workshop, message_id="hash-new", sent_at_ms=SENT_AT_MS + 1000)
    assert answer == Acknowledge()
    assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.success"] * 2


def test_an_older_deletion_that_comes_again_leaves_the_newer_record(workshop: Workshop) -> None:
    delete(workshop)
    workshop.upload(COPY, b"drums")
    hash_again(workshop, receive_count=1, message_id="hash-new", sent_at_ms=SENT_AT_MS + 1000)
    delete(workshop, message_id="deletion-2", sent_at_ms=SENT_AT_MS + 2000)
    newer = workshop.content(RECORD)
    assert delete(workshop, receive_count=2) == Acknowledge()
    assert workshop.content(RECORD) == newer
    assert json.loads(newer)["message_id"] == "deletion-2"
    answer = hash_again(workshop, message_id="hash-new", sent_at_ms=SENT_AT_MS + 1000)
    assert answer == Acknowledge()
    assert "completion.failed object_not_found" not in told(workshop)


@pytest.mark.parametrize("receive_count", [1, 2])
def test_a_newer_deletion_replaces_the_record_of_an_older_one(
    workshop: Workshop, receive_count: int
) -> None:
    delete(workshop)
    answer = delete(workshop, receive_count, message_id="deletion-2", sent_at_ms=SENT_AT_MS + 2000)
    assert answer == Acknowledge()
    assert json.loads(workshop.content(RECORD))["asked_at_ms"] == SENT_AT_MS + 2000


@pytest.mark.parametrize("is_there_before", [True, False])
def test_two_deletions_at_the_same_time_leave_the_newer_record(
    workshop: Workshop, is_there_before: bool
) -> None:
    """The newer one writes between the older one's look at the record and its writing."""
    if is_there_before:
        delete(workshop, message_id="deletion-0", sent_at_ms=SENT_AT_MS + 1)
        workshop.upload(COPY, b"drums")

    def overtake(step: Step) -> None:
        if step == Step("write", RECORD):
            workshop.storage.leave_alone()
            delete(workshop, message_id="deletion-2", sent_at_ms=SENT_AT_MS + 2000)

    workshop.storage.before = overtake
    assert delete(workshop) == BackOff(60.0)
    assert delete(workshop, receive_count=2) == Acknowledge()
    assert json.loads(workshop.content(RECORD))["message_id"] == "deletion-2"
    assert hash_again(workshop) == Acknowledge()
    assert "completion.failed object_not_found" not in told(workshop)


@pytest.mark.parametrize("text", [b"", b"{}", b"x" * ((1 << 20) + 1)])
def test_an_illegible_record_is_replaced(workshop: Workshop, text: bytes) -> None:
    workshop.upload(RECORD, text)
    assert delete(workshop) == Acknowledge()
    assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.success"]


def test_a_copy_whose_record_cannot_be_looked_up_is_kept(workshop: Workshop) -> None:
    def fail(step: Step) -> None:
        if step == Step("read", RECORD):
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    assert delete(workshop) == BackOff(60.0)
    assert workshop.content(COPY) == b"drums"


def test_a_copy_that_was_gone_already_goes_on_record_too(workshop: Workshop) -> None:
    workshop.remove(COPY)
    delete(workshop)
    assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.success"]


@pytest.mark.parametrize("kept", ["owner gone", "copy changed"])
def test_a_copy_that_is_kept_is_not_on_record(workshop: Workshop, kept: str) -> None:
    if kept == "owner gone":
        workshop.remove(OWNER)
    else:
        workshop.upload(COPY, b"other")
    delete(workshop)
    assert RECORD not in workshop.objects()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"path": 7}', b"\xff", b"x" * ((1 << 20) + 1)]
)
def test_an_illegible_record_is_no_record(workshop: Workshop, text: bytes) -> None:
    delete(workshop)
    workshop.upload(RECORD, text)
    assert hash_again(workshop) == Acknowledge()
    assert told(workshop) == ["completion.success", "completion.failed object_not_found"]


def test_a_record_that_cannot_be_looked_up_is_looked_up_later(workshop: Workshop) -> None:
    delete(workshop)

    def fail(step: Step) -> None:
        if step == Step("read", RECORD):
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    assert isinstance(hash_again(workshop), BackOff)
    workshop.storage.leave_alone()
    assert hash_again(workshop, receive_count=3) == Acknowledge()
    assert told(workshop) == ["completion.success"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_copy_whose_record_cannot_be_written_is_kept(workshop: Workshop, moment: str) -> None:
    def fail(step: Step) -> None:
        if step == Step("write", RECORD):
            raise StorageUnavailable("away")

    setattr(workshop.storage, moment, fail)
    assert delete(workshop) == BackOff(60.0)
    assert workshop.content(COPY) == b"drums"
    workshop.storage.leave_alone()
    assert delete(workshop, receive_count=2) == Acknowledge()
    assert COPY not in workshop.objects()
    assert hash_again(workshop) == Acknowledge()


def _deaths(workshop: Workshop, moment: str) -> Iterator[int]:
    """Lets the process die at each step of the deletion in turn; ends when it is done."""
    at = 0
    while True:
        trouble = Trouble(at, ProcessDiedError())
        setattr(workshop.storage, moment, trouble)
        try:
            delete(workshop)
        except ProcessDiedError:
            workshop.storage.leave_alone()
            yield at
        if not trouble.happened:
            return
        at += 1
        workshop.upload(COPY, b"drums")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_wherever_the_process_dies_no_copy_goes_without_a_record(
    workshop: Workshop, moment: str
) -> None:
    deaths = 0
    for _ in _deaths(workshop, moment):
        deaths += 1
        if COPY not in workshop.objects():
            assert hash_again(workshop) == Acknowledge()
            assert told(workshop) == []
        elif RECORD in workshop.objects():
            # The copy is still there: the record isn't asked.
            assert hash_again(workshop) == Acknowledge()
            assert told(workshop) == ["hash-check.hash_generated"]
        workshop.server.requests.clear()
    assert deaths >= 5
