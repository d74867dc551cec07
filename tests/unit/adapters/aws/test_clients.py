"""What clients of S3 and SQS have in common, and what they must not."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore
import pytest
from botocore.compat import HTTPHeaders

from waveflow.adapters.aws.clients import s3_client, sqs_client


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def access_key_of_a_new_client() -> str:
    url = s3_client(None, 4).generate_presigned_url(
        "get_object", Params={"Bucket": "songs", "Key": "a.wav"}
    )
    query = parse_qs(urlsplit(url).query)
    # The older kind of signature names the key by itself.
    [credential] = query.get("X-Amz-Credential") or query["AWSAccessKeyId"]
    return credential.partition("/")[0]


def test_each_client_has_the_credentials_and_the_region_of_its_own_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert access_key_of_a_new_client() == "first"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert access_key_of_a_new_client() == "second"
    assert sqs_client(None, 4).meta.region_name == "eu-north-1"
    assert sqs_client("cn-north-1", 4).meta.region_name == "cn-north-1"
    assert s3_client("cn-north-1", 4).meta.region_name == "cn-north-1"


def test_the_descriptions_of_amazons_services_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sqs_client(None, 4), s3_client(None, 4)
    read: list[str] = []
    load = botocore.loaders.JSONFileLoader.load_file

    def noting(self: Any, path: str) -> Any:
        read.append(path)
        return load(self, path)

    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", noting)
    sqs_client(None, 4), s3_client(None, 4)
    assert read == []


@pytest.mark.parametrize("kind", ["s3", "sqs"])
def test_requests_say_who_asks(kind: str) -> None:
    seen: list[str] = []

    def look(request: Any, **_: object) -> Any:
        seen.append(request.headers["User-Agent"].decode())
        return botocore.awsrequest.AWSResponse(request.url, 200, HTTPHeaders(), _Nothing())

    if kind == "s3":
        s3 = s3_client(None, 4)
        s3.meta.events.register("before-send.s3", look)
        s3.head_bucket(Bucket="songs")
    else:
        sqs = sqs_client(None, 4)
        sqs.meta.events.register("before-send.sqs", look)
        sqs.list_queues()
    assert seen == [f"Boto3/{boto3.__version__} Botocore/{botocore.__version__} waveflow"]


class _Nothing:
    def stream(self) -> list[bytes]:
        return []


def test_clients_that_are_made_again_and_again_look_in_no_more_folders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_in: list[int] = []
    setup = boto3.Session._setup_loader

    def noting(self: Any) -> None:
        setup(self)
        looked_in.append(len(self._loader.search_paths))

    monkeypatch.setattr(boto3.Session, "_setup_loader", noting)
    for _ in range(4):
        sqs_client(None, 4)
    assert looked_in[0] == looked_in[-1]
