"""Messages with a time: not before their `eta`, not after their `expires`, tried before."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from tests.support.storage_doubles import Step
from tests.support.workshop import SENT_AT_MS, Workshop
from waveflow.application.commands import Command, HashRequest, HealthRequest, MixRequest
from waveflow.application.disposition import Acknowledge, BackOff, Disposition, Park
from waveflow.application.drain import drain
from waveflow.application.parsed_message import ParsedMessage
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import MessageExpired, StorageUnavailable

NOW_S = 1_704_103_500.123456
"""Of the workshop's clock: five minutes after the message was sent."""
SENT_S = SENT_AT_MS / 1000
HOUR_S = 3600.0
HASH = HashRequest(stem_id="stem789", filepath="sample.wav", track_id="track456")
LATE = (
    "The request was carried out too late: its sender had set a time limit on it."
    " Please start it again."
)


def away(step: Step) -> None:
    raise StorageUnavailable("away")


def deliver(workshop: Workshop, parsed: ParsedMessage, receive_count: int = 1) -> Disposition:
    """What becomes of a message in which that is read."""
    workshop.handler = evolve(workshop.handler, parse=lambda body: parsed)
    return workshop.deliver("body", receive_count=receive_count)


def assert_waits(disposition: Disposition, seconds: float) -> None:
    assert isinstance(disposition, BackOff)
    assert disposition.delay_s == pytest.approx(seconds)


class TestWaiting:
    @pytest.mark.parametrize(
        ("not_before_s", "waiting_s"),
        [
            (None, 0.0),
            (0.0, 0.0),
            (999.5, 0.0),
            (1000.0, 0.0),
            (1000.25, 0.25),
            (1000.0 + 11 * HOUR_S, 11 * HOUR_S),
            (1000.0 + 11 * HOUR_S + 1, 11 * HOUR_S),
            (1e12, 11 * HOUR_S),
        ],
    )
    def test_a_message_waits_until_it_is_due_for_eleven_hours_at_most(
        self, not_before_s: float | None, waiting_s: float
    ) -> None:
        assert ParsedMessage(HASH, not_before_s=not_before_s).waiting_s(1000.0) == waiting_s

    def test_nothing_is_done_before_it_is_due(self, workshop: Workshop) -> None:
        parsed = ParsedMessage(HASH, not_before_s=NOW_S + 90.5)
        assert_waits(deliver(workshop, parsed), 90.5)
        assert workshop.storage.steps == []
        assert workshop.server.requests == []
        assert workshop.tally.counts() == {}

    def test_what_is_due_is_carried_out(self, workshop: Workshop) -> None:
        workshop.upload("sample.wav", b"drums")
        assert deliver(workshop, ParsedMessage(HASH, not_before_s=NOW_S - 1)) == Acknowledge()
        assert len(workshop.server.requests) == 1

    def test_what_is_due_tomorrow_comes_back_in_between(self, workshop: Workshop) -> None:
        workshop.upload("sample.wav", b"drums")
        parsed = ParsedMessage(HASH, not_before_s=NOW_S + 23 * HOUR_S)
        handler = evolve(workshop.handler, parse=lambda body: parsed)
        workshop.queue.send("body")
        for hours in (11, 11, 1):
            assert drain(workshop.queue, handler) == 1
            workshop.time.advance(hours * HOUR_S - 1)
            assert drain(workshop.queue, handler) == 0
            assert workshop.server.requests == []
            workshop.time.advance(1)
        assert drain(workshop.queue, handler) == 1
        assert len(workshop.server.requests) == 1
        assert len(workshop.queue) == 0

    def test_what_is_due_in_more_than_a_day_is_refused(self, workshop: Workshop) -> None:
        assert_waits(
            deliver(workshop, ParsedMessage(HASH, not_before_s=NOW_S + 24 * HOUR_S)), 11 * HOUR_S
        )
        parsed = ParsedMessage(HASH, not_before_s=NOW_S + 24 * HOUR_S + 1)
        assert deliver(workshop, parsed) == Acknowledge()
        [body] = workshop.server.bodies
        assert body["result"]["code"] == "eta_too_far"


