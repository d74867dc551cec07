"""What a delivery is called that came to an end: the word that logs and metrics have for it."""

from __future__ import annotations

import json

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import (
    Workshop,
    analysis_message,
    duplicate_message,
    hash_message,
    mix_message,
)
from waveflow.domain.errors import StorageUnavailable

Told = tuple[str, str | None]


def told(workshop: Workshop, body: str, receive_count: int = 1) -> Told:
    disposition = workshop.deliver(body, receive_count=receive_count)
    return disposition.outcome, disposition.code


@pytest.fixture
def stem(workshop: Workshop) -> str:
    workshop.upload_audio("a.wav", b"song", [0.5] * 8)
    return "a.wav"


def test_what_is_done_is_done(workshop: Workshop, stem: str) -> None:
    assert told(workshop, hash_message(stem)) == ("done", None)


def test_what_failed_for_good_has_the_code_that_the_server_was_told(workshop: Workshop) -> None:
    assert told(workshop, analysis_message("nowhere.wav")) == ("failed", "object_not_found")


def test_a_refused_deletion_has_its_reason(workshop: Workshop, stem: str) -> None:
    body = duplicate_message(stem, "0" * 64)
    assert told(workshop, body) == ("failed", "unknown_content")


@pytest.mark.parametrize(
    ("receive_count", "expected"),
    [(1, ("retried", None)), (4, ("parked", "temporarily_unavailable"))],
)
def test_what_may_work_later_is_tried_again_and_parked_in_the_end(
    workshop: Workshop, stem: str, receive_count: int, expected: Told
) -> None:
    def away(_: Step) -> None:
        raise StorageUnavailable("away")

    workshop.storage.before = away
    assert told(workshop, hash_message(stem), receive_count) == expected


def test_what_was_not_told_has_its_outcome_once_it_is(workshop: Workshop) -> None:
    body = analysis_message("nowhere.wav")
    workshop.server.status = 503
    assert told(workshop, body) == ("undelivered", None)
    workshop.server.status = 200
    assert told(workshop, body, 2) == ("failed", "object_not_found")


def test_a_success_that_was_not_told_is_done_once_it_is(workshop: Workshop, stem: str) -> None:
    workshop.server.status = 503
    assert told(workshop, hash_message(stem)) == ("undelivered", None)
    workshop.server.status = 200
    assert told(workshop, hash_message(stem), 2) == ("done", None)


def test_a_parked_failure_keeps_its_code_until_it_is_told(workshop: Workshop) -> None:
    workshop.server.status = 503
    assert told(workshop, mix_message()) == ("undelivered", None)
    workshop.server.status = 200
    assert told(workshop, mix_message(), 2) == ("parked", "invalid_message")


def test_what_nobody_understands_is_parked(workshop: Workshop) -> None:
    assert told(workshop, "nonsense") == ("parked", "unreadable_message")


def test_what_is_not_due_is_postponed(workshop: Workshop, stem: str) -> None:
    body = json.loads(hash_message(stem))
    body |= {"retries": 0, "eta": "2024-01-01T11:05:00+00:00"}
    assert told(workshop, json.dumps(body)) == ("postponed", None)
