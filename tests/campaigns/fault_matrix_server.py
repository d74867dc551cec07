"""Asking moto's or ministack's server directly, past all proxies: to set a cell up, and to judge.

Far cheaper than boto3, and nothing of the product or of its libraries is in it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import uuid
from typing import Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from attrs import define, field, frozen

from tests.support.aws_servers import Queues

_TIMEOUT_S = 60.0
_ACCOUNT = "000000000000"


@frozen
class Stored:
    """An object as the listing has it. The ETag is the MD5 of its bytes, without quotes."""

    key: str
    etag: str


@define
class PlainServer:
    """One connection to the server; for one thread."""

    endpoint_url: str
    _connection: http.client.HTTPConnection = field(init=False)

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.endpoint_url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, _TIMEOUT_S)

    def close(self) -> None:
        """The connection isn't needed any more."""
        self._connection.close()

    def new_bucket(self) -> str:
        """An empty bucket with a name of its own."""
        name = f"cell-{uuid.uuid4().hex[:16]}"
        self._s3("PUT", f"/{name}")
        return name

    def put(self, bucket: str, key: str, body: bytes) -> str:
        """Store an object; returns its ETag without quotes."""
        self._s3("PUT", f"/{bucket}/{quote(key)}", body)
        return md5_of(body)

    def content(self, bucket: str, key: str) -> bytes:
        """One object's bytes."""
        return self._s3("GET", f"/{bucket}/{quote(key)}")

    def stored(self, bucket: str) -> list[Stored]:
        """Everything in a bucket."""
        tree = ET.fromstring(self._s3("GET", f"/{bucket}?list-type=2"))
        found = []
        for entry in tree.iter():
            if entry.tag.rpartition("}")[2] == "Contents":
                facts = {child.tag.rpartition("}")[2]: child.text or "" for child in entry}
                found.append(Stored(facts["Key"], facts["ETag"].strip('"')))
        return found

    def new_queues(self, *, dead_letters: bool) -> Queues:
        """An empty queue, with or without a dead-letter queue behind it."""
        name = f"cell-{uuid.uuid4().hex[:16]}"
        if not dead_letters:
            return Queues(self.ask("CreateQueue", QueueName=name)["QueueUrl"], "")
        dead_url = self.ask("CreateQueue", QueueName=f"{name}-dead")["QueueUrl"]
        asked = self.ask("GetQueueAttributes", QueueUrl=dead_url, AttributeNames=["QueueArn"])
        arn = asked["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "10"})
        url = self.ask("CreateQueue", QueueName=name, Attributes={"RedrivePolicy": policy})
        return Queues(url["QueueUrl"], dead_url)

    def send(self, url: str, body: str) -> str:
        """Put a message on a queue; returns its id."""
        message_id: str = self.ask("SendMessage", QueueUrl=url, MessageBody=body)["MessageId"]
        return message_id

    def depth(self, url: str) -> tuple[int, int]:
        """How many messages are visible, and how many are lent out."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self.ask("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"]
        visible, lent = (int(said[name]) for name in names)
        return visible, lent

    def letters(self, url: str) -> list[tuple[str, str | None]]:
        """Body and reason of everything in a dead-letter queue."""
        found: list[tuple[str, str | None]] = []
        while messages := self.ask(
            "ReceiveMessage",
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                reason = message.get("MessageAttributes", {}).get("WaveFlow-Reason", {})
                found.append((message["Body"], reason.get("StringValue")))
        return found

    def ask(self, action: str, **facts: Any) -> dict[str, Any]:
        """One request to SQS."""
        headers = {
            "X-Amz-Target": f"AmazonSQS.{action}",
            "Content-Type": "application/x-amz-json-1.0",
        }
        answer = self._request("POST", "/", json.dumps(facts).encode(), "sqs", headers)
        said: dict[str, Any] = json.loads(answer or b"{}")
        return said

    def _s3(self, method: str, path: str, body: bytes = b"") -> bytes:
        return self._request(method, path, body, "s3", {})

    def _request(
        self, method: str, path: str, body: bytes, service: str, headers: dict[str, str]
    ) -> bytes:
        scope = f"testing/20260101/us-east-1/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        self._connection.request(method, path, body, {"Authorization": signed, **headers})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content


def md5_of(body: bytes) -> str:
    """What both servers, and S3, give as the ETag of an object that was uploaded in one go."""
    return hashlib.md5(body).hexdigest()
