"""Every message may come twice: the second time adds nothing and says the same."""

from __future__ import annotations

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import (
    Workshop,
    analysis_message,
    duplicate_message,
    hash_message,
    mix_message,
)
from waveflow.application.disposition import Acknowledge, BackOff

A, B = "stems/a.wav", "stems/b.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
MESSAGES = {
    "hash": hash_message(A, timestamp=1_704_103_200_123),
    "duplicate": duplicate_message(B, DRUMS_HASH),
    "analysis": analysis_message(A, audio_hash="0" * 64),
    "mix": mix_message(A, B, A),
}
FAILING = {
    "hash": hash_message("missing.wav"),
    "duplicate": duplicate_message(A, DRUMS_HASH),
    "analysis": analysis_message("missing.wav"),
    "mix": mix_message(A, "missing.wav"),
    "malformed": duplicate_message(A, DRUMS_HASH, userId=7),
}
FROM_THE_CLOCK = ("timestamp", "processed_at", "processing_time")
every_message = pytest.mark.parametrize("body", list(MESSAGES.values()), ids=list(MESSAGES))


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One in which A owns the drums, of which B is a copy."""
    for number, key in enumerate((A, B)):
        workshop.upload_audio(key, b"drums", [0.5, -0.5, 0.25])
        workshop.deliver(hash_message(key), message_id=f"hash-{number}")
    workshop.server.requests.clear()
    return workshop


@every_message
def test_a_second_delivery_leaves_the_same_objects_and_says_the_same(
    workshop: Workshop, body: str
) -> None:
    assert workshop.deliver(body) == Acknowledge()
    objects = workshop.objects()
    decodes = list(workshop.codec.decodes)
    assert workshop.deliver(body, receive_count=2) == Acknowledge()
    assert workshop.objects() == objects
    assert workshop.codec.decodes == decodes
    first, second = workshop.server.requests
    assert first == second


@every_message
@pytest.mark.parametrize("status", [302, 404, 500, 504])
def test_a_webhook_in_doubt_is_repeated_later_without_doing_the_work_again(
    workshop: Workshop, body: str, status: int
) -> None:
    workshop.server.status = status
    assert workshop.deliver(body) == BackOff(60.0)
    objects, decodes = workshop.objects(), list(workshop.codec.decodes)
    workshop.server.status = 200
    workshop.time.advance(60.0)
    assert workshop.deliver(body, receive_count=2) == Acknowledge()
    assert workshop.objects() == objects
    assert workshop.codec.decodes == decodes
    _assert_same_facts(workshop)


@pytest.mark.parametrize("name", [name for name in FAILING if name != "hash"])
def test_a_failure_webhook_in_doubt_is_repeated_later(workshop: Workshop, name: str) -> None:
    body, objects = FAILING[name], workshop.objects()
    workshop.server.status = 503
    assert workshop.deliver(body) == BackOff(60.0)
    workshop.server.status = 200
    workshop.time.advance(60.0)
    workshop.deliver(body, receive_count=2)
    _assert_same_facts(workshop)
    assert workshop.server.requests[1].event_id.endswith(".failed")
    assert workshop.objects() == objects


def test_an_upload_that_went_by_hand_after_its_hash_was_told_is_reported_as_missing(
    workshop: Workshop,
) -> None:
    """What the server had removed itself is another matter: see test_removals.py."""
    assert workshop.deliver(MESSAGES["hash"]) == Acknowledge()
    workshop.remove(A)
    assert workshop.deliver(MESSAGES["hash"], receive_count=2) == Acknowledge()
    told, missing = workshop.server.requests
    assert told.endpoint == "/hash-check"
    assert missing.body["result"]["code"] == "object_not_found"


@pytest.mark.parametrize("name", ["hash", "analysis", "mix"])
def test_the_moment_of_a_result_is_that_of_the_first_delivery(
    workshop: Workshop, name: str
) -> None:
    workshop.deliver(MESSAGES[name])
    workshop.time.advance(3600.0)
    workshop.deliver(MESSAGES[name], receive_count=2)
    first, second = workshop.server.requests
    assert first == second


def _assert_same_facts(workshop: Workshop) -> None:
    """Same id and same body, but for what tells when and how fast the attempt was."""
    first, second = workshop.server.requests
    assert (first.endpoint, first.event_id) == (second.endpoint, second.event_id)
    for body in (first.body, second.body):
        for name in FROM_THE_CLOCK:
            body.pop(name, None)
    assert first.body == second.body


@pytest.mark.parametrize("body", [MESSAGES["analysis"], MESSAGES["mix"]], ids=["analysis", "mix"])
def test_two_deliveries_side_by_side_report_the_same_facts(workshop: Workshop, body: str) -> None:
    """The second begins and ends while the first is about to store its result."""
    interrupted: list[Step] = []

    def deliver_again(step: Step) -> None:
        if step.method == "write" and step.key.endswith(".json") and not interrupted:
            interrupted.append(step)
            workshop.time.advance(40)
            workshop.deliver(body, receive_count=2)

    workshop.storage.before = deliver_again
    assert workshop.deliver(body) == Acknowledge()
    first, second = workshop.server.requests
    assert first == second


def test_a_result_that_is_damaged_is_made_again(workshop: Workshop) -> None:
    workshop.deliver(MESSAGES["analysis"])
    [key] = [key for key in workshop.objects() if key.startswith("waveforms/")]
    whole = workshop.content(key)
    workshop.upload(key, b"{")
    workshop.deliver(MESSAGES["analysis"], receive_count=2)
    assert workshop.content(key) == whole


def test_a_mix_whose_audio_is_gone_is_made_again(workshop: Workshop) -> None:
    workshop.deliver(MESSAGES["mix"])
    [key] = [key for key in workshop.objects() if key.startswith("mixed/")]
    whole = workshop.content(key)
    workshop.remove(key)
    workshop.deliver(MESSAGES["mix"], receive_count=2)
    assert workshop.content(key) == whole
