"""A dead-letter queue that takes nothing keeps nobody from working."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.production import production

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
