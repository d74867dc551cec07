"""Telling a missing object from one that can't be seen, and from a missing bucket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from waveflow.adapters.storage.conditions import not_found
from waveflow.adapters.storage.s3_errors import (
    Answers,
    code_of,
    meaning_of,
    message_of,
    no_such_bucket,
    s3_errors,
    status_of,
)
from waveflow.domain.errors import WaveFlowError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROBE_KEY = "ledger/_/access-probe"
"""A readable object, to show that reading is allowed. No content hash looks like this."""

_PROBE = b"Shows WaveFlow that it may read here. Can be deleted.\n"
_NAMED_RIGHT = re.compile(r"not authorized to perform: ([\w:*]+)")
_OK, _FORBIDDEN, _MISSING = 200, 403, 404


@frozen
class ObjectAccess:
    """Judges the answers 403 and 404 of one bucket.

    `ObjectNotFound` makes a message fail for good, so a broken role or a wrong bucket name must
    not look like it. The other way round, work on an object that is gone must not be repeated
    for as long as it takes to run out of tries.
    """

    client: S3Client
    bucket: str

    def missing(self, key: str, answer: Exception) -> WaveFlowError:
        """What an answer 404 means: no such object, or no such bucket.

        The answer to a HEAD doesn't say which. A bucket that may not be looked at (403) exists.
        """
        if code_of(answer) == "NoSuchKey":
            return not_found(key)
        answers: Answers = {
            403: lambda _: not_found(key),
            404: lambda _: no_such_bucket(self.bucket),
        }
        with s3_errors(self.bucket, answers=answers):
            self.client.head_bucket(Bucket=self.bucket)
        return not_found(key)

    def denied(self, key: str, answer: Exception) -> WaveFlowError:
        """What an answer 403 means: the object may not be read, or it doesn't exist.

        To a role without the right s3:ListBucket, S3 answers 403 for what doesn't exist. Newer
        answers name the right that is missing. Where they don't, an object of our own that can
        be read shows that reading is allowed in general, so that this one has to be missing. If
        there is no such object yet, it is made. Whenever anything remains unclear, the answer
        is taken for what it says.
        """
        refusal = meaning_of(answer, self.bucket, key)
        if self._names_another_right(key, answer) or self._status(key) != _FORBIDDEN:
            return refusal
        probe = self._status(PROBE_KEY)
        if probe == _FORBIDDEN and self._make_probe():
            probe = self._status(PROBE_KEY)
        return not_found(key) if probe == _OK else refusal

    def _names_another_right(self, key: str, answer: Exception) -> bool:
        has_words = code_of(answer) != str(_FORBIDDEN)
        words = message_of(answer) if has_words else self._spoken_refusal(key)
        named = _NAMED_RIGHT.search(words)
        return named is not None and named[1] != "s3:ListBucket"

    def _spoken_refusal(self, key: str) -> str:
        """S3's words on reading `key`: the answer to a HEAD has none."""
        from botocore.exceptions import ClientError

        with s3_errors(self.bucket, key):
            try:
                opened = self.client.get_object(Bucket=self.bucket, Key=key, Range="bytes=0-0")
            except ClientError as exc:
                return message_of(exc)
            opened["Body"].close()
        return ""

    def _status(self, key: str) -> int:
        from botocore.exceptions import ClientError

        with s3_errors(self.bucket, key):
            try:
                self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as exc:
                return status_of(exc)
        return _OK

    def _make_probe(self) -> bool:
        from botocore.exceptions import ClientError

        with s3_errors(self.bucket, PROBE_KEY):
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=PROBE_KEY,
                    Body=_PROBE,
                    ContentType="text/plain",
                    IfNoneMatch="*",
                )
            except ClientError:
                return False
        return True
