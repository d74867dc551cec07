"""Reading a large object in parts from servers that speak S3, while one of its requests fails."""

from __future__ import annotations

import base64
import hashlib
import threading
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from tests.integration.s3_bench import MIB, Bench, bench_on
from tests.support import part_threads
from tests.support.aws_servers import AwsServer
from tests.support.contracts.storage_actions import put
from tests.support.fault_proxy import Fault
from waveflow.adapters.storage.s3_parts import PART_BYTES, PARTS_AHEAD
from waveflow.adapters.storage.s3_reading import RESUMPTIONS, Timing
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import ObjectChanged, StorageUnavailable

ODD = b"the last, odd piece"
SOUND = bytes(range(256)) * (24 * MIB // 256) + ODD
SHA256 = hashlib.sha256(SOUND).hexdigest()
PARTS = 4
EACH_PART = range(PARTS)
EACH_LATER_PART = range(1, PARTS)
WITHIN_S = 20.0


@pytest.fixture
def bench(aws: AwsServer) -> Iterator[Bench]:
    # The clock of others goes on with each look, and here several threads look at it.
    with bench_on(aws, timing=Timing(sleep=lambda seconds: None)) as bench:
        put(bench.direct, "song.wav", SOUND)
        yield bench


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    part_threads.require_none_left(WITHIN_S)


def hash_of(storage: AudioStorage) -> str:
    digest = hashlib.sha256()
    with storage.read("song.wav") as stream:
        for chunk in stream:
            digest.update(chunk)
    return digest.hexdigest()


def test_a_large_object_comes_in_parts_without_a_head(bench: Bench) -> None:
    assert hash_of(bench.storage) == SHA256
    assert bench.asked("GET") == PARTS
    assert bench.asked("HEAD") == 0


def test_a_part_that_breaks_off_is_taken_up_again(bench: Bench) -> None:
    bench.spoil(Fault.TRUNCATE, method="GET", after=1)
    assert hash_of(bench.storage) == SHA256
    assert bench.proxy.faults[Fault.TRUNCATE] == 1


@pytest.mark.slow
@pytest.mark.parametrize("nth", EACH_PART)
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": Fault.LATENCY, "seconds": 0.2},
        {"fault": Fault.RESET_BEFORE},
        {"fault": Fault.RESET_AFTER},
        {"fault": Fault.TRUNCATE},
        {"fault": Fault.TRUNCATE, "keep_bytes": 0},
        {"fault": Fault.SLOW_DOWN},
        {"fault": Fault.STATUS, "status": 503},
        {"fault": Fault.DUPLICATE},
    ],
    ids=lambda fault: fault["fault"].name.lower() + str(fault.get("keep_bytes", "")),
)
def test_every_part_survives_every_fault(bench: Bench, fault: dict[str, Any], nth: int) -> None:
    bench.spoil(**fault, method="GET", after=nth)
    assert hash_of(bench.storage) == SHA256
    assert bench.proxy.faults[fault["fault"]] == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.STALL, Fault.TRICKLE])
@pytest.mark.parametrize("nth", EACH_PART)
def test_a_part_that_stalls_is_taken_up_again(aws: AwsServer, fault: Fault, nth: int) -> None:
    timing = Timing(sleep=lambda seconds: None)
    with bench_on(aws, read_timeout_s=1.0, timing=timing) as bench:
        put(bench.direct, "song.wav", SOUND)
        # Of a trickle no byte comes in time, so that it is a stall within the body.
        bench.spoil(fault, method="GET", after=nth, seconds=60, keep_bytes=10)
        assert hash_of(bench.storage) == SHA256
        assert bench.proxy.faults[fault] == 1


@pytest.mark.slow
@pytest.mark.parametrize("nth", EACH_LATER_PART)
@pytest.mark.parametrize("status", [404, 412])
def test_a_version_that_is_gone_in_the_middle_cannot_be_read(
    bench: Bench, status: int, nth: int
) -> None:
    code = {404: "NoSuchKey", 412: "PreconditionFailed"}[status]
    bench.refuse(status, code, method="GET", after=nth)
    with pytest.raises(ObjectChanged):
        hash_of(bench.storage)


@pytest.mark.parametrize("event", ["replaced", pytest.param("deleted", marks=pytest.mark.slow)])
def test_the_parts_of_two_versions_are_never_mixed(bench: Bench, event: str) -> None:
    bench.spoil(Fault.LATENCY, method="GET", after=1, times=PARTS - 1, seconds=0.5)
    with bench.storage.read("song.wav") as stream:
        if event == "replaced":
            put(bench.direct, "song.wav", SOUND[::-1])
        else:
            bench.direct.delete("song.wav", if_match=stream.stat.etag)
        read: list[bytes] = []
        with pytest.raises(ObjectChanged):
            read.extend(stream)
    assert SOUND.startswith(b"".join(read))


