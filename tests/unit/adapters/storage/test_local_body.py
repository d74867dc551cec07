"""What stands where a file for the storage is expected: a file, or something a decoder left."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from waveflow.adapters.storage.folder import FolderAudioStorage
from waveflow.adapters.storage.local_body import open_local
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.adapters.storage.s3_body import opened
from waveflow.application.disk_errors import NotAFile

KEY = "mixed/a.wav"


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "link-to-the-environment": lambda path: path.symlink_to("/proc/self/environ"),
    "link-to-a-file": lambda path: path.symlink_to(__file__),
    "link-to-nothing": lambda path: path.symlink_to("missing"),
    "pipe": os.mkfifo,
    "socket": _socket,
    "folder": Path.mkdir,
}
whatever_it_is = pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # The name of a socket is short.
    return tmp_path / "mix.wav"


@whatever_it_is
def test_what_is_no_file_is_not_opened(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(NotAFile, match=r"no regular file.*mix\.wav"):
        open_local(path)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_file_is_read_whole(path: Path) -> None:
    path.write_bytes(b"a sound")
    with open_local(path) as file:
        assert (file.read(), file.read()) == (b"a sound", b"")


def test_a_file_below_a_folder_that_is_a_link_is_read(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"a sound")
    (tmp_path / "linked").symlink_to(tmp_path)
    with open_local(tmp_path / "linked" / path.name) as file:
        assert file.read() == b"a sound"


def test_a_file_that_is_missing_is_missing(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_local(path)


@whatever_it_is
def test_no_storage_stores_it(path: Path, make: Callable[[Path], object]) -> None:
    make(path)
    for storage in (FolderAudioStorage(path.parent / "storage"), InMemoryAudioStorage()):
        with pytest.raises(NotAFile):
            storage.write(KEY, path, content_type="audio/wav")
        assert list(storage.list("")) == []
    with pytest.raises(NotAFile), opened(path):
        pass
