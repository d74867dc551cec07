"""Room on the disk of the work folder, given to one task after the other.

Two mixes that each fit, but not together, would both run into the full disk, back off, and do it
again. So a task says what it needs before it writes, and waits while others hold it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from threading import Condition

import structlog

from waveflow.application.waiting import LOOK_EVERY_S, KeepWaiting, always
from waveflow.domain.errors import WorkFolderTooSmall, WorkFolderUnavailable

_log = structlog.get_logger(__name__)

_MB = 1_000_000
_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's are


class WorkRoom:
    """Who was promised how much of the disk; for any number of threads.

    Turns are taken in order, so that a large task is not passed over by small ones for ever.
    Each task reserves once, before it writes, so that none waits for another that waits for it.
    """

    def __init__(self, folder: Path, keep_waiting: KeepWaiting = always) -> None:
        """Watch over the disk that `folder` lies on."""
        self._folder = folder
        self._keep_waiting = keep_waiting
        self._promised: dict[Path, int] = {}
        self._queue: list[Path] = []
        self._changed = Condition()

    def reserve(self, task: Path, certain_bytes: int, likely_bytes: int) -> None:
        """Wait until `likely_bytes` are free beside what others were promised and will yet write.

        A task beside which there is no other gets its turn at once; what it needs more than
        `certain_bytes` is an estimate, and may do.

        Args:
            task: its folder, in which it writes.

        Raises:
            WorkFolderUnavailable: when there is no other, and too little room.
            WorkFolderTooSmall: when the whole disk is too small.
            WorkInterrupted: from `keep_waiting`.
            OSError: when the disk can't be asked.
        """
        if certain_bytes > shutil.disk_usage(self._folder).total:
            raise WorkFolderTooSmall(
                f"The disk of the work folder {self._folder} is too small for this task, which"
                f" keeps {_megabytes(certain_bytes)} there at once. Point WAVEFLOW_WORK_DIR at a"
                " larger disk."
            )
        with self._changed:
            self._queue.append(task)
            try:
                self._wait_for_turn(task, likely_bytes)
                self._require(certain_bytes)
                self._promised[task] = likely_bytes
            finally:
                self._queue.remove(task)
                self._changed.notify_all()

    def release(self, task: Path) -> None:
        """The task has removed what it wrote."""
        with self._changed:
            if self._promised.pop(task, None) is not None:
                self._changed.notify_all()

    def _wait_for_turn(self, task: Path, needed_bytes: int) -> None:
        if self._has_turn(task, needed_bytes):
            return
        _log.info("task_waits_for_room", needed=_megabytes(needed_bytes))
        while not self._has_turn(task, needed_bytes):
            self._keep_waiting()
            self._changed.wait(LOOK_EVERY_S)

    def _has_turn(self, task: Path, needed_bytes: int) -> bool:
        if self._queue[0] is not task:
            return False
        return not self._promised or self._left_bytes() >= needed_bytes

    def _require(self, certain_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._folder).free
        if not self._promised and certain_bytes > free_bytes:
            raise WorkFolderUnavailable(
                f"The disk of the work folder {self._folder} has {_megabytes(free_bytes)} left,"
                f" and this task keeps {_megabytes(certain_bytes)} there at once. Make room there,"
                " or point WAVEFLOW_WORK_DIR at a larger disk."
            )

    def _left_bytes(self) -> int:
        pending_bytes = sum(
            max(promised_bytes - _written_bytes(task), 0)
            for task, promised_bytes in self._promised.items()
        )
        return shutil.disk_usage(self._folder).free - pending_bytes


def _written_bytes(folder: Path) -> int:
    """What lies in a folder; nameless files don't show, so that it is rather too little."""
    try:
        with os.scandir(folder) as entries:
            blocks = [entry.stat(follow_symlinks=False).st_blocks for entry in entries]
    except OSError:
        return 0
    return sum(blocks) * _BLOCK_BYTES


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / _MB:.1f} MB"