@pytest.mark.slow
@pytest.mark.parametrize("nth", EACH_LATER_PART)
@pytest.mark.parametrize(
    ("status", "content_range"),
    [
        (206, f"bytes 0-{PART_BYTES - 1}/{len(SOUND)}"),
        (206, f"bytes {PART_BYTES}-{2 * PART_BYTES - 1}/{len(SOUND) + 1}"),
        (206, None),
        (200, None),
    ],
    ids=["another part", "another size", "no range", "the whole object"],
)
def test_an_answer_with_other_bytes_than_the_part_s_is_not_believed(
    bench: Bench, status: int, content_range: str | None, nth: int
) -> None:
    headers = {"ETag": '"version"'}
    if content_range is not None:
        headers["Content-Range"] = content_range
    bench.spoil(
        Fault.STATUS,
        method="GET",
        after=nth,
        status=status,
        body=SOUND[:PART_BYTES],
        headers=headers,
    )
    with pytest.raises(StorageUnavailable, match=r"can't continue 'song.wav' after"):
        hash_of(bench.storage)


@pytest.mark.slow
@pytest.mark.parametrize("nth", EACH_LATER_PART)
def test_a_part_that_is_never_answered_well_makes_the_storage_unavailable(
    bench: Bench, nth: int
) -> None:
    bench.spoil(Fault.SLOW_DOWN, method="GET", after=nth, times=None)
    with pytest.raises(StorageUnavailable, match="S3 is busy"):
        hash_of(bench.storage)


@pytest.mark.slow
def test_parts_that_always_break_off_are_given_up(bench: Bench) -> None:
    bench.spoil(Fault.TRUNCATE, method="GET", after=1, times=None, keep_bytes=1_000)
    with pytest.raises(StorageUnavailable, match=rf"broke off after {PART_BYTES + 5_000} of its"):
        hash_of(bench.storage)
    assert bench.asked("GET") <= 1 + (PARTS - 1) * (1 + RESUMPTIONS)


def test_the_checksum_of_the_whole_covers_all_parts(bench: Bench) -> None:
    stored = base64.b64encode(zlib.crc32(SOUND[::-1]).to_bytes(4)).decode()
    etag = bench.direct.stat("song.wav").etag
    headers = {"ETag": f'"{etag}"', "x-amz-checksum-crc32": stored}
    bench.spoil(Fault.STATUS, method="GET", status=200, body=SOUND, headers=headers)
    read: list[bytes] = []
    with (
        pytest.raises(StorageUnavailable, match="checksum"),
        bench.storage.read("song.wav") as stream,
    ):
        read.extend(stream)
    assert bench.asked("GET") == PARTS
    assert SOUND.startswith(b"".join(read))
    assert sum(map(len, read)) < len(SOUND)


@pytest.mark.slow
def test_a_reader_that_stalls_has_no_more_than_a_few_parts_asked_for(aws: AwsServer) -> None:
    with bench_on(aws, timing=Timing()) as bench:
        put(bench.direct, "song.wav", SOUND * 2)
        with bench.storage.read("song.wav") as stream:
            next(iter(stream))
            bench.proxy.wait_for(lambda seen: len(seen) == PARTS_AHEAD, WITHIN_S)
            join_parts()
            assert bench.asked("GET") == PARTS_AHEAD < 2 * PARTS - 1


def test_a_reader_that_leaves_early_leaves_neither_connection_nor_thread(bench: Bench) -> None:
    bench.spoil(Fault.TRICKLE, method="GET", times=None, keep_bytes=3_000_000, seconds=60)
    with bench.storage.read("song.wav") as stream:
        assert len(list(islice(stream, 4))) == 4
        bench.proxy.wait_for(lambda seen: len(seen) == PARTS, WITHIN_S)
        # Only what has been answered can be cut off: what hasn't ends with its answer.
        bench.proxy.wait_for(lambda seen: all(one.status for one in seen), WITHIN_S)
    join_parts()
    # The last part is so small that it came whole: its connection serves the next request.
    assert bench.connections() <= 1


def join_parts() -> None:
    """Wait until the threads have read what they are to read."""
    for thread in threading.enumerate():
        if thread.name == "s3-part":
            thread.join(WITHIN_S)
            assert not thread.is_alive()
