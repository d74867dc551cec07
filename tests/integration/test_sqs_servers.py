"""The SQS adapter on two servers, and on a network that loses things, in real time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.aws_servers import REGION, AwsServer, Queues, free_port
from tests.support.contracts.queue_rig import PATIENCE
from tests.support.contracts.storage_actions import at_once
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from waveflow.adapters.aws.clients import sqs_client
from waveflow.adapters.queue.sqs import SqsQueue
from waveflow.adapters.queue.sqs_facts import QueueFacts
from waveflow.application.ports import ReceivedMessage
from waveflow.domain.errors import LeaseLost, NoDeadLetterQueue, QueueUnavailable

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def urls(aws: AwsServer) -> Queues:
    return aws.new_queues(max_receive_count=5)


@pytest.fixture
def queue(urls: Queues) -> SqsQueue:
    return SqsQueue(urls.url)


def take_one(queue: SqsQueue) -> ReceivedMessage:
    for _ in range(PATIENCE):
        if messages := queue.receive(1, 1.0):
            return messages[0]
    raise AssertionError("no message came")


def dead_letters(aws: AwsServer, url: str) -> list[dict[str, Any]]:
    reply = aws.sqs().receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return [dict(item) for item in reply.get("Messages", [])]


class TestServers:
    def test_a_message_comes_back_when_its_visibility_ends(self, urls: Queues) -> None:
        queue = SqsQueue(urls.url, visibility_timeout_s=2.0)
        queue.send("body")
        first = take_one(queue)
        time.sleep(2.2)
        with pytest.raises(LeaseLost):
            queue.delete(first)
        second = take_one(queue)
        assert second.receive_count == 2
        queue.delete(second)

    def test_a_poll_ends_when_a_message_comes(self, queue: SqsQueue) -> None:
        def act(number: int) -> list[ReceivedMessage]:
            if number == 0:
                return queue.receive(1, 20.0)
            time.sleep(0.3)
            queue.send("body")
            return []

        began_s = time.monotonic()
        received, _ = at_once(2, act)
        assert isinstance(received, list)
        assert [message.body for message in received] == ["body"]
        assert time.monotonic() - began_s < 10

    def test_what_the_sender_attached_survives_parking(
        self, aws: AwsServer, urls: Queues, queue: SqsQueue
    ) -> None:
        attached = {
            "trace": {"DataType": "String", "StringValue": "드럼"},
            "number": {"DataType": "Number", "StringValue": "7"},
            "binary": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        }
        aws.sqs().send_message(
            QueueUrl=urls.url,
            MessageBody="body",
            MessageAttributes=attached,  # type: ignore[arg-type]
        )
        message = take_one(queue)
        assert message.attributes == {"trace": "드럼", "number": "7"}
        queue.park(message, "reason")
        [letter] = dead_letters(aws, urls.dead_letter_url)
        kept = letter["MessageAttributes"]
        assert {name: kept[name] for name in attached} == attached
        assert kept["WaveFlow-MessageId"]["StringValue"] == message.message_id
        assert kept["WaveFlow-ReceiveCount"]["StringValue"] == "1"

    @pytest.mark.parametrize(
        ("reason", "kept"),
        [
            ("드럼\x00\x07: 읽을 수 없음 🎸\n", "드럼\ufffd\ufffd: 읽을 수 없음 🎸\n"),
            ("x" * 300_000, "x" * 8192),
            ("", "(no reason given)"),
        ],
    )
    def test_any_reason_can_be_parked_for(
        self, aws: AwsServer, urls: Queues, queue: SqsQueue, reason: str, kept: str
    ) -> None:
        queue.send("드" * 80_000)
        queue.park(take_one(queue), reason)
        [letter] = dead_letters(aws, urls.dead_letter_url)
        assert letter["Body"] == "드" * 80_000
        assert letter["MessageAttributes"]["WaveFlow-Reason"]["StringValue"] == kept

    def test_the_largest_body_can_be_parked(
        self, aws: AwsServer, urls: Queues, queue: SqsQueue
    ) -> None:
        queue.send("x" * 1_048_576)
        queue.park(take_one(queue), "reason")
        assert [len(each["Body"]) for each in dead_letters(aws, urls.dead_letter_url)] == [2**20]

    def test_a_dead_letter_queue_of_ones_own_comes_first(self, aws: AwsServer) -> None:
        ours, others = aws.new_queues(), aws.new_queues()
        queue = SqsQueue(ours.url, dead_letter_queue_url=others.url)
        queue.send("body")
        queue.park(take_one(queue), "reason")
        assert len(dead_letters(aws, others.url)) == 1
        assert dead_letters(aws, ours.dead_letter_url) == []

    def test_without_a_dead_letter_queue_nothing_is_parked(self, urls: Queues) -> None:
        queue = SqsQueue(urls.dead_letter_url)
        queue.send("body")
        message = take_one(queue)
        with pytest.raises(NoDeadLetterQueue, match="WAVEFLOW_DEAD_LETTER_QUEUE_URL"):
            queue.park(message, "reason")
        queue.delete(message)

    def test_a_queue_says_how_full_it_is(self, urls: Queues, queue: SqsQueue) -> None:
        for delay_s in (0.0, 0.0, 0.0, 300.0):
            queue.send("body", delay_s=delay_s)
        take_one(queue)
        facts = queue.facts()
        assert facts.dead_letter_queue_url is not None
        assert facts.dead_letter_queue_url.endswith("-dead")
        assert facts == QueueFacts(2, 1, 1, facts.dead_letter_queue_url, 5, 30.0)

    def test_a_queue_without_a_policy_has_no_dead_letter_queue(self, urls: Queues) -> None:
        facts = SqsQueue(urls.dead_letter_url).facts()
        assert (facts.dead_letter_queue_url, facts.max_receive_count) == (None, None)

    def test_a_queue_that_is_gone_is_unavailable(
        self, aws: AwsServer, urls: Queues, queue: SqsQueue
    ) -> None:
        queue.send("body")
        message = take_one(queue)
        aws.sqs().delete_queue(QueueUrl=urls.url)
        for act in (
            lambda: queue.receive(1, 0.0),
            lambda: queue.send("body"),
            lambda: queue.delete(message),
            lambda: queue.change_visibility(message, 60),
            queue.facts,
        ):
            with pytest.raises(QueueUnavailable, match="SQS_QUEUE_URL"):
                act()
        problems = queue.change_visibility_of_all([message], 60)
        assert {type(error) for error in problems.values()} == {QueueUnavailable}

    def test_requests_go_to_the_endpoint_whatever_host_the_queue_names(
        self, aws: AwsServer, urls: Queues
    ) -> None:
        account_and_name = urls.url.split("/", 3)[3]
        queue = SqsQueue(f"https://sqs.{REGION}.amazonaws.com/{account_and_name}")
        queue.send("body")
        assert take_one(queue).body == "body"

    def test_deletions_of_many_threads_share_requests(
        self, aws: AwsServer, monkeypatch: pytest.MonkeyPatch, urls: Queues
    ) -> None:
        with FaultProxy(aws.endpoint_url) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            queue = SqsQueue(urls.url)
            for number in range(24):
                queue.send(str(number))
            messages = [take_one(queue) for _ in range(24)]
            proxy.add(Rule(Fault.LATENCY, target="DeleteMessage", times=None, seconds=0.1))
            assert at_once(24, lambda number: queue.delete(messages[number])) == [None] * 24
            requests = [each for each in proxy.requests if "DeleteMessage" in each.target]
            assert 3 <= len(requests) <= 8
        assert queue._leases.is_settled(messages[0])


@pytest.fixture
def proxy(moto: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with FaultProxy(moto.endpoint_url) as proxy:
        for name, value in moto.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture
def far(proxy: FaultProxy, moto: AwsServer) -> SqsQueue:
    """A queue behind the proxy, with fewer attempts than in production: their pauses are long."""

    def new_client(longest_wait_s: float, attempts: int) -> SQSClient:
        return sqs_client(REGION, 4, longest_wait_s, min(attempts, 2))

    return SqsQueue(moto.new_queues().url, new_client=new_client)


def attempts(proxy: FaultProxy, target: str) -> int:
    return sum(target in seen.target for seen in proxy.requests)


class TestNetwork:
    @pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATE])
    def test_a_deletion_whose_reply_is_lost_is_tried_again(
        self, proxy: FaultProxy, far: SqsQueue, fault: Fault
    ) -> None:
        far.send("body")
        message = take_one(far)
        proxy.add(Rule(fault, target="DeleteMessage"))
        far.delete(message)
        assert attempts(proxy, "DeleteMessage") == 2
        assert far.facts().in_flight == 0

    def test_after_replies_were_lost_for_good_the_caller_may_try_again(
        self, proxy: FaultProxy, far: SqsQueue
    ) -> None:
        far.send("body")
        message = take_one(far)
        proxy.add(Rule(Fault.RESET_AFTER, target="DeleteMessage", times=2))
        with pytest.raises(QueueUnavailable, match="check the network"):
            far.delete(message)
        far.delete(message)
        assert far.facts().in_flight == 0

    @pytest.mark.parametrize(
        "rule",
        [
            Rule(Fault.SLOW_DOWN, target="SendMessage", times=1),
            Rule(Fault.STATUS, target="SendMessage", times=1, status=503),
            Rule(Fault.RESET_BEFORE, target="SendMessage", times=1),
        ],
        ids=lambda rule: rule.fault.name,
    )
    def test_a_refusal_that_passes_is_not_noticed(
        self, proxy: FaultProxy, far: SqsQueue, rule: Rule
    ) -> None:
        proxy.add(rule)
        far.send("body")
        assert attempts(proxy, "SendMessage") == 2

    @pytest.mark.parametrize(
        ("rule", "advice"),
        [
            (Rule(Fault.SLOW_DOWN, target="SendMessage", times=None), "fewer requests"),
            (Rule(Fault.STATUS, target="SendMessage", times=None, status=503), "try again"),
        ],
        ids=["throttled", "unavailable"],
    )
    def test_a_refusal_that_stays_is_told(
        self, proxy: FaultProxy, far: SqsQueue, rule: Rule, advice: str
    ) -> None:
        proxy.add(rule)
        with pytest.raises(QueueUnavailable, match=advice):
            far.send("body")
        assert attempts(proxy, "SendMessage") == 2

    def test_in_production_there_are_two_attempts(self, proxy: FaultProxy) -> None:
        proxy.add(Rule(Fault.SLOW_DOWN, target="SendMessage", times=None))
        with pytest.raises(QueueUnavailable, match="fewer requests"):
            SqsQueue("http://queue.example/1/stems").send("body")
        assert attempts(proxy, "SendMessage") == 2

    @pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATE])
    def test_a_receive_whose_reply_is_lost_is_told_at_once(
        self, proxy: FaultProxy, far: SqsQueue, fault: Fault
    ) -> None:
        far.send("body")
        proxy.add(Rule(fault, target="ReceiveMessage"))
        with pytest.raises(QueueUnavailable, match="check the network"):
            far.receive(1, 0.0)
        assert attempts(proxy, "ReceiveMessage") == 1

    def test_who_dies_between_sending_and_deleting_leaves_two(
        self, proxy: FaultProxy, far: SqsQueue
    ) -> None:
        far.send("body")
        message = take_one(far)
        proxy.add(Rule(Fault.RESET_BEFORE, target="DeleteMessage", times=2))
        with pytest.raises(QueueUnavailable):
            far.park(message, "reason")
        assert far.facts().in_flight == 1
        far.park(message, "reason")
        assert far.facts().in_flight == 0
        assert attempts(proxy, "SendMessage") == 2

    def test_a_refused_connection_is_told(
        self, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        queue = SqsQueue("http://queue.example/1/stems")
        with pytest.raises(QueueUnavailable, match="check the network and AWS_ENDPOINT_URL"):
            queue.receive(1, 0.0)

    def test_an_endpoint_that_is_no_address_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        with pytest.raises(QueueUnavailable, match="not an address"):
            SqsQueue("http://queue.example/1/stems").receive(1, 0.0)
