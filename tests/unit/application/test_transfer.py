"""Hashing and fetching: only whole objects count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.contracts.storage_actions import put
from tests.support.storage_doubles import Step, WatchedStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.ports import ObjectStat, ObjectStream
from waveflow.application.transfer import _write_all, fetch, hash_object, read_record
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import (
    AudioTooLarge,
    EmptyObject,
    ObjectNotFound,
    StorageUnavailable,
    WorkFolderUnavailable,
)

SEVERAL_CHUNKS = bytes(range(256)) * 4096 + b"the last, odd piece"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"


class LyingStream(ObjectStream):
    """A stream whose bytes don't fit its length, and which doesn't notice."""

    def __init__(self, stat: ObjectStat, body: bytes) -> None:
        self._stat = stat
        self._body = body

    @property
    def stat(self) -> ObjectStat:
        return self._stat

    def __iter__(self) -> Iterator[bytes]:
        yield self._body


class LyingStorage(InMemoryAudioStorage):
    """Says 5 bytes of every object, and gives `body`."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        yield LyingStream(ObjectStat(key, 5, "etag"), self._body)


@pytest.fixture
def storage() -> WatchedStorage:
    return WatchedStorage()


def test_a_hash_is_that_of_all_bytes(storage: WatchedStorage) -> None:
    stat = put(storage, "a.wav", SEVERAL_CHUNKS)
    hashed = hash_object(storage, "a.wav")
    assert hashed.stat == stat
    assert hashed.content_hash.hex == hashlib.sha256(SEVERAL_CHUNKS).hexdigest()
    assert storage.count("chunk") > 1


def test_a_fetched_file_has_all_bytes_and_their_hash(
    storage: WatchedStorage, tmp_path: Path
) -> None:
    stat = put(storage, "a.wav", SEVERAL_CHUNKS)
    fetched = fetch(storage, "a.wav", tmp_path / "stem", AudioLimits())
    assert (tmp_path / "stem").read_bytes() == SEVERAL_CHUNKS
    assert fetched.stat == stat
    assert fetched.content_hash.hex == hashlib.sha256(SEVERAL_CHUNKS).hexdigest()


def test_no_hash_is_given_for_nothing(storage: WatchedStorage, tmp_path: Path) -> None:
    put(storage, "empty.wav", b"")
    with pytest.raises(EmptyObject):
        hash_object(storage, "empty.wav")
    with pytest.raises(EmptyObject):
        fetch(storage, "empty.wav", tmp_path / "stem", AudioLimits())


def test_what_is_not_there_is_not_found(storage: WatchedStorage, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        hash_object(storage, "a.wav")
    with pytest.raises(ObjectNotFound):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits())


@pytest.mark.parametrize("body", [b"", b"drum", b"drums!"], ids=["none", "fewer", "more"])
def test_no_hash_is_given_for_other_bytes_than_the_object_has(tmp_path: Path, body: bytes) -> None:
    storage = LyingStorage(body)
    with pytest.raises(StorageUnavailable, match=f"5 bytes, but {len(body)} were read"):
        hash_object(storage, "a.wav")
    with pytest.raises(StorageUnavailable, match=f"5 bytes, but {len(body)} were read"):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits())


def test_the_limit_itself_is_fetched(storage: WatchedStorage, tmp_path: Path) -> None:
    put(storage, "a.wav", b"drums")
    fetch(storage, "a.wav", tmp_path / "stem", AudioLimits(max_bytes=5))
    assert (tmp_path / "stem").read_bytes() == b"drums"


def test_one_byte_more_is_refused_unread(storage: WatchedStorage, tmp_path: Path) -> None:
    put(storage, "a.wav", b"drums!")
    with pytest.raises(AudioTooLarge):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits(max_bytes=5))
    assert storage.count("chunk") == 0
    assert not (tmp_path / "stem").exists()


def test_a_file_is_never_overwritten(storage: WatchedStorage, tmp_path: Path) -> None:
    put(storage, "a.wav", b"drums")
    (tmp_path / "stem").write_bytes(b"before")
    with pytest.raises(WorkFolderUnavailable, match="can't be used"):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits())
    assert (tmp_path / "stem").read_bytes() == b"before"


def test_a_folder_that_cannot_be_written_is_the_work_folder_s_trouble(
    storage: WatchedStorage, tmp_path: Path
) -> None:
    put(storage, "a.wav", b"drums")
    with pytest.raises(WorkFolderUnavailable, match="WAVEFLOW_WORK_DIR"):
        fetch(storage, "a.wav", tmp_path / "missing" / "stem", AudioLimits())


def test_a_copy_that_nobody_wants_any_more_is_broken_off(
    storage: WatchedStorage, tmp_path: Path
) -> None:
    put(storage, "a.wav", SEVERAL_CHUNKS)

    def wanted() -> None:
        if storage.count("chunk") == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits(), wanted=wanted)
    assert storage.count("chunk") == 2


def test_what_the_system_writes_in_bits_is_written_whole(tmp_path: Path) -> None:
    class Reluctant(FileIO):
        def write(self, data: Any, /) -> int:
            return super().write(memoryview(data)[:1000])

    with Reluctant(tmp_path / "stem", "wb") as file:
        _write_all(file, SEVERAL_CHUNKS)
    assert (tmp_path / "stem").read_bytes() == SEVERAL_CHUNKS


def test_a_storage_that_ends_early_is_the_storage_s_trouble(
    storage: WatchedStorage, tmp_path: Path
) -> None:
    put(storage, "a.wav", SEVERAL_CHUNKS)

    def fail(step: Step) -> None:
        if storage.count("chunk") == 2:
            raise StorageUnavailable("away")

    storage.before = fail
    with pytest.raises(StorageUnavailable):
        fetch(storage, "a.wav", tmp_path / "stem", AudioLimits())


class TestRecords:
    def test_a_record_is_read_whole(self, storage: WatchedStorage) -> None:
        stat = put(storage, "ledger/t/x", b"{}")
        assert read_record(storage, "ledger/t/x") == (b"{}", stat)

    def test_what_is_far_too_large_for_one_is_not_read(self, storage: WatchedStorage) -> None:
        put(storage, "ledger/t/x", bytes(1024**2 + 1))
        with pytest.raises(ValueError, match="1048577 bytes"):
            read_record(storage, "ledger/t/x")
        assert storage.count("chunk") == 0
