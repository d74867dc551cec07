"""What S3 answers to a role that may not do everything, and to no role at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.s3_bench import Bench, bench_on
from tests.support.aws_servers import AwsServer
from tests.support.contracts.storage_actions import content, keys, put
from waveflow.adapters.storage.s3 import S3AudioStorage
from waveflow.adapters.storage.s3_access import PROBE_KEY
from waveflow.domain.errors import ObjectNotFound, StorageUnavailable

Attempt = Callable[[S3AudioStorage, str], object]

LOOKS: list[Attempt] = [
    lambda storage, key: storage.stat(key),
    lambda storage, key: content(storage, key),
    lambda storage, key: storage.delete(key, if_match="etag"),
]
look_at_it = pytest.mark.parametrize("look", LOOKS, ids=["stat", "read", "delete"])


@pytest.fixture
def bench(moto: AwsServer) -> Iterator[Bench]:
    with bench_on(moto) as bench:
        yield bench


def refuse_reading(bench: Bench, path: str, message: str = "Access Denied", **rule: object) -> None:
    """Answer 403 to GET and HEAD, as S3 does to a role that may not."""
    for method in ("GET", "HEAD"):
        bench.refuse(403, "AccessDenied", message, method=method, path=path, **rule)


@look_at_it
def test_a_missing_object_is_recognised_by_a_probe_that_can_be_read(
    bench: Bench, look: Attempt
) -> None:
    refuse_reading(bench, r"/song\.wav", times=None)
    put(bench.direct, PROBE_KEY)
    with pytest.raises(ObjectNotFound):
        look(bench.storage, "song.wav")
    assert bench.asked("PUT") == 0


@look_at_it
def test_the_probe_is_made_when_it_is_first_needed(bench: Bench, look: Attempt) -> None:
    refuse_reading(bench, r"/song\.wav", times=None)
    bench.refuse(403, "AccessDenied", method="HEAD", path=PROBE_KEY)
    with pytest.raises(ObjectNotFound):
        look(bench.storage, "song.wav")
    assert keys(bench.direct, "") == [PROBE_KEY]


@look_at_it
def test_where_a_missing_probe_is_seen_to_be_missing_a_refusal_is_one(
    bench: Bench, look: Attempt
) -> None:
    refuse_reading(bench, r"/song\.wav", times=None)
    with pytest.raises(StorageUnavailable, match=r"'song.wav'.*check the rights of its role"):
        look(bench.storage, "song.wav")
    assert bench.asked("PUT") == 0


@look_at_it
def test_a_role_that_may_do_nothing_fails_no_message_for_good(bench: Bench, look: Attempt) -> None:
    put(bench.direct, PROBE_KEY)
    bench.refuse(403, "AccessDenied", times=None)
    with pytest.raises(StorageUnavailable, match="check the rights of its role"):
        look(bench.storage, "song.wav")


@look_at_it
def test_a_refusal_that_names_the_right_to_read_is_believed(bench: Bench, look: Attempt) -> None:
    refusal = "User: arn:x is not authorized to perform: s3:GetObject on resource: y"
    refuse_reading(bench, r"/song\.wav", refusal, times=None)
    put(bench.direct, PROBE_KEY)
    with pytest.raises(StorageUnavailable, match="check the rights of its role"):
        look(bench.storage, "song.wav")


def test_a_refusal_that_names_the_right_to_list_is_looked_into(bench: Bench) -> None:
    refusal = "User: arn:x is not authorized to perform: s3:ListBucket on resource: y"
    refuse_reading(bench, r"/song\.wav", refusal, times=None)
    put(bench.direct, PROBE_KEY)
    with pytest.raises(ObjectNotFound):
        content(bench.storage, "song.wav")


def test_an_object_that_can_be_seen_but_not_read_is_not_missing(bench: Bench) -> None:
    put(bench.direct, PROBE_KEY)
    put(bench.direct, "song.wav")
    bench.refuse(403, "AccessDenied", "Access Denied", method="GET", times=None)
    with pytest.raises(StorageUnavailable, match="check the rights of its role"):
        content(bench.storage, "song.wav")


def test_an_object_that_can_be_read_after_all_is_there(bench: Bench) -> None:
    put(bench.direct, "song.wav")
    bench.refuse(403, "AccessDenied", method="HEAD", path=r"/song\.wav")
    with pytest.raises(StorageUnavailable):
        bench.storage.stat("song.wav")
    assert bench.storage.stat("song.wav").size_bytes == 5


def test_an_archived_object_is_not_a_forbidden_one(bench: Bench) -> None:
    bench.refuse(403, "InvalidObjectState", method="GET")
    with pytest.raises(StorageUnavailable, match="archived"):
        content(bench.storage, "song.wav")
    assert len(bench.proxy.requests) == 1


@look_at_it
def test_an_object_is_missing_where_the_bucket_may_not_be_looked_at(
    bench: Bench, look: Attempt
) -> None:
    bench.refuse(404, "", path=r"/song\.wav", times=None)
    bench.refuse(403, "AccessDenied", method="HEAD", path=f"/{bench.bucket}$")
    with pytest.raises(ObjectNotFound):
        look(bench.storage, "song.wav")


@look_at_it
def test_nothing_is_missing_while_the_bucket_does_not_answer(bench: Bench, look: Attempt) -> None:
    bench.refuse(404, "", path=r"/song\.wav", times=None)
    bench.refuse(503, "", method="HEAD", path=f"/{bench.bucket}$", times=None)
    with pytest.raises(StorageUnavailable, match="try again later"):
        look(bench.storage, "song.wav")


def test_a_role_that_may_not_write_or_list_is_told_so(bench: Bench) -> None:
    bench.refuse(403, "AccessDenied", path=".", times=None)
    with pytest.raises(StorageUnavailable, match="check the rights of its role"):
        put(bench.storage, "song.wav")
    with pytest.raises(StorageUnavailable, match="check the rights of its role"):
        keys(bench.storage, "")


def test_a_worker_without_credentials_asks_for_a_role(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StorageUnavailable, match="give the worker a role"):
        S3AudioStorage("songs").stat("song.wav")


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ENDPOINT_URL", "not a URL"), ("AWS_PROFILE", "missing")]
)
def test_settings_that_cannot_be_used_are_named(
    aws: AwsServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StorageUnavailable, match="the AWS settings can't be used"):
        S3AudioStorage("songs").stat("song.wav")
