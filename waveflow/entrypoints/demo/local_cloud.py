"""Bucket and queues on a server of one's own, as `docs/aws.md` has them made on AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from waveflow.adapters.aws.clients import s3_client, sqs_client
from waveflow.domain.errors import QueueUnavailable, StorageUnavailable, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType
    from mypy_boto3_sqs import SQSClient

MAX_RECEIVE_COUNT = 10
KEPT_S = 14 * 24 * 3600
_OLDEST_REGION = "us-east-1"
VISIBILITY_TIMEOUT_S = 60


def make_bucket(name: str, region: str | None) -> bool:
    """Make the bucket, unless there is one; returns whether it was made.

    Raises:
        StorageUnavailable: when S3 can't be reached, or refuses.
    """
    with _refusals(StorageUnavailable), closing(s3_client(region, 1)) as s3:
        if _has_bucket(s3, name):
            return False
        # The oldest region must not be named, all others must.
        if s3.meta.region_name == _OLDEST_REGION:
            s3.create_bucket(Bucket=name)
        else:
            here = cast("BucketLocationConstraintType", s3.meta.region_name)
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": here})
        return True


def make_queues(queue_url: str, region: str | None) -> bool:
    """Make the queue of that address and its dead-letter queue, unless there are; as above.

    Raises:
        QueueUnavailable: when SQS can't be reached, or refuses.
    """
    name = urlsplit(queue_url).path.rsplit("/", 1)[-1]
    with _refusals(QueueUnavailable), closing(sqs_client(region, 1)) as sqs:
        if _has_queue(sqs, name):
            return False
        dead = sqs.create_queue(
            QueueName=f"{name}-dead", Attributes={"MessageRetentionPeriod": str(KEPT_S)}
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
            "maxReceiveCount": str(MAX_RECEIVE_COUNT),
        }
        sqs.create_queue(
            QueueName=name,
            Attributes={
                "MessageRetentionPeriod": str(KEPT_S),
                "RedrivePolicy": json.dumps(policy),
                "VisibilityTimeout": str(VISIBILITY_TIMEOUT_S),
            },
        )
        return True


def _has_bucket(s3: S3Client, name: str) -> bool:
    return any(bucket["Name"] == name for bucket in s3.list_buckets()["Buckets"])


def _has_queue(sqs: SQSClient, name: str) -> bool:
    found = sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    return any(url.rsplit("/", 1)[-1] == name for url in found)


@contextmanager
def _refusals(error: type[TransientError]) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as refusal:
        raise error(
            "Bucket and queues can't be made: check the network, AWS_ENDPOINT_URL and the"
            f" credentials ({refusal})."
        ) from refusal
