"""The versions of one object that a bucket still has, for whoever asks what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from waveflow.adapters.aws.clients import s3_client
from waveflow.adapters.storage.s3_errors import s3_errors
from waveflow.domain.keys import require_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_VERSIONS = 100


@frozen
class ObjectVersion:
    """What once was under a key, or is; or that it was deleted.

    Attributes:
        version_id: `null` in a bucket without versioning.
        at: when it was stored, or deleted; ISO 8601 in UTC.
        size_bytes: None for a deletion.
    """

    version_id: str
    at: str
    size_bytes: int | None
    is_current: bool


class S3History:
    """Asks a bucket for the versions of an object; it needs s3:ListBucketVersions."""

    def __init__(
        self,
        bucket: str,
        *,
        region: str | None = None,
        connect: Callable[[], S3Client] | None = None,
    ) -> None:
        """Name the bucket; nothing is asked of it yet."""
        self._bucket = bucket
        self._connect = connect or partial(s3_client, region, 1)

    def versions(self, key: str) -> list[ObjectVersion]:
        """The latest of them, the newest first, deletions included.

        Raises:
            StorageUnavailable: when S3 doesn't answer, or doesn't allow it.
            InvalidKey: for what can't be a key.
        """
        require_key(key)
        with s3_errors(self._bucket):
            answer = self._connect().list_object_versions(
                Bucket=self._bucket, Prefix=key, MaxKeys=MOST_VERSIONS
            )
        stored = [
            ObjectVersion(
                each["VersionId"], _moment(each["LastModified"]), each["Size"], each["IsLatest"]
            )
            for each in answer.get("Versions", ())
            if each["Key"] == key
        ]
        deleted = [
            ObjectVersion(each["VersionId"], _moment(each["LastModified"]), None, each["IsLatest"])
            for each in answer.get("DeleteMarkers", ())
            if each["Key"] == key
        ]
        return sorted(stored + deleted, key=lambda each: (each.is_current, each.at), reverse=True)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
