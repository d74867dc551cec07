"""The storages that need no network keep the contract of the port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contracts.storage import AudioStorageContract
from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.ports import AudioStorage


class TestInMemoryAudioStorage(AudioStorageContract):
    @pytest.fixture
    def storage(self) -> AudioStorage:
        return InMemoryAudioStorage()


class TestFolderAudioStorage(AudioStorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> AudioStorage:
        return FolderAudioStorage(tmp_path / "storage")

    @pytest.fixture(autouse=True)
    def nothing_outside_is_touched(self, tmp_path: Path) -> Iterator[None]:
        """Whatever the test does: beside the root lies what nobody may touch."""
        canary = tmp_path / "canary"
        canary.mkdir()
        (canary / "song.wav").write_bytes(b"precious")
        before = seen_outside(tmp_path)
        yield
        assert seen_outside(tmp_path) == before
        assert (canary / "song.wav").read_bytes() == b"precious"


def seen_outside(folder: Path) -> list[tuple[Path, int]]:
    """What lies beside the storage, with the times of its last change."""
    beside = [path for path in folder.rglob("*") if "storage" not in path.relative_to(folder).parts]
    return sorted((path, path.stat().st_mtime_ns) for path in beside)
