"""The checksum that S3 keeps of an object, over all of its bytes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


class _Digest(Protocol):
    def update(self, data: Buffer, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4)


class Checksum:
    """A checksum in the making, and what it has to come to.

    botocore has one of its own, but for one answer only. This one goes on where a body that
    broke off is taken up again, so that it covers the seam.
    """

    def __init__(self, digest: _Digest, expected: str) -> None:
        self._digest = digest
        self._expected = expected

    def update(self, piece: Buffer) -> None:
        """Take in the next bytes."""
        self._digest.update(piece)

    def matches(self) -> bool:
        """Whether the bytes so far are those that S3 took in."""
        return base64.b64encode(self._digest.digest()).decode() == self._expected


def checksum_in(response: GetObjectOutputTypeDef) -> Checksum | None:
    """The checksum that an answer announces, if it covers the object and is of a kind known here.

    That of an upload in parts may be one over the checksums of its parts, which says nothing
    without knowing them. CRC-32C and CRC-64 need a native library.
    """
    if response.get("ChecksumType") == "COMPOSITE":
        return None
    candidates: list[tuple[str | None, Callable[[], _Digest]]] = [
        (response.get("ChecksumSHA256"), hashlib.sha256),
        (response.get("ChecksumSHA1"), lambda: hashlib.sha1(usedforsecurity=False)),
        (response.get("ChecksumCRC32"), _Crc32),
    ]
    for expected, digest in candidates:
        if expected and "-" not in expected:
            return Checksum(digest(), expected)
    return None
