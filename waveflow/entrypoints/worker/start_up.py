"""What has to be right before the first message is received, all of it told at once."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.application.maintenance import HealthReport
from waveflow.application.ports import MessageQueue
from waveflow.domain.errors import TransientError, WaveFlowError

_log = structlog.get_logger(__name__)

_MIB = 1024**2


class NotReady(TransientError):
    """Raised when the worker can't begin: something that it needs doesn't work.

    Its text has a line for each thing that fails.
    """


def require_ready(
    queue: MessageQueue,
    report_health: Callable[[], HealthReport],
    max_receives: int = 10,
    *,
    needed_work_bytes: int = 0,
) -> None:
    """Try everything that a task depends on.

    Storage, work folder and decoder are tried as the health report does; the queue is asked
    what it is, and weaknesses of its redrive policy are logged. So is a work folder with too
    little room, and a main server that can't be reached: work waits for that, once it is there.

    Args:
        max_receives: deliveries after which the worker itself gives a message up, and says so.
            A queue that does it earlier does it in silence.
        needed_work_bytes: room for the largest files of as many tasks as may need some at once.

    Raises:
        NotReady: naming everything that fails.
    """
    problems: list[str] = []
    try:
        _look_at(queue, max_receives)
    except WaveFlowError as error:
        problems.append(f"queue: {error}")
    report = report_health()
    _look_at_room(report.free_work_bytes, needed_work_bytes)
    found = {check.name: check.problem for check in report.checks if check.problem}
    found.pop("queue", None)  # Asked above, for more.
    if unreachable := found.pop("server", None):
        _log.warning("server_is_not_reachable", reason=unreachable)
    problems += [f"{name}: {problem}" for name, problem in found.items()]
    if problems:
        raise NotReady("\n".join(problems))


def _look_at_room(free_bytes: int | None, needed_bytes: int) -> None:
    if free_bytes is None or free_bytes >= needed_bytes:
        return
    _log.warning(
        "work_folder_is_small",
        free_mb=free_bytes // _MIB,
        needed_mb=needed_bytes // _MIB,
        advice="Analyses and mixes may run out of room and be tried again. Point"
        " WAVEFLOW_WORK_DIR at a larger disk, or lower WAVEFLOW_SLOTS or MAX_FILE_SIZE_MB.",
    )


def _look_at(queue: MessageQueue, max_receives: int) -> None:
    if not isinstance(queue, SqsQueue):
        return
    facts = queue.facts()
    queue.require_dead_letter_queue()
    if facts.dead_letter_queue_url is None:
        _log.warning(
            "no_dead_letter_queue",
            advice="Messages that have failed for good stay on the queue. Give the queue a redrive"
            " policy, or set WAVEFLOW_DEAD_LETTER_QUEUE_URL.",
        )
    if facts.max_receive_count is not None and facts.max_receive_count < max_receives:
        _log.warning(
            "max_receive_count_is_low",
            max_receive_count=facts.max_receive_count,
            advice=f"Set the redrive policy's maxReceiveCount to {max_receives} or more: the queue"
            " gives messages up before the worker can tell the server.",
        )
    _log.info(
        "queue",
        visible=facts.visible,
        in_flight=facts.in_flight,
        dead_letter_queue=facts.dead_letter_queue_url,
    )
