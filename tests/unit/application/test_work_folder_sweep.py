"""The sweep: what crashes left goes, what is in use and what is not ours stays."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.disks import small_disk
from tests.support.workshop import FakeClock
from waveflow.application.clock import Clock
from waveflow.application.work_folder import Sweep, WorkFolder

REPOSITORY = Path(__file__).parents[3]
MINUTE_S = 60.0
HOUR_S = 3600.0
NOTHING = Sweep(removed_folders=0, freed_bytes=0)


@pytest.fixture
def work_folder(tmp_path: Path) -> WorkFolder:
    return WorkFolder(tmp_path / "work", FakeClock().as_clock())


def age(work_folder: WorkFolder, folder: Path, seconds: float) -> None:
    """Let everything in a folder be as old as that, links themselves and not their targets."""
    then_s = work_folder.clock.unix_s() - seconds
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then_s, then_s), follow_symlinks=False)


def crashed_task(work_folder: WorkFolder, age_s: float, name: str = "left") -> Path:
    """What a killed process leaves: a folder with a lock that nobody holds, and 5 bytes."""
    folder = work_folder.root / f"waveflow-task-{name}"
    (folder / "deep").mkdir(parents=True)
    (folder / "in-use").touch()
    (folder / "deep" / "stem").write_bytes(b"drums")
    age(work_folder, folder, age_s)
    return folder


def test_nothing_is_there_to_sweep(work_folder: WorkFolder) -> None:
    assert work_folder.sweep() == NOTHING
    assert not work_folder.root.exists()


@pytest.mark.parametrize(
    ("age_s", "goes"),
    [(0.0, False), (30 * MINUTE_S - 1, False), (30 * MINUTE_S + 1, True), (2 * HOUR_S + 1, True)],
)
def test_what_a_crash_left_goes_after_half_an_hour(
    work_folder: WorkFolder, age_s: float, goes: bool
) -> None:
    folder = crashed_task(work_folder, age_s)
    assert work_folder.sweep() == (Sweep(1, 5) if goes else NOTHING)
    assert folder.exists() is not goes


def test_all_that_is_old_goes_and_all_that_is_young_stays(work_folder: WorkFolder) -> None:
    for number in range(3):
        crashed_task(work_folder, HOUR_S, f"old-{number}")
    young = crashed_task(work_folder, MINUTE_S, "young")
    assert work_folder.sweep() == Sweep(3, 15)
    assert list(work_folder.root.iterdir()) == [young]


def test_a_folder_in_which_something_was_written_lately_stays(work_folder: WorkFolder) -> None:
    folder = crashed_task(work_folder, HOUR_S)
    now_s = work_folder.clock.unix_s()
    os.utime(folder / "deep" / "stem", (now_s, now_s))
    assert work_folder.sweep() == NOTHING


def test_a_folder_without_a_lock_is_not_in_use(work_folder: WorkFolder) -> None:
    folder = crashed_task(work_folder, 0.0)
    (folder / "in-use").unlink()
    age(work_folder, folder, HOUR_S)
    assert work_folder.sweep() == Sweep(1, 5)


@contextmanager
def other_process(root: Path) -> Iterator[Path]:
    """A living process that has a task's folder; killed at the end, so that it can't tidy up."""
    code = """
import sys
from pathlib import Path
from threading import Event, Thread
from waveflow.application.clock import Clock
from waveflow.application.work_folder import WorkFolder
with WorkFolder(Path(sys.argv[1])).task() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    with process:
        try:
            assert process.stdout
            yield Path(process.stdout.readline().rstrip("\n"))
        finally:
            process.kill()


def test_what_another_process_uses_stays_until_that_process_dies(work_folder: WorkFolder) -> None:
    with other_process(work_folder.root) as folder:
        age(work_folder, folder, HOUR_S)
        assert work_folder.sweep() == NOTHING
        assert folder.exists()
    assert work_folder.sweep() == Sweep(1, 0)
    assert not folder.exists()


@pytest.mark.parametrize(("age_s", "goes"), [(2 * HOUR_S - 1, False), (2 * HOUR_S + 1, True)])
def test_what_another_process_has_locked_stays_for_two_hours(
    work_folder: WorkFolder, age_s: float, goes: bool
) -> None:
    with other_process(work_folder.root) as folder:
        age(work_folder, folder, age_s)
        assert work_folder.sweep() == (Sweep(1, 0) if goes else NOTHING)
        assert folder.exists() is not goes


