"""AnalyzeStem: the waveform that is stored, and what the server hears of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, analysis_message
from waveflow.application.disposition import Acknowledge, BackOff
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import StorageUnavailable, TruncatedAudio

SAMPLE = "audio/sample.wav"
WAVEFORM = "waveforms/stem789_waveform_2024-01-01T10:00:00.123900Z.json"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One with a stem of four frames, which takes 0.42 s to read."""
    workshop.upload_audio(SAMPLE, b"drums", [0.25, -0.5, 0.125, 0.0])

    def take_time(step: Step) -> None:
        if step == Step("chunk", SAMPLE):
            workshop.time.advance(0.42)

    workshop.storage.before = take_time
    return workshop


def test_a_stem_is_drawn_and_reported(workshop: Workshop) -> None:
    body = analysis_message(
        SAMPLE,
        userId="user123",
        trackId="track456",
        upstreamId="up1",
        audio_hash=DRUMS_HASH,
        timestamp="2024-01-01T10:00:00Z",
        original_filename="My drums.wav",
    )
    assert workshop.deliver(body) == Acknowledge()
    [request] = workshop.server.requests
    assert request.endpoint == "/completion"
    assert request.event_id == "msg_message-1.completion.success"
    assert request.body == {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": "track456",
        "upstreamId": "up1",
        "status": "SUCCESS",
        "result": {
            "audio_data_hash": DRUMS_HASH,
            "waveform_data_path": WAVEFORM,
            "file_size": 5,
            "duration": 0.001,
            "sample_rate": 4000,
            "num_peaks": 4,
        },
        "timestamp": "2024-01-01T10:05:00.543456Z",
        "original_filename": "My drums.wav",
        "processing_time": 0.42,
        "audio_wave_path": WAVEFORM,
    }
    assert workshop.tally.counts() == {}


def test_the_document_has_what_the_front_end_reads_first(workshop: Workshop) -> None:
    workshop.deliver(analysis_message(SAMPLE))
    document = json.loads(workshop.content(WAVEFORM))
    assert list(document)[:5] == ["peaks", "duration", "sample_rate", "num_peaks", "created_at"]
    facts = {
        "peaks": [0.5, 1.0, 0.25, 0.0],
        "duration": 0.001,
        "sample_rate": 4000,
        "num_peaks": 4,
        "created_at": "2024-01-01T10:05:00.543456Z",
        "waveform_version": 1,
        "amplitude": 0.5,
        "audio_data_hash": DRUMS_HASH,
        "file_size": 5,
        "processing_time": 0.42,
    }
    assert {name: document[name] for name in facts} == facts


def test_the_document_says_who_asked_for_it(workshop: Workshop) -> None:
    workshop.deliver(
        analysis_message(SAMPLE, userId="user123", trackId="track456", upstreamId="up1")
    )
    assert json.loads(workshop.content(WAVEFORM))["request"] == {
        "filepath": SAMPLE,
        "original_filename": "sample.wav",
        "user_id": "user123",
        "track_id": "track456",
        "upstream_id": "up1",
        "event_id": "msg_message-1.completion.success",
    }


def test_a_file_name_of_unheard_of_length_is_told_but_not_kept(workshop: Workshop) -> None:
    name = "n" * 30_000
    workshop.deliver(analysis_message(SAMPLE, original_filename=name))
    assert "request" not in json.loads(workshop.content(WAVEFORM))
    assert workshop.server.bodies[0]["original_filename"] == name


def test_a_delivery_that_meets_the_document_of_an_earlier_version_says_the_same(
    workshop: Workshop,
) -> None:
    workshop.deliver(analysis_message(SAMPLE, userId="user123"))
    document = json.loads(workshop.content(WAVEFORM))
    del document["request"]
    workshop.upload(WAVEFORM, json.dumps(document).encode())
    workshop.time.advance(60.0)
    workshop.deliver(analysis_message(SAMPLE, userId="user123"), receive_count=2)
    first, second = workshop.server.requests
    assert first == second
    assert len(workshop.codec.decodes) == 1


def test_only_the_waveform_is_written(workshop: Workshop) -> None:
    workshop.deliver(analysis_message(SAMPLE))
    assert list(workshop.objects()) == [SAMPLE, WAVEFORM]


@pytest.mark.parametrize("announced", [None, "", DRUMS_HASH, DRUMS_HASH.upper()])
def test_a_hash_that_fits_or_is_missing_is_nothing_to_mention(
    workshop: Workshop, announced: str | None
) -> None:
    with capture_logs() as logs:
        workshop.deliver(analysis_message(SAMPLE, audio_hash=announced))
    assert logs == []
    assert workshop.server.bodies[0]["result"]["audio_data_hash"] == DRUMS_HASH


