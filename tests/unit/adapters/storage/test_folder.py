"""What only a storage in a folder has: names, folders and roots that a file system brings."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.contracts.storage_actions import at_once, content, keys, put
from tests.unit.adapters.storage.folder_actions import SCRATCH, assert_refused
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.application.ports import AudioStorage, IfAbsent
from waveflow.domain.errors import ObjectNotFound, StorageUnavailable


class TestNames:
    def test_the_path_of_a_file_is_its_key(self, storage: AudioStorage, root: Path) -> None:
        put(storage, "users/u 1/音声 (final).wav", b"sound")
        assert (root / "users" / "u 1" / "音声 (final).wav").read_bytes() == b"sound"

    def test_files_that_were_there_before_are_objects(
        self, storage: AudioStorage, root: Path
    ) -> None:
        (root / "users").mkdir()
        (root / "users" / "old.wav").write_bytes(b"sound")
        assert keys(storage, "") == ["users/old.wav"]
        assert content(storage, "users/old.wav") == b"sound"

    @pytest.mark.parametrize("key", ["a" * 256, "a" * 256 + "/b.wav", "users/" + "é" * 128])
    def test_a_segment_of_more_than_255_bytes_is_refused(
        self, storage: AudioStorage, key: str
    ) -> None:
        assert_refused(storage, key, "more than 255 bytes")

    def test_a_segment_of_255_bytes_is_possible(self, storage: AudioStorage) -> None:
        put(storage, "a" * 255, b"sound")
        assert content(storage, "a" * 255) == b"sound"

    def test_a_key_below_a_file_is_refused(self, storage: AudioStorage) -> None:
        put(storage, "users/u1")
        assert_refused(storage, "users/u1/song.wav", "'u1' is a file or a symbolic link")
        assert keys(storage, "users/u1/") == []

    def test_the_key_of_a_folder_is_refused(self, storage: AudioStorage) -> None:
        put(storage, "users/u1/song.wav")
        assert_refused(storage, "users/u1", "'users/u1' is a folder")

    @pytest.mark.parametrize("key", [SCRATCH, f"{SCRATCH}/lock", f"{SCRATCH}/x/y"])
    def test_the_scratch_folder_is_out_of_reach(self, storage: AudioStorage, key: str) -> None:
        put(storage, "song.wav")
        assert_refused(storage, key, "reserved")
        assert keys(storage, SCRATCH) == []
        assert keys(storage, f"{SCRATCH}/") == []

    def test_a_pipe_is_refused_without_waiting_for_its_writer(
        self, storage: AudioStorage, root: Path
    ) -> None:
        os.mkfifo(root / "pipe.wav")
        assert_refused(storage, "pipe.wav", "special file")
        assert keys(storage, "") == []

    def test_names_that_cannot_be_keys_are_not_listed(
        self, storage: AudioStorage, root: Path
    ) -> None:
        (root / "line\nfeed.wav").touch()
        (root / "bell\a").mkdir()
        (root / "bell\a" / "song.wav").touch()
        Path(os.fsdecode(os.fsencode(root) + b"/\xff.wav")).touch()
        assert keys(storage, "") == []


class TestFolders:
    def test_folders_that_become_empty_are_removed(self, storage: AudioStorage, root: Path) -> None:
        put(storage, "users/kept.wav")
        deleted = put(storage, "users/u1/projects/p1/song.wav")
        storage.delete("users/u1/projects/p1/song.wav", if_match=deleted.etag)
        assert [path.name for path in (root / "users").iterdir()] == ["kept.wav"]

    def test_the_root_stays_when_everything_is_deleted(
        self, storage: AudioStorage, root: Path
    ) -> None:
        storage.delete("a/song.wav", if_match=put(storage, "a/song.wav").etag)
        assert [path.name for path in root.iterdir()] == [SCRATCH]

    def test_a_write_that_is_refused_makes_no_folders(
        self, storage: AudioStorage, root: Path
    ) -> None:
        with pytest.raises(FileNotFoundError):
            put(storage, "users/u1/song.wav", root / "missing.wav")
        assert not (root / "users").exists()

    def test_writes_and_deletes_in_one_folder_do_not_disturb_each_other(
        self, storage: AudioStorage, root: Path
    ) -> None:
        def come_and_go(number: int) -> None:
            for _ in range(25):
                etag = put(storage, f"users/u1/{number}.wav", condition=IfAbsent()).etag
                storage.delete(f"users/u1/{number}.wav", if_match=etag)

        assert at_once(4, come_and_go) == [None] * 4
        assert [path.name for path in root.iterdir()] == [SCRATCH]

    def test_what_vanishes_during_a_listing_is_left_out(
        self, storage: AudioStorage, root: Path
    ) -> None:
        for key in ("a.wav", "b/song.wav", "c/song.wav", "d.wav"):
            put(storage, key)
        listing = storage.list("")
        assert next(listing).key == "a.wav"
        storage.delete("b/song.wav", if_match=storage.stat("b/song.wav").etag)
        (root / "c").rename(root / "was-c")
        (root / "c").symlink_to(root / "was-c")
        assert [stat.key for stat in listing] == ["d.wav"]


class TestRoot:
    def test_a_missing_root_is_made(self, tmp_path: Path) -> None:
        put(FolderAudioStorage(tmp_path / "new" / "root"), "song.wav", b"sound")
        assert (tmp_path / "new" / "root" / "song.wav").read_bytes() == b"sound"

    @pytest.mark.parametrize("below", ["", "below", "below/below"])
    def test_a_root_that_is_a_file_is_refused(self, tmp_path: Path, below: str) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StorageUnavailable, match="is not a folder"):
            FolderAudioStorage(tmp_path / "file" / below)

    @pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a /sys")
    def test_a_root_that_cannot_be_written_can_be_read(self) -> None:
        storage = FolderAudioStorage(Path("/sys/kernel"))
        with pytest.raises(StorageUnavailable, match="may not be used: check"):
            put(storage, "song.wav")
        with pytest.raises(ObjectNotFound):
            storage.stat("song.wav")

    def test_a_root_that_has_gone_is_not_an_empty_one(
        self, storage: AudioStorage, root: Path
    ) -> None:
        root.rename(root.with_name("elsewhere"))
        for act in (
            lambda: storage.stat("song.wav"),
            lambda: content(storage, "song.wav"),
            lambda: put(storage, "song.wav"),
            lambda: storage.delete("song.wav", if_match="etag"),
            lambda: keys(storage, ""),
        ):
            with pytest.raises(StorageUnavailable, match="is gone"):
                act()

    def test_a_relative_root_stays_where_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        storage = FolderAudioStorage(Path("root"))
        monkeypatch.chdir("/")
        put(storage, "song.wav", b"sound")
        assert (tmp_path / "root" / "song.wav").read_bytes() == b"sound"


class TestVersions:
    def test_no_etag_comes_back_when_inodes_do(self, storage: AudioStorage) -> None:
        etags = {put(storage, "song.wav", b"%03d" % number).etag for number in range(200)}
        assert len(etags) == 200

    def test_a_version_has_the_exact_time_at_which_it_was_written(
        self, storage: AudioStorage, root: Path
    ) -> None:
        for _ in range(50):
            before_ns = time.time_ns()
            put(storage, "song.wav")
            assert before_ns <= (root / "song.wav").stat().st_mtime_ns <= time.time_ns()

    def test_an_edit_in_place_changes_the_etag(self, storage: AudioStorage, root: Path) -> None:
        before = put(storage, "song.wav", b"one")
        with (root / "song.wav").open("r+b") as file:
            file.write(b"two")
        assert storage.stat("song.wav").etag != before.etag

    def test_descriptors_are_closed(self, storage: AudioStorage, root: Path) -> None:
        etag = put(storage, "a/song.wav").etag
        before = len(list(Path("/proc/self/fd").iterdir()))
        os.mkfifo(root / "pipe.wav")
        assert_refused(storage, "pipe.wav", "special file")
        assert_refused(storage, "a/song.wav/below", "is a file")
        content(storage, "a/song.wav")
        next(storage.list(""))
        with pytest.raises(FileNotFoundError):
            put(storage, "a/song.wav", root / "missing.wav")
        storage.delete("a/song.wav", if_match=etag)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
