"""A storage in a folder when files change under a reader, or the disk gives up."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from tests.support.contracts.storage_actions import content, keys, put
from tests.unit.adapters.storage.folder_actions import parts
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.os_errors import storage_errors
from waveflow.adapters.storage.reading import FileStream
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import InvalidKey, ObjectChanged, ObjectNotFound, StorageUnavailable

MIB = 1024 * 1024


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Make the system refuse larger files, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many files and no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path("/dev/null").open() as lowest:
        first_free = lowest.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class TestReadersThatAreDisturbed:
    def read_while(self, storage: AudioStorage, disturb: Callable[[], object]) -> bytes:
        put(storage, "song.wav", b"old" * MIB)
        with storage.read("song.wav") as stream:
            chunks = iter(stream)
            first = next(chunks)
            disturb()
            return first + b"".join(chunks)

    def test_a_file_that_is_cut_off_is_noticed(self, storage: AudioStorage, root: Path) -> None:
        with pytest.raises(StorageUnavailable, match="has 2097152 bytes instead of the 3145728"):
            self.read_while(storage, lambda: os.truncate(root / "song.wav", 2 * MIB))

    def test_a_file_that_grows_is_noticed(self, storage: AudioStorage, root: Path) -> None:
        with pytest.raises(StorageUnavailable, match="has 4194304 bytes instead of the 3145728"):
            self.read_while(storage, lambda: os.truncate(root / "song.wav", 4 * MIB))

    def test_a_file_that_is_edited_in_place_is_noticed(
        self, storage: AudioStorage, root: Path
    ) -> None:
        def edit() -> None:
            with (root / "song.wav").open("r+b") as file:
                file.write(b"new")

        with pytest.raises(ObjectChanged, match="was changed while"):
            self.read_while(storage, edit)

    def test_a_version_that_is_replaced_is_read_to_its_end(self, storage: AudioStorage) -> None:
        read = self.read_while(storage, lambda: put(storage, "song.wav", b"new"))
        assert read == b"old" * MIB

    def test_a_version_that_is_deleted_is_read_to_its_end(self, storage: AudioStorage) -> None:
        read = self.read_while(
            storage,
            lambda: storage.delete("song.wav", if_match=storage.stat("song.wav").etag),
        )
        assert read == b"old" * MIB

    @pytest.mark.skipif(not Path("/sys/devices/system/cpu/online").is_file(), reason="needs a /sys")
    def test_a_file_that_ends_before_its_size_is_noticed(self) -> None:
        # A file of /sys says that it has 4096 bytes, and gives a few.
        storage = FolderAudioStorage(Path("/sys/devices/system/cpu"))
        with pytest.raises(StorageUnavailable, match="of its 4096 bytes"):
            content(storage, "online")

    def test_an_error_of_the_system_while_reading_is_translated(self, tmp_path: Path) -> None:
        (tmp_path / "song.wav").write_bytes(b"sound")
        with FileIO(tmp_path / "song.wav", "a") as not_readable:
            stream = FileStream(tmp_path, "song.wav", not_readable)
            with pytest.raises(StorageUnavailable, match="Bad file descriptor") as caught:
                list(stream)
        assert isinstance(caught.value.__cause__, OSError)


class TestTheDisk:
    def test_a_file_that_does_not_fit_leaves_the_old_version(
        self, storage: AudioStorage, root: Path
    ) -> None:
        old = put(storage, "song.wav", b"old")
        with file_size_limit(MIB), pytest.raises(StorageUnavailable, match="of this size"):
            put(storage, "song.wav", bytes(2 * MIB))
        assert storage.stat("song.wav") == old
        assert parts(root) == []

    def test_a_full_disk_is_named_with_what_to_do(self, root: Path) -> None:
        with (
            pytest.raises(StorageUnavailable, match="is full: free some space"),
            storage_errors(root),
            FileIO("/dev/full", "w") as disk,
        ):
            disk.write(b"sound")

    @pytest.mark.parametrize("count", [0, 1])
    def test_every_method_says_when_too_many_files_are_open(
        self, storage: AudioStorage, count: int
    ) -> None:
        etag = put(storage, "users/song.wav", b"sound").etag
        for act in (
            lambda: storage.stat("users/song.wav"),
            lambda: content(storage, "users/song.wav"),
            lambda: put(storage, "users/song.wav"),
            lambda: storage.delete("users/song.wav", if_match=etag),
            lambda: keys(storage, "users/"),
        ):
            with (
                descriptors_left(count),
                pytest.raises(StorageUnavailable, match="too many files are open"),
            ):
                act()
        assert content(storage, "users/song.wav", if_match=etag) == b"sound"

    @pytest.mark.parametrize(
        ("number", "raised"),
        [
            (errno.EACCES, StorageUnavailable),
            (errno.EROFS, StorageUnavailable),
            (errno.EIO, StorageUnavailable),
            (errno.ESTALE, StorageUnavailable),
            (errno.EMFILE, StorageUnavailable),
            (errno.EDQUOT, StorageUnavailable),
            (errno.EBADMSG, StorageUnavailable),
            (errno.ENAMETOOLONG, InvalidKey),
            (errno.ENOENT, ObjectNotFound),
        ],
        ids=errno.errorcode.get,
    )
    def test_what_the_system_says_is_told_in_terms_of_the_port(
        self, root: Path, number: int, raised: type[Exception]
    ) -> None:
        error = OSError(number, os.strerror(number))
        with pytest.raises(raised) as caught, storage_errors(root, key="song.wav"):
            raise error
        assert caught.value.__cause__ is error