@pytest.mark.parametrize("root", ["here", "absolute"])
def test_a_clock_that_jumps_takes_no_folder_from_a_task_of_this_process(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    time = FakeClock()
    work_folder = WorkFolder(tmp_path / root if root == "absolute" else Path(root), time.as_clock())
    with work_folder.task() as folder:
        age(work_folder, folder, 0.0)
        crashed_task(work_folder, 0.0)
        time.advance(24 * HOUR_S)
        assert work_folder.sweep() == Sweep(1, 5)
        assert folder.exists()
    assert list(work_folder.root.iterdir()) == []


def test_no_folder_is_swept_between_its_making_and_its_use(work_folder: WorkFolder) -> None:
    """As with a file server whose clock is hours behind: every new folder looks old."""
    sweeper = WorkFolder(work_folder.root, Clock(unix_s=lambda: 4e9))
    stopping, lost = Event(), list[Path]()

    def come_and_go() -> None:
        while not stopping.is_set():
            with sweeper.task() as folder:
                if not folder.exists():
                    lost.append(folder)

    threads = [Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        swept = [sweeper.sweep() for _ in range(300)]
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert lost == []
    assert set(swept) == {NOTHING}


def test_links_are_not_followed(work_folder: WorkFolder, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "song.wav").write_bytes(b"drums")
    folder = crashed_task(work_folder, 0.0)
    (folder / "folder link").symlink_to(precious)
    (folder / "file link").symlink_to(precious / "song.wav")
    age(work_folder, folder, HOUR_S)
    linked = work_folder.root / "waveflow-task-linked"
    linked.symlink_to(precious)
    age(work_folder, linked, HOUR_S)
    age(work_folder, precious, HOUR_S)
    assert work_folder.sweep() == Sweep(1, 5)
    assert linked.is_symlink()
    assert (precious / "song.wav").read_bytes() == b"drums"


def test_a_lock_that_is_a_link_is_no_lock(work_folder: WorkFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    folder = crashed_task(work_folder, 0.0)
    (folder / "in-use").unlink()
    (folder / "in-use").symlink_to(tmp_path / "elsewhere")
    age(work_folder, folder, HOUR_S)
    with (tmp_path / "elsewhere").open("rb") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        assert work_folder.sweep() == Sweep(1, 5)
    assert (tmp_path / "elsewhere").exists()


def test_what_is_not_ours_stays(work_folder: WorkFolder) -> None:
    root = work_folder.root
    (root / "somebody's folder" / "waveflow-task-inside").mkdir(parents=True)
    (root / "song.wav").write_bytes(b"drums")
    (root / "waveflow-task-file").write_bytes(b"not a folder")
    (root / "a waveflow-task-left").mkdir()
    before = sorted(root.rglob("*"))
    for path in before:
        age(work_folder, path, 24 * HOUR_S)
    assert work_folder.sweep() == NOTHING
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_special_files_go_with_their_task_and_are_never_opened(
    work_folder: WorkFolder, kind: str
) -> None:
    folder = crashed_task(work_folder, 0.0)
    for path in (folder / "special", work_folder.root / "waveflow-task-special"):
        make_special(path, kind)
    age(work_folder, work_folder.root / "waveflow-task-special", HOUR_S)
    age(work_folder, folder, HOUR_S)
    assert work_folder.sweep() == Sweep(1, 5)
    assert [path.name for path in work_folder.root.iterdir()] == ["waveflow-task-special"]


@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_a_lock_of_another_kind_is_no_lock_that_holds(work_folder: WorkFolder, kind: str) -> None:
    folder = crashed_task(work_folder, 0.0)
    (folder / "in-use").unlink()
    make_special(folder / "in-use", kind)
    age(work_folder, folder, HOUR_S)
    assert work_folder.sweep() == Sweep(1, 5)


def make_special(path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        # Bound by a short name: the address of a socket has 108 bytes.
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(path.name)
        finally:
            os.chdir(here)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("devices can be made by root only")


def test_a_hard_link_costs_the_other_name_nothing(work_folder: WorkFolder, tmp_path: Path) -> None:
    precious = tmp_path / "song.wav"
    precious.write_bytes(b"drums")
    folder = crashed_task(work_folder, 0.0)
    (folder / "linked").hardlink_to(precious)
    age(work_folder, folder, HOUR_S)
    assert work_folder.sweep().removed_folders == 1
    assert precious.read_bytes() == b"drums"


@pytest.mark.parametrize("place", ["in a folder", "as the folder"])
def test_what_is_mounted_there_stays(work_folder: WorkFolder, place: str) -> None:
    folder = crashed_task(work_folder, 0.0)
    target = folder / "mounted" if place == "in a folder" else work_folder.root / "waveflow-task-m"
    with small_disk(target, 1 << 20) as disk:
        (disk.path / "song.wav").write_bytes(b"drums")
        for path in work_folder.root.iterdir():
            age(work_folder, path, 3 * HOUR_S)
        assert work_folder.sweep() == (NOTHING if place == "in a folder" else Sweep(1, 5))
        assert (disk.path / "song.wav").read_bytes() == b"drums"


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others can be made by root only")
def test_a_folder_of_another_user_stays(work_folder: WorkFolder) -> None:
    folder = crashed_task(work_folder, 3 * HOUR_S)
    os.chown(folder, 54_321, -1)
    assert work_folder.sweep() == NOTHING
    assert (folder / "deep" / "stem").exists()


@pytest.mark.parametrize("swap_for", ["link", "folder"])
def test_a_name_that_is_swapped_after_the_look_leads_nowhere_else(
    work_folder: WorkFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap_for: str
) -> None:
    """As somebody would do who may write in the work folder, between look and removal."""
    precious, swept = tmp_path / "precious", work_folder.root / "moved away"
    precious.mkdir()
    (precious / "song.wav").write_bytes(b"drums")
    folder = crashed_task(work_folder, HOUR_S)
    flock = fcntl.flock

    def swap_and_lock(descriptor: int, operation: int) -> None:
        folder.rename(swept)
        if swap_for == "link":
            folder.symlink_to(precious)
        else:
            precious.rename(folder)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", swap_and_lock)
    assert work_folder.sweep() == NOTHING
    assert (folder / "song.wav").read_bytes() == b"drums"
    # What was looked at is what was removed, under whatever name it went by then.
    assert list(swept.iterdir()) == []


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_lock_that_can_not_be_looked_at_counts_as_held(
    work_folder: WorkFolder, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    folder = crashed_task(work_folder, HOUR_S)
    open_file = os.open

    def open_all_but_locks(path: str, flags: int, *more: int, dir_fd: int | None = None) -> int:
        if path == "in-use":
            raise OSError(error, os.strerror(error))
        return open_file(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_all_but_locks)
    assert work_folder.sweep() == NOTHING
    assert (folder / "deep" / "stem").exists()
    age(work_folder, folder, 2 * HOUR_S + 1)
    assert work_folder.sweep() == Sweep(1, 5)


def test_sweeping_twice_finds_nothing_more(work_folder: WorkFolder) -> None:
    crashed_task(work_folder, HOUR_S)
    assert work_folder.sweep() == Sweep(1, 5)
    assert work_folder.sweep() == NOTHING


def test_a_folder_that_its_task_removes_meanwhile_is_not_missed(work_folder: WorkFolder) -> None:
    first, second = (crashed_task(work_folder, HOUR_S, name) for name in ("a", "b"))
    now_s = work_folder.clock.unix_s()

    def remove_second() -> float:
        shutil.rmtree(second, ignore_errors=True)
        return now_s

    sweeper = WorkFolder(work_folder.root, Clock(unix_s=remove_second))
    assert sweeper.sweep() == Sweep(1, 5)
    assert not first.exists()


def test_tasks_that_end_beside_it_disturb_nothing(work_folder: WorkFolder) -> None:
    stopping = Event()

    def come_and_go() -> None:
        while not stopping.is_set():
            with work_folder.task() as folder:
                (folder / "stem").write_bytes(b"12345")

    threads = [Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(300):
            left = crashed_task(work_folder, HOUR_S, f"left-{number}")
            assert work_folder.sweep() == Sweep(removed_folders=1, freed_bytes=5)
            assert not left.exists()
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
