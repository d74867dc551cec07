"""Doing to a message what was decided about it."""

from __future__ import annotations

import structlog

from waveflow.application.disposition import Acknowledge, BackOff, Disposition, GiveBack, Park
from waveflow.application.outbox import Outbox, Outcome
from waveflow.application.ports import MessageQueue, ReceivedMessage
from waveflow.domain.errors import NoDeadLetterQueue, StorageUnavailable, TransientError

_log = structlog.get_logger(__name__)

KEPT_HIDDEN_S = 12 * 3600.0
"""For a message that nobody is to work on any more and that can't be parked."""


def settle(
    queue: MessageQueue, outbox: Outbox, message: ReceivedMessage, disposition: Disposition
) -> None:
    """Do with the message what was decided.

    Without a dead-letter queue a message that should be parked is never deleted: it stays, and
    it is remembered that nothing more is to be done for it. The queue's own policy ends it.

    Raises:
        QueueUnavailable, LeaseLost: the message will be delivered again.
    """
    match disposition:
        case Acknowledge():
            queue.delete(message)
        case BackOff(delay_s):
            queue.change_visibility(message, delay_s)
            return
        case GiveBack():
            queue.change_visibility(message, 0.0)
            return
        case Park(reason):
            try:
                queue.park(message, reason)
            except NoDeadLetterQueue as error:
                _log.error("message_not_parked", reason=reason, problem=str(error))
                _keep_where_it_is(queue, outbox, message, reason)
                return
    if message.receive_count > 1:
        _forget(outbox, message)


def _keep_where_it_is(
    queue: MessageQueue, outbox: Outbox, message: ReceivedMessage, reason: str
) -> None:
    try:
        outbox.keep(message.message_id, Outcome(untold=None, park_reason=reason))
    except StorageUnavailable as error:
        _log.warning("outcome_not_kept", reason=str(error))
    queue.change_visibility(message, KEPT_HIDDEN_S)


def _forget(outbox: Outbox, message: ReceivedMessage) -> None:
    """Whoever dies before this leaves a small object behind, and nothing else."""
    try:
        outbox.forget(message.message_id)
    except TransientError as error:
        _log.warning("outcome_not_forgotten", reason=str(error))
