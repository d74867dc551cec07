"""Writing one object whole or not at all, whatever becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from attrs import define

from waveflow.adapters.storage.conditions import already_there
from waveflow.adapters.storage.s3_body import Body, opened
from waveflow.adapters.storage.s3_errors import meaning_of, retries_of, s3_errors
from waveflow.adapters.storage.s3_versions import quoted, replaced, stat_in
from waveflow.application.ports import IfAbsent, IfMatch, ObjectStat, WriteCondition
from waveflow.domain.errors import ObjectChanged, StorageUnavailable, WaveFlowError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

CONFLICT_PAUSES_S = (0.1, 0.2, 0.4, 0.8)
"""Between tries while others write the same object."""


class MaybeStored(ObjectChanged):
    """Raised when a condition isn't met, perhaps because our own request has been carried out."""


class _Conflict(StorageUnavailable):
    """Raised when S3 asks for another try, because others write or delete at the same time."""


@define
class Upload:
    """One object on its way up, over as many requests as that takes.

    Attributes:
        sent_again: whether botocore has repeated a request that it got no good answer to. That
            one may have been carried out, and the answer lost.
    """

    client: S3Client
    bucket: str
    key: str
    body: bytes | Path
    content_type: str
    condition: WriteCondition | None
    sent_again: bool = False

    def run(self, sleep: Callable[[float], object]) -> ObjectStat:
        """Store the object, and say what it is now.

        Raises:
            MaybeStored: when the condition isn't met and it can't be told whether that is
                because of ourselves.
            ObjectChanged: when the condition isn't met because of others.
            OSError: when the local file can't be read.
            StorageUnavailable: as `s3_errors`, and when others are faster again and again.
        """
        for pause_s in CONFLICT_PAUSES_S:
            try:
                return self._put()
            except _Conflict:
                sleep(pause_s)
        return self._put()

    def _put(self) -> ObjectStat:
        answers = {404: self._gone, 409: self._conflict, 412: self._not_met}
        with opened(self.body) as content, s3_errors(self.bucket, self.key, answers):
            response = self.client.put_object(**self._request(content))
        return stat_in(self.key, response, size_bytes=content.size_bytes)

    def _request(self, content: Body) -> PutObjectRequestTypeDef:
        request: PutObjectRequestTypeDef = {
            "Bucket": self.bucket,
            "Key": self.key,
            "Body": cast(IO[bytes], content),
            "ContentType": self.content_type,
        }
        if isinstance(self.condition, IfAbsent):
            request["IfNoneMatch"] = "*"
        elif isinstance(self.condition, IfMatch):
            request["IfMatch"] = quoted(self.condition.etag)
        return request

    def _gone(self, answer: Exception) -> WaveFlowError:
        if isinstance(self.condition, IfMatch):
            return ObjectChanged(f"{self.key!r} was to be replaced, but is gone.")
        return meaning_of(answer, self.bucket, self.key)

    def _conflict(self, answer: Exception) -> WaveFlowError:
        self._note_retries(answer)
        return _Conflict(str(meaning_of(answer, self.bucket, self.key)))

    def _not_met(self, answer: Exception) -> WaveFlowError:
        if self.condition is None:  # Not S3's answer: nobody set a condition.
            return meaning_of(answer, self.bucket, self.key)
        self._note_retries(answer)
        others = (
            already_there(self.key) if isinstance(self.condition, IfAbsent) else replaced(self.key)
        )
        return MaybeStored(str(others)) if self.sent_again else others

    def _note_retries(self, answer: Exception) -> None:
        self.sent_again = self.sent_again or retries_of(answer) > 0
