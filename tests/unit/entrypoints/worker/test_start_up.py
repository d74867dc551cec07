"""What a worker looks at before it receives anything."""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.application.health_checks import Check
from waveflow.application.maintenance import HealthReport
from waveflow.entrypoints.worker.start_up import NotReady, require_ready

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/stems"
DEAD_LETTERS = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead"
MIB = 1024**2


class FakeClient:
    """Answers as SQS does when it is asked for attributes."""

    def __init__(self, redrive_policy: str = "", error: Exception | None = None) -> None:
        self._policy = redrive_policy
        self._error = error

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        if self._error:
            raise self._error
        counts = {
            "ApproximateNumberOfMessages": "12",
            "ApproximateNumberOfMessagesNotVisible": "3",
            "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30",
        }
        policy = {"RedrivePolicy": self._policy} if self._policy else {}
        return {"Attributes": counts | policy}

    def get_queue_url(self, **_: Any) -> dict[str, Any]:
        return {"QueueUrl": DEAD_LETTERS}


def sqs(
    client: FakeClient | None = None, *, dead_letter_queue_url: str | None = DEAD_LETTERS
) -> SqsQueue:
    return SqsQueue(
        URL,
        dead_letter_queue_url=dead_letter_queue_url,
        new_client=lambda *_: cast(Any, client or FakeClient()),
    )


def policy(max_receive_count: int) -> str:
    arn = "arn:aws:sqs:eu-west-1:123456789012:dead"
    return f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {max_receive_count}}}'


def report(free_work_bytes: int | None = 1, **problems: str) -> HealthReport:
    checks = tuple(Check(name, problems.get(name)) for name in ("storage", "work_folder", "codec"))
    return HealthReport(checks, free_work_bytes, {})


def test_nothing_is_wrong_when_everything_answers() -> None:
    require_ready(sqs(), report)
    require_ready(InProcessQueue(), report)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    client = FakeClient(error=ConnectionError("no route to host"))
    with pytest.raises(NotReady) as raised:
        require_ready(sqs(client), lambda: report(storage="no such bucket", codec="it crashed"))
    queue, storage, codec = str(raised.value).splitlines()
    assert queue.startswith("queue: ")
    assert URL in queue or "route" in queue
    assert (storage, codec) == ("storage: no such bucket", "codec: it crashed")


def test_the_queue_is_described_in_the_log() -> None:
    with capture_logs() as logs:
        require_ready(sqs(FakeClient(policy(10)), dead_letter_queue_url=None), report)
    assert logs == [
        {
            "event": "queue",
            "log_level": "info",
            "visible": 12,
            "in_flight": 3,
            "dead_letter_queue": DEAD_LETTERS,
        }
    ]


@pytest.mark.parametrize(
    ("queue", "warning"),
    [
        (sqs(dead_letter_queue_url=None), "no_dead_letter_queue"),
        (sqs(FakeClient(policy(9))), "max_receive_count_is_low"),
    ],
)
def test_a_weakness_is_a_warning_with_advice_and_no_reason_to_stop(
    queue: SqsQueue, warning: str
) -> None:
    with capture_logs() as logs:
        require_ready(queue, report)
    [logged] = [log for log in logs if log["log_level"] == "warning"]
    assert logged["event"] == warning
    assert "WAVEFLOW_DEAD_LETTER_QUEUE_URL" in logged["advice"] or "10" in logged["advice"]


def test_a_work_folder_with_too_little_room_is_a_warning_with_advice() -> None:
    with capture_logs() as logs:
        require_ready(InProcessQueue(), lambda: report(599 * MIB + 1), needed_work_bytes=600 * MIB)
    [logged] = logs
    assert "WAVEFLOW_WORK_DIR" in logged.pop("advice")
    assert logged == {
        "event": "work_folder_is_small",
        "log_level": "warning",
        "free_mb": 599,
        "needed_mb": 600,
    }


@pytest.mark.parametrize("free_bytes", [600 * MIB, None])
def test_a_work_folder_with_room_or_that_nobody_can_measure_is_none(
    free_bytes: int | None,
) -> None:
    with capture_logs() as logs:
        require_ready(InProcessQueue(), lambda: report(free_bytes), needed_work_bytes=600 * MIB)
    assert logs == []


def test_a_server_that_is_away_is_a_warning_since_work_can_wait_for_it() -> None:
    away = HealthReport(
        (Check("queue", "told above"), Check("server", "The connection was refused.")), 1, {}
    )
    with capture_logs() as logs:
        require_ready(InProcessQueue(), lambda: away)
    assert logs == [
        {
            "event": "server_is_not_reachable",
            "log_level": "warning",
            "reason": "The connection was refused.",
        }
    ]
