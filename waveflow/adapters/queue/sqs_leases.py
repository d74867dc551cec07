"""Until when each message is certainly on loan to this process.

SQS doesn't reliably refuse a receipt that another delivery has made stale, so it is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from attrs import define

from waveflow.application.ports import LONGEST_LOAN_S, ReceivedMessage
from waveflow.domain.errors import LeaseLost

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef

MARGIN_S = 5.0
"""SQS refuses to hide a message for longer than 12 hours in all, by its own clock."""

REMEMBERED = 10_000
"""Settled messages that are remembered, so that settling them again is told apart."""


@define
class Loan:
    """One delivery of a message that isn't settled yet.

    Attributes:
        ends_s: monotonic time at which the loan certainly has not ended yet.
        attachments: everything that the sender attached, binary values too.
        is_parking: somebody is moving the message to the dead-letter queue.
        is_copied: a copy of it has reached the dead-letter queue.
    """

    receipt: str
    receive_count: int
    received_at_s: float
    ends_s: float
    attachments: Mapping[str, MessageAttributeValueOutputTypeDef]
    is_parking: bool = False
    is_copied: bool = False


class Leases:
    """The loans of one queue. Thread-safe; holds no more than what is in flight."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        """Begin without any loan.

        Args:
            monotonic_s: the clock by which loans end.
        """
        self._monotonic_s = monotonic_s
        self._loans: dict[str, Loan] = {}
        self._settled: dict[str, None] = {}
        self._lock = Lock()

    def lend(
        self,
        message: ReceivedMessage,
        *,
        received_at_s: float,
        attachments: Mapping[str, MessageAttributeValueOutputTypeDef],
    ) -> None:
        """Remember a delivery; the ones before it become stale.

        Args:
            received_at_s: monotonic time before it was asked for.
        """
        loan = Loan(
            receipt=message.receipt,
            receive_count=message.receive_count,
            received_at_s=received_at_s,
            ends_s=message.lease_ends_s,
            attachments=attachments,
        )
        with self._lock:
            self._forget_ended()
            known = self._loans.get(message.message_id)
            # Replies to two threads may overtake each other: the count says which came later.
            if known is None or known.receive_count <= loan.receive_count:
                self._loans[message.message_id] = loan

    def require(self, message: ReceivedMessage) -> None:
        """Raise `LeaseLost` unless the message is certainly still on loan."""
        with self._lock:
            self._held(message)

    def is_settled(self, message: ReceivedMessage) -> bool:
        """Whether this process has deleted or parked the message and it hasn't come again."""
        with self._lock:
            loan = self._loans.get(message.message_id)
            lent_again = loan is not None and loan.receipt == message.receipt
            return message.message_id in self._settled and not lent_again

    def whole_seconds(self, message: ReceivedMessage, timeout_s: float) -> int:
        """What to ask SQS for to hide the message for `timeout_s`: never less, but within its
        12 hours. Raises `LeaseLost`."""
        with self._lock:
            loan = self._held(message)
            left_s = loan.received_at_s + LONGEST_LOAN_S - MARGIN_S - self._monotonic_s()
        if timeout_s <= 0:
            return 0
        # Never 0, which would give back a message that is to be hidden.
        return max(math.ceil(timeout_s) if timeout_s <= left_s else int(left_s), 1)

    def move(self, message: ReceivedMessage, ends_s: float) -> None:
        """SQS has agreed to lend the message until then (monotonic time)."""
        with self._lock:
            if loan := self._current(message):
                loan.ends_s = ends_s

    def doubt(self, message: ReceivedMessage, ends_s: float) -> None:
        """Nobody knows whether SQS lends the message until then, or still as before."""
        with self._lock:
            if loan := self._current(message):
                loan.ends_s = min(loan.ends_s, ends_s)

    def lose(self, message: ReceivedMessage) -> None:
        """SQS has refused the receipt, or has taken the message back."""
        with self._lock:
            if self._current(message):
                del self._loans[message.message_id]

    def settle(self, message: ReceivedMessage) -> None:
        """The message is gone from the queue for good."""
        with self._lock:
            if self._current(message):
                del self._loans[message.message_id]
            self._settled.pop(message.message_id, None)
            self._settled[message.message_id] = None
            if len(self._settled) > REMEMBERED:
                del self._settled[next(iter(self._settled))]

    @contextmanager
    def parking(self, message: ReceivedMessage) -> Iterator[Loan]:
        """Keep others from deleting or parking the message meanwhile. Raises `LeaseLost`."""
        with self._lock:
            loan = self._held(message)
            self._refuse_if_parking(message)
            loan.is_parking = True
        try:
            yield loan
        finally:
            with self._lock:
                loan.is_parking = False

    def require_unclaimed(self, message: ReceivedMessage) -> None:
        """The same as `require`, and nobody is parking the message. Raises `LeaseLost`."""
        with self._lock:
            self._held(message)
            self._refuse_if_parking(message)

    def __len__(self) -> int:
        """Loans that are remembered."""
        with self._lock:
            return len(self._loans)

    def _current(self, message: ReceivedMessage) -> Loan | None:
        loan = self._loans.get(message.message_id)
        return loan if loan is not None and loan.receipt == message.receipt else None

    def _held(self, message: ReceivedMessage) -> Loan:
        loan = self._current(message)
        if loan is None or loan.ends_s <= self._monotonic_s():
            raise LeaseLost(f"The receipt for message {message.message_id} is stale.")
        return loan

    def _refuse_if_parking(self, message: ReceivedMessage) -> None:
        if self._loans[message.message_id].is_parking:
            raise LeaseLost(f"Message {message.message_id} is being parked by another thread.")

    def _forget_ended(self) -> None:
        now_s = self._monotonic_s()
        for message_id in [key for key, loan in self._loans.items() if loan.ends_s <= now_s]:
            del self._loans[message_id]
