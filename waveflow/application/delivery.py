"""The delivery policy: what becomes of a message, given what came of its work.

| what came of it                                  | webhook | message                          |
|--------------------------------------------------|---------|----------------------------------|
| done                                             | success | acknowledged                     |
| failed for good (bad audio, refused deletion …)  | failure | acknowledged                     |
| may work later (storage away, a defect …)        | –       | backs off                        |
| the same, retries used up                        | failure | parked                           |
| webhook not delivered                            | –       | backs off, for as long as needed |
| names its stem or stage, but is malformed        | failure | parked                           |
| not understandable                               | –       | parked                           |
"""

from __future__ import annotations

import random
from collections.abc import Callable

import structlog
from attrs import field, frozen
from attrs.validators import ge

from waveflow.application.clock import Clock
from waveflow.application.commands import Command, Origin
from waveflow.application.events import Failure
from waveflow.application.failures import FailureReporter, Subject, subject_of
from waveflow.application.ports import MessageQueue, ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import NotifierUnavailable, PermanentError, TransientError

_log = structlog.get_logger(__name__)


class UnreadableMessage(Exception):
    """Raised for a message that nobody can be told about: it doesn't say what it is about."""


class RefusedMessage(Exception):
    """Raised for a malformed message that does name its stem or stage.

    Attributes:
        task_id: the sender's name for the message, if it gave one.
    """

    def __init__(self, failure: Failure, subject: Subject, task_id: str | None) -> None:
        super().__init__(failure.error)
        self.failure = failure
        self.subject = subject
        self.task_id = task_id


@frozen
class ParsedMessage:
    """A message that was understood. `task_id` is the sender's name for it, if it gave one."""

    command: Command
    task_id: str | None = None


@frozen
class Acknowledge:
    """The message is dealt with: delete it."""


@frozen
class BackOff:
    """Let the message come back after `delay_s`."""

    delay_s: float


@frozen
class Park:
    """Move the message to the dead-letter queue, with the reason."""

    reason: str


Disposition = Acknowledge | BackOff | Park


@frozen
class RetryPolicy:
    """When work that failed is tried again.

    Attributes:
        max_retries: tries after the first.
        retry_delay_s: back-off before the first retry; doubled for each one after.
        spread: the delay is multiplied by 1 ± this, so that failures don't come back together.
        draw: uniform in [0, 1).
    """

    max_retries: int = field(default=3, validator=ge(0))
    retry_delay_s: float = field(default=60.0, validator=ge(0))
    max_delay_s: float = 300.0
    spread: float = 0.1
    draw: Callable[[], float] = random.random

    def is_spent(self, receive_count: int) -> bool:
        """Whether the delivery numbered `receive_count` (from 1) was the last to try."""
        return receive_count > self.max_retries

    def delay_s(self, receive_count: int) -> float:
        """Seconds to wait after the delivery numbered `receive_count` (from 1)."""
        # The exponent is bounded: an undelivered webhook has no limit of receives.
        doublings = min(max(receive_count - 1, 0), 20)
        delay_s: float = min(self.retry_delay_s * 2**doublings, self.max_delay_s)
        return delay_s * (1 + self.spread * (2 * self.draw() - 1))


