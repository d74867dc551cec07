"""The delivery policy for messages that can't be carried out as they are written."""

from __future__ import annotations

import pytest

from tests.support.workshop import Workshop, hash_message, message, mix_message
from waveflow.application.disposition import BackOff, Park


@pytest.mark.parametrize("receive_count", [1, 9])
def test_a_malformed_message_that_names_its_stem_is_reported_and_parked(
    workshop: Workshop, receive_count: int
) -> None:
    body = message("process_audio_analysis", stemId="stem789", trackId="track456", upstreamId="up1")
    reason = "app.tasks.process_audio_analysis: filepath is missing."
    assert workshop.deliver(body, receive_count=receive_count) == Park(reason)
    [request] = workshop.server.requests
    assert request.event_id == "msg_message-1.completion.failed"
    assert request.body == {
        "stemId": "stem789",
        "userId": None,
        "trackId": "track456",
        "upstreamId": "up1",
        "status": "FAILED",
        "result": {"error": reason, "code": "invalid_message"},
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": None,
        "processing_time": 0.0,
        "audio_wave_path": None,
    }
    assert workshop.tally.counts() == {"message_refused": 1}


def test_a_malformed_message_that_names_its_stage_is_reported_and_parked(
    workshop: Workshop,
) -> None:
    reason = "app.tasks.mix_stems_and_upload: stem_paths must name at least one stem, but is empty."
    assert workshop.deliver(mix_message()) == Park(reason)
    [request] = workshop.server.requests
    assert request.endpoint == "/mixing-complete"
    assert request.body == {
        "stageId": "stage001",
        "upstreamId": None,
        "status": "FAILED",
        "task_id": "task-stage001",
        "mixed_file_path": None,
        "waveform_data_path": None,
        "stem_count": 0,
        "stem_paths": [],
        "processed_at": "2024-01-01T10:05:00.123456Z",
        "result": {"error": reason, "code": "invalid_message"},
    }


def test_a_malformed_message_is_kept_until_the_server_knows(workshop: Workshop) -> None:
    workshop.server.status = 503
    for count, delay_s in ((1, 60.0), (2, 120.0), (30, 1800.0)):
        assert workshop.deliver(mix_message(), receive_count=count) == BackOff(delay_s)
    workshop.server.status = 200
    assert isinstance(workshop.deliver(mix_message(), receive_count=31), Park)
    first, *others = workshop.server.requests
    assert others == [first] * 3


@pytest.mark.parametrize(
    "body",
    ["", "text", "[]", "{}", '{"task": "app.tasks.unknown"}', '{"task": 7}', hash_message("")[:-1]],
)
def test_what_cannot_be_understood_is_parked_at_once_and_nobody_is_told(
    workshop: Workshop, body: str
) -> None:
    disposition = workshop.deliver(body)
    assert isinstance(disposition, Park)
    assert disposition.reason
    assert workshop.server.requests == []
    assert workshop.storage.steps == []
    assert workshop.tally.counts() == {"message_unreadable": 1}
