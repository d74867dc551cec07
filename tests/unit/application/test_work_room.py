"""Room for work files: given to tasks in turn, so that none runs into a disk that others fill."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from tests.support.disks import SmallDisk, small_disk
from tests.support.processes import eventually
from waveflow.application.current_lease import CurrentLease
from waveflow.application.outage import Outage
from waveflow.application.waiting import WhileWanted
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.errors import (
    LeaseLost,
    MachineUnavailable,
    TransientError,
    WorkFolderTooSmall,
    WorkFolderUnavailable,
    WorkInterrupted,
)

MIB = 1024 * 1024
SECONDS = 20.0
SOON_S = 0.2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 10 * MIB) as disk:
        yield disk


@pytest.fixture
def work_folder(disk: SmallDisk) -> WorkFolder:
    started_s = time.monotonic()

    def not_for_ever() -> None:
        assert time.monotonic() < started_s + SECONDS, "room was never given"

    return WorkFolder(disk.path, keep_waiting=not_for_ever)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Task:
    """One that writes what it reserved, and ends when it is told to."""

    def __init__(
        self, pool: ThreadPoolExecutor, work_folder: WorkFolder, size_bytes: int, likely: int = 0
    ) -> None:
        self.has_room = Event()
        self._may_end = Event()
        self.ended: Future[None] = pool.submit(self._run, work_folder, size_bytes, likely)

    def _run(self, work_folder: WorkFolder, size_bytes: int, likely: int) -> None:
        with work_folder.task() as folder:
            work_folder.reserve(folder, size_bytes, likely or None)
            self.has_room.set()
            (folder / "stem").write_bytes(bytes(size_bytes))
            assert self._may_end.wait(SECONDS)

    def end(self) -> None:
        assert self.has_room.wait(SECONDS)
        self._may_end.set()
        self.ended.result(SECONDS)


def test_tasks_that_fit_together_run_together(
    work_folder: WorkFolder, pool: ThreadPoolExecutor
) -> None:
    tasks = [Task(pool, work_folder, 2 * MIB) for _ in range(3)]
    assert all(task.has_room.wait(SECONDS) for task in tasks)
    for task in tasks:
        task.end()


def test_a_task_that_does_not_fit_beside_another_waits_for_its_end(
    work_folder: WorkFolder, pool: ThreadPoolExecutor
) -> None:
    with capture_logs() as logs:
        first = Task(pool, work_folder, 6 * MIB)
        assert first.has_room.wait(SECONDS)
        second = Task(pool, work_folder, 6 * MIB)
        assert not second.has_room.wait(SOON_S)
        first.end()
        second.end()
    assert [log["event"] for log in logs] == ["task_waits_for_room"]


def test_what_is_promised_counts_before_it_is_written(
    work_folder: WorkFolder, pool: ThreadPoolExecutor
) -> None:
    first = Task(pool, work_folder, 1 * MIB, likely=6 * MIB)
    assert first.has_room.wait(SECONDS)
    second = Task(pool, work_folder, 1 * MIB, likely=5 * MIB)
    assert not second.has_room.wait(SOON_S)
    first.end()
    second.end()


def test_a_large_task_is_not_passed_over_by_small_ones(
    work_folder: WorkFolder, pool: ThreadPoolExecutor
) -> None:
    first = Task(pool, work_folder, 4 * MIB)
    assert first.has_room.wait(SECONDS)
    with capture_logs() as logs:
        large = Task(pool, work_folder, 8 * MIB)
        assert eventually(lambda: logs)
        small = Task(pool, work_folder, 1 * MIB)
        assert not small.has_room.wait(SOON_S)
    first.end()
    large.end()
    small.end()


def test_a_single_task_may_hope_for_more_room_than_there_is(work_folder: WorkFolder) -> None:
    with work_folder.task() as folder:
        work_folder.reserve(folder, 6 * MIB, 60 * MIB)


def test_room_is_given_back_however_a_task_ends(work_folder: WorkFolder) -> None:
    def fail() -> None:
        with work_folder.task() as folder:
            work_folder.reserve(folder, 8 * MIB)
            raise RuntimeError("defect")

    for _ in range(3):
        with pytest.raises(RuntimeError):
            fail()


def test_a_task_that_does_not_fit_now_is_told_before_it_writes(
    work_folder: WorkFolder, disk: SmallDisk
) -> None:
    filler = disk.fill(leave_bytes=3 * MIB)
    with work_folder.task() as folder:
        with pytest.raises(WorkFolderUnavailable, match=r"has 3\.1 MB left, .* 4\.2 MB there"):
            work_folder.reserve(folder, 4 * MIB)
        filler.unlink()
        work_folder.reserve(folder, 4 * MIB)


def test_a_task_that_never_fits_is_its_own_failure_and_not_the_machines(
    work_folder: WorkFolder,
) -> None:
    with (
        work_folder.task() as folder,
        pytest.raises(WorkFolderTooSmall, match="too small for this task") as caught,
    ):
        work_folder.reserve(folder, 11 * MIB)
    assert isinstance(caught.value, TransientError)
    assert not isinstance(caught.value, MachineUnavailable)


def test_a_task_that_never_fits_keeps_nobody_waiting(
    work_folder: WorkFolder, pool: ThreadPoolExecutor
) -> None:
    first = Task(pool, work_folder, 6 * MIB)
    assert first.has_room.wait(SECONDS)
    with work_folder.task() as folder, pytest.raises(WorkFolderTooSmall):
        work_folder.reserve(folder, 11 * MIB)
    second = Task(pool, work_folder, 1 * MIB)
    first.end()
    second.end()


class _Lease:
    lost = False

    def require(self) -> None:
        if self.lost:
            raise LeaseLost("lost")


@pytest.mark.parametrize("end", ["the lease is lost", "the service ends"])
def test_nobody_waits_for_room_that_is_no_use_any_more(
    disk: SmallDisk, pool: ThreadPoolExecutor, end: str
) -> None:
    current, outage, lease = CurrentLease(), Outage(), _Lease()
    work_folder = WorkFolder(disk.path, keep_waiting=WhileWanted(current, outage))
    waits = Event()

    def wait_in_vain() -> None:
        with current.held(lease), work_folder.task() as folder:
            waits.set()
            work_folder.reserve(folder, 6 * MIB)

    first = Task(pool, work_folder, 6 * MIB)
    assert first.has_room.wait(SECONDS)
    second = pool.submit(wait_in_vain)
    assert waits.wait(SECONDS)
    if end == "the lease is lost":
        lease.lost = True
    else:
        outage.end()
    with pytest.raises(LeaseLost if lease.lost else WorkInterrupted):
        second.result(SECONDS)
    # It holds up nobody behind it.
    if lease.lost:
        third = Task(pool, work_folder, 1 * MIB)
        assert third.has_room.wait(SECONDS)
        first.end()
    else:  # when nobody may wait any more
        first.end()
        third = Task(pool, work_folder, 1 * MIB)
    third.end()


def test_a_disk_that_has_gone_is_an_unusable_work_folder(tmp_path: Path) -> None:
    work_folder = WorkFolder(tmp_path / "work")
    with ExitStack() as stack:
        folder = stack.enter_context(work_folder.task())
        shutil.rmtree(tmp_path / "work")
        with pytest.raises(WorkFolderUnavailable, match="can't be used"):
            work_folder.reserve(folder, 1)
    with work_folder.task() as folder:
        work_folder.reserve(folder, 1)