@frozen
class MessageHandler:
    """Carries out one message and decides what becomes of it.

    Attributes:
        parse: body to command; raises `UnreadableMessage` or `RefusedMessage`.
        perform: carries out a command.
    """

    parse: Callable[[str], ParsedMessage]
    perform: Callable[[Command, Origin], object]
    failures: FailureReporter
    retries: RetryPolicy = field(factory=RetryPolicy)
    clock: Clock = field(factory=Clock)
    tally: Tally = field(factory=Tally)

    def handle(self, message: ReceivedMessage) -> Disposition:
        """Do what the message asks, once, and tell the server if it has failed for good."""
        started_s = self.clock.monotonic_s()
        try:
            parsed = self.parse(message.body)
        except UnreadableMessage as error:
            self._record("message_unreadable", message, reason=str(error))
            return Park(str(error))
        except RefusedMessage as error:
            origin = _origin(message, error.task_id)
            self._record("message_refused", message, reason=str(error))
            return self._fail(error.subject, origin, error.failure, message, 0.0) or Park(
                str(error)
            )
        return self._perform(parsed, message, started_s)

    def _perform(
        self, parsed: ParsedMessage, message: ReceivedMessage, started_s: float
    ) -> Disposition:
        origin = _origin(message, parsed.task_id)
        try:
            self.perform(parsed.command, origin)
        except PermanentError as error:
            self._record("task_failed", message, code=error.code, reason=str(error))
            failure = Failure.of(error)
            then: Disposition = Acknowledge()
        except NotifierUnavailable as error:
            return self._undelivered(message, error)
        except Exception as error:
            delay_s = self.retries.delay_s(message.receive_count)
            self._record_exception(message, error, delay_s)
            if not self.retries.is_spent(message.receive_count):
                return BackOff(delay_s)
            failure = _exhausted(error)
            then = Park(f"{failure.code}: {error}")
        else:
            return Acknowledge()
        elapsed_s = self.clock.monotonic_s() - started_s
        return self._fail(subject_of(parsed.command), origin, failure, message, elapsed_s) or then

    def _fail(
        self,
        subject: Subject | None,
        origin: Origin,
        failure: Failure,
        message: ReceivedMessage,
        elapsed_s: float,
    ) -> BackOff | None:
        """Send the failure webhook; a back-off when the server hasn't taken it."""
        try:
            self.failures.report(subject, origin, failure, elapsed_s)
        except NotifierUnavailable as error:
            return self._undelivered(message, error)
        except Exception as error:
            delay_s = self.retries.delay_s(message.receive_count)
            self._record_exception(message, error, delay_s)
            return BackOff(delay_s)
        return None

    def _undelivered(self, message: ReceivedMessage, error: NotifierUnavailable) -> BackOff:
        """The server being away is not the message's fault: it never counts as a failure."""
        delay_s = self.retries.delay_s(message.receive_count)
        self._record("webhook_undelivered", message, reason=str(error), delay_s=delay_s)
        return BackOff(delay_s)

    def _record(self, event: str, message: ReceivedMessage, **facts: object) -> None:
        self.tally.add(event)
        _log.warning(event, **_about(message), **facts)

    def _record_exception(self, message: ReceivedMessage, error: Exception, delay_s: float) -> None:
        if isinstance(error, TransientError):
            self._record("task_interrupted", message, reason=str(error), delay_s=delay_s)
            return
        self.tally.add("defect")
        _log.error("defect", **_about(message), delay_s=delay_s, exc_info=error)


def _exhausted(error: Exception) -> Failure:
    code = "temporarily_unavailable" if isinstance(error, TransientError) else "internal_error"
    return Failure(
        "The file could not be processed, although it was tried several times."
        " It is kept; please try again later or contact support.",
        code,
    )


def _about(message: ReceivedMessage) -> dict[str, object]:
    return {"message_id": message.message_id, "receive_count": message.receive_count}


def _origin(message: ReceivedMessage, task_id: str | None) -> Origin:
    return Origin(message.message_id, message.sent_at_ms, task_id or message.message_id)


def settle(queue: MessageQueue, message: ReceivedMessage, disposition: Disposition) -> None:
    """Do with the message what was decided.

    Raises:
        QueueUnavailable, LeaseLost: the message will be delivered again.
    """
    match disposition:
        case Acknowledge():
            queue.delete(message)
        case BackOff(delay_s):
            queue.change_visibility(message, delay_s)
        case Park(reason):
            queue.park(message, reason)


def drain(queue: MessageQueue, handler: MessageHandler, *, wait_s: float = 0.0) -> int:
    """Handle messages one after the other until none comes within `wait_s`; return how many."""
    handled = 0
    while messages := queue.receive(1, wait_s):
        for message in messages:
            settle(queue, message, handler.handle(message))
            handled += 1
    return handled
