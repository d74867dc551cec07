"""What has to be right before the first message is received, all of it told at once."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.application.maintenance import HealthReport
from waveflow.application.ports import MessageQueue
from waveflow.domain.errors import WaveFlowError

_log = structlog.get_logger(__name__)

FEWEST_RECEIVES = 10
"""Give-backs and crashes count as receives too: a queue must not give a message up early."""


def start_up_problems(queue: MessageQueue, report_health: Callable[[], HealthReport]) -> list[str]:
    """Try everything that a task depends on. Returns a sentence for each thing that fails.

    Storage, work folder and decoder are tried as the health report does; the queue is asked
    what it is, and weaknesses of its redrive policy are logged.
    """
    problems = []
    try:
        _look_at(queue)
    except WaveFlowError as error:
        problems.append(f"queue: {error}")
    checks = report_health().checks
    return problems + [f"{check.name}: {check.problem}" for check in checks if check.problem]


def _look_at(queue: MessageQueue) -> None:
    if not isinstance(queue, SqsQueue):
        return
    facts = queue.facts()
    if facts.dead_letter_queue_url is None:
        _log.warning(
            "no_dead_letter_queue",
            advice="Messages that have failed for good stay on the queue. Give the queue a redrive"
            " policy, or set WAVEFLOW_DEAD_LETTER_QUEUE_URL.",
        )
    if facts.max_receive_count is not None and facts.max_receive_count < FEWEST_RECEIVES:
        _log.warning(
            "max_receive_count_is_low",
            max_receive_count=facts.max_receive_count,
            advice=f"Set the redrive policy's maxReceiveCount to {FEWEST_RECEIVES} or more.",
        )
    _log.info(
        "queue",
        visible=facts.visible,
        in_flight=facts.in_flight,
        dead_letter_queue=facts.dead_letter_queue_url,
    )
