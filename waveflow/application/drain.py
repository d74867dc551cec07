"""Handling messages one after the other, for a demo or a test: the worker's loop in miniature."""

from __future__ import annotations

import structlog

from waveflow.application.delivery import MessageHandler
from waveflow.application.disposition import GiveBack
from waveflow.application.ports import MessageQueue
from waveflow.application.settling import settle
from waveflow.domain.errors import LeaseLost, QueueUnavailable

_log = structlog.get_logger(__name__)


def drain(queue: MessageQueue, handler: MessageHandler, *, wait_s: float = 0.0) -> int:
    """Handle messages one after the other until none comes within `wait_s`; return how many.

    Ends early when a message had to be given back: it would come again at once.

    Raises:
        QueueUnavailable: when the queue can't be asked for more.
    """
    handled = 0
    while messages := queue.receive(1, wait_s):
        for message in messages:
            disposition = handler.handle(message)
            handled += 1
            try:
                settle(queue, handler.outbox, message, disposition)
            except (LeaseLost, QueueUnavailable) as error:
                _log.warning(
                    "message_not_settled", message_id=message.message_id, reason=str(error)
                )
            if isinstance(disposition, GiveBack):
                return handled
    return handled
