"""The work folder itself: whose it may be, and who may write in it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from waveflow.application.work_folder import WorkFolder
from waveflow.domain.errors import WorkFolderUnavailable

SOMEBODY_ELSE = 54_321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of others can be made by root only")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def use(root: Path) -> None:
    with WorkFolder(root).task():
        pass


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277, 0o777])
def test_it_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with WorkFolder(tmp_path / "work").task() as folder:
            modes = {mode(tmp_path / "work"), mode(folder)}
            locks = {mode(path) for path in folder.iterdir()}
    finally:
        os.umask(before)
    assert (modes, locks) == ({0o700}, {0o600})


def test_names_of_tasks_can_not_be_guessed(tmp_path: Path) -> None:
    names = set()
    for _ in range(200):
        with WorkFolder(tmp_path / "work").task() as folder:
            names.add(folder.name)
    assert len(names) == 200
    assert all(re.fullmatch(r"waveflow-task-[0-9a-f]{32}", name) for name in names)
    # Each of the 32 digits takes on every value: none is a process id or a time.
    digits = [{name[-1 - place] for name in names} for place in range(32)]
    assert all(len(seen) > 12 for seen in digits)


@pytest.mark.parametrize("before", [0o755, 0o770, 0o777, 0o2775])
def test_one_of_our_own_that_is_open_to_others_is_made_private(tmp_path: Path, before: int) -> None:
    root = tmp_path / "work"
    (root / "waveflow-task-left").mkdir(parents=True)
    root.chmod(before)
    with capture_logs() as logs:
        use(root)
        use(root)
    assert mode(root) == 0o700
    assert [(log["event"], log["mode_before"]) for log in logs] == [
        ("work_folder_made_private", f"{before:o}")
    ]


def test_one_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    root = tmp_path / "home"
    (root / "documents").mkdir(parents=True)
    root.chmod(0o755)
    with WorkFolder(root).task() as folder:
        assert mode(folder) == 0o700
    assert mode(root) == 0o755


@pytest.mark.parametrize("writable", [0o775, 0o757, 0o777])
def test_one_that_holds_other_things_and_is_writable_for_others_is_refused(
    tmp_path: Path, writable: int
) -> None:
    root = tmp_path / "shared"
    (root / "documents").mkdir(parents=True)
    root.chmod(writable)
    with pytest.raises(WorkFolderUnavailable, match=f"Others can write .*mode {writable:o}.* its"):
        use(root)
    assert (mode(root), names_in(root)) == (writable, ["documents"])
    use(root / "waveflow")


def test_a_sticky_folder_for_everybody_will_do_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "tmp"
    root.mkdir()
    root.chmod(0o1777)
    with WorkFolder(root).task() as folder:
        assert mode(folder) == 0o700
    assert mode(root) == 0o1777


@as_root
@pytest.mark.parametrize("others_mode", [0o700, 0o755, 0o1777])
def test_one_that_belongs_to_somebody_else_is_refused(tmp_path: Path, others_mode: int) -> None:
    root = tmp_path / "work"
    root.mkdir()
    root.chmod(others_mode)
    os.chown(root, SOMEBODY_ELSE, -1)
    with pytest.raises(WorkFolderUnavailable, match=f"another user .uid {SOMEBODY_ELSE}"):
        use(root)
    with pytest.raises(WorkFolderUnavailable):
        WorkFolder(root).sweep()
    assert names_in(root) == []


@pytest.mark.parametrize("target", ["a folder", "nothing"])
def test_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if target == "a folder":
        elsewhere.mkdir()
    root = tmp_path / "work"
    root.symlink_to(elsewhere)
    for attempt in (lambda: use(root), WorkFolder(root).sweep):
        with pytest.raises(WorkFolderUnavailable, match=r"symbolic link.*the folder itself"):
            attempt()
    assert elsewhere.exists() == (target == "a folder")
    assert root.is_symlink()


def test_one_that_was_deleted_meanwhile_is_made_anew(tmp_path: Path) -> None:
    work_folder = WorkFolder(tmp_path / "work")
    with work_folder.task() as folder:
        folder.joinpath("in-use").unlink()
        folder.rmdir()
        (tmp_path / "work").rmdir()
        with work_folder.task() as other:
            assert other.is_dir()
    assert mode(tmp_path / "work") == 0o700
    assert names_in(tmp_path / "work") == []
