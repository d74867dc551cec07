"""What the server hasn't taken is kept: the next delivery only tells it, and says the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from tests.support.storage_doubles import Step
from tests.support.workshop import (
    FakeOutage,
    Workshop,
    analysis_message,
    duplicate_message,
    hash_message,
    mix_message,
)
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.application.disposition import Acknowledge, BackOff, Disposition, GiveBack, Park
from waveflow.application.drain import drain
from waveflow.application.outbox import Outcome
from waveflow.application.settling import settle
from waveflow.domain.errors import LeaseLost, StorageUnavailable, WorkInterrupted

A, B = "stems/a.wav", "stems/b.wav"
KEPT = "outcomes/message-1.json"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
REFUSED = "app.tasks.process_duplicate_file: userId must be text, but is a number."
MESSAGES: dict[str, tuple[str, Disposition]] = {
    "hash": (hash_message(A, timestamp=1_704_103_200_123), Acknowledge()),
    "duplicate": (duplicate_message(B, DRUMS_HASH), Acknowledge()),
    "analysis": (analysis_message(A, audio_hash="0" * 64), Acknowledge()),
    "mix": (mix_message(A, B, A), Acknowledge()),
    "failed hash": (hash_message("missing.wav"), Acknowledge()),
    "failed duplicate": (duplicate_message(A, DRUMS_HASH), Acknowledge()),
    "failed analysis": (analysis_message("missing.wav"), Acknowledge()),
    "failed mix": (mix_message(A, "missing.wav"), Acknowledge()),
    "malformed": (duplicate_message(A, DRUMS_HASH, userId=7), Park(REFUSED)),
}
every_message = pytest.mark.parametrize(
    ("body", "then"), list(MESSAGES.values()), ids=list(MESSAGES)
)
WORKED_OUT_AGAIN = {name: row for name, row in MESSAGES.items() if name != "failed hash"}
"""A hash request that comes again and whose stem is gone is another matter."""
every_message_worked_out_again = pytest.mark.parametrize(
    ("body", "then"), list(WORKED_OUT_AGAIN.values()), ids=list(WORKED_OUT_AGAIN)
)


def failing(error: Exception) -> Callable[[Step], None]:
    def fail(step: Step) -> None:
        raise error

    return fail


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """One with a patient notifier, in which A owns the drums, of which B is a copy."""
    workshop = Workshop(tmp_path / "work", outage=FakeOutage())
    for number, key in enumerate((A, B)):
        workshop.upload_audio(key, b"drums", [0.5, -0.5, 0.25])
        workshop.deliver(hash_message(key), message_id=f"hash-{number}")
    workshop.server.requests.clear()
    workshop.storage.steps.clear()
    return workshop


def only(workshop: Workshop) -> WebhookRequest:
    """The one webhook that was tried, however often."""
    first, *others = workshop.server.requests
    assert others == [first] * len(others)
    return first


def deliver_in_vain(workshop: Workshop, body: str, *, receive_count: int = 1) -> None:
    """A delivery for which the server is away."""
    workshop.server.status = 503
    assert isinstance(workshop.deliver(body, receive_count=receive_count), BackOff)
    workshop.server.status = 200
    workshop.time.advance(3600.0)


@every_message
def test_the_next_delivery_tells_the_very_same_without_working(
    workshop: Workshop, body: str, then: Disposition
) -> None:
    deliver_in_vain(workshop, body)
    assert [stat.key for stat in workshop.outcomes.inner.list("")] == [KEPT]
    told = only(workshop)
    # Whatever happens to the stems meanwhile: it has been done.
    for key in list(workshop.objects()):
        workshop.remove(key)
    workshop.storage.steps.clear()
    decodes = list(workshop.codec.decodes)
    assert workshop.deliver(body, receive_count=2) == then
    assert only(workshop) == told
    assert workshop.storage.steps == []
    assert workshop.codec.decodes == decodes


@pytest.mark.parametrize("error", [StorageUnavailable("away"), ZeroDivisionError("defect")])
def test_a_failure_after_the_last_try_is_told_later_and_parked(
    workshop: Workshop, error: Exception
) -> None:
    workshop.storage.before = failing(error)
    deliver_in_vain(workshop, hash_message(A), receive_count=4)
    told = only(workshop)
    workshop.storage.leave_alone()
    workshop.storage.steps.clear()
    code = told.body["result"]["code"]
    assert workshop.deliver(hash_message(A), receive_count=5) == Park(f"{code}: {error}")
    assert only(workshop) == told
    assert workshop.storage.steps == []


@every_message
def test_a_server_that_stays_away_makes_it_wait_longer_each_time(
    workshop: Workshop, body: str, then: Disposition
) -> None:
    workshop.server.status = 503
    kept = []
    for receive_count, delay_s in ((1, 60.0), (2, 120.0), (3, 240.0), (50, 1800.0)):
        assert workshop.deliver(body, receive_count=receive_count) == BackOff(delay_s)
        kept.append(workshop.outbox.find("message-1"))
    assert kept == [kept[0]] * 4
    workshop.server.status = 200
    assert workshop.deliver(body, receive_count=51) == then
    only(workshop)


@pytest.mark.parametrize(
    ("retry_after_s", "delay_s"), [(None, 60.0), (59.0, 60.0), (61.0, 61.0), (3600.0, 3600.0)]
)
def test_a_server_that_asks_to_be_left_alone_is(
    workshop: Workshop, retry_after_s: float | None, delay_s: float
) -> None:
    workshop.server.status, workshop.server.retry_after_s = 429, retry_after_s
    assert workshop.deliver(hash_message(A)) == BackOff(delay_s)


@every_message
def test_a_first_delivery_never_looks_for_an_outcome(
    workshop: Workshop, body: str, then: Disposition
) -> None:
    workshop.outcomes.steps.clear()
    assert workshop.deliver(body) == then
    assert workshop.outcomes.steps == []


@every_message_worked_out_again
@pytest.mark.parametrize("error", [StorageUnavailable("away"), ZeroDivisionError("defect")])
def test_an_outcome_that_could_not_be_kept_is_worked_out_again(
    workshop: Workshop, body: str, then: Disposition, error: Exception
) -> None:
    workshop.outcomes.before = failing(error)
    deliver_in_vain(workshop, body)
    workshop.outcomes.leave_alone()
    assert workshop.deliver(body, receive_count=2) == then
    first, *_, last = workshop.server.requests
    assert (first.endpoint, first.event_id) == (last.endpoint, last.event_id)
    counted = "defect" if isinstance(error, ZeroDivisionError) else "outcome_not_kept"
    assert workshop.tally.counts()[counted] == 1


@every_message_worked_out_again
@pytest.mark.parametrize("error", [StorageUnavailable("away"), ZeroDivisionError("defect")])
def test_an_outcome_that_cannot_be_looked_up_is_worked_out_again(
    workshop: Workshop, body: str, then: Disposition, error: Exception
) -> None:
    deliver_in_vain(workshop, body)
    workshop.outcomes.before = failing(error)
    assert workshop.deliver(body, receive_count=9) == then
    first, *_, last = workshop.server.requests
    assert (first.endpoint, first.event_id) == (last.endpoint, last.event_id)
    counted = "defect" if isinstance(error, ZeroDivisionError) else "outcome_not_looked_up"
    assert workshop.tally.counts()[counted] == 1


def test_work_that_may_have_succeeded_is_not_given_up_while_nobody_can_look_it_up(
    workshop: Workshop,
) -> None:
    """The storage is away for the outcome as well as for the stem, however often it comes."""
    body = analysis_message(A)
    deliver_in_vain(workshop, body)
    told = only(workshop)
    workshop.outcomes.before = workshop.storage.before = failing(StorageUnavailable("away"))
    for receive_count, delay_s in ((4, 480.0), (5, 960.0), (6, 1800.0), (10, 1800.0), (99, 1800.0)):
        assert workshop.deliver(body, receive_count=receive_count) == BackOff(delay_s)
    workshop.outcomes.leave_alone()
    assert workshop.deliver(body, receive_count=100) == Acknowledge()
    assert only(workshop) == told
    assert told.body["status"] == "SUCCESS"


@pytest.mark.parametrize("error", [LeaseLost("stale"), WorkInterrupted("ending")])
def test_a_look_up_that_is_broken_off_gives_the_message_back(
    workshop: Workshop, error: Exception
) -> None:
    deliver_in_vain(workshop, hash_message(A))
    workshop.server.requests.clear()
    workshop.storage.steps.clear()
    workshop.outcomes.before = failing(error)
    assert workshop.deliver(hash_message(A), receive_count=2) == GiveBack()
    assert (workshop.server.requests, workshop.storage.steps) == ([], [])


def test_telling_that_is_broken_off_gives_the_message_back(workshop: Workshop) -> None:
    deliver_in_vain(workshop, hash_message(A))
    workshop.server.fail_with(LeaseLost("stale"))
    assert workshop.deliver(hash_message(A), receive_count=2) == GiveBack()
    assert workshop.outbox.find("message-1") is not None


def test_a_defect_while_telling_keeps_what_is_kept(workshop: Workshop) -> None:
    deliver_in_vain(workshop, hash_message(A))
    workshop.server.fail_with(ZeroDivisionError("our mistake"))
    assert workshop.deliver(hash_message(A), receive_count=9) == BackOff(300.0)
    assert workshop.outbox.find("message-1") is not None


@pytest.mark.parametrize(
    ("kept", "then"),
    [(Outcome(None), Acknowledge()), (Outcome(None, "not JSON"), Park("not JSON"))],
)
def test_a_message_of_which_the_server_knows_only_has_to_be_settled(
    workshop: Workshop, kept: Outcome, then: Disposition
) -> None:
    workshop.outbox.keep("message-1", kept)
    assert workshop.deliver("whatever", receive_count=2) == then
    assert (workshop.server.requests, workshop.storage.steps) == ([], [])


def test_what_hinders_the_look_up_is_no_cause_of_what_happens_next(workshop: Workshop) -> None:
    """Or the server's silence would be explained with the storage's, in the log."""
    deliver_in_vain(workshop, hash_message(A))
    workshop.outcomes.before = failing(StorageUnavailable("away"))
    defect = ZeroDivisionError("our mistake")
    workshop.server.fail_with(defect)
    assert workshop.deliver(hash_message(A), receive_count=2) == BackOff(120.0)
    assert (defect.__cause__, defect.__context__) == (None, None)


def test_an_illegible_outcome_is_worked_out_again(workshop: Workshop) -> None:
    workshop.outcomes.write(KEPT, b"{", content_type="application/json")
    assert workshop.deliver(hash_message(A), receive_count=2) == Acknowledge()
    assert only(workshop).endpoint == "/hash-check"


def test_a_reason_that_is_not_unicode_is_no_reason_to_fall_over(workshop: Workshop) -> None:
    def perform(*_: object) -> None:
        raise ValueError("\ud800.wav")

    workshop.handler = evolve(workshop.handler, perform=perform)
    deliver_in_vain(workshop, hash_message(A), receive_count=4)
    parked = Park("internal_error: \ud800.wav")
    assert workshop.deliver(hash_message(A), receive_count=5) == parked
    ids = {request.event_id for request in workshop.server.requests}
    assert ids == {"msg_message-1.completion.failed"}


def test_an_outage_ends_with_every_event_told_once_and_nothing_kept(workshop: Workshop) -> None:
    """Two events are given up quickly; from the third on each is held for almost an hour."""
    clock = workshop.time.as_clock()
    queue = InProcessQueue(visibility_timeout_s=12 * 3600.0, clock=clock)
    for body, _ in MESSAGES.values():
        queue.send(body)
    workshop.server.status = 503
    for message in queue.receive(10, 0.0):
        settle(queue, workshop.outbox, message, workshop.handler.handle(message))
    assert 6.8 * 3600.0 < clock.monotonic_s() - 1_000.0 < 7 * 3600.0
    workshop.server.status = 200
    workshop.server.requests.clear()
    workshop.storage.steps.clear()
    workshop.time.advance(60.0)
    assert drain(queue, workshop.handler) == 9
    event_ids = [request.event_id for request in workshop.server.requests]
    assert len(event_ids) == len(set(event_ids)) == 9
    assert workshop.storage.steps == []
    assert [letter.reason for letter in queue.dead_letters()] == [REFUSED]
    assert len(queue) == 0
    assert list(workshop.outcomes.inner.list("")) == []
