"""A queue of Amazon SQS, or of a server that speaks its protocol. Standard queues only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from waveflow.adapters.aws.clients import sqs_client
from waveflow.adapters.queue.sqs_batches import Outcome, Together
from waveflow.adapters.queue.sqs_errors import is_not_for_us
from waveflow.adapters.queue.sqs_facts import Once, QueueFacts, region_of
from waveflow.adapters.queue.sqs_leases import Leases
from waveflow.adapters.queue.sqs_parking import SIZES_BYTES, dead_letter_attributes, is_allowed
from waveflow.adapters.queue.sqs_requests import ClientFactory, SqsRequests
from waveflow.application.clock import Clock
from waveflow.application.ports import LONGEST_LOAN_S, MAX_BATCH, MessageQueue, ReceivedMessage
from waveflow.domain.errors import (
    LeaseLost,
    NoDeadLetterQueue,
    QueueUnavailable,
    TransientError,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

LONGEST_POLL_S = 20.0
LONGEST_DELAY_S = 900
_NOT_ASKED = "SQS didn't answer just before; it wasn't asked."


class SqsQueue(MessageQueue):
    """Borrows messages from SQS, and trusts its own watch on how long they are lent.

    Thread-safe. Deletions of several threads share requests. A receipt is refused as soon as
    its loan may have ended by the clock of this process, whatever SQS would say to it.
    """

    def __init__(
        self,
        queue_url: str,
        *,
        dead_letter_queue_url: str | None = None,
        region: str | None = None,
        visibility_timeout_s: float = 60.0,
        connections: int = 16,
        longest_wait_s: float = LONGEST_POLL_S,
        clock: Clock | None = None,
        new_client: ClientFactory | None = None,
    ) -> None:
        """Nothing is asked of SQS before the first call of a method.

        Args:
            dead_letter_queue_url: where messages are parked; None leaves it to the queue's
                redrive policy.
            region: None takes it from the address of one of Amazon's queues, else from the
                default chain.
            visibility_timeout_s: for how long messages are borrowed, up to 12 hours.
            connections: how many are kept open, for receives and for the rest each.
            longest_wait_s: how long a receive waits at most, up to 20 seconds; half the loan
                when that is less.

        Raises:
            ValueError: for a dead-letter queue that is the queue itself, and for times that SQS
                doesn't offer.
        """
        if dead_letter_queue_url == queue_url:
            raise ValueError("the dead-letter queue is the queue itself; give it one of its own")
        self._lent_s = math.ceil(
            _within(visibility_timeout_s, 1.0, LONGEST_LOAN_S, "visibility timeout")
        )
        longest_wait_s = _within(longest_wait_s, 0.0, LONGEST_POLL_S, "longest wait")
        self._clock = clock or Clock()
        self._requests = SqsRequests(
            queue_url,
            new_client or partial(sqs_client, region or region_of(queue_url), connections),
            # A poll must not use up the loan, which is counted from before it.
            int(min(longest_wait_s, self._lent_s / 2)),
        )
        self._dead_letter_url = Once(
            lambda: dead_letter_queue_url or self._requests.find_dead_letter_queue()
        )
        self._leases = Leases(self._clock.monotonic_s)
        self._deletes = Together(self._send_deletes, expected=lambda: len(self._leases))

    def receive(self, max_messages: int, wait_s: float) -> list[ReceivedMessage]:
        if not 1 <= max_messages <= MAX_BATCH:
            raise ValueError(f"max_messages is {max_messages}; 1 to {MAX_BATCH} are possible")
        # A loan begins at some moment until the reply: count from the earliest.
        began_s = self._clock.monotonic_s()
        ends_s = began_s + self._lent_s
        received = self._requests.receive(max_messages, wait_s, self._lent_s, ends_s)
        if self._clock.monotonic_s() >= ends_s:
            # The reply took so long that these are lost already; they come back by themselves.
            return []
        for lent in received:
            self._leases.lend(lent.message, received_at_s=began_s, attachments=lent.attachments)
        return [lent.message for lent in received]

    def delete(self, message: ReceivedMessage) -> None:
        if not self._leases.is_settled(message):
            self._leases.require_unclaimed(message)
            self._deletes.submit(message)

    def change_visibility(self, message: ReceivedMessage, timeout_s: float) -> None:
        for problem in self.change_visibility_of_all([message], timeout_s).values():
            raise problem

    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        problems: dict[str, TransientError] = {}
        wanted: list[tuple[ReceivedMessage, int]] = []
        for message in messages:
            try:
                wanted.append((message, self._leases.whole_seconds(message, timeout_s)))
            except LeaseLost as error:
                problems[message.receipt] = error
        while wanted:
            now, wanted = wanted[:MAX_BATCH], wanted[MAX_BATCH:]
            failed = self._hide(now)
            problems |= failed
            if all(isinstance(failed.get(each.receipt), QueueUnavailable) for each, _ in now):
                # Whoever waits for the rest had better ask again than wait for it ten by ten.
                problems |= {each.receipt: QueueUnavailable(_NOT_ASKED) for each, _ in wanted}
                break
        return problems

    def park(self, message: ReceivedMessage, reason: str) -> None:
        with self._leases.parking(message) as loan:
            # Sent first, deleted then: whoever dies in between leaves two of it rather than none.
            # Who tries again here, because the deletion failed, sends no second one.
            if not loan.is_copied:
                attributes = dead_letter_attributes(
                    message, loan.attachments, reason, self._clock.now_iso()
                )
                self._send_to_dead_letters(message.body, attributes)
                loan.is_copied = True
            self._deletes.submit(message)

    def _send_to_dead_letters(
        self, body: str, attributes: Mapping[str, MessageAttributeValueTypeDef]
    ) -> None:
        url = self._dead_letter_url.get()
        try:
            self._requests.send(body, to_url=url, attributes=attributes)
        except QueueUnavailable as exc:
            if is_not_for_us(exc):
                # It would keep every slot busy that has something to park.
                raise NoDeadLetterQueue(str(exc)) from exc
            raise

    def require_dead_letter_queue(self) -> None:
        """Accept a dead-letter queue that is there, as far as may be asked, or none.

        Raises:
            QueueUnavailable: when the one that is named doesn't exist, or none can be asked.
        """
        try:
            self._requests.require_queue(self._dead_letter_url.get())
        except NoDeadLetterQueue:
            return

    def send(self, body: str, *, delay_s: float = 0.0) -> str:
        """Put a message on the queue and return its id.

        Args:
            delay_s: up to 900.

        Raises:
            ValueError: for a body that SQS can't hold, and for a longer delay.
            QueueUnavailable: when the queue doesn't answer.
        """
        if not 0 <= delay_s <= LONGEST_DELAY_S:
            raise ValueError(f"delay_s is {delay_s}; SQS delays by 0 to {LONGEST_DELAY_S} seconds")
        if not is_allowed(body):
            raise ValueError("SQS holds no empty body and none with control characters")
        if len(body.encode()) > SIZES_BYTES[-1]:
            raise ValueError(f"SQS holds bodies of up to {SIZES_BYTES[-1]} bytes")
        return self._requests.send(body, delay_s=math.ceil(delay_s))

    def facts(self) -> QueueFacts:
        """What the queue says of itself, for checks at start-up.

        Raises:
            QueueUnavailable: when the queue isn't there, isn't allowed to be used, or doesn't
                answer; the sentence says what to do.
        """
        return self._requests.facts(self._dead_letter_url.get)

    def _send_deletes(self, messages: Sequence[ReceivedMessage]) -> list[Outcome]:
        # They may have waited for others: what was on loan then may not be any more.
        outcomes = {message.receipt: self._why_not(message) for message in messages}
        held = {
            message.receipt: message
            for message in messages
            if outcomes[message.receipt] is None and not self._leases.is_settled(message)
        }
        outcomes |= self._delete_all(list(held))
        for receipt, message in held.items():
            if isinstance(outcomes[receipt], LeaseLost):
                # Nobody else can have it while it is lent to us: it is gone, by an earlier
                # request whose reply got lost, say.
                outcomes[receipt] = self._why_not(message)
            if outcomes[receipt] is None:
                self._leases.settle(message)
            elif isinstance(outcomes[receipt], LeaseLost):
                self._leases.lose(message)
        return [outcomes[message.receipt] for message in messages]

    def _why_not(self, message: ReceivedMessage) -> Outcome:
        try:
            if not self._leases.is_settled(message):
                self._leases.require(message)
        except LeaseLost as error:
            return error
        return None

    def _delete_all(self, receipts: Sequence[str]) -> dict[str, Outcome]:
        if not receipts:
            return {}
        try:
            outcomes = self._requests.delete(receipts)
        except QueueUnavailable as error:
            # One for each: threads that raise the same one would share its traceback.
            return {receipt: QueueUnavailable(str(error)) for receipt in receipts}
        return dict(zip(receipts, outcomes, strict=True))

    def _hide(self, wanted: Sequence[tuple[ReceivedMessage, int]]) -> dict[str, TransientError]:
        began_s = self._clock.monotonic_s()
        try:
            outcomes = self._requests.hide([(each.receipt, seconds) for each, seconds in wanted])
        except QueueUnavailable as error:
            for message, seconds in wanted:
                self._leases.doubt(message, began_s + seconds)
            return {message.receipt: QueueUnavailable(str(error)) for message, _ in wanted}
        problems: dict[str, TransientError] = {}
        for (message, seconds), outcome in zip(wanted, outcomes, strict=True):
            self._note(message, began_s, seconds, outcome)
            if outcome is not None:
                problems[message.receipt] = outcome
        return problems

    def _note(
        self, message: ReceivedMessage, began_s: float, seconds: int, outcome: Outcome
    ) -> None:
        is_given_back = outcome is None and seconds == 0
        if is_given_back or isinstance(outcome, LeaseLost):
            self._leases.lose(message)
        elif outcome is None:
            self._leases.move(message, began_s + seconds)


def _within(seconds: float, least_s: float, most_s: float, what: str) -> float:
    if not least_s <= seconds <= most_s:
        raise ValueError(f"the {what} is {seconds} s; SQS offers {least_s:g} to {most_s:g}")
    return seconds
