"""Webhooks of a worker as a process: ids, signatures, Retry-After, bodies, proxies."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psutil
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.http_exchange import ENDLESS_BODY, Answer
from tests.support.http_receiver import HttpReceiver
from tests.support.processes import eventually
from tests.support.production import Production, production

pytestmark = pytest.mark.slow

SONG = "users/u1/song.wav"
OLD, NEW, FOREIGN = (
    "whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3)
)
VISIBILITY_TIMEOUT = {"WAVEFLOW_VISIBILITY_TIMEOUT_S": "4"}


@pytest.fixture
def deployment(ministack: AwsServer, tmp_path: Path) -> Iterator[Production]:
    with production(ministack, tmp_path) as deployment:
        deployment.upload(SONG, write_audio(tmp_path / "a", tone(22_050)))
        yield deployment


def send_hash(deployment: Production, stem_id: str) -> None:
    deployment.task("generate_hash_and_webhook", stemId=stem_id, filepath=SONG)


@pytest.mark.parametrize("server", ["ministack", "moto"])
def test_an_event_has_one_id_and_good_signatures_whatever_happens_to_it(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A second attempt, and a second delivery: the worker died after the server had answered."""
    aws: AwsServer = request.getfixturevalue(server)
    settings = VISIBILITY_TIMEOUT | {"WAVEFLOW_WEBHOOK_SECRET": f"{NEW} {OLD}"}
    with (
        FaultProxy(aws.endpoint_url) as sqs,
        production(aws, tmp_path, **settings) as deployment,
    ):
        deployment.upload(SONG, write_audio(tmp_path / "a", tone(22_050)))
        deployment.receiver.next(Answer(500))
        sqs.add(Rule(Fault.STALL, target="DeleteMessage", times=None))
        worker = deployment.worker(AWS_ENDPOINT_URL_SQS=sqs.url).wait_until_ready()
        message_id = deployment.task("process_audio_analysis", stemId="s1", filepath=SONG)
        sqs.wait_for(lambda seen: any(each.fault is Fault.STALL for each in seen), 30)
        assert len(deployment.receiver.requests()) == 2
        worker.kill()
        sqs.clear()
        second = deployment.worker().wait_until_ready()
        requests = deployment.receiver.wait_for(3, 30)
        deployment.wait_until_done()
        assert second.stop() == 0
    assert len(requests) == 3
    assert {each.headers["webhook-id"] for each in requests} == {
        f"msg_{message_id}.completion.success"
    }
    assert {each.body for each in requests} == {requests[0].body}
    for each in requests:
        headers = dict(each.headers)
        for secret in (OLD, NEW):
            assert Webhook(secret).verify(each.body, headers) == each.json()
            assert not verifies(secret, each.body + b" ", headers)
            assert not verifies(secret, each.body, headers | {"webhook-id": "msg_other"})
            later = str(int(headers["webhook-timestamp"]) + 1)
            assert not verifies(secret, each.body, headers | {"webhook-timestamp": later})
        assert not verifies(FOREIGN, each.body, headers)


def verifies(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_server_is_left_alone_for_as_long_as_it_asks(deployment: Production) -> None:
    worker = deployment.worker().wait_until_ready()
    began_s = time.monotonic()
    deployment.receiver.next(
        Answer(503, headers={"Retry-After": "3"}),
        Answer(429, headers={"Retry-After": formatdate(time.time() + 7, usegmt=True)}),
    )
    send_hash(deployment, "s1")
    first, second, third = deployment.receiver.wait_for(3, 30)
    assert second.at_s - first.at_s >= 3
    assert third.at_s - began_s >= 6  # A date has no fractions of a second.
    assert len({each.headers["webhook-id"] for each in (first, second, third)}) == 1
    deployment.wait_until_done()
    # Who asks for a day gets an hour, and no slot is kept waiting for that.
    deployment.receiver.next(Answer(503, headers={"Retry-After": "86400"}))
    send_hash(deployment, "s2")
    worker.wait_for_log("webhook_undelivered")
    assert [line["delay_s"] for line in worker.logged("webhook_undelivered")] == [3600.0]
    worker.wait_for_log("task_ended", times=2)
    assert deployment.depth() == (0, 1)
    assert len(deployment.receiver.requests()) == 4
    assert worker.stop() == 0


def test_endless_answers_cost_no_memory_and_no_proxy_of_the_environment_sees_a_webhook(
    deployment: Production, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    names = ("http_proxy", "https_proxy", "all_proxy")
    with HttpReceiver() as trap:
        environment: dict[str, Any] = {
            **dict.fromkeys(names, trap.url),
            **{name.upper(): trap.url for name in names},
            # boto3 does as the environment says, and so it has to say this.
            "NO_PROXY": deployment.server.endpoint_url.removeprefix("http://"),
            "NETRC": str(tmp_path / "netrc"),
        }
        worker = deployment.worker(**environment).wait_until_ready()
        send_hash(deployment, "first")
        deployment.receiver.wait_for(1, 30)
        deployment.wait_until_done()
        process = psutil.Process(worker.pid)
        before_bytes = process.memory_info().rss
        deployment.receiver.behave(ENDLESS_BODY)
        for number in range(24):
            send_hash(deployment, f"s{number}")
        deployment.receiver.wait_for(25, 60)
        deployment.wait_until_done()
        assert process.memory_info().rss - before_bytes < 12 * 1024**2
        assert eventually(lambda: not connected(process, deployment.receiver.port))
        assert trap.connections() == 0
        requests = deployment.receiver.requests()
        assert len(requests) == len({each.headers["webhook-id"] for each in requests}) == 25
        assert not any("authorization" in each.headers for each in requests)
        assert worker.stop() == 0


def connected(process: psutil.Process, port: int) -> list[Any]:
    """What is left of its connections to that port."""
    return [
        each for each in process.net_connections("tcp") if each.raddr and each.raddr.port == port
    ]
