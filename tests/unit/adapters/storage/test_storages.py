"""The storages that need no network keep the contract of the port."""

from __future__ import annotations

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
