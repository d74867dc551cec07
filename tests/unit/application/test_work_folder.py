"""The folder of one running task: private, empty, and gone afterwards."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from tests.support.workshop import FakeClock
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.errors import NotAudio, WorkFolderUnavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "not there yet" / "work"


@pytest.fixture
def work_folder(root: Path) -> WorkFolder:
    return WorkFolder(root, FakeClock().as_clock())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_can_look_into_it(work_folder: WorkFolder, root: Path) -> None:
    umask = os.umask(0)
    try:
        with work_folder.task() as folder:
            assert folder.parent == root
            assert (mode(root), mode(folder)) == (0o700, 0o700)
            assert {mode(path) for path in folder.iterdir()} == {0o600}
    finally:
        os.umask(umask)


def test_it_holds_nothing_but_its_lock(work_folder: WorkFolder) -> None:
    with work_folder.task() as folder:
        assert [path.name for path in folder.iterdir()] == ["in-use"]


def test_it_is_locked_while_the_task_runs(work_folder: WorkFolder) -> None:
    with (
        work_folder.task() as folder,
        (folder / "in-use").open("r+b") as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_tasks_have_folders_of_their_own(work_folder: WorkFolder, root: Path) -> None:
    with work_folder.task() as one, work_folder.task() as other:
        assert one != other
        (one / "stem").write_bytes(b"drums")
        assert not (other / "stem").exists()
    assert list(root.iterdir()) == []


def test_it_is_gone_when_the_task_ends(work_folder: WorkFolder, root: Path) -> None:
    with work_folder.task() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "stem").write_bytes(b"drums")
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("error", [NotAudio("no"), RuntimeError("defect"), KeyboardInterrupt()])
def test_it_is_gone_however_the_task_ends(
    work_folder: WorkFolder, root: Path, error: BaseException
) -> None:
    def task() -> None:
        with work_folder.task() as folder:
            (folder / "stem").write_bytes(b"drums")
            raise error

    with pytest.raises(type(error)):
        task()
    assert list(root.iterdir()) == []


def test_links_in_it_are_not_followed_at_the_end(work_folder: WorkFolder, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "song.wav").write_bytes(b"drums")
    with work_folder.task() as folder:
        (folder / "link").symlink_to(tmp_path / "precious")
    assert (tmp_path / "precious" / "song.wav").read_bytes() == b"drums"


def test_a_task_that_loses_its_folder_ends_in_peace(work_folder: WorkFolder, root: Path) -> None:
    with work_folder.task() as folder:
        (folder / "in-use").unlink()
        folder.rmdir()
    assert list(root.iterdir()) == []


def test_no_descriptor_is_left_open(work_folder: WorkFolder) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        with work_folder.task():
            pass
    assert len(list(descriptors.iterdir())) == before


def test_a_root_that_cannot_be_made_is_said_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    work_folder = WorkFolder(tmp_path / "file" / "work")
    with (
        pytest.raises(WorkFolderUnavailable, match="point WAVEFLOW_WORK_DIR at"),
        work_folder.task(),
    ):
        pytest.fail("there is no folder to work in")


def test_the_folders_of_tasks_that_will_never_end_can_be_removed(tmp_path: Path) -> None:
    work_folder = WorkFolder(tmp_path)
    with WorkFolder(tmp_path).task() as another_workers:
        with work_folder.task() as ours:
            (ours / "stem").write_bytes(b"sound")
            work_folder.abandon()
            assert not ours.exists()
        assert another_workers.exists()
    work_folder.abandon()
    assert list(tmp_path.iterdir()) == []
