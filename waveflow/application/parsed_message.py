"""What can come of reading a message: it is understood, refused, or unreadable."""

from __future__ import annotations

import math

from attrs import frozen

from waveflow.application.commands import Command
from waveflow.application.events import Failure
from waveflow.application.failures import Subject
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import InvalidMessage, MessageExpired

LONGEST_DEFERRAL_S = 11 * 3600.0
"""A queue hides a message for 12 hours at most; what is due later comes back in between."""
FARTHEST_DUE_S = 24 * 3600.0


class UnreadableMessage(Exception):
    """Raised for a message that nobody can be told about: it doesn't say what it is about."""


class RefusedMessage(Exception):
    """Raised for a malformed message that does name its stem or stage.

    Attributes:
        task_id: the sender's name for the message, if it gave one.
        request: what it would have been if it were right.
    """

    def __init__(
        self, failure: Failure, subject: Subject, task_id: str | None, request: type[Command]
    ) -> None:
        super().__init__(failure.error)
        self.failure = failure
        self.subject = subject
        self.task_id = task_id
        self.request = request


@frozen
class ParsedMessage:
    """A message that was understood.

    Attributes:
        task_id: the sender's name for it, if it gave one.
        not_before_s: Unix time before which it is not to be carried out (Celery's `eta`).
        expires_s: Unix time from which on it is of no use any more (Celery's `expires`).
        earlier_tries: how often another worker has tried it and failed (Celery's `retries`).
    """

    command: Command
    task_id: str | None = None
    not_before_s: float | None = None
    expires_s: float | None = None
    earlier_tries: int = 0

    def waiting_s(self, now_s: float) -> float:
        """Seconds for which the message has to wait; 0 when it is due."""
        if self.not_before_s is None:
            return 0.0
        return min(max(self.not_before_s - now_s, 0.0), LONGEST_DEFERRAL_S)

    def require_not_expired(self, now_s: float) -> None:
        """Raises `MessageExpired` when the sender has no use for the result any more."""
        if self.expires_s is not None and now_s >= self.expires_s:
            raise MessageExpired(
                "The request was carried out too late: its sender had set a time limit on it."
                " Please start it again."
            )

    def require_near(self, now_s: float) -> None:
        """Accept a message that is due soon, or was.

        Raises:
            InvalidMessage: when it would have to come back so often, before it is due, that
                its queue gave it up; with code `eta_too_far`.
        """
        if self.not_before_s is not None and self.not_before_s - now_s > FARTHEST_DUE_S:
            raise InvalidMessage(
                "The request is to be carried out more than a day from now (eta); nothing is"
                " kept for so long here. Please send it again when it is due.",
                code="eta_too_far",
            )

    def tries(self, message: ReceivedMessage) -> int:
        """Which try this delivery is, from 1.

        Deliveries that came too early were no tries: as many as the sender's delay explains
        are not counted.
        """
        too_early = 0
        if self.not_before_s is not None:
            delay_s = max(self.not_before_s - message.sent_at_ms / 1000, 0.0)
            too_early = min(math.ceil(delay_s / LONGEST_DEFERRAL_S), message.receive_count - 1)
        return message.receive_count - too_early + self.earlier_tries
