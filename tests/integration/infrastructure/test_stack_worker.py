"""A worker on the stack's bucket and queue, with the stack's settings and under its role."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import REGION, Queues
from tests.support.http_receiver import HttpReceiver
from tests.support.iam_policy import Call, Policy
from tests.support.policy_gate import Names, PolicyGate
from tests.support.production import Production
from tests.support.stack import Stack, inline_policy

pytestmark = pytest.mark.slow

WITHIN_S = 60.0
A, B = "users/u1/projects/t1/stems/a.wav", "users/u1/projects/t1/stems/b (최종).wav"


def settings_of(stack: Stack) -> dict[str, str]:
    """What a machine makes of the stack's parameters."""
    found = stack.client("ssm").get_parameters_by_path(Path="/waveflow/env", Recursive=True)
    return {each["Name"].rpartition("/")[2]: each["Value"] for each in found["Parameters"]}


def policy_of(stack: Stack) -> Policy:
    """The role's policy, for the region that the gate calls things by."""
    document = json.dumps(inline_policy(stack, "WorkerRoleArn", "worker"))
    return Policy.of(json.loads(document.replace(REGION, "eu-west-1")))


def test_a_worker_does_the_whole_workflow_with_what_the_stack_gives_it(
    on_moto: Stack, tmp_path: Path
) -> None:
    audio = write_audio(tmp_path / "a.wav", tone(44_100), kind="wav-16").read_bytes()
    outputs = on_moto.outputs
    dead_letter_queue = outputs["DeadLetterQueueName"]
    queues = Queues(
        outputs["QueueUrl"],
        on_moto.client("sqs").get_queue_url(QueueName=dead_letter_queue)["QueueUrl"],
    )
    names = Names(outputs["BucketName"], "stems", dead_letter_queue)
    with ExitStack() as stack:
        receiver = stack.enter_context(HttpReceiver())
        gate = stack.enter_context(
            PolicyGate(on_moto.server.endpoint_url, policy_of(on_moto), names)
        )
        deployment = Production(
            on_moto.server,
            tmp_path,
            outputs["BucketName"],
            queues,
            receiver,
            settings_of(on_moto) | {"WEBHOOK_URL": receiver.url},
            stack,
        )
        stack.callback(deployment.s3.close)
        stack.callback(deployment.sqs.close)
        for key in (A, B):
            deployment.upload(key, audio)
        worker = deployment.worker(AWS_ENDPOINT_URL=gate.url).wait_until_ready()

        def step(task: str, **fields: Any) -> dict[str, Any]:
            before = len(receiver.requests())
            deployment.task(task, **fields)
            receiver.wait_for(before + 1, WITHIN_S)
            body: dict[str, Any] = receiver.requests()[-1].json()
            return body

        ids = {"trackId": "t1", "userId": "u1"}
        first = step("generate_hash_and_webhook", stemId="s1", filepath=A, **ids)
        assert first["audio_hash"] == hashlib.sha256(audio).hexdigest()
        step("generate_hash_and_webhook", stemId="s2", filepath=B, **ids)
        known = first["audio_hash"]
        gone = step("process_duplicate_file", stemId="s2", filepath=B, audio_hash=known, **ids)
        assert gone["result"]["action"] == "duplicate_deleted"
        drawn = step("process_audio_analysis", stemId="s1", filepath=A, **ids)
        assert drawn["status"] == "SUCCESS"
        mixed = step("mix_stems_and_upload", stageId="g1", stem_paths=[A])
        assert mixed["status"] == "SUCCESS"
        deployment.send("nonsense")
        worker.wait_for_log("message_unreadable")
        deployment.wait_until_done()
        assert worker.stop() == 0
        assert len(deployment.dead_letters()) == 1
        assert {A, mixed["mixed_file_path"], drawn["audio_wave_path"]} <= deployment.stored()
        assert B not in deployment.stored()
    # Both only look whether something is there, and a refusal shows that it is.
    assert set(gate.denied) <= {
        Call("s3:ListBucket", "arn:aws:s3:::example-stems"),
        Call("sqs:GetQueueAttributes", "arn:aws:sqs:eu-west-1:123456789012:stems-dead"),
    }
    assert len(gate.allowed) > 20
