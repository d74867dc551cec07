"""Draining a queue: one message after the other, whatever becomes of each."""

from __future__ import annotations

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from tests.support.workshop import Workshop, hash_message
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.application.drain import drain
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import QueueUnavailable, WorkInterrupted

SAMPLE = "audio/sample.wav"


def test_draining_handles_everything_and_says_how_much(workshop: Workshop) -> None:
    assert drain(workshop.queue, workshop.handler) == 0
    for number in range(12):
        workshop.upload(f"{number}.wav", b"%d" % number)
        workshop.queue.send(hash_message(f"{number}.wav"))
    assert drain(workshop.queue, workshop.handler) == 12
    assert len(workshop.queue) == 0
    paths = sorted(body["filepath"] for body in workshop.server.bodies)
    assert paths == sorted(f"{number}.wav" for number in range(12))


def test_draining_goes_on_after_messages_that_fail(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    for body in ("text", hash_message("missing.wav"), hash_message(SAMPLE)):
        workshop.queue.send(body)
    assert drain(workshop.queue, workshop.handler) == 3
    assert [request.endpoint for request in workshop.server.requests] == [
        "/completion",
        "/hash-check",
    ]
    [dead] = workshop.queue.dead_letters()
    assert (dead.message_id, dead.body) == ("message-1", "text")


def test_draining_goes_on_after_a_lost_lease(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    for _ in range(2):
        workshop.queue.send(hash_message(SAMPLE))
    stolen: list[object] = []

    def steal(_: object) -> None:
        """The work takes longer than the message is hidden, and somebody else gets both."""
        if not stolen:
            workshop.time.advance(10_000)
            stolen.extend(workshop.queue.receive(10, 0))

    workshop.storage.before = steal
    with capture_logs() as logs:
        assert drain(workshop.queue, workshop.handler) == 1
    assert [log["event"] for log in logs] == ["message_not_settled"]
    assert len(workshop.queue) == 2


def test_draining_ends_with_a_message_that_is_given_back(workshop: Workshop) -> None:
    def perform(*_: object) -> None:
        raise WorkInterrupted("ending")

    for _ in range(2):
        workshop.queue.send(hash_message(SAMPLE))
    assert drain(workshop.queue, evolve(workshop.handler, perform=perform)) == 1
    counts = sorted(message.receive_count for message in workshop.queue.receive(10, 0))
    assert counts == [1, 2]


class QueueThatForgets(InProcessQueue):
    """It can't be told that the first message is done, nor be asked for more in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0

    def receive(self, max_messages: int, wait_s: float) -> list[ReceivedMessage]:
        messages = super().receive(max_messages, wait_s)
        if not messages:
            raise QueueUnavailable("away")
        return messages

    def delete(self, message: ReceivedMessage) -> None:
        self.told += 1
        if self.told == 1:
            raise QueueUnavailable("away")
        super().delete(message)


def test_draining_goes_on_after_a_message_that_could_not_be_settled(workshop: Workshop) -> None:
    workshop.upload(SAMPLE, b"drums")
    queue = QueueThatForgets()
    for _ in range(2):
        queue.send(hash_message(SAMPLE))
    with pytest.raises(QueueUnavailable):
        drain(queue, workshop.handler)
    assert (queue.told, len(queue), len(workshop.server.requests)) == (2, 1, 2)
