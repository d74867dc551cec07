"""Real servers that speak S3 and SQS on loopback: moto's and ministack's, as processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

START_TIMEOUT_S = 60.0
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@frozen
class Queues:
    """A queue, and the dead-letter queue that its redrive policy names."""

    url: str
    dead_letter_url: str


@frozen
class AwsServer:
    """A server that speaks S3 and SQS at `endpoint_url`."""

    name: str
    endpoint_url: str

    def environment(self) -> dict[str, str]:
        """What a process, or boto3 in this one, needs to talk to the server."""
        return CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def s3(self) -> S3Client:
        """A plain client, to set up and to look with."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}),
        )

    def sqs(self) -> SQSClient:
        """A plain client, to set up and to look with."""
        import boto3

        return boto3.client(
            "sqs",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def new_bucket(self) -> str:
        """An empty bucket with a name of its own."""
        name = f"stems-{uuid.uuid4().hex[:12]}"
        self.s3().create_bucket(Bucket=name)
        return name

    def new_queues(self, *, visibility_timeout_s: int = 30, max_receive_count: int = 10) -> Queues:
        """An empty queue with a dead-letter queue behind it."""
        sqs, name = self.sqs(), f"stems-{uuid.uuid4().hex[:12]}"
        dead_letter_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead_letter_url, AttributeNames=["QueueArn"])
        policy = (
            f'{{"deadLetterTargetArn": "{arn["Attributes"]["QueueArn"]}",'
            f' "maxReceiveCount": "{max_receive_count}"}}'
        )
        url = sqs.create_queue(
            QueueName=name,
            Attributes={"VisibilityTimeout": str(visibility_timeout_s), "RedrivePolicy": policy},
        )["QueueUrl"]
        return Queues(url, dead_letter_url)


@contextmanager
def moto_server() -> Iterator[AwsServer]:
    """moto's server, for as long as the block runs."""
    port = free_port()
    with _running([_script("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port) as url:
        yield AwsServer("moto", url)


@contextmanager
def ministack_server() -> Iterator[AwsServer]:
    """ministack's server, for as long as the block runs."""
    port = free_port()
    # By default it listens on every interface, and for MQTT on a fixed port as well.
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
    with _running([_script("ministack")], port, settings) as url:
        yield AwsServer("ministack", url)


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextmanager
def _running(
    command: list[str], port: int, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    environment = {"PATH": os.environ["PATH"], **(settings or {})}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment, "HOME": folder}, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(process, url, Path(folder) / "log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(address, 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')}")
