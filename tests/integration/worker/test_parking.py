"""Messages that come to no good end are given up; nobody else has to suffer for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

DENIED = json.dumps(
    {"__type": "com.amazon.coral.service#AccessDeniedException", "message": "not allowed"}
).encode()
REFUSALS = {
    "denied": Rule(
        Fault.STATUS,
        target="SendMessage",
        times=None,
        status=403,
        body=DENIED,
        headers={"Content-Type": "application/x-amz-json-1.0"},
    ),
    "broken": Rule(Fault.STATUS, target="SendMessage", times=None, status=500),
}


@pytest.mark.parametrize("refusal", list(REFUSALS))
def test_what_can_not_be_parked_does_not_keep_the_slots(
    ministack: AwsServer, tmp_path: Path, refusal: str
) -> None:
    with (
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, tmp_path, WAVEFLOW_VISIBILITY_TIMEOUT_S="60") as deployment,
    ):
        proxy.add(REFUSALS[refusal])
        deployment.upload("users/u1/a.wav", b"sound")
        for _ in range(16):
            deployment.send("nonsense")
        worker = deployment.worker(AWS_ENDPOINT_URL_SQS=proxy.url).wait_until_ready()
        worker.wait_for_log("message_unreadable", times=8)
        deployment.task("generate_hash_and_webhook", stemId="s1", filepath="users/u1/a.wav")
        deployment.receiver.wait_for(1, 40)
        # Nothing was lost: they are all still there, and it is known what became of them.
        assert sum(deployment.depth()) >= 16
        assert worker.stop() == 0
        outcomes = [key for key in deployment.stored() if key.startswith("outcomes/")]
        assert len(outcomes) == 16


MAX_RECEIVES = 10
"""The default of WAVEFLOW_MAX_RECEIVES."""


def test_a_message_that_kills_each_worker_comes_ten_times_and_is_parked_with_a_webhook(
    ministack: AwsServer, tmp_path: Path
) -> None:
    survived = 7
    with (
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, tmp_path, WAVEFLOW_VISIBILITY_TIMEOUT_S="4") as deployment,
    ):
        deployment.upload("users/u1/a.wav", b"sound")
        # The work on it never ends by itself: only by the death of who does it.
        proxy.add(Rule(Fault.STALL, method="GET", path="poison.wav", times=None))
        deployment.upload("users/u1/poison.wav", b"poison")
        poison = deployment.task(
            "process_audio_analysis", stemId="p", filepath="users/u1/poison.wav"
        )
        _let_it_come(deployment, poison, survived)
        attempts = []
        for death in range(MAX_RECEIVES - 1 - survived):
            worker = deployment.worker(AWS_ENDPOINT_URL_S3=proxy.url).wait_until_ready()
            # Others are done meanwhile: while it is hidden, or once it is held alone.
            deployment.task(
                "generate_hash_and_webhook", stemId=f"s{death}", filepath="users/u1/a.wav"
            )
            started = _started(worker, poison)
            attempts.append(started["attempt"])
            worker.kill()
        worker = deployment.worker(AWS_ENDPOINT_URL_S3=proxy.url).wait_until_ready()
        deployment.wait_until_done()
        assert attempts == [survived + 1, survived + 2]
        [told] = deployment.bodies("/completion")
        assert (told["stemId"], told["status"]) == ("p", "FAILED")
        assert told["result"]["code"] == "internal_error"
        [(body, reason)] = deployment.dead_letters()
        assert json.loads(body)["kwargs"]["stemId"] == "p"
        assert reason is not None
        assert "try 10 was not made" in reason
        # It was never begun again, and the others were told of.
        stalled = [each for each in proxy.requests if each.fault is Fault.STALL]
        assert len(stalled) <= len(attempts)
        hashed = {each["stemId"] for each in deployment.bodies("/hash-check")}
        assert hashed == {f"s{death}" for death in range(len(attempts))}
        assert worker.stop() == 0


def _let_it_come(deployment: Production, message_id: str, times: int) -> None:
    """Receive the only message so often, as workers do that die of it."""
    came = []

    def receive() -> bool:
        found = deployment.sqs.receive_message(
            QueueUrl=deployment.queues.url, VisibilityTimeout=0
        ).get("Messages", [])
        came.extend(found)
        return len(came) >= times

    assert eventually(receive)
    assert {each["MessageId"] for each in came} == {message_id}


def _started(worker: WorkerProcess, message_id: str) -> dict[str, Any]:
    def lines() -> list[dict[str, Any]]:
        logged = worker.logged("task_started")
        return [line for line in logged if line["message_id"] == message_id]

    assert eventually(lines, within_s=30), worker.text()
    return lines()[0]
