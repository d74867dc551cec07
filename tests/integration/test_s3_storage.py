"""The storage in S3 keeps the contract of the port, on two servers that speak S3."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.s3_bench import MIB
from tests.support.aws_servers import AwsServer
from tests.support.contracts.storage import AudioStorageContract
from tests.support.contracts.storage_actions import at_once, content, keys, put
from waveflow.adapters.aws.clients import s3_client
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.application.disk_errors import NotAFile
from waveflow.application.ports import AudioStorage, IfMatch
from waveflow.domain.errors import ObjectChanged, ObjectNotFound, StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@cache
def client_for(endpoint_url: str) -> S3Client:
    """The client of production, made once per server; the environment leads it there."""
    client = s3_client(None, 16)
    assert client.meta.endpoint_url == endpoint_url
    return client


@pytest.fixture
def client(aws: AwsServer) -> S3Client:
    return client_for(aws.endpoint_url)


@pytest.fixture
def bucket(client: S3Client) -> str:
    name = f"stems-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def storage(client: S3Client, bucket: str) -> S3AudioStorage:
    return S3AudioStorage(bucket, connect=lambda: client)


class TestS3AudioStorage(AudioStorageContract):
    hostile_examples = 15

    @pytest.mark.slow
    def test_hostile_keys_are_refused_or_kept_apart(self, storage: AudioStorage) -> None:
        super().test_hostile_keys_are_refused_or_kept_apart(storage)

    @pytest.mark.slow
    def test_what_is_put_together_of_hostile_parts_is_refused_or_used_as_it_is(
        self, storage: AudioStorage
    ) -> None:
        super().test_what_is_put_together_of_hostile_parts_is_refused_or_used_as_it_is(storage)

    @pytest.fixture
    def storage(self, client: S3Client, bucket: str) -> S3AudioStorage:
        return S3AudioStorage(bucket, connect=lambda: client)


def test_the_content_type_is_kept(storage: S3AudioStorage, client: S3Client, bucket: str) -> None:
    storage.write("mixed/a.wav", b"sound", content_type="audio/x-wav")
    assert client.head_object(Bucket=bucket, Key="mixed/a.wav")["ContentType"] == "audio/x-wav"


def test_etags_look_the_same_everywhere(storage: S3AudioStorage) -> None:
    written = put(storage, "song.wav")
    with storage.read("song.wav") as stream:
        read = stream.stat
    assert [storage.stat("song.wav"), read, *storage.list("song")] == [written] * 3
    assert '"' not in written.etag


def test_a_star_is_an_etag_like_any_other(storage: S3AudioStorage) -> None:
    written = put(storage, "song.wav")
    with pytest.raises(ObjectChanged):
        put(storage, "song.wav", b"new", IfMatch("*"))
    with pytest.raises(ObjectChanged):
        content(storage, "song.wav", if_match="*")
    with pytest.raises(ObjectChanged):
        storage.delete("song.wav", if_match="*")
    assert storage.stat("song.wav") == written


def test_names_that_cannot_be_keys_are_left_out_of_a_listing(
    storage: S3AudioStorage, client: S3Client, bucket: str
) -> None:
    for name in ("users/", "users//a.wav", "users/a.wav"):
        client.put_object(Bucket=bucket, Key=name, Body=b"")
    assert keys(storage, "users") == ["users/a.wav"]


def test_a_file_is_never_in_memory_as_a_whole(storage: S3AudioStorage, tmp_path: Path) -> None:
    source = tmp_path / "long.wav"
    with source.open("wb") as file:
        file.truncate(24 * MIB)
    tracemalloc.start()
    try:
        written = put(storage, "long.wav", source)
        with storage.read("long.wav") as stream:
            assert sum(map(len, stream)) == written.size_bytes == 24 * MIB
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


def test_a_folder_is_not_a_body(storage: S3AudioStorage, tmp_path: Path) -> None:
    with pytest.raises(NotAFile):
        put(storage, "song.wav", tmp_path)
    assert keys(storage, "") == []


def test_a_missing_bucket_is_no_missing_object(storage: S3AudioStorage, client: S3Client) -> None:
    elsewhere = S3AudioStorage("no-such-bucket", connect=lambda: client)
    for attempt in (
        lambda: elsewhere.stat("song.wav"),
        lambda: content(elsewhere, "song.wav"),
        lambda: put(elsewhere, "song.wav"),
        lambda: put(elsewhere, "song.wav", condition=IfMatch("etag")),
        lambda: elsewhere.delete("song.wav", if_match="etag"),
        lambda: keys(elsewhere, ""),
    ):
        with pytest.raises(StorageUnavailable, match="S3_BUCKET_NAME"):
            attempt()


def test_threads_that_come_first_together_share_one_client(client: S3Client, bucket: str) -> None:
    made: list[S3Client] = []

    def connect() -> S3Client:
        time.sleep(0.05)
        made.append(client)
        return client

    storage = S3AudioStorage(bucket, connect=connect)
    assert not made
    outcomes = at_once(8, lambda _: storage.stat("missing.wav"))
    assert [type(outcome) for outcome in outcomes] == [ObjectNotFound] * 8
    assert made == [client]


def test_boto3_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys; from waveflow.adapters.storage.s3 import S3AudioStorage;"
        " S3AudioStorage('b'); assert not {'boto3', 'botocore', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
