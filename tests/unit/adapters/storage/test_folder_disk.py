"""A storage folder on a disk that is full or read-only: clear errors, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contracts.storage_actions import content, keys, put
from tests.support.disks import SmallDisk, small_disk
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.application.ports import IfAbsent, IfMatch
from waveflow.domain.errors import StorageUnavailable

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 4 * MIB) as disk:
        yield disk


@pytest.fixture
def storage(disk: SmallDisk) -> FolderAudioStorage:
    return FolderAudioStorage(disk.path / "storage")


def test_what_does_not_fit_is_not_written_and_takes_no_room(
    storage: FolderAudioStorage, disk: SmallDisk, tmp_path: Path
) -> None:
    old = put(storage, "song.wav", b"old")
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(5 * MIB))
    free_bytes = disk.free_bytes
    for condition in (None, IfMatch(old.etag)):
        with pytest.raises(StorageUnavailable, match="is full: free some space"):
            put(storage, "song.wav", large, condition)
    for body in (bytes(5 * MIB), large):
        with pytest.raises(StorageUnavailable, match="is full: free some space"):
            put(storage, "other.wav", body, IfAbsent())
    assert disk.free_bytes >= free_bytes - 64 * 1024
    assert keys(storage, "") == ["song.wav"]
    assert content(storage, "song.wav", if_match=old.etag) == b"old"


def test_a_full_disk_still_gives_and_deletes_what_it_has(
    storage: FolderAudioStorage, disk: SmallDisk
) -> None:
    song = put(storage, "song.wav", bytes(MIB))
    disk.fill()
    with pytest.raises(StorageUnavailable, match="is full"):
        put(storage, "other.wav")
    assert len(content(storage, "song.wav")) == MIB
    storage.delete("song.wav", if_match=song.etag)
    put(storage, "other.wav")


def test_a_read_only_disk_gives_what_it_has_and_takes_nothing(
    storage: FolderAudioStorage, disk: SmallDisk
) -> None:
    song = put(storage, "song.wav", b"sound")
    disk.set_writable(False)
    for attempt in (
        lambda: put(storage, "song.wav", b"new"),
        lambda: put(storage, "new/other.wav", b"new", IfAbsent()),
        lambda: storage.delete("song.wav", if_match=song.etag),
    ):
        with pytest.raises(StorageUnavailable, match="isn't read-only"):
            attempt()
    assert content(storage, "song.wav") == b"sound"
    assert keys(storage, "") == ["song.wav"]
    disk.set_writable(True)
    storage.delete("song.wav", if_match=song.etag)
    assert keys(storage, "") == []
