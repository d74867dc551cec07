"""A queue inside the process with the semantics of SQS."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from threading import Condition

from attrs import define, field, frozen

from waveflow.application.clock import Clock
from waveflow.application.ports import (
    LONGEST_LOAN_S,
    MAX_BATCH,
    MessageQueue,
    ReceivedMessage,
)
from waveflow.domain.errors import LeaseLost, TransientError


@frozen
class DeadLetter:
    """A message that was parked, and why."""

    message_id: str
    body: str
    reason: str


@define
class _Message:
    message_id: str
    body: str
    sent_at_ms: int
    visible_at_s: float
    receive_count: int = 0
    received_at_s: float = 0.0
    receipt: str | None = field(default=None)


def _random_id() -> str:
    return str(uuid.uuid4())


class InProcessQueue(MessageQueue):
    """Messages that are received stay hidden for a while and return unless they are deleted.

    Thread-safe. As in SQS, the order is only roughly that of sending, and a message that was
    received too often goes to the dead letters instead of being delivered again.
    """

    def __init__(
        self,
        *,
        visibility_timeout_s: float = 30.0,
        max_receive_count: int = 10,
        clock: Clock | None = None,
        new_id: Callable[[], str] = _random_id,
    ) -> None:
        """Make an empty queue.

        Args:
            visibility_timeout_s: how long a received message stays hidden.
            max_receive_count: deliveries before a message becomes a dead letter.
        """
        self._visibility_timeout_s = visibility_timeout_s
        self._max_receive_count = max_receive_count
        self._clock = clock or Clock()
        self._new_id = new_id
        self._messages: dict[str, _Message] = {}
        self._dead_letters: list[DeadLetter] = []
        self._changed = Condition()

    def send(self, body: str, *, delay_s: float = 0.0) -> str:
        message = _Message(
            message_id=self._new_id(),
            body=body,
            sent_at_ms=int(self._clock.unix_s() * 1000),
            visible_at_s=self._clock.monotonic_s() + delay_s,
        )
        with self._changed:
            self._messages[message.message_id] = message
            self._changed.notify_all()
        return message.message_id

    def receive(self, max_messages: int, wait_s: float) -> list[ReceivedMessage]:
        if not 1 <= max_messages <= MAX_BATCH:
            raise ValueError(f"max_messages is {max_messages}; 1 to {MAX_BATCH} are possible")
        deadline_s = self._clock.monotonic_s() + wait_s
        with self._changed:
            while True:
                received = self._take(max_messages)
                remaining_s = deadline_s - self._clock.monotonic_s()
                if received or remaining_s <= 0:
                    return received
                self._changed.wait(min(remaining_s, self._until_next_s()))

    def delete(self, message: ReceivedMessage) -> None:
        with self._changed:
            if message.message_id in self._messages:
                self._leased(message)
                del self._messages[message.message_id]

    def change_visibility(self, message: ReceivedMessage, timeout_s: float) -> None:
        with self._changed:
            leased = self._leased(message)
            wanted_s = self._clock.monotonic_s() + timeout_s
            leased.visible_at_s = min(wanted_s, leased.received_at_s + LONGEST_LOAN_S)
            self._changed.notify_all()

    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        problems: dict[str, TransientError] = {}
        for message in messages:
            try:
                self.change_visibility(message, timeout_s)
            except LeaseLost as error:
                problems[message.receipt] = error
        return problems

    def park(self, message: ReceivedMessage, reason: str) -> None:
        with self._changed:
            self._bury(self._leased(message), reason)

    def dead_letters(self) -> list[DeadLetter]:
        """Everything that was parked, the oldest first."""
        with self._changed:
            return list(self._dead_letters)

    def __len__(self) -> int:
        """Messages on the queue, visible or hidden; dead letters not counted."""
        with self._changed:
            return len(self._messages)

    def _take(self, max_messages: int) -> list[ReceivedMessage]:
        now_s = self._clock.monotonic_s()
        visible = sorted(
            (message for message in self._messages.values() if message.visible_at_s <= now_s),
            key=lambda message: message.visible_at_s,
        )
        received: list[ReceivedMessage] = []
        for message in visible:
            if len(received) == max_messages:
                break
            if message.receive_count >= self._max_receive_count:
                self._bury(message, f"received {message.receive_count} times")
            else:
                received.append(self._lend(message, now_s))
        return received

    def _lend(self, message: _Message, now_s: float) -> ReceivedMessage:
        message.receive_count += 1
        message.receipt = _random_id()
        message.received_at_s = now_s
        message.visible_at_s = now_s + self._visibility_timeout_s
        return ReceivedMessage(
            message_id=message.message_id,
            body=message.body,
            receipt=message.receipt,
            receive_count=message.receive_count,
            sent_at_ms=message.sent_at_ms,
            lease_ends_s=message.visible_at_s,
        )

    def _leased(self, received: ReceivedMessage) -> _Message:
        message = self._messages.get(received.message_id)
        if message is None or message.receipt != received.receipt:
            raise LeaseLost(f"The receipt for message {received.message_id} is stale.")
        return message

    def _bury(self, message: _Message, reason: str) -> None:
        del self._messages[message.message_id]
        self._dead_letters.append(DeadLetter(message.message_id, message.body, reason))

    def _until_next_s(self) -> float:
        now_s = self._clock.monotonic_s()
        times_s = [message.visible_at_s for message in self._messages.values()]
        return max(min(times_s, default=now_s + 3600.0) - now_s, 0.001)
