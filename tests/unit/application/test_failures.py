"""Failure webhooks: whom they name, and their exact bodies."""

from __future__ import annotations

import pytest

from tests.support.workshop import FakeClock, MainServer
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
    Origin,
)
from waveflow.application.events import Failure
from waveflow.application.failures import (
    FailureReporter,
    NeverEnded,
    StageSubject,
    StemSubject,
    Subject,
    exhausted,
    subject_of,
)
from waveflow.domain.errors import (
    DeletionRefused,
    NotifierUnavailable,
    ObjectNotFound,
    StorageUnavailable,
    WorkFolderUnavailable,
)

ORIGIN = Origin("message-1", 1_704_103_200_123, "mixing-stage001-1700000000000")
GONE = Failure("The file is gone. Please upload it again.", "object_not_found")


@pytest.fixture
def server() -> MainServer:
    return MainServer()


@pytest.fixture
def failures(server: MainServer) -> FailureReporter:
    return FailureReporter(InMemoryNotifier(server), FakeClock().as_clock())


@pytest.mark.parametrize(
    ("command", "subject"),
    [
        (
            HashRequest(stem_id="s", filepath="a/b.wav", user_id="u", track_id="t"),
            StemSubject(stem_id="s", user_id="u", track_id="t", original_filename="b.wav"),
        ),
        (
            DuplicateRequest(stem_id="s", filepath="a/b.wav", audio_hash="h", user_id="u"),
            StemSubject(stem_id="s", user_id="u", original_filename="b.wav"),
        ),
        (
            AnalysisRequest(
                stem_id="s",
                filepath="a/b.wav",
                num_peaks=9,
                upstream_id="up",
                original_filename="mine.wav",
            ),
            StemSubject(stem_id="s", upstream_id="up", original_filename="mine.wav"),
        ),
        (
            MixRequest(stage_id="g", stem_paths=("a.wav", "a.wav"), upstream_id="up"),
            StageSubject(stage_id="g", upstream_id="up", stem_paths=("a.wav", "a.wav")),
        ),
        (HealthRequest(), None),
        (CleanupRequest(), None),
    ],
)
def test_a_failure_names_what_the_command_was_about(
    command: Command, subject: Subject | None
) -> None:
    assert subject_of(command) == subject


def test_the_failure_of_a_stem(failures: FailureReporter, server: MainServer) -> None:
    subject = StemSubject(
        stem_id="stem789",
        user_id="user123",
        track_id="track456",
        upstream_id="up1",
        original_filename="sample.wav",
    )
    failures.report(subject, ORIGIN, GONE, 0.42)
    [request] = server.requests
    assert request.endpoint == "/completion"
    assert request.event_id == "msg_message-1.completion.failed"
    assert request.body == {
        "stemId": "stem789",
        "userId": "user123",
        "trackId": "track456",
        "upstreamId": "up1",
        "status": "FAILED",
        "result": {
            "error": "The file is gone. Please upload it again.",
            "code": "object_not_found",
        },
        "timestamp": "2024-01-01T10:05:00.123456Z",
        "original_filename": "sample.wav",
        "processing_time": 0.42,
        "audio_wave_path": None,
    }


def test_the_failure_of_a_stage(failures: FailureReporter, server: MainServer) -> None:
    subject = StageSubject(stage_id="stage001", upstream_id="up1", stem_paths=("a.wav", "b.wav"))
    failures.report(subject, ORIGIN, GONE, 0.42)
    [request] = server.requests
    assert request.endpoint == "/mixing-complete"
    assert request.event_id == "msg_message-1.mixing-complete.failed"
    assert request.body == {
        "stageId": "stage001",
        "upstreamId": "up1",
        "status": "FAILED",
        "task_id": "mixing-stage001-1700000000000",
        "mixed_file_path": None,
        "waveform_data_path": None,
        "stem_count": 2,
        "stem_paths": ["a.wav", "b.wav"],
        "processed_at": "2024-01-01T10:05:00.123456Z",
        "result": {
            "error": "The file is gone. Please upload it again.",
            "code": "object_not_found",
        },
    }


def test_nobody_is_told_of_maintenance(failures: FailureReporter, server: MainServer) -> None:
    failures.report(None, ORIGIN, GONE, 0.42)
    assert server.requests == []


def test_a_server_that_does_not_take_it_is_an_error(
    failures: FailureReporter, server: MainServer
) -> None:
    server.status = 500
    with pytest.raises(NotifierUnavailable, match="/completion with status 500"):
        failures.report(StemSubject(stem_id="stem789"), ORIGIN, GONE, 0.0)


def test_a_failure_is_the_sentence_and_the_code_of_its_error() -> None:
    assert Failure.of(ObjectNotFound("It is gone.")) == Failure("It is gone.", "object_not_found")
    refused = DeletionRefused("It is kept.", code="owner_lost")
    assert Failure.of(refused) == Failure("It is kept.", "owner_lost")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageUnavailable("away"), "temporarily_unavailable"),
        (WorkFolderUnavailable("full"), "temporarily_unavailable"),
        (NeverEnded("try 10 was not made"), "internal_error"),
        (ZeroDivisionError("our mistake"), "internal_error"),
    ],
)
def test_what_failed_too_often_does_not_tell_the_musician_our_reasons(
    error: Exception, code: str
) -> None:
    failure = exhausted(error)
    assert failure.code == code
    assert failure.error.startswith("The file could not be processed, although it was tried ")
    assert str(error) not in failure.error


HASH = HashRequest(stem_id="s", filepath="a/b.wav")
