"""The delivery policy: what becomes of a message, given what came of its work.

| what came of it                                  | webhook | message                          |
|--------------------------------------------------|---------|----------------------------------|
| done                                             | success | acknowledged                     |
| failed for good (bad audio, refused deletion …)  | failure | acknowledged                     |
| broken off (the service is ending, lease lost)   | –       | given back at once               |
| may work later (storage away, a defect …)        | –       | backs off                        |
| the same, retries used up                        | failure | parked                           |
| webhook not delivered                            | –       | backs off, for as long as needed |
| names its stem or stage, but is malformed        | failure | parked                           |
| not understandable                               | –       | parked                           |
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.commands import Command, Origin
from waveflow.application.disposition import (
    Acknowledge,
    BackOff,
    Disposition,
    GiveBack,
    Park,
    RetryPolicy,
    settle,
)
from waveflow.application.events import Failure
from waveflow.application.failures import FailureReporter, Subject, subject_of
from waveflow.application.ports import MessageQueue, ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import (
    LeaseLost,
    NotifierUnavailable,
    PermanentError,
    QueueUnavailable,
    TransientError,
    WorkInterrupted,
)

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
        except Exception as error:
            self._record_exception(message, error)
            if self.retries.is_spent(message.receive_count):
                return Park(f"internal_error: {error!r}")
            return self._later(message)
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
        except WorkInterrupted as error:
            self._record("task_given_back", message, reason=str(error))
            return GiveBack()
        except Exception as error:
            self._record_exception(message, error)
            if not self.retries.is_spent(message.receive_count):
                return self._later(message)
            failure = _exhausted(error)
            then = Park(f"{failure.code}: {error}")
        else:
            return Acknowledge()
        elapsed_s = round(self.clock.monotonic_s() - started_s, 6)
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
            self._record_exception(message, error)
            return self._later(message)
        return None

    def _later(self, message: ReceivedMessage) -> BackOff:
        return BackOff(self.retries.delay_s(message.receive_count))

    def _undelivered(self, message: ReceivedMessage, error: NotifierUnavailable) -> BackOff:
        """The server being away is not the message's fault: it never counts as a failure."""
        delay_s = self.retries.undelivered_delay_s(message.receive_count)
        self._record("webhook_undelivered", message, reason=str(error), delay_s=delay_s)
        return BackOff(delay_s)

    def _record(self, event: str, message: ReceivedMessage, **facts: object) -> None:
        self.tally.add(event)
        _log.warning(event, **_about(message), **facts)

    def _record_exception(self, message: ReceivedMessage, error: Exception) -> None:
        if isinstance(error, TransientError):
            self._record("task_interrupted", message, reason=str(error))
            return
        self.tally.add("defect")
        _log.error("defect", **_about(message), exc_info=error)


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
                settle(queue, message, disposition)
            except (LeaseLost, QueueUnavailable) as error:
                _log.warning("message_not_settled", **_about(message), reason=str(error))
            if isinstance(disposition, GiveBack):
                return handled
    return handled