@pytest.mark.parametrize("announced", ["0" * 64, "no hash at all"])
def test_a_hash_that_differs_is_logged_and_counted_but_not_refused(
    workshop: Workshop, announced: str
) -> None:
    with capture_logs() as logs:
        assert workshop.deliver(analysis_message(SAMPLE, audio_hash=announced)) == Acknowledge()
    assert logs == [
        {
            "event": "audio_hash_differs",
            "log_level": "warning",
            "stem_id": "stem789",
            "announced": announced,
            "computed": DRUMS_HASH,
        }
    ]
    assert workshop.tally.counts() == {"audio_hash_differs": 1}
    [body] = workshop.server.bodies
    assert (body["status"], body["result"]["audio_data_hash"]) == ("SUCCESS", DRUMS_HASH)


def test_as_many_peaks_as_asked_for_are_drawn(workshop: Workshop) -> None:
    workshop.deliver(analysis_message(SAMPLE, num_peaks=8))
    document = json.loads(workshop.content(WAVEFORM))
    assert document["peaks"] == [0.0, 0.5, 0.0, 1.0, 0.0, 0.25, 0.0, 0.0]
    assert workshop.server.bodies[0]["result"]["num_peaks"] == 8


@pytest.mark.parametrize("num_peaks", [0, -1, 4001])
def test_a_number_of_peaks_that_cannot_be_drawn_is_refused_unread(
    workshop: Workshop, num_peaks: int
) -> None:
    workshop.deliver(analysis_message(SAMPLE, num_peaks=num_peaks))
    assert workshop.server.bodies[0]["result"]["code"] == "invalid_num_peaks"
    assert workshop.storage.steps == []


@pytest.mark.parametrize("stem_id", ["../up", "a/b", "s" * 129])
def test_a_stem_id_that_cannot_be_part_of_a_key_is_refused_unread(
    workshop: Workshop, stem_id: str
) -> None:
    workshop.deliver(analysis_message(SAMPLE, stemId=stem_id))
    assert workshop.server.bodies[0]["result"]["code"] == "invalid_id"
    assert workshop.storage.steps == []


def test_what_is_not_audio_is_a_failure(workshop: Workshop) -> None:
    workshop.upload("notes.wav", b"text")
    assert workshop.deliver(analysis_message("notes.wav", upstreamId="up1")) == Acknowledge()
    [request] = workshop.server.requests
    assert request.event_id == "msg_message-1.completion.failed"
    assert request.body == {
        "stemId": "stem789",
        "userId": None,
        "trackId": None,
        "upstreamId": "up1",
        "status": "FAILED",
        "result": {"error": "The file is not audio that can be read here.", "code": "not_audio"},
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": "notes.wav",
        "processing_time": 0.0,
        "audio_wave_path": None,
    }


@pytest.mark.parametrize(
    ("key", "content", "code"),
    [
        ("missing.wav", None, "object_not_found"),
        ("empty.wav", b"", "empty_file"),
        ("cut.wav", b"cut", "audio_truncated"),
        ("/secret.wav", None, "invalid_key"),
    ],
)
def test_what_cannot_be_drawn_is_a_failure_and_leaves_nothing(
    workshop: Workshop, key: str, content: bytes | None, code: str
) -> None:
    workshop.codec.script_error(b"cut", TruncatedAudio("It is cut short."))
    if content is not None:
        workshop.upload(key, content)
    before = workshop.objects()
    assert workshop.deliver(analysis_message(key)) == Acknowledge()
    assert workshop.server.bodies[0]["result"]["code"] == code
    assert workshop.objects() == before
    assert list(workshop.work_folder.root.glob("*")) == []


def test_a_file_of_the_largest_size_is_drawn_and_a_byte_more_is_not_read(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, AudioLimits(max_bytes=5))
    workshop.upload_audio("fits.wav", b"drums", [0.5])
    workshop.upload_audio("more.wav", b"drums!", [0.5])
    workshop.deliver(analysis_message("fits.wav"))
    assert workshop.server.bodies[0]["status"] == "SUCCESS"
    workshop.deliver(analysis_message("more.wav"), message_id="message-2")
    assert workshop.server.bodies[1]["result"]["code"] == "file_too_large"
    assert Step("chunk", "fits.wav") in workshop.storage.steps
    assert Step("chunk", "more.wav") not in workshop.storage.steps


def test_a_storage_that_fails_in_the_middle_is_tried_again(workshop: Workshop) -> None:
    def fail(step: Step) -> None:
        if step.method == "write":
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    assert workshop.deliver(analysis_message(SAMPLE)) == BackOff(60.0)
    assert workshop.server.requests == []
    assert list(workshop.work_folder.root.glob("*")) == []
    workshop.storage.leave_alone()
    assert workshop.deliver(analysis_message(SAMPLE), receive_count=2) == Acknowledge()
    assert WAVEFORM in workshop.objects()


def test_messages_of_one_millisecond_have_objects_of_their_own(workshop: Workshop) -> None:
    for number in (1, 2, 3):
        workshop.deliver(analysis_message(SAMPLE), message_id=f"message-{number}")
    assert list(workshop.objects()) == [
        SAMPLE,
        "waveforms/stem789_waveform_2024-01-01T10:00:00.123119Z.json",
        "waveforms/stem789_waveform_2024-01-01T10:00:00.123314Z.json",
        "waveforms/stem789_waveform_2024-01-01T10:00:00.123900Z.json",
    ]
