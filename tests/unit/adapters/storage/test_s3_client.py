"""How the client of production addresses a bucket."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import pytest

from waveflow.adapters.aws.clients import ATTEMPTS, s3_client
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_parts import PARTS_IN_ALL
from waveflow.application.mix_stage import FETCHED_AT_ONCE


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def url_of_an_object(region: str | None) -> str:
    client = s3_client(region, 4)
    return client.generate_presigned_url("head_object", Params={"Bucket": "songs", "Key": "a.wav"})


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", None])
def test_amazons_buckets_have_hosts_of_their_own(region: str | None) -> None:
    url = urlsplit(url_of_an_object(region))
    assert (url.hostname or "").startswith("songs.s3.")
    assert (url.scheme, url.path) == ("https", "/a.wav")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_buckets_of_other_servers_are_part_of_the_path(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://storage.example:9000")
    assert url_of_an_object(None).startswith("http://storage.example:9000/songs/a.wav?")


def test_nothing_takes_for_ever() -> None:
    config: Any = s3_client(None, 4).meta.config
    assert config.connect_timeout < config.read_timeout <= 60
    assert config.max_pool_connections == 4
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == ATTEMPTS


def test_a_connection_is_kept_for_everything_that_is_asked_at_once() -> None:
    storage = S3AudioStorage("songs", region="eu-central-1", connections=12)
    config: Any = storage._s3().meta.config
    assert config.max_pool_connections == 12 * FETCHED_AT_ONCE + PARTS_IN_ALL
