"""Checksums that S3 announces, over all of an object's bytes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from waveflow.adapters.storage.s3_checksum import checksum_in

SOUND = b"a sound"
CRC32 = base64.b64encode(zlib.crc32(SOUND).to_bytes(4)).decode()
SHA1 = base64.b64encode(hashlib.sha1(SOUND).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(SOUND).digest()).decode()


@pytest.mark.parametrize(
    "answer",
    [
        {"ChecksumCRC32": CRC32},
        {"ChecksumSHA1": SHA1},
        {"ChecksumSHA256": SHA256, "ChecksumType": "FULL_OBJECT"},
    ],
)
def test_it_tells_the_right_bytes_from_wrong_ones(answer: Any) -> None:
    right, wrong = checksum_in(answer), checksum_in(answer)
    assert right
    assert wrong
    for piece in (b"a ", b"sou", b"nd"):
        right.update(piece)
    wrong.update(b"a round")
    assert (right.matches(), wrong.matches()) == (True, False)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ChecksumCRC64NVME": "AAAAAAAAAAA="},
        {"ChecksumCRC32": CRC32, "ChecksumType": "COMPOSITE"},
        {"ChecksumSHA256": SHA256 + "-3"},
    ],
)
def test_what_cannot_be_checked_is_left_out(answer: Any) -> None:
    assert checksum_in(answer) is None
