"""Doing to a message what was decided about it."""

from __future__ import annotations

import structlog

from waveflow.application.disposition import Acknowledge, BackOff, Disposition, GiveBack, Park
from waveflow.application.outbox import Outbox, Outcome
from waveflow.application.ports import LONGEST_LOAN_S, MessageQueue, ReceivedMessage
from waveflow.domain.errors import NoDeadLetterQueue, StorageUnavailable, TransientError

_log = structlog.get_logger(__name__)


def settle(
    queue: MessageQueue, outbox: Outbox, message: ReceivedMessage, disposition: Disposition
) -> bool:
    """Do with the message what was decided.

    Without a dead-letter queue a message that should be parked is never deleted: it stays, and
    it is remembered that nothing more is to be done for it. The queue's own policy ends it.

    Returns:
        Whether the message is off the queue, so that nothing needs to be remembered of it.

    Raises:
        QueueUnavailable, LeaseLost: the message will be delivered again.
    """
    match disposition:
        case Acknowledge():
            queue.delete(message)
        case BackOff(delay_s):
            queue.change_visibility(message, delay_s)
            return False
        case GiveBack():
            queue.change_visibility(message, 0.0)
            return False
        case Park(reason):
            try:
                queue.park(message, reason)
            except NoDeadLetterQueue as error:
                _log.error("message_not_parked", reason=reason, problem=str(error))
                remember(outbox, message, reason)
                queue.change_visibility(message, LONGEST_LOAN_S)
                return False
    if message.receive_count > 1:
        forget(outbox, message)
    return True


def remember(outbox: Outbox, message: ReceivedMessage, park_reason: str | None) -> bool:
    """Note for the next delivery that nothing is left to be done but to settle the message.

    Returns:
        Whether it could be noted; if not, the next delivery does the work again.

    Raises:
        LeaseLost: for a thread that works under a lease which is lost.
    """
    try:
        outbox.keep(message.message_id, Outcome(untold=None, park_reason=park_reason))
    except StorageUnavailable as error:
        _log.warning("outcome_not_kept", reason=str(error))
        return False
    return True


def forget(outbox: Outbox, message: ReceivedMessage) -> None:
    """The message is settled. Whoever dies before this leaves a small object, and nothing else."""
    try:
        outbox.forget(message.message_id)
    except TransientError as error:
        _log.warning("outcome_not_forgotten", reason=str(error))
