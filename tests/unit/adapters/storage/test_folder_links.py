"""A storage in a folder never follows a symbolic link below its root."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contracts.storage_actions import keys, put
from tests.unit.adapters.storage.folder_actions import SCRATCH, SlowWrite, assert_refused
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import InvalidKey, StorageUnavailable


class TestSymbolicLinks:
    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        folder = tmp_path / "outside"
        folder.mkdir()
        (folder / "secret.wav").write_bytes(b"secret")
        return folder

    @pytest.mark.parametrize(
        ("link", "target", "key"),
        [
            ("song.wav", "secret.wav", "song.wav"),
            ("users/song.wav", "secret.wav", "users/song.wav"),
            ("users", "", "users/secret.wav"),
            ("users/u1", "", "users/u1/secret.wav"),
            ("users/u1", "", "users/u1/new/song.wav"),
            ("dangling.wav", "missing.wav", "dangling.wav"),
        ],
    )
    def test_no_method_follows_a_link(
        self, storage: AudioStorage, root: Path, outside: Path, link: str, target: str, key: str
    ) -> None:
        (root / link).parent.mkdir(exist_ok=True)
        (root / link).symlink_to(outside / target)
        assert_refused(storage, key, "symbolic link")
        assert keys(storage, "") == []
        assert keys(storage, key.rpartition("/")[0]) == []
        assert keys(storage, f"{link}/") == []
        assert (root / link).is_symlink()
        assert [path.name for path in outside.iterdir()] == ["secret.wav"]
        assert (outside / "secret.wav").read_bytes() == b"secret"

    def test_a_link_that_stays_inside_is_not_followed_either(
        self, storage: AudioStorage, root: Path
    ) -> None:
        put(storage, "users/song.wav", b"the only copy")
        (root / "alias").symlink_to(root / "users")
        assert_refused(storage, "alias/song.wav", "symbolic link")
        assert keys(storage, "") == ["users/song.wav"]

    def test_the_root_may_be_behind_a_link(self, tmp_path: Path, root: Path) -> None:
        root.mkdir()
        (tmp_path / "link").symlink_to(root)
        put(FolderAudioStorage(tmp_path / "link"), "song.wav", b"sound")
        assert (root / "song.wav").read_bytes() == b"sound"

    def test_a_scratch_folder_that_leads_out_is_not_used(
        self, storage: AudioStorage, root: Path, outside: Path
    ) -> None:
        (root / SCRATCH).symlink_to(outside)
        with pytest.raises(StorageUnavailable, match="in the way"):
            put(storage, "song.wav")
        assert [path.name for path in outside.iterdir()] == ["secret.wav"]

    def test_a_folder_that_becomes_a_link_during_a_write_is_not_written_through(
        self, storage: AudioStorage, root: Path, outside: Path
    ) -> None:
        put(storage, "users/kept.wav")
        with SlowWrite(storage, "users/new.wav") as write:
            (root / "users").rename(root / "aside")
            (root / "users").symlink_to(outside)
        with pytest.raises(InvalidKey, match="symbolic link"):
            write.outcome.result()
        assert [path.name for path in outside.iterdir()] == ["secret.wav"]

    def test_a_file_that_becomes_a_link_during_a_write_is_not_written_through(
        self, storage: AudioStorage, root: Path, outside: Path
    ) -> None:
        with SlowWrite(storage, "secret.wav") as write:
            (root / "secret.wav").symlink_to(outside / "secret.wav")
        with pytest.raises(InvalidKey, match="symbolic link"):
            write.outcome.result()
        assert (outside / "secret.wav").read_bytes() == b"secret"
