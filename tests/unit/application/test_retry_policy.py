"""When work that failed is tried again, and what becomes of the message on the queue."""

from __future__ import annotations

import random

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, hash_message
from waveflow.application.disposition import RetryPolicy
from waveflow.application.drain import drain
from waveflow.domain.errors import StorageUnavailable

SAMPLE = "audio/sample.wav"


def away(step: Step) -> None:
    raise StorageUnavailable("away")


@pytest.mark.parametrize(
    ("receive_count", "delay_s"),
    [(1, 60.0), (2, 120.0), (3, 240.0), (4, 300.0), (5, 300.0), (10**9, 300.0), (0, 60.0)],
)
def test_the_delay_doubles_up_to_five_minutes(receive_count: int, delay_s: float) -> None:
    assert RetryPolicy(draw=lambda: 0.5).delay_s(receive_count) == delay_s


@pytest.mark.parametrize(
    ("receive_count", "shortest_s", "longest_s"),
    [(1, 54.0, 66.0), (2, 108.0, 132.0), (9, 270, 330)],
)
def test_the_delay_is_spread_by_a_tenth(
    receive_count: int, shortest_s: float, longest_s: float
) -> None:
    draw = random.Random(1).random
    delays_s = [RetryPolicy(draw=draw).delay_s(receive_count) for _ in range(500)]
    assert RetryPolicy(draw=lambda: 0.0).delay_s(receive_count) == pytest.approx(shortest_s)
    assert RetryPolicy(draw=lambda: 1.0).delay_s(receive_count) == pytest.approx(longest_s)
    assert shortest_s <= min(delays_s) < max(delays_s) < longest_s
    assert len(set(delays_s)) == 500


@pytest.mark.parametrize(
    ("max_retries", "tries"), [(3, [True, True, True, False, False]), (0, [False] * 5)]
)
def test_three_retries_are_four_tries(max_retries: int, tries: list[bool]) -> None:
    policy = RetryPolicy(max_retries)
    assert [not policy.is_spent(count) for count in range(1, 6)] == tries


@pytest.mark.parametrize("figures", [{"max_retries": -1}, {"retry_delay_s": -0.1}])
def test_a_policy_has_no_negative_figures(figures: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be >= 0"):
        RetryPolicy(**figures)  # type: ignore[arg-type]


def test_failing_work_is_tried_four_times_then_reported_once_and_parked(
    workshop: Workshop,
) -> None:
    workshop.storage.before = away
    workshop.queue.send(hash_message(SAMPLE))
    for wait_s in (60.0, 120.0, 240.0):
        assert drain(workshop.queue, workshop.handler) == 1
        workshop.time.advance(wait_s - 0.1)
        assert drain(workshop.queue, workshop.handler) == 0
        assert workshop.server.requests == []
        workshop.time.advance(0.2)
    assert drain(workshop.queue, workshop.handler) == 1
    [request] = workshop.server.requests
    assert request.event_id == "msg_message-1.completion.failed"
    [dead] = workshop.queue.dead_letters()
    assert (len(workshop.queue), dead.reason) == (0, "temporarily_unavailable: away")
