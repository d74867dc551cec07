"""The SQS adapter keeps the contract of the port over two servers, whose clocks are set forward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache, partial
from typing import TYPE_CHECKING

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.contracts.queue import MessageQueueContract
from tests.support.contracts.queue_rig import QueueRig, assert_nothing_comes, expire, take_one
from tests.support.contracts.storage_actions import at_once
from tests.support.shifted_servers import ShiftedServer, shifted_server
from waveflow.adapters.aws.clients import sqs_client
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_parking import REASON
from waveflow.domain.errors import LeaseLost

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@cache
def _client(endpoint_url: str, longest_wait_s: float, attempts: int) -> SQSClient:
    # Made as in production, but once for all tests: it is slow to make.
    return sqs_client(None, 16, longest_wait_s, attempts)


class SqsRig(QueueRig):
    """A queue on a server whose time passes as told."""

    wait_s = 0.0
    visibility_timeout_s = 30.0
    max_receive_count = 4

    def __init__(self, shifted: ShiftedServer) -> None:
        self.server: AwsServer = shifted.server
        self.time = shifted.time
        self.urls = self.server.new_queues(max_receive_count=self.max_receive_count)
        self._queue = self.another()

    @property
    def queue(self) -> SqsQueue:
        return self._queue

    def another(self) -> SqsQueue:
        """The same queue, as another process has it."""
        return SqsQueue(
            self.urls.url,
            visibility_timeout_s=self.visibility_timeout_s,
            clock=self.time.as_clock(),
            new_client=partial(_client, self.server.endpoint_url),
        )

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)

    def now_ms(self) -> int:
        return int(self.time.as_clock().unix_s() * 1000)

    def dead_letters(self) -> list[tuple[str, str | None]]:
        reply = self.server.sqs().receive_message(
            QueueUrl=self.urls.dead_letter_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageAttributeNames=["All"],
        )
        letters: list[tuple[str, str | None]] = []
        for item in reply.get("Messages", []):
            reason = item.get("MessageAttributes", {}).get(REASON)
            letters.append((item["Body"], reason["StringValue"] if reason else None))
        return letters


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ShiftedServer]]:
    with ExitStack() as stack:
        names = ("moto", "ministack")
        yield {name: stack.enter_context(shifted_server(name)) for name in names}


class TestSqsQueue(MessageQueueContract):
    @pytest.fixture(params=["moto", "ministack"])
    def rig(
        self,
        request: pytest.FixtureRequest,
        servers: dict[str, ShiftedServer],
        monkeypatch: pytest.MonkeyPatch,
    ) -> SqsRig:
        shifted = servers[request.param]
        for name, value in shifted.server.environment().items():
            monkeypatch.setenv(name, value)
        return SqsRig(shifted)

    @pytest.mark.parametrize("max_messages", [0, -1, 11])
    def test_only_one_to_ten_messages_can_be_asked_for(
        self, rig: SqsRig, max_messages: int
    ) -> None:
        with pytest.raises(ValueError, match="1 to 10"):
            rig.queue.receive(max_messages, 0.0)

    def test_deleting_twice_is_no_error(self, rig: SqsRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.delete(message)
        rig.queue.delete(message)

    def test_the_receipt_of_a_deleted_message_is_stale(self, rig: SqsRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.delete(message)
        with pytest.raises(LeaseLost):
            rig.queue.change_visibility(message, 30.0)
        with pytest.raises(LeaseLost):
            rig.queue.park(message, "too late")
        assert rig.dead_letters() == []

    def test_a_lease_that_has_run_out_is_lost_though_nobody_else_has_the_message(
        self, rig: SqsRig
    ) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        expire(rig)
        for settle in (rig.queue.delete, lambda message: rig.queue.park(message, "late")):
            with pytest.raises(LeaseLost):
                settle(message)
        with pytest.raises(LeaseLost):
            rig.queue.change_visibility(message, 30.0)
        assert take_one(rig).receive_count == 2

    def test_a_message_that_was_given_back_is_lost(self, rig: SqsRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.change_visibility(message, 0)
        with pytest.raises(LeaseLost):
            rig.queue.delete(message)
        assert take_one(rig).receive_count == 2

    def test_a_message_of_another_process_is_not_ours(self, rig: SqsRig) -> None:
        rig.queue.send("body")
        with pytest.raises(LeaseLost):
            rig.another().delete(take_one(rig))

    def test_a_message_that_came_back_after_its_deletion_can_be_deleted_again(
        self, rig: SqsRig
    ) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        rig.queue.change_visibility(message, 0)
        current = take_one(rig)
        rig.queue.delete(current)
        # The delivery before it is of a message that is dealt with.
        rig.queue.delete(message)
        assert_nothing_comes(rig)

    def test_the_lease_that_is_told_is_not_over_yet(self, rig: SqsRig) -> None:
        before_s = rig.time.as_clock().monotonic_s()
        rig.queue.send("body")
        message = take_one(rig)
        assert before_s + 30 <= message.lease_ends_s
        assert message.lease_ends_s <= rig.time.as_clock().monotonic_s() + 30

    def test_one_of_eight_threads_settles_a_message(self, rig: SqsRig) -> None:
        rig.queue.send("body")
        message = take_one(rig)
        outcomes = at_once(8, lambda number: rig.queue.park(message, f"thread {number}"))
        assert [type(each) for each in outcomes if each is not None] == [LeaseLost] * 7
        assert len(rig.dead_letters()) == 1

    def test_twelve_threads_delete_every_message(self, rig: SqsRig) -> None:
        bodies = {str(number) for number in range(36)}
        for body in bodies:
            rig.queue.send(body)

        def work(number: int) -> list[str]:
            handled: list[str] = []
            while messages := rig.queue.receive(2, 0.0):
                for message in messages:
                    # A standard queue may lend a message twice: one of the two is stale then.
                    with suppress(LeaseLost):
                        rig.queue.delete(message)
                        handled.append(message.body)
            return handled

        outcomes = at_once(12, work)
        assert [each for each in outcomes if not isinstance(each, list)] == []
        assert {body for each in outcomes if isinstance(each, list) for body in each} == bodies
        expire(rig)
        assert_nothing_comes(rig)
        assert rig.dead_letters() == []
