"""The storage of production: a bucket of S3, or of a server that speaks like it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, cast

from waveflow.adapters.aws.clients import s3_client
from waveflow.adapters.storage.conditions import require_version
from waveflow.adapters.storage.s3_access import ObjectAccess
from waveflow.adapters.storage.s3_body import same_bytes
from waveflow.adapters.storage.s3_checksum import checksum_in
from waveflow.adapters.storage.s3_errors import (
    Answers,
    meaning_of,
    outside_errors,
    retries_of,
    s3_errors,
)
from waveflow.adapters.storage.s3_parts import (
    PARTS_IN_ALL,
    PartBuffers,
    ReadAhead,
    is_read_in_parts,
)
from waveflow.adapters.storage.s3_reading import RawBody, S3ObjectStream, Timing
from waveflow.adapters.storage.s3_versions import quoted, replaced, stat_in
from waveflow.adapters.storage.s3_writing import MaybeStored, Upload
from waveflow.application.ports import AudioStorage, ObjectStat, ObjectStream, WriteCondition
from waveflow.domain.errors import (
    InvalidKey,
    ObjectChanged,
    ObjectNotFound,
    StorageUnavailable,
)
from waveflow.domain.keys import require_key

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

_THREADS_PER_TASK = 4
"""A mix fetches its stems side by side."""


class S3AudioStorage(AudioStorage):
    """Objects of one bucket under their own keys; for any number of threads at once.

    Writes and deletes rest on S3's own conditions, so they hold between machines as well. The
    bucket has to exist. The role needs s3:GetObject, s3:PutObject, s3:DeleteObject and
    s3:ListBucket; it also does without the last one, but can't list then.

    One upload takes up to 5 GB. ETags are S3's, without the quotes.
    """

    def __init__(
        self,
        bucket: str,
        *,
        region: str | None = None,
        connections: int = 16,
        connect: Callable[[], S3Client] | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Name the bucket; nothing is asked of it yet.

        Args:
            region: None leaves it to boto3's default chain.
            connections: for as many tasks. Each may have four threads, and there are more for
                parts of large objects: a connection that isn't kept is made anew, with a warning.
            connect: makes the client, when it is first needed: importing boto3 takes a while.
            timing: the clock, and how to wait.
        """
        self._bucket = bucket
        self._connect = connect or partial(
            s3_client, region, connections * _THREADS_PER_TASK + PARTS_IN_ALL
        )
        self._timing = timing or Timing()
        self._part_buffers = PartBuffers()
        self._client: S3Client | None = None
        self._lock = Lock()

    def stat(self, key: str) -> ObjectStat:
        """The current version of the object. Raises `ObjectNotFound`."""
        require_key(key)
        access = self._access()
        with s3_errors(self._bucket, key, self._answers(access, key)):
            answer = access.client.head_object(Bucket=self._bucket, Key=key)
        return stat_in(key, answer)

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        """Open one version of the object; a body that breaks off is taken up again.

        Up to 16 MiB come with one request. What is larger comes in parts, all of one version,
        some of which are read ahead: 64 MiB at most for all readers together.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when `if_match` is given and is not the current version.
        """
        stream = self._open(require_key(key), if_match)
        try:
            yield stream
        finally:
            stream.close()

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        """Store `body` under `key`, whole or not at all.

        When a reply got lost and a second request finds the condition no longer met, the stored
        bytes tell whether it was the first request that stored them.

        Raises:
            ObjectChanged: when `condition` isn't met; nothing is written.
            OSError: when `body` is a local file that can't be read.
        """
        require_key(key)
        upload = Upload(self._s3(), self._bucket, key, body, content_type, condition)
        try:
            return upload.run(self._timing.sleep)
        except MaybeStored as exc:
            if stored := self._stat_if_same(key, body):
                return stored
            raise ObjectChanged(str(exc)) from exc

    def delete(self, key: str, *, if_match: str) -> None:
        """Delete the object if it is still the version named by `if_match`.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when another version is; it is kept.
        """
        # S3 has known the condition since 2025 only, and servers like it may still ignore it.
        # A recording can't be brought back: ask first as well.
        require_version(key, self.stat(key).etag, if_match)
        access = self._access()
        try:
            with s3_errors(self._bucket, key, self._answers(access, key)):
                access.client.delete_object(Bucket=self._bucket, Key=key, IfMatch=quoted(if_match))
        except ObjectNotFound as exc:
            # It was there just now: a first request has deleted it, whose answer got lost.
            if not retries_of(exc.__cause__):
                raise

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """All objects whose key begins with `prefix`, in key order, page by page.

        Names that can't be keys are left out, such as the folders of S3's console.
        """
        if not (_is_key(prefix) or _is_key(prefix + "x")):
            return
        pages = self._s3().get_paginator("list_objects_v2")
        found = iter(pages.paginate(Bucket=self._bucket, Prefix=prefix))
        while True:
            with s3_errors(self._bucket):
                page = next(found, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                if _is_key(entry["Key"]):
                    yield stat_in(entry["Key"], entry)

    def _open(self, key: str, if_match: str | None) -> S3ObjectStream:
        access = self._access()
        request: GetObjectRequestTypeDef = {"Bucket": self._bucket, "Key": key}
        if if_match is not None:
            request["IfMatch"] = quoted(if_match)
        with s3_errors(self._bucket, key, self._answers(access, key)):
            answer = access.client.get_object(**request)
        body, checksum = _raw(answer["Body"]), checksum_in(answer)
        try:
            stat = stat_in(key, answer)
        except StorageUnavailable:
            body.close()
            raise
        ahead = None
        if is_read_in_parts(stat.size_bytes):
            open_range = partial(self._resume, stat)
            ahead = ReadAhead(stat, open_range, timing=self._timing, buffers=self._part_buffers)
        return S3ObjectStream(
            stat, body, checksum, resume=self._resume, timing=self._timing, ahead=ahead
        )

    def _resume(self, stat: ObjectStat, position: int, end: int | None = None) -> RawBody:
        """The bytes of a version from a position on, to `end` or to its own."""
        gone = dict.fromkeys((404, 412), lambda _: replaced(stat.key))
        with s3_errors(self._bucket, stat.key, gone):
            answer = self._s3().get_object(
                Bucket=self._bucket,
                Key=stat.key,
                IfMatch=quoted(stat.etag),
                Range=f"bytes={position}-" if end is None else f"bytes={position}-{end - 1}",
            )
        body = _raw(answer["Body"])
        last = (stat.size_bytes if end is None else end) - 1
        if answer.get("ContentRange") != f"bytes {position}-{last}/{stat.size_bytes}":
            body.close()
            raise StorageUnavailable(
                f"The storage can't continue {stat.key!r} after {position} of its"
                f" {stat.size_bytes} bytes; try again later."
            )
        return body

    def _stat_if_same(self, key: str, body: bytes | Path) -> ObjectStat | None:
        try:
            with self.read(key) as stream:
                return stream.stat if same_bytes(stream, body) else None
        except ObjectNotFound:
            return None

    def _access(self) -> ObjectAccess:
        return ObjectAccess(self._s3(), self._bucket)

    def _answers(self, access: ObjectAccess, key: str) -> Answers:
        return {
            403: partial(access.denied, key),
            404: partial(access.missing, key),
            412: lambda _: replaced(key),
        }

    def _s3(self) -> S3Client:
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client

    def _new_client(self) -> S3Client:
        try:
            return self._connect()
        except outside_errors(ValueError) as exc:  # an endpoint that is no URL: ValueError
            raise meaning_of(exc, self._bucket, None) from exc


def _raw(body: StreamingBody) -> RawBody:
    # A StreamingBody waits until all that was asked for is there. As a context manager it
    # hands out the answer below it, which can be read as the bytes come.
    return cast(RawBody, body.__enter__())


def _is_key(text: str) -> bool:
    try:
        require_key(text)
    except InvalidKey:
        return False
    return True
