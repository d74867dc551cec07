"""A storage in an empty folder, and that folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from waveflow.adapters.storage.folder import FolderAudioStorage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
def storage(root: Path) -> FolderAudioStorage:
    return FolderAudioStorage(root)
