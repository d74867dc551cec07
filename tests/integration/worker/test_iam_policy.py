"""The role in docs/iam: it suffices for everything that a worker does, and nothing can go."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from attrs import frozen
from botocore.exceptions import ClientError

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import REGION, AwsServer, moto_server
from tests.support.fault_proxy import Fault, Rule
from tests.support.http_exchange import Answer
from tests.support.iam_policy import Call, Permission, Policy
from tests.support.policy_gate import Names, PolicyGate
from tests.support.production import Production, production

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = json.loads((REPOSITORY / "docs" / "iam" / "worker.json").read_text())
POLICY = Policy.of(DOCUMENT)
BUCKET = "arn:aws:s3:::example-stems"
WITHIN_S = 60.0
A, B, C = "users/u1/a.wav", "users/u1/b.wav", "users/u1/c (최종) +%.wav"


def every_step(
    deployment: Production, folder: Path, gate: PolicyGate | None = None, **environment: str
) -> None:
    """Everything that a worker does, each once at least."""
    audio = write_audio(folder / "a.wav", tone(44_100), kind="wav-16").read_bytes()
    other = write_audio(folder / "c.wav", tone(44_100, seed=1), kind="wav-16").read_bytes()
    audio_hash = hashlib.sha256(audio).hexdigest()
    for key, content in ((A, audio), (B, audio), (C, other)):
        deployment.upload(key, content)
    worker = deployment.worker(**environment).wait_until_ready()

    def step(task: str, webhooks: int = 1, **fields: Any) -> None:
        before = len(deployment.receiver.requests())
        deployment.task(task, **fields)
        deployment.receiver.wait_for(before + webhooks, WITHIN_S)

    ids: dict[str, Any] = {"trackId": "t1", "userId": "u1"}
    step("generate_hash_and_webhook", stemId="s1", filepath=A, **ids)
    step("generate_hash_and_webhook", stemId="s2", filepath=B, **ids)
    step("process_duplicate_file", stemId="s2", filepath=B, audio_hash=audio_hash, **ids)
    # It has gone, and was asked for again: the record of its removal is looked up.
    step("generate_hash_and_webhook", stemId="s2", filepath=B, **ids)
    # It is to be removed once more: the later request goes on record in place of the first.
    step("process_duplicate_file", stemId="s2", filepath=B, audio_hash=audio_hash, **ids)
    step("process_audio_analysis", stemId="s1", filepath=A, **ids)
    step("process_audio_analysis", stemId="s3", filepath=C, **ids)
    step("mix_stems_and_upload", stageId="g1", stem_paths=[A, C])
    # One that the server doesn't take: its outcome is kept, told later, and forgotten.
    deployment.receiver.next(*[Answer(500)] * 3)
    step("process_audio_analysis", webhooks=4, stemId="s4", filepath=C, **ids)
    if gate is not None:
        # One whose outcome can't be kept either: what was made is found again.
        deployment.receiver.next(*[Answer(500)] * 3)
        gate.add(Rule(Fault.STATUS, method="PUT", path=r"/outcomes/", status=403))
        step("mix_stems_and_upload", webhooks=4, stageId="g2", stem_paths=[A])
    deployment.send("nonsense")
    worker.wait_for_log("message_unreadable")
    deployment.wait_until_done()
    assert worker.stop() == 0
    assert len(deployment.dead_letters()) == 1
    statuses = [body["status"] for body in deployment.bodies("/completion")]
    assert statuses.count("FAILED") == 1
    assert {body["status"] for body in deployment.bodies("/mixing-complete")} == {"SUCCESS"}
    kept = {key for key in deployment.stored() if key.startswith(("users/", "outcomes/"))}
    assert kept == {A, C}


@frozen
class Night:
    """What a worker asked for under the policy."""

    allowed: tuple[Call, ...]
    denied: tuple[Call, ...]


@pytest.fixture(scope="module")
def night(ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    with production(ministack, folder) as deployment:
        names = Names(
            deployment.bucket,
            deployment.queues.url.rpartition("/")[2],
            deployment.queues.dead_letter_url.rpartition("/")[2],
        )
        with PolicyGate(ministack.endpoint_url, POLICY, names) as gate:
            every_step(deployment, folder, gate, AWS_ENDPOINT_URL=gate.url)
            yield Night(tuple(gate.allowed), tuple(gate.denied))


@pytest.mark.slow
def test_nothing_that_a_worker_needs_is_denied(night: Night) -> None:
    # Both only look whether something is there, and a refusal shows that it is.
    assert set(night.denied) <= {
        Call("s3:ListBucket", BUCKET),
        Call("sqs:GetQueueAttributes", "arn:aws:sqs:eu-west-1:123456789012:stems-dead"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("permission", POLICY.permissions, ids=str)
def test_no_permission_can_go(night: Night, permission: Permission) -> None:
    rest = POLICY.without(permission)
    assert len(rest.permissions) == len(POLICY.permissions) - 1
    assert any(not rest.allows(call) for call in night.allowed)


@pytest.mark.slow
def test_every_delete_names_the_version_that_goes(night: Night) -> None:
    deletes = [call for call in night.allowed if call.action == "s3:DeleteObject"]
    assert {call.resource.rpartition(":")[2].split("/")[1] for call in deletes} == {
        "users",
        "outcomes",
    }
    for call in deletes:
        assert re.fullmatch(r'"[0-9a-f-]+"', dict(call.context)["s3:if-match"])


ETAG = (("s3:if-match", '"9f86d081884c7d659a2feaa0c55ad015"'),)
ANY = (("s3:if-match", "*"),)
IF_ABSENT = (("s3:if-none-match", "*"),)


@pytest.mark.parametrize(
    ("action", "key", "context"),
    [
        ("s3:DeleteObject", "users/a.wav", ()),
        ("s3:DeleteObject", "users/a.wav", ANY),
        ("s3:DeleteObjectVersion", "users/a.wav", ETAG),
        *(
            ("s3:DeleteObject", f"{prefix}/x", ETAG)
            for prefix in ("ledger", "waveforms", "mixed", "removed", "other")
        ),
        ("s3:PutObject", "users/a.wav", ()),
        ("s3:PutObject", "users/a.wav", IF_ABSENT),
        ("s3:PutObject", "users/a.wav", ETAG),
        ("s3:PutObject", "other/a.wav", ()),
        ("s3:PutObject", "ledger/t/x", ()),
        ("s3:PutObject", "ledger/t/x", ANY),
        ("s3:PutObject", "removed/x", ()),
        ("s3:PutObject", "removed/x", ANY),
        ("s3:PutObject", "waveforms/x", ()),
        ("s3:PutObject", "waveforms/x", ETAG),
        ("s3:GetObject", "other/a.wav", ()),
        ("s3:GetObject", "Users/a.wav", ()),
        ("s3:PutObjectAcl", "mixed/x", ()),
        ("s3:GetObjectVersion", "users/a.wav", ()),
    ],
)
def test_what_no_worker_does_is_not_allowed(
    action: str, key: str, context: tuple[tuple[str, str], ...]
) -> None:
    assert not POLICY.allows(Call(action, f"{BUCKET}/{key}", context))


def test_it_is_nine_actions_and_none_is_a_wildcard() -> None:
    actions = {each.action for each in POLICY.permissions}
    assert len(actions) == 9
    assert not [each for each in POLICY.permissions if "*" in each.action]
    # Stars stand for what lies below a prefix, and for nothing else.
    assert {each.resource.count("*") for each in POLICY.permissions} == {0, 1}
    assert all(each.resource.endswith("/*") for each in POLICY.permissions if "*" in each.resource)


def test_the_documentation_names_every_action_and_the_file() -> None:
    documentation = (REPOSITORY / "docs" / "aws.md").read_text()
    assert "(iam/worker.json)" in documentation
    for permission in POLICY.permissions:
        assert f"`{permission.sid}`" in documentation
        assert f"`{permission.action}`" in documentation


def for_moto(statement: dict[str, Any]) -> dict[str, Any]:
    """What moto understands of a statement.

    It knows no conditions (it then denies), takes every queue for `*`, and asks for a right of
    its own for each batch, which AWS doesn't have.
    """
    adapted = {name: value for name, value in statement.items() if name != "Condition"}
    if statement["Sid"] in ("ReceiveAndSettle", "Park"):
        adapted["Resource"] = "*"
        batches = {"sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} & set(statement["Action"])
        adapted["Action"] = [*statement["Action"], *(f"{action}Batch" for action in batches)]
    return adapted


FOR_MOTO = DOCUMENT | {"Statement": [for_moto(each) for each in DOCUMENT["Statement"]]}


@pytest.mark.slow
def test_it_suffices_where_another_checks_signatures_and_actions(tmp_path: Path) -> None:
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    with moto_server() as moto, production(moto, tmp_path) as deployment:
        text = json.dumps(FOR_MOTO).replace("example-stems", deployment.bucket)
        worker = new_user(moto, "worker", text)
        admin = new_user(moto, "admin", json.dumps(everything))
        session = boto3.Session(
            aws_access_key_id=admin["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=admin["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        deployment.s3 = session.client("s3", endpoint_url=moto.endpoint_url)
        deployment.sqs = session.client("sqs", endpoint_url=moto.endpoint_url)
        httpx.post(f"{moto.endpoint_url}/moto-api/reset-auth", content=b"0").raise_for_status()
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            moto.s3().list_objects_v2(Bucket=deployment.bucket)
        every_step(deployment, tmp_path, None, **worker)


def new_user(server: AwsServer, name: str, policy: str) -> dict[str, str]:
    """A user with that policy alone, as the credentials in a process's environment."""
    iam = boto3.client(
        "iam",
        endpoint_url=server.endpoint_url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
