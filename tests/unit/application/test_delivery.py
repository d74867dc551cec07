"""The delivery policy, row by row of its table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, analysis_message, hash_message, message, mix_message
from waveflow.application.disposition import Acknowledge, BackOff, Park
from waveflow.domain.errors import ObjectChanged, StorageUnavailable, TransientError

SAMPLE = "audio/sample.wav"
SPENT = (
    "The file could not be processed, although it was tried several times."
    " It is kept; please try again later or contact support."
)


def failing(error: Exception) -> Callable[[Step], None]:
    def fail(step: Step) -> None:
        raise error

    return fail


def failed_completion(code: str, error: str) -> dict[str, Any]:
    """The whole body of `/completion` for a failed stem789."""
    return {
        "stemId": "stem789",
        "userId": None,
        "trackId": "track456",
        "upstreamId": None,
        "status": "FAILED",
        "result": {"error": error, "code": code},
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": "sample.wav",
        "processing_time": 0.0,
        "audio_wave_path": None,
    }


def test_what_is_done_is_acknowledged(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    assert workshop.deliver(hash_message(SAMPLE)) == Acknowledge()
    assert [request.endpoint for request in workshop.server.requests] == ["/hash-check"]
    assert workshop.tally.counts() == {}


@pytest.mark.parametrize("receive_count", [1, 4, 9])
def test_what_failed_for_good_is_reported_and_acknowledged(
    workshop: Workshop, receive_count: int
) -> None:
    with capture_logs() as logs:
        disposition = workshop.deliver(
            analysis_message(SAMPLE, trackId="track456"), receive_count=receive_count
        )
    assert disposition == Acknowledge()
    reason = "Nothing is stored under 'audio/sample.wav'; check the key, or upload the file again."
    assert workshop.server.bodies == [failed_completion("object_not_found", reason)]
    assert logs == [
        {
            "event": "task_failed",
            "log_level": "warning",
            "message_id": "message-1",
            "receive_count": receive_count,
            "code": "object_not_found",
            "reason": reason,
        }
    ]
    assert workshop.tally.counts() == {"task_failed": 1}


@pytest.mark.parametrize("receive_count", [1, 2, 4, 9])
def test_a_hash_request_whose_stem_is_gone_is_answered_whenever_it_comes(
    workshop: Workshop, receive_count: int
) -> None:
    """A worker may have died over it before it said so."""
    disposition = workshop.deliver(hash_message(SAMPLE), receive_count=receive_count)
    assert disposition == Acknowledge()
    [request] = workshop.server.requests
    assert request.body["result"]["code"] == "object_not_found"
    assert workshop.tally.counts() == {"task_failed": 1}


def test_a_hash_request_that_came_too_early_has_told_nothing_yet(workshop: Workshop) -> None:
    eta = "2024-01-01T10:02:00Z"
    body = json.dumps(json.loads(hash_message(SAMPLE)) | {"eta": eta})
    assert workshop.deliver(body, receive_count=2) == Acknowledge()
    [request] = workshop.server.requests
    assert request.body["result"]["code"] == "object_not_found"


@pytest.mark.parametrize("error", [StorageUnavailable("away"), ObjectChanged("another version")])
def test_what_may_work_later_backs_off(workshop: Workshop, error: TransientError) -> None:
    workshop.storage.before = failing(error)
    dispositions = [
        workshop.deliver(hash_message(SAMPLE), receive_count=count) for count in (1, 2, 3)
    ]
    assert dispositions == [BackOff(60.0), BackOff(120.0), BackOff(240.0)]
    assert workshop.server.requests == []
    assert workshop.tally.counts() == {"task_interrupted": 3}


def test_what_may_work_later_is_parked_when_the_retries_are_used_up(workshop: Workshop) -> None:
    workshop.storage.before = failing(StorageUnavailable("away"))
    disposition = workshop.deliver(hash_message(SAMPLE), receive_count=4)
    assert disposition == Park("temporarily_unavailable: away")
    [request] = workshop.server.requests
    assert request.event_id == "msg_message-1.completion.failed"
    assert request.body == failed_completion("temporarily_unavailable", SPENT)


def test_a_defect_backs_off_is_logged_with_its_traceback_and_parked_in_the_end(
    workshop: Workshop,
) -> None:
    defect = ZeroDivisionError("our mistake")
    workshop.storage.before = failing(defect)
    with capture_logs() as logs:
        dispositions = [
            workshop.deliver(hash_message(SAMPLE), receive_count=count) for count in (1, 2, 3, 4)
        ]
    assert dispositions == [
        BackOff(60.0),
        BackOff(120.0),
        BackOff(240.0),
        Park("internal_error: our mistake"),
    ]
    assert workshop.server.bodies == [failed_completion("internal_error", SPENT)]
    assert [(log["event"], log["log_level"], log["exc_info"]) for log in logs] == [
        ("defect", "error", defect)
    ] * 4
    assert workshop.tally.counts() == {"defect": 4}


def test_a_mix_that_is_given_up_is_reported_as_a_mix(workshop: Workshop) -> None:
    workshop.storage.before = failing(StorageUnavailable("away"))
    workshop.deliver(mix_message("a.wav", "b.wav"), receive_count=4)
    [request] = workshop.server.requests
    assert request.endpoint == "/mixing-complete"
    assert request.body == {
        "stageId": "stage001",
        "upstreamId": None,
        "status": "FAILED",
        "task_id": "task-stage001",
        "mixed_file_path": None,
        "waveform_data_path": None,
        "stem_count": 2,
        "stem_paths": ["a.wav", "b.wav"],
        "processed_at": "2024-01-01T10:05:00.123456Z",
        "result": {"error": SPENT, "code": "temporarily_unavailable"},
    }


@pytest.mark.parametrize(
    ("receive_count", "delay_s"),
    [(1, 60.0), (2, 120.0), (3, 240.0), (5, 960.0), (9, 1800.0)],
)
def test_an_undelivered_webhook_never_counts_as_a_failure(
    workshop: Workshop, receive_count: int, delay_s: float
) -> None:
    workshop.upload(SAMPLE, b"drums")
    workshop.server.status = 503
    body = hash_message(SAMPLE)
    assert workshop.deliver(body, receive_count=receive_count) == BackOff(delay_s)
    assert [request.endpoint for request in workshop.server.requests] == ["/hash-check"]
    assert workshop.tally.counts() == {"webhook_undelivered": 1}


@pytest.mark.parametrize("error", [None, StorageUnavailable("away"), ZeroDivisionError("defect")])
def test_an_undelivered_failure_keeps_the_message_and_is_repeated(
    workshop: Workshop, error: Exception | None
) -> None:
    if error:
        workshop.storage.before = failing(error)
    workshop.server.status = 503
    for count, delay_s in ((4, 480.0), (5, 960.0), (8, 1800.0)):
        assert workshop.deliver(analysis_message(SAMPLE), receive_count=count) == BackOff(delay_s)
    workshop.server.status = 200
    last = workshop.deliver(analysis_message(SAMPLE), receive_count=9)
    assert last == (Park(f"{_code(workshop)}: {error}") if error else Acknowledge())
    first, *others = workshop.server.requests
    assert others == [first] * 3
    assert first.event_id == "msg_message-1.completion.failed"


def _code(workshop: Workshop) -> str:
    code: str = workshop.server.bodies[-1]["result"]["code"]
    return code


@pytest.mark.parametrize("receive_count", [1, 4])
def test_a_defect_while_a_failure_is_reported_keeps_the_message(
    workshop: Workshop, receive_count: int
) -> None:
    defect = ZeroDivisionError("our mistake")
    workshop.server.fail_with(defect)
    with capture_logs() as logs:
        disposition = workshop.deliver(analysis_message(SAMPLE), receive_count=receive_count)
    assert disposition == BackOff(60.0 if receive_count == 1 else 300.0)
    assert [log.get("exc_info") for log in logs] == [None, defect]
    assert workshop.tally.counts() == {"task_failed": 1, "defect": 1}


@pytest.mark.parametrize("task", ["health_check", "cleanup_temp_files"])
def test_maintenance_is_acknowledged_and_nobody_is_told(workshop: Workshop, task: str) -> None:
    assert workshop.deliver(json.dumps({"task": task})) == Acknowledge()
    assert workshop.deliver(message(task)) == Acknowledge()
    assert workshop.server.requests == []


def test_the_time_that_a_failure_took_is_told(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"not audio")
    workshop.storage.before = lambda step: workshop.time.advance(0.25)
    workshop.deliver(analysis_message(SAMPLE))
    [body] = workshop.server.bodies
    # The waveform of an earlier delivery, the stem, and its only chunk.
    assert body["processing_time"] == 0.75


@pytest.mark.parametrize("receive_count", [10, 11, 100_000])
def test_what_came_ten_times_and_never_to_an_end_is_not_tried_again(
    workshop: Workshop, receive_count: int
) -> None:
    workshop.upload(SAMPLE, b"drums")
    disposition = workshop.deliver(hash_message(SAMPLE), receive_count=receive_count)
    assert disposition == Park(f"internal_error: try {receive_count} was not made")
    assert workshop.server.bodies == [failed_completion("internal_error", SPENT)]
    assert workshop.storage.steps == []
