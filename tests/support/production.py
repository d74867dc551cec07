"""A whole deployment on loopback: bucket, queues, main server, and workers as processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, field

from tests.support.aws_servers import AwsServer, Queues
from tests.support.http_receiver import HttpReceiver
from tests.support.processes import eventually
from tests.support.worker_process import WorkerProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

VISIBILITY_TIMEOUT_S = 6


@define
class Production:
    """Everything that a worker meets, and what is needed to look at it."""

    server: AwsServer
    folder: Path
    bucket: str
    queues: Queues
    receiver: HttpReceiver
    settings: dict[str, str]
    stack: ExitStack = field(factory=ExitStack)
    _workers: int = 0
    s3: S3Client = field(default=Factory(lambda self: self.server.s3(), takes_self=True))
    sqs: SQSClient = field(default=Factory(lambda self: self.server.sqs(), takes_self=True))

    @property
    def work_folder(self) -> Path:
        """Where the workers keep files."""
        return self.folder / "work"

    def environment(self) -> dict[str, str]:
        """What a deployment sets."""
        return (
            self.server.environment()
            | {
                "S3_BUCKET_NAME": self.bucket,
                "SQS_QUEUE_URL": self.queues.url,
                "WEBHOOK_URL": self.receiver.url,
                "WAVEFLOW_WORK_DIR": str(self.work_folder),
                "WAVEFLOW_POLL_WAIT_S": "1",
                "WAVEFLOW_VISIBILITY_TIMEOUT_S": str(VISIBILITY_TIMEOUT_S),
                "RETRY_DELAY": "1",
            }
            | self.settings
        )

    def worker(self, **settings: str) -> WorkerProcess:
        """Start a worker; it is killed at the end, if it still runs."""
        self._workers += 1
        log = self.folder / f"worker-{self._workers}.log"
        return self.stack.enter_context(WorkerProcess(self.environment() | settings, log))

    def upload(self, key: str, content: bytes | Path) -> None:
        """Store a stem as a musician does."""
        body = content.read_bytes() if isinstance(content, Path) else content
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def send(self, body: str | Mapping[str, Any]) -> str:
        """Put a message on the queue; returns its id."""
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return self.sqs.send_message(QueueUrl=self.queues.url, MessageBody=text)["MessageId"]

    def task(self, name: str, task_id: str = "x", /, **fields: Any) -> str:
        """Put a message on the queue as the main server does; returns its id."""
        return self.send({"task": f"app.tasks.{name}", "id": task_id, "args": [], "kwargs": fields})

    def stored(self) -> set[str]:
        """The keys of everything that is stored."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def content(self, key: str) -> bytes:
        """One object's bytes."""
        with self.s3.get_object(Bucket=self.bucket, Key=key)["Body"] as body:
            content: bytes = body.read()
            return content

    def depth(self, url: str | None = None) -> tuple[int, int]:
        """How many messages are visible, and how many are lent out."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=url or self.queues.url, AttributeNames=["All"]
        )["Attributes"]
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def wait_until_done(self, within_s: float = 60.0) -> None:
        """Until the queue holds nothing, visible or lent out."""
        assert eventually(lambda: self.depth() == (0, 0), within_s=within_s), self.depth()

    def dead_letters(self) -> list[tuple[str, str | None]]:
        """Body and reason of every parked message, which are taken off."""
        found: list[tuple[str, str | None]] = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.queues.dead_letter_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                attribute = message.get("MessageAttributes", {}).get("WaveFlow-Reason")
                reason = attribute.get("StringValue") if attribute else None
                found.append((message["Body"], reason))
                self.sqs.delete_message(
                    QueueUrl=self.queues.dead_letter_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return found

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The body of every webhook to one endpoint, in order of arrival."""
        return [each.json() for each in self.receiver.requests() if each.path == path]

    def work_files(self) -> list[Path]:
        """What lies in the work folder."""
        # Unlike `rglob` this bears folders that are removed meanwhile.
        return [
            Path(folder) / name
            for folder, folders, files in os.walk(self.work_folder)
            for name in (*folders, *files)
        ]


@contextmanager
def production(server: AwsServer, folder: Path, **settings: str) -> Iterator[Production]:
    """A deployment with an empty bucket and empty queues. Workers are started by the test."""
    with ExitStack() as stack:
        receiver = stack.enter_context(HttpReceiver())
        deployment = Production(
            server, folder, server.new_bucket(), server.new_queues(), receiver, settings, stack
        )
        stack.callback(deployment.s3.close)
        stack.callback(deployment.sqs.close)
        yield deployment
