"""Reading from S3 over connections that break, stall and trickle."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator

import pytest

from tests.integration.s3_bench import MIB, Bench, bench_on
from tests.support.aws_servers import AwsServer
from tests.support.contracts.storage_actions import content, put
from tests.support.fault_proxy import Fault
from waveflow.adapters.storage.s3_reading import PACE_BYTES, RESUMPTIONS
from waveflow.domain.errors import ObjectChanged, StorageUnavailable

SOUND = bytes(range(256)) * (3 * MIB // 256) + b"the last, odd piece"


@pytest.fixture
def bench(moto: AwsServer) -> Iterator[Bench]:
    with bench_on(moto) as bench:
        yield bench


def test_a_body_that_breaks_off_is_taken_up_again(aws: AwsServer) -> None:
    with bench_on(aws) as bench:
        put(bench.direct, "song.wav", SOUND)
        bench.spoil(Fault.TRUNCATE, method="GET", times=2, keep_bytes=300_001)
        assert content(bench.storage, "song.wav") == SOUND
        assert bench.asked("GET") == 3
        assert bench.pauses_s == [0.25, 0.5]


def test_a_body_that_breaks_off_at_once_is_taken_up_again(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRUNCATE, method="GET", keep_bytes=0)
    assert content(bench.storage, "song.wav") == SOUND


def test_a_body_that_always_breaks_off_is_given_up(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRUNCATE, method="GET", times=None, keep_bytes=1000)
    with pytest.raises(StorageUnavailable, match=r"'song.wav' broke off after 5000 of its"):
        content(bench.storage, "song.wav")
    assert bench.asked("GET") == 1 + RESUMPTIONS


def test_breaks_with_enough_bytes_between_them_are_not_counted_together(bench: Bench) -> None:
    sound = SOUND * 3
    put(bench.direct, "song.wav", sound)
    bench.spoil(Fault.TRUNCATE, method="GET", times=RESUMPTIONS + 2, keep_bytes=PACE_BYTES)
    assert content(bench.storage, "song.wav") == sound
    assert bench.asked("GET") == RESUMPTIONS + 3


@pytest.mark.parametrize("event", ["replaced", "deleted"])
def test_the_rest_of_a_version_that_is_gone_cannot_be_read(bench: Bench, event: str) -> None:
    written = put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRUNCATE, method="GET", keep_bytes=300_000)
    with bench.storage.read("song.wav") as stream:
        chunks = iter(stream)
        assert SOUND.startswith(next(chunks))
        if event == "replaced":
            put(bench.direct, "song.wav", SOUND[::-1])
        else:
            bench.direct.delete("song.wav", if_match=written.etag)
        with pytest.raises(ObjectChanged):
            b"".join(chunks)


def test_a_storage_that_goes_away_in_the_middle_is_unavailable(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRUNCATE, method="GET", keep_bytes=300_000)
    with bench.storage.read("song.wav") as stream:
        chunks = iter(stream)
        next(chunks)
        bench.proxy.go_away()
        with pytest.raises(StorageUnavailable, match="can't be reached; check the network"):
            b"".join(chunks)


def test_a_body_that_stalls_is_taken_up_again(moto: AwsServer) -> None:
    with bench_on(moto, read_timeout_s=0.2) as bench:
        put(bench.direct, "song.wav", SOUND)
        bench.spoil(Fault.TRICKLE, method="GET", keep_bytes=300_000, seconds=60)
        assert content(bench.storage, "song.wav") == SOUND
        assert bench.asked("GET") == 2


def test_a_body_that_trickles_is_taken_up_again(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRICKLE, method="GET", keep_bytes=300_000, seconds=0.001)
    assert content(bench.storage, "song.wav") == SOUND
    assert bench.asked("GET") == 2


def test_a_body_that_always_trickles_is_given_up(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRICKLE, method="GET", times=None, keep_bytes=0, seconds=0.001)
    with pytest.raises(StorageUnavailable, match="broke off"):
        content(bench.storage, "song.wav")
    assert bench.asked("GET") == 1 + RESUMPTIONS


def test_a_small_body_may_trickle(bench: Bench) -> None:
    put(bench.direct, "song.wav", b"a small sound")
    bench.spoil(Fault.TRICKLE, method="GET", keep_bytes=0, seconds=0.001)
    assert content(bench.storage, "song.wav") == b"a small sound"
    assert bench.asked("GET") == 1


def test_a_reader_that_leaves_early_lets_go_of_the_connection(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND * 5)
    with bench.storage.read("song.wav") as stream:
        next(iter(stream))
        assert bench.connections() == 1
    assert bench.connections() == 0


def test_a_body_that_was_read_to_its_end_leaves_the_connection_to_the_next(
    ministack: AwsServer,
) -> None:
    # moto closes every connection by itself.
    with bench_on(ministack) as bench:
        put(bench.direct, "song.wav", SOUND)
        for _ in range(3):
            assert content(bench.storage, "song.wav") == SOUND
        assert bench.connections() == 1


def test_errors_of_the_reader_are_its_own(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    with pytest.raises(OSError, match="No space left"), bench.storage.read("song.wav"):
        raise OSError("No space left on device")


def test_bytes_that_are_not_those_stored_are_not_handed_out(bench: Bench) -> None:
    stored = base64.b64encode(zlib.crc32(b"stored").to_bytes(4)).decode()
    headers = {"ETag": '"version"', "x-amz-checksum-crc32": stored}
    bench.spoil(Fault.STATUS, status=200, body=b"broken", headers=headers, times=None)
    read = []
    with (
        pytest.raises(StorageUnavailable, match="checksum"),
        bench.storage.read("song.wav") as stream,
    ):
        read += list(stream)
    assert read == []


def test_a_storage_that_starts_again_from_the_beginning_is_not_believed(bench: Bench) -> None:
    put(bench.direct, "song.wav", SOUND)
    bench.spoil(Fault.TRUNCATE, method="GET", keep_bytes=300_000)
    bench.spoil(Fault.STATUS, status=200, body=SOUND, headers={"ETag": '"version"'})
    with pytest.raises(StorageUnavailable, match="can't continue"):
        content(bench.storage, "song.wav")


def test_an_answer_without_a_version_is_not_from_s3(bench: Bench) -> None:
    bench.spoil(Fault.STATUS, status=200, body=b"<html>Welcome!</html>", times=None)
    with pytest.raises(StorageUnavailable, match="AWS_ENDPOINT_URL"):
        content(bench.storage, "song.wav")
    with pytest.raises(StorageUnavailable, match="AWS_ENDPOINT_URL"):
        bench.storage.stat("song.wav")
