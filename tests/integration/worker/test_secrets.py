"""Secrets stay where they are: every one gets a value of its own, and is looked for everywhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.console_script import WAVEFLOW, coverage_settings
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.http_exchange import Answer
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

WITHIN_S = 60.0
KEY_ID = "AKIACANARYKEYID00001"
SECRET_KEY = "CanarySecretKey/0001+abcdefghijklmnopqrs"
SESSION_TOKEN = "CanarySessionToken0001//////////wEaCXVzLWVhc3QtMSJH"
SIGNING = b"canary signing secret nr. one..."
RETIRED = b"canary signing secret nr. two..."
PASSWORD, TOKEN = "CanaryPassword0001", "CanaryQueryToken0001"
ENDPOINT_PASSWORD, PROXY_PASSWORD = "CanaryEndpointPassword0001", "CanaryProxyPassword0001"
LINK_SIGNATURE = "CanaryPresignedSignature0001"


def written(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


CANARIES = {
    "access key id": KEY_ID,
    "secret key": SECRET_KEY,
    "session token": SESSION_TOKEN,
    "signing secret": written(SIGNING).rstrip("="),
    "signing secret, bare": SIGNING.decode(),
    "retired signing secret": written(RETIRED).rstrip("="),
    "retired signing secret, bare": RETIRED.decode(),
    "password": PASSWORD,
    "login in a header": written(f"user:{PASSWORD}".encode()).rstrip("="),
    "query token": TOKEN,
    "endpoint's password": ENDPOINT_PASSWORD,
    "proxy's password": PROXY_PASSWORD,
    "link's signature": LINK_SIGNATURE,
}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
}
CANONICAL = f"PUT\n/x\nx-amz-security-token:{SESSION_TOKEN}\nCredential={KEY_ID}/{SECRET_KEY}"


def leaks(text: str | bytes) -> list[str]:
    """The names of the secrets that stand in a text, in any way of writing that is known here."""
    found = text.decode(errors="replace") if isinstance(text, bytes) else text
    return [
        name
        for name, value in CANARIES.items()
        if any(form in found for form in {value, quote(value, safe=""), json.dumps(value)[1:-1]})
    ]


def secret_settings(deployment: Production) -> dict[str, str]:
    host = deployment.receiver.url.removeprefix("http://")
    return CREDENTIALS | {
        "WEBHOOK_URL": f"http://user:{PASSWORD}@{host}/hooks?token={TOKEN}",
        "WAVEFLOW_WEBHOOK_SECRET": f"whsec_{written(SIGNING)} whsec_{written(RETIRED)}",
    }


def s3_refusal(code: str) -> bytes:
    """As S3 explains a refusal: with all that the request was signed with."""
    return (
        f"<Error><Code>{code}</Code><Message>It doesn't match: {CANONICAL}</Message>"
        f"<AWSAccessKeyId>{KEY_ID}</AWSAccessKeyId><Token-0>{SESSION_TOKEN}</Token-0>"
        f"<StringToSign>{SECRET_KEY}</StringToSign>"
        f"<CanonicalRequest>{CANONICAL}</CanonicalRequest></Error>"
    ).encode()


def sqs_refusal(code: str) -> bytes:
    message = (
        "The request signature we calculated does not match the signature you provided."
        f"\n\nThe Canonical String for this request should have been\n'{CANONICAL}'\n\n"
        f"The String-to-Sign should have been\n'{SECRET_KEY}'\n"
    )
    return json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()


@frozen
class Night:
    """All that a worker which met every kind of trouble has left anywhere."""

    log: str
    webhooks: tuple[bytes, ...]
    objects: dict[str, bytes]
    dead_letters: str
    command_lines: dict[int, bytes]
    childrens_environments: dict[int, bytes]


@pytest.fixture(scope="module")
def night(ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("night")
    with (
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, folder, MAX_RETRIES="1", LOG_LEVEL="debug") as deployment,
    ):
        deployment.upload("users/a.wav", write_audio(folder / "a.wav", tone(44_100), kind="wav-16"))
        deployment.upload("users/noise.wav", b"noise")
        settings = secret_settings(deployment) | {"AWS_ENDPOINT_URL": proxy.url}
        worker = deployment.worker(**settings).wait_until_ready()
        yield trouble(deployment, proxy, worker)


def trouble(deployment: Production, proxy: FaultProxy, worker: WorkerProcess) -> Night:
    """Let everything go wrong that quotes what it was sent."""
    receiver = deployment.receiver
    echo = Answer(500, f"Bearer {TOKEN} {PASSWORD} {written(SIGNING)}".encode())
    elsewhere = {"Location": f"http://user:{PASSWORD}@127.0.0.1:1/?token={TOKEN}"}
    receiver.next(*[echo] * 3)
    deployment.task("process_audio_analysis", stemId="first", filepath="users/a.wav")
    worker.wait_for_log("webhook_undelivered")
    receiver.next(*[Answer(302, b"", elsewhere)] * 3)
    worker.wait_for_log("webhook_undelivered", times=2)
    receiver.next(Answer(200, b'{"success": false, "error": "' + TOKEN.encode() + b'"}'))
    receiver.wait_for(7, WITHIN_S)
    s3 = ["SignatureDoesNotMatch", "ExpiredToken", "AccessDenied", "InvalidAccessKeyId", "Odd"]
    for number, code in enumerate(s3):
        method = ("GET", "PUT")[number % 2]
        path = r"/users/a" if method == "GET" else r"/waveforms/"
        proxy.add(Rule(Fault.STATUS, method=method, path=path, status=403, body=s3_refusal(code)))
    for target in ("DeleteMessage", "ChangeMessageVisibility", "ReceiveMessage", "SendMessage"):
        proxy.add(
            Rule(
                Fault.STATUS,
                target=target,
                status=403,
                body=sqs_refusal("InvalidSignatureException"),
                headers={"Content-Type": "application/x-amz-json-1.0"},
            )
        )
    for number in range(4):
        deployment.task("process_audio_analysis", stemId=f"s{number}", filepath="users/a.wav")
    deployment.task("process_audio_analysis", stemId="noise", filepath="users/noise.wav")
    deployment.task("generate_hash_and_webhook", stemId="s1", filepath="users/a.wav")
    deployment.task("health_check")
    deployment.send("nonsense")
    receiver.wait_for(13, WITHIN_S)
    deployment.wait_until_done()
    found = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in worker.processes()}
    environments = {
        pid: Path(f"/proc/{pid}/environ").read_bytes() for pid in worker.processes() - {worker.pid}
    }
    assert worker.stop() == 0
    dead = deployment.sqs.receive_message(
        QueueUrl=deployment.queues.dead_letter_url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
    )
    return Night(
        worker.text(),
        tuple(request.body for request in receiver.requests()),
        {key: deployment.content(key) for key in deployment.stored()},
        json.dumps(dead, default=str),
        found,
        environments,
    )


def test_the_trouble_was_met(night: Night) -> None:
    for event in (
        "webhook_undelivered",
        "task_interrupted",
        "task_failed",
        "message_unreadable",
        "health",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "signature you provided",
    ):
        assert event in night.log
    assert len(night.webhooks) >= 12
    assert len(night.command_lines) >= 2


def test_no_secret_is_logged(night: Night) -> None:
    lines = [line for line in night.log.splitlines() if leaks(line)]
    assert lines == []


def test_no_secret_is_told_stored_or_parked(night: Night) -> None:
    assert [body for body in night.webhooks if leaks(body)] == []
    assert [key for key, content in night.objects.items() if leaks(content) or leaks(key)] == []
    assert leaks(night.dead_letters) == []


def test_no_secret_is_seen_in_the_list_of_processes(night: Night) -> None:
    assert {pid: leaks(line) for pid, line in night.command_lines.items() if leaks(line)} == {}
    assert {pid for pid, content in night.childrens_environments.items() if leaks(content)} == set()
    assert night.childrens_environments


@pytest.fixture(scope="module")
def deployment(
    ministack: AwsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    with production(ministack, tmp_path_factory.mktemp("commands")) as deployment:
        deployment.upload("users/a.wav", b"sound")
        yield deployment


def run(environment: Mapping[str, str], *arguments: str) -> str:
    """Everything that a command prints."""
    done = subprocess.run(
        [WAVEFLOW, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        | coverage_settings()
        | dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=WITHIN_S,
        check=False,
    )
    return done.stdout.decode(errors="replace")


AWAY = "http://user:{}@127.0.0.1:1"
TROUBLES: dict[str, dict[str, str]] = {
    "nothing": {},
    "endpoint with a login": {"AWS_ENDPOINT_URL": AWAY.format(ENDPOINT_PASSWORD)},
    "proxy with a login": {
        "AWS_ENDPOINT_URL": "http://s3.invalid",
        "HTTP_PROXY": AWAY.format(PROXY_PASSWORD),
        "HTTPS_PROXY": AWAY.format(PROXY_PASSWORD),
    },
    "queue with a login": {"SQS_QUEUE_URL": f"https://u:{PASSWORD}@sqs.example.com/1/stems"},
    "queue with a query": {"SQS_QUEUE_URL": f"https://sqs.example.com/1/stems?token={TOKEN}"},
    "unusable webhook address": {"WEBHOOK_URL": f"ftp://user:{PASSWORD}@x/?token={TOKEN}"},
    "unusable signing secret": {"WAVEFLOW_WEBHOOK_SECRET": f"whsec_!!{written(SIGNING)}"},
    "secret in a wrong place": {"WAVEFLOW_SLOTS": f"https://x/?X-Amz-Signature={LINK_SIGNATURE}"},
}
QUICK = {"AWS_MAX_ATTEMPTS": "1", "AWS_RETRY_MODE": "standard"}
OTHER_COMMANDS = {
    "nothing": ("health", "--json"),
    "endpoint with a login": ("queue", "status"),
    "proxy with a login": ("health", "--json"),
}


@pytest.mark.parametrize("name", list(TROUBLES))
def test_no_command_prints_a_secret(deployment: Production, name: str) -> None:
    environment = deployment.environment() | secret_settings(deployment) | QUICK | TROUBLES[name]
    printed = run(environment, *OTHER_COMMANDS.get(name, ["worker"]))
    assert printed
    assert leaks(printed) == [], printed
