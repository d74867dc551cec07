"""Writing to S3, deleting there and listing, when answers get lost or say no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.s3_bench import MIB, Bench, bench_on
from tests.support.aws_servers import AwsServer
from tests.support.contracts.storage_actions import content, keys, put
from tests.support.fault_proxy import Fault
from waveflow.adapters.storage.s3_writing import CONFLICT_PAUSES_S
from waveflow.application.ports import IfAbsent, IfMatch
from waveflow.domain.errors import ObjectChanged, ObjectNotFound, StorageUnavailable


@pytest.fixture
def bench(moto: AwsServer) -> Iterator[Bench]:
    with bench_on(moto) as bench:
        yield bench


def test_a_busy_storage_is_asked_again(bench: Bench) -> None:
    bench.spoil(Fault.SLOW_DOWN, method="PUT")
    written = put(bench.storage, "song.wav")
    assert bench.direct.stat("song.wav") == written


def test_a_storage_that_stays_busy_is_unavailable(bench: Bench) -> None:
    bench.spoil(Fault.SLOW_DOWN, times=None)
    with pytest.raises(StorageUnavailable, match=r"'song.wav'.*try again later \(SlowDown\)"):
        put(bench.storage, "song.wav")
    with pytest.raises(StorageUnavailable, match="try again later"):
        bench.storage.stat("song.wav")


def test_a_first_write_whose_answer_got_lost_has_succeeded(aws: AwsServer) -> None:
    with bench_on(aws) as bench:
        bench.spoil(Fault.RESET_AFTER, method="PUT")
        written = put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
        assert bench.direct.stat("ledger/x") == written
        assert content(bench.direct, "ledger/x") == b"owner 1"
        assert bench.asked("PUT") == 2


def test_a_replacement_whose_answer_got_lost_has_succeeded(aws: AwsServer) -> None:
    with bench_on(aws) as bench:
        old = put(bench.direct, "ledger/x", b"owner 1")
        bench.spoil(Fault.RESET_AFTER, method="PUT")
        written = put(bench.storage, "ledger/x", b"owner 2", IfMatch(old.etag))
        assert bench.direct.stat("ledger/x") == written
        assert content(bench.direct, "ledger/x") == b"owner 2"


def test_a_file_whose_answer_got_lost_is_compared_with_what_is_stored(
    bench: Bench, tmp_path: Path
) -> None:
    source = tmp_path / "mix.wav"
    source.write_bytes(b"sound" * MIB)
    bench.spoil(Fault.RESET_AFTER, method="PUT")
    written = put(bench.storage, "mix.wav", source, IfAbsent())
    assert bench.direct.stat("mix.wav") == written
    assert written.size_bytes == 5 * MIB


def test_a_condition_that_nobody_set_can_not_be_unmet(bench: Bench) -> None:
    bench.spoil(Fault.STATUS, method="PUT", status=412)
    with pytest.raises(StorageUnavailable, match=r"outcomes/1\.json"):
        put(bench.storage, "outcomes/1.json")


@pytest.mark.parametrize("theirs", [b"owner 2", b"owner 10", b"", b"owner"])
def test_another_writers_object_is_not_taken_for_ours(bench: Bench, theirs: bytes) -> None:
    put(bench.direct, "ledger/x", theirs)
    bench.spoil(Fault.RESET_BEFORE, method="PUT")
    with pytest.raises(ObjectChanged):
        put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
    assert content(bench.direct, "ledger/x") == theirs


def test_without_a_lost_answer_an_object_is_certainly_another_writers(bench: Bench) -> None:
    put(bench.direct, "ledger/x", b"owner 1")
    with pytest.raises(ObjectChanged):
        put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
    assert [seen.method for seen in bench.proxy.requests] == ["PUT"]


def test_a_lost_answer_is_remembered_over_a_conflict(bench: Bench) -> None:
    bench.spoil(Fault.RESET_AFTER, method="PUT")
    bench.refuse(409, "ConditionalRequestConflict", method="PUT")
    written = put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
    assert bench.direct.stat("ledger/x") == written
    assert bench.asked("PUT") == 3


def test_what_vanishes_before_it_can_be_compared_has_changed(bench: Bench) -> None:
    put(bench.direct, "ledger/x", b"owner 1")
    bench.spoil(Fault.RESET_BEFORE, method="PUT")
    bench.refuse(404, "NoSuchKey", method="GET")
    with pytest.raises(ObjectChanged):
        put(bench.storage, "ledger/x", b"owner 1", IfAbsent())


def test_a_write_that_finds_no_place_is_no_missing_object(bench: Bench) -> None:
    bench.refuse(404, "NoSuchKey", method="PUT")
    with pytest.raises(StorageUnavailable, match="not S3"):
        put(bench.storage, "ledger/x", b"owner 1", IfAbsent())


def test_a_conflict_is_tried_again(bench: Bench) -> None:
    bench.refuse(409, "ConditionalRequestConflict", method="PUT", times=2)
    written = put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
    assert bench.direct.stat("ledger/x") == written
    assert bench.pauses_s == list(CONFLICT_PAUSES_S[:2])


def test_a_conflict_that_lasts_makes_the_storage_unavailable(bench: Bench) -> None:
    bench.refuse(409, "ConditionalRequestConflict", method="PUT", times=None)
    with pytest.raises(StorageUnavailable, match="others write the same object"):
        put(bench.storage, "ledger/x", b"owner 1", IfAbsent())
    assert bench.pauses_s == list(CONFLICT_PAUSES_S)
    assert bench.asked("PUT") == len(CONFLICT_PAUSES_S) + 1


def test_a_connection_that_is_always_reset_makes_the_storage_unavailable(bench: Bench) -> None:
    bench.spoil(Fault.RESET_BEFORE, times=None)
    with pytest.raises(StorageUnavailable, match="check the network"):
        put(bench.storage, "song.wav")
    with pytest.raises(StorageUnavailable, match="check the network"):
        keys(bench.storage, "")


def test_a_storage_that_refuses_connections_is_unavailable(bench: Bench) -> None:
    bench.proxy.go_away()
    for attempt in (
        lambda: bench.storage.stat("song.wav"),
        lambda: content(bench.storage, "song.wav"),
        lambda: put(bench.storage, "song.wav"),
        lambda: bench.storage.delete("song.wav", if_match="etag"),
        lambda: keys(bench.storage, ""),
    ):
        with pytest.raises(StorageUnavailable, match="AWS_ENDPOINT_URL"):
            attempt()


def test_a_deletion_whose_answer_got_lost_has_succeeded(aws: AwsServer) -> None:
    with bench_on(aws) as bench:
        written = put(bench.direct, "song.wav")
        bench.spoil(Fault.RESET_AFTER, method="DELETE")
        bench.storage.delete("song.wav", if_match=written.etag)
        assert bench.asked("DELETE") == 2
        assert keys(bench.direct, "") == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(412, "PreconditionFailed", ObjectChanged), (404, "NoSuchKey", ObjectNotFound)],
)
def test_what_changes_between_look_and_deletion_is_noticed(
    bench: Bench, status: int, code: str, error: type[Exception]
) -> None:
    written = put(bench.direct, "song.wav")
    bench.refuse(status, code, method="DELETE")
    with pytest.raises(error):
        bench.storage.delete("song.wav", if_match=written.etag)


def test_another_version_is_kept_even_where_the_condition_is_ignored(bench: Bench) -> None:
    put(bench.direct, "song.wav")
    with pytest.raises(ObjectChanged):
        bench.storage.delete("song.wav", if_match="another")
    assert bench.asked("DELETE") == 0


def test_a_listing_that_is_not_xml_is_not_believed(bench: Bench) -> None:
    bench.spoil(Fault.STATUS, path=r"list-type=2", status=200, body=b"Welcome!", times=None)
    with pytest.raises(StorageUnavailable):
        keys(bench.storage, "")


@pytest.mark.slow
def test_more_objects_than_a_page_holds_are_listed_page_by_page(ministack: AwsServer) -> None:
    names = [f"a/{number:04}.wav" for number in range(1001)]
    with bench_on(ministack) as bench:
        for name in reversed(names):
            put(bench.direct, name, b"")
        listed = bench.storage.list("a/")
        assert next(listed).key == names[0]
        assert bench.asked("GET") == 1
        assert [stat.key for stat in listed] == names[1:]
        assert bench.asked("GET") == 2


def test_a_listing_that_breaks_off_does_not_look_complete(ministack: AwsServer) -> None:
    with bench_on(ministack) as bench:
        put(bench.direct, "a.wav")
        bench.spoil(Fault.TRUNCATE, method="GET", times=None)
        with pytest.raises(StorageUnavailable):
            keys(bench.storage, "")
