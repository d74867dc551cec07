"""A queue under test and what surrounds it, and what its contract does again and again."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from waveflow.application.ports import MessageQueue, ReceivedMessage

PATIENCE = 20
"""Receives that may come back empty-handed before a message counts as missing."""


class QueueRig(Protocol):
    """A queue that is empty at the start of each test, and what surrounds it.

    Attributes:
        wait_s: how long one receive should wait for a first message.
        visibility_timeout_s: how long a received message stays hidden; 3 or more.
        max_receive_count: deliveries before the queue gives a message up; 3 or more.
    """

    wait_s: float
    visibility_timeout_s: float
    max_receive_count: int

    @property
    @abstractmethod
    def queue(self) -> MessageQueue:
        """The adapter."""

    @abstractmethod
    def advance(self, seconds: float) -> None:
        """Let that much time pass for the queue."""

    @abstractmethod
    def now_ms(self) -> int:
        """The Unix time by which the queue dates messages, in milliseconds."""

    @abstractmethod
    def dead_letters(self) -> list[tuple[str, str | None]]:
        """Body and reason of every dead letter, in any order; no reason when nobody gave one."""


def take(rig: QueueRig, count: int) -> list[ReceivedMessage]:
    """Receive until that many messages have come."""
    received: list[ReceivedMessage] = []
    for _ in range(PATIENCE):
        if len(received) < count:
            received += rig.queue.receive(min(count - len(received), 10), rig.wait_s)
    assert len(received) == count
    return received


def take_one(rig: QueueRig) -> ReceivedMessage:
    """Receive until a message has come."""
    [message] = take(rig, 1)
    return message


def assert_nothing_comes(rig: QueueRig) -> None:
    """No message is visible now."""
    assert rig.queue.receive(10, rig.wait_s) == []


def expire(rig: QueueRig) -> None:
    """Let the visibility of what was received so far run out."""
    rig.advance(rig.visibility_timeout_s + 0.5)
