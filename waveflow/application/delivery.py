"""The delivery policy: what becomes of a message, given what came of its work.

| what came of it                                  | webhook | message                          |
|--------------------------------------------------|---------|----------------------------------|
| done                                             | success | acknowledged                     |
| failed for good (bad audio, refused deletion …)  | failure | acknowledged                     |
| nothing: the server had the stem removed since   | –       | acknowledged                     |
| broken off (the service is ending, lease lost)   | –       | given back at once               |
| may work later (an object unreadable, a defect …)| –       | backs off                        |
| storage away for others too, disk full …         | –       | backs off, and it is no try      |
| the same, retries used up                        | failure | parked                           |
| came ten times and never to an end               | failure | parked, without another try      |
| webhook not delivered                            | –       | backs off, for as long as needed |
| names its stem or stage, but is malformed        | failure | parked                           |
| not understandable                               | –       | parked                           |
| not due yet (Celery's `eta`)                     | –       | hidden until it is               |
| comes too late (`expires`), or a day too early   | failure | acknowledged                     |

What the server hasn't taken is kept in the outbox: the next delivery tells it, without working.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from attrs import field, frozen

from waveflow.application.breaker import Excuses
from waveflow.application.clock import Clock
from waveflow.application.commands import Command, Origin
from waveflow.application.disposition import (
    Acknowledge,
    BackOff,
    Disposition,
    GiveBack,
    Park,
    RetryPolicy,
)
from waveflow.application.events import Failure
from waveflow.application.failures import (
    FailureReporter,
    NeverEnded,
    Subject,
    exhausted,
    subject_of,
)
from waveflow.application.outbox import Outbox, Outcome, send_event
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage
from waveflow.application.patient_notifier import Undelivered
from waveflow.application.ports import ReceivedMessage
from waveflow.application.removals import StemRemoved
from waveflow.application.tally import Tally
from waveflow.domain.errors import (
    NotifierUnavailable,
    PermanentError,
    TransientError,
    WorkInterrupted,
)

_log = structlog.get_logger(__name__)

Verdict = Acknowledge | Park
"""What becomes of a message once the server knows what came of it."""


@frozen
class MessageHandler:
    """Carries out one message and decides what becomes of it.

    Attributes:
        parse: body to command; raises `UnreadableMessage` or `RefusedMessage`.
        perform: carries out a command.
        outbox: where outcomes wait that the server hasn't taken.
        excuses: failures that are not the message's own.
    """

    parse: Callable[[str], ParsedMessage]
    perform: Callable[[Command, Origin], object]
    failures: FailureReporter
    outbox: Outbox
    retries: RetryPolicy = field(factory=RetryPolicy)
    excuses: Excuses = field(factory=Excuses)
    clock: Clock = field(factory=Clock)
    tally: Tally = field(factory=Tally)

    def handle(self, message: ReceivedMessage) -> Disposition:
        """Do what the message asks, once, and tell the server if it has failed for good."""
        started_s, may_be_done = self.clock.monotonic_s(), False
        try:
            kept = None if message.receive_count == 1 else self.outbox.find(message.message_id)
        except WorkInterrupted as error:
            return self._broken_off(message, error, Acknowledge())
        except Exception as error:
            self._record_exception(message, error, "outcome_not_looked_up")
            kept, may_be_done = None, True
        if kept is not None:
            return self._tell(message, kept)
        return self._work(message, started_s, may_be_done=may_be_done)

    def _work(
        self, message: ReceivedMessage, started_s: float, *, may_be_done: bool
    ) -> Disposition:
        """Do what the message asks; it is not given up if an earlier delivery may have done it."""
        try:
            parsed = self.parse(message.body)
        except UnreadableMessage as error:
            self._record("message_unreadable", message, reason=str(error))
            return Park(str(error), "unreadable_message")
        except RefusedMessage as error:
            self._record("message_refused", message, reason=str(error))
            origin = _origin(message, error.task_id)
            then = Park(str(error), error.failure.code)
            return self._fail(error.subject, origin, error.failure, message, 0.0, then)
        except Exception as error:
            self._record_exception(message, error)
            if self.retries.is_spent(message.receive_count):
                return Park(f"internal_error: {error!r}", "internal_error")
            return self._later(message.receive_count)
        return self._perform(parsed, message, started_s, may_be_done)

    def _perform(
        self, parsed: ParsedMessage, message: ReceivedMessage, started_s: float, may_be_done: bool
    ) -> Disposition:
        origin = _origin(message, parsed.task_id)
        tries = parsed.tries(message)
        try:
            waiting_s = self._waiting_s(parsed, tries - parsed.earlier_tries, may_be_done)
            if waiting_s > 0:
                return BackOff(waiting_s, "postponed")
            self.perform(parsed.command, origin)
        except StemRemoved:
            # The server has heard its hash, and waits for nothing.
            return Acknowledge("removed")
        except PermanentError as error:
            self._record("task_failed", message, code=error.code, reason=str(error))
            failure = Failure.of(error)
            then: Verdict = Acknowledge("failed", error.code)
        except (NotifierUnavailable, WorkInterrupted) as error:
            return self._broken_off(message, error, Acknowledge())
        except Exception as error:
            self._record_exception(message, error)
            again = self._another_try(error, message, tries, may_be_done)
            if again is not None:
                return again
            failure = exhausted(error)
            then = Park(f"{failure.code}: {error}", failure.code)
        else:
            self.excuses.done(parsed.command)
            return Acknowledge()
        elapsed_s = round(self.clock.monotonic_s() - started_s, 6)
        subject = subject_of(parsed.command)
        return self._fail(subject, origin, failure, message, elapsed_s, then)

    def _another_try(
        self, error: Exception, message: ReceivedMessage, tries: int, may_be_done: bool
    ) -> BackOff | None:
        if self.excuses.cover(error, message.message_id) or may_be_done:
            return BackOff(self.retries.undelivered_delay_s(message.receive_count))
        return None if self.retries.is_spent(tries) else self._later(tries)

    def _waiting_s(self, parsed: ParsedMessage, tries: int, may_be_done: bool) -> float:
        """Seconds until the message is due.

        Raises:
            PermanentError: when it never is.
            NeverEnded: when it has been tried often enough.
        """
        now_s = self.clock.unix_s()
        if self.retries.is_hopeless(tries) and not may_be_done:
            raise NeverEnded(f"try {tries} was not made")
        if tries == 1:
            # Later the work may be done, and the server know it, already.
            parsed.require_not_expired(now_s)
        parsed.require_near(now_s)
        return parsed.waiting_s(now_s)

    def _fail(
        self,
        subject: Subject | None,
        origin: Origin,
        failure: Failure,
        message: ReceivedMessage,
        elapsed_s: float,
        then: Verdict,
    ) -> Disposition:
        return self._telling(
            message, lambda: self.failures.report(subject, origin, failure, elapsed_s), then
        )

    def _tell(self, message: ReceivedMessage, kept: Outcome) -> Disposition:
        """The work was done by an earlier delivery; only the server doesn't know yet."""
        code = kept.failure_code
        then: Verdict = Acknowledge("failed" if code else "done", code)
        if kept.park_reason is not None:
            then = Park(kept.park_reason, code)
        return self._telling(message, lambda: send_event(self.failures.notifier, kept.untold), then)

    def _telling(
        self, message: ReceivedMessage, tell: Callable[[], None], then: Verdict
    ) -> Disposition:
        """`then`, unless the server hasn't taken what it is told."""
        try:
            tell()
        except (NotifierUnavailable, WorkInterrupted) as error:
            return self._broken_off(message, error, then)
        except Exception as error:
            self._record_exception(message, error)
            return self._later(message.receive_count)
        return then

    def _broken_off(
        self,
        message: ReceivedMessage,
        error: NotifierUnavailable | WorkInterrupted,
        then: Verdict,
    ) -> Disposition:
        if isinstance(error, NotifierUnavailable):
            return self._undelivered(message, error, then)
        self._record("task_given_back", message, reason=str(error))
        return GiveBack()

    def _undelivered(
        self, message: ReceivedMessage, error: NotifierUnavailable, then: Verdict
    ) -> BackOff:
        """The server being away is not the message's fault: it never counts as a failure."""
        delay_s = self.retries.undelivered_delay_s(message.receive_count)
        delay_s = max(delay_s, error.retry_after_s or 0.0)
        self._record("webhook_undelivered", message, reason=str(error), delay_s=delay_s)
        if isinstance(error, Undelivered):
            park_reason = then.reason if isinstance(then, Park) else None
            try:
                self.outbox.keep(message.message_id, Outcome(error.event, park_reason))
            except Exception as problem:
                self._record_exception(message, problem, "outcome_not_kept")
        return BackOff(delay_s, "undelivered")

    def _later(self, tries: int) -> BackOff:
        return BackOff(self.retries.delay_s(tries))

    def _record(self, event: str, message: ReceivedMessage, **facts: object) -> None:
        self.tally.add(event)
        _log.warning(event, **_about(message), **facts)

    def _record_exception(
        self, message: ReceivedMessage, error: Exception, event: str = "task_interrupted"
    ) -> None:
        if isinstance(error, TransientError):
            self._record(event, message, reason=str(error))
            return
        self.tally.add("defect")
        _log.error("defect", **_about(message), exc_info=error)


def _about(message: ReceivedMessage) -> dict[str, object]:
    return {"message_id": message.message_id, "receive_count": message.receive_count}


def _origin(message: ReceivedMessage, task_id: str | None) -> Origin:
    return Origin(message.message_id, message.sent_at_ms, task_id or message.message_id)