class TestTries:
    @pytest.mark.parametrize(
        ("delay_s", "receive_count", "tries"),
        [
            (None, 1, 1),
            (None, 7, 7),
            (-60.0, 2, 2),
            (0.0, 2, 2),
            # It came too early once, or not at all when the queue was slow.
            (60.0, 1, 1),
            (60.0, 2, 1),
            (60.0, 3, 2),
            (11 * HOUR_S, 2, 1),
            (11 * HOUR_S + 1, 2, 1),
            (11 * HOUR_S + 1, 3, 1),
            (25 * HOUR_S, 4, 1),
            (25 * HOUR_S, 5, 2),
        ],
    )
    def test_deliveries_that_came_too_early_were_no_tries(
        self, delay_s: float | None, receive_count: int, tries: int
    ) -> None:
        not_before_s = None if delay_s is None else SENT_S + delay_s
        parsed = ParsedMessage(HASH, not_before_s=not_before_s)
        received = ReceivedMessage("message-1", "body", "receipt", receive_count, SENT_AT_MS)
        assert parsed.tries(received) == tries

    def test_tries_of_another_worker_count(self) -> None:
        received = ReceivedMessage("message-1", "body", "receipt", 2, SENT_AT_MS)
        assert ParsedMessage(HASH, earlier_tries=3).tries(received) == 5
        later = ParsedMessage(HASH, earlier_tries=3, not_before_s=SENT_S + 60.0)
        assert later.tries(received) == 4

    def test_a_message_that_was_deferred_has_all_of_its_tries(self, workshop: Workshop) -> None:
        workshop.storage.before = away
        parsed = ParsedMessage(HASH, not_before_s=SENT_S + 60.0)
        dispositions = [deliver(workshop, parsed, count) for count in (2, 3, 4, 5)]
        assert dispositions == [
            BackOff(60.0),
            BackOff(120.0),
            BackOff(240.0),
            Park("temporarily_unavailable: away"),
        ]

    @pytest.mark.parametrize(
        ("earlier_tries", "disposition"),
        [
            (1, BackOff(120.0)),
            (2, BackOff(240.0)),
            (3, Park("temporarily_unavailable: away")),
            (2**31 - 1, Park("temporarily_unavailable: away")),
        ],
    )
    def test_earlier_tries_shorten_the_retries(
        self, workshop: Workshop, earlier_tries: int, disposition: Disposition
    ) -> None:
        workshop.storage.before = away
        parsed = ParsedMessage(HASH, earlier_tries=earlier_tries)
        assert deliver(workshop, parsed) == disposition
        assert len(workshop.server.requests) == isinstance(disposition, Park)

    def test_earlier_tries_do_not_keep_work_from_being_done(self, workshop: Workshop) -> None:
        workshop.upload("sample.wav", b"drums")
        assert deliver(workshop, ParsedMessage(HASH, earlier_tries=100)) == Acknowledge()
        assert [request.endpoint for request in workshop.server.requests] == ["/hash-check"]


class TestExpiry:
    @pytest.mark.parametrize("now_s", [1000.0, 1000.5, 1e12])
    def test_what_comes_too_late_is_expired(self, now_s: float) -> None:
        with pytest.raises(MessageExpired, match="too late"):
            ParsedMessage(HASH, expires_s=1000.0).require_not_expired(now_s)

    @pytest.mark.parametrize("expires_s", [None, 1000.25])
    def test_what_comes_in_time_is_not(self, expires_s: float | None) -> None:
        ParsedMessage(HASH, expires_s=expires_s).require_not_expired(1000.0)

    @pytest.mark.parametrize("earlier_tries", [0, 2])
    def test_an_expired_message_fails_for_good(
        self, workshop: Workshop, earlier_tries: int
    ) -> None:
        workshop.upload("sample.wav", b"drums")
        parsed = ParsedMessage(HASH, expires_s=NOW_S, earlier_tries=earlier_tries)
        assert deliver(workshop, parsed) == Acknowledge()
        [request] = workshop.server.requests
        assert (request.endpoint, request.event_id) == (
            "/completion",
            "msg_message-1.completion.failed",
        )
        assert request.body["status"] == "FAILED"
        assert request.body["result"] == {"error": LATE, "code": "message_expired"}
        assert workshop.storage.steps == []

    def test_a_message_that_was_tried_before_does_not_expire(self, workshop: Workshop) -> None:
        # Its work may be done, and told as a success.
        workshop.upload("sample.wav", b"drums")
        assert deliver(workshop, ParsedMessage(HASH, expires_s=NOW_S), 2) == Acknowledge()
        assert [request.endpoint for request in workshop.server.requests] == ["/hash-check"]

    def test_an_expired_mix_fails_as_a_mix(self, workshop: Workshop) -> None:
        parsed = ParsedMessage(
            MixRequest(stage_id="stage001", stem_paths=("a.wav",)), "task-1", expires_s=NOW_S
        )
        assert deliver(workshop, parsed) == Acknowledge()
        [request] = workshop.server.requests
        assert (request.endpoint, request.body["task_id"]) == ("/mixing-complete", "task-1")
        assert request.body["result"]["code"] == "message_expired"

    def test_of_maintenance_that_is_expired_nobody_is_told(self, workshop: Workshop) -> None:
        assert deliver(workshop, ParsedMessage(HealthRequest(), expires_s=0.0)) == Acknowledge()
        assert workshop.server.requests == []

    def test_a_message_that_is_not_due_yet_is_not_expired_yet_either(
        self, workshop: Workshop
    ) -> None:
        parsed = ParsedMessage(HASH, not_before_s=NOW_S + 60, expires_s=NOW_S + 30)
        assert_waits(deliver(workshop, parsed), 60.0)
        workshop.time.advance(60)
        assert deliver(workshop, parsed, 2) == Acknowledge()
        assert workshop.server.bodies[0]["result"]["code"] == "message_expired"


@pytest.mark.parametrize("command", [HASH, HealthRequest()])
def test_a_message_without_times_is_due_at_once_and_for_ever(command: Command) -> None:
    parsed = ParsedMessage(command)
    parsed.require_not_expired(1e12)
    assert (parsed.waiting_s(0.0), parsed.earlier_tries, parsed.task_id) == (0.0, 0, None)


def test_the_times_of_a_celery_message_are_kept(workshop: Workshop) -> None:
    """From the wire to the queue, once."""
    times = {"eta": "2024-01-01T10:06:00+00:00", "expires": "2024-01-01T10:07:00+00:00"}
    fields = {"stemId": "stem789", "filepath": "sample.wav"}
    task = "app.tasks.generate_hash_and_webhook"
    body = json.dumps({"task": task, "id": "t", "args": [], "kwargs": fields} | times)
    assert_waits(workshop.deliver(body), 59.876544)
    workshop.time.advance(120)
    assert workshop.deliver(body, receive_count=2) == Acknowledge()
    assert workshop.server.bodies[0]["result"]["code"] == "message_expired"
