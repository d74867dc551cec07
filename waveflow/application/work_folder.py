"""The work folder: private folders for running tasks, room for them, and the sweep of the rest."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from attrs import Factory, field, frozen

from waveflow.application.clock import Clock
from waveflow.application.disk_errors import translated
from waveflow.application.task_times import in_stage
from waveflow.application.waiting import KeepWaiting, always
from waveflow.application.work_room import WorkRoom
from waveflow.application.work_root import TASK_PREFIX, opened_root
from waveflow.application.work_sweep import LOCK_NAME, swept_bytes

_NEW_LOCK = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC


@frozen
class Sweep:
    """What a sweep of the work folder removed."""

    removed_folders: int
    freed_bytes: int


@frozen
class WorkFolder:
    """Where tasks keep files while they run.

    Each task has a folder of its own (mode 0700, unpredictable name) holding a lock that its
    process keeps: a locked folder is in use, whoever asks.

    Attributes:
        root: created when missing. Nobody else may be able to write in it; see `opened_root`.
        keep_waiting: asked now and then by a task that waits for room; raises to end that.
    """

    root: Path
    clock: Clock = field(factory=Clock)
    keep_waiting: KeepWaiting = always
    _in_use: set[Path] = field(factory=set, init=False, repr=False, eq=False)
    _making: Lock = field(factory=Lock, init=False, repr=False, eq=False)
    _room: WorkRoom = field(
        default=Factory(lambda self: WorkRoom(self.root, self.keep_waiting), takes_self=True),
        init=False,
        repr=False,
        eq=False,
    )

    @contextmanager
    def task(self) -> Iterator[Path]:
        """A new empty folder for one task, deleted when the task ends, however it ends.

        Raises:
            WorkFolderUnavailable: when the folder can't be made, or the disk fills up.
        """
        folder = self._make()
        try:
            with translated(self.root):
                lock = os.open(folder / LOCK_NAME, _NEW_LOCK, 0o600)
            try:
                with translated(self.root):
                    os.fchmod(lock, 0o600)  # whatever the umask took away
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
            finally:
                os.close(lock)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._in_use.discard(folder)
            self._room.release(folder)

    def reserve(self, folder: Path, certain_bytes: int, likely_bytes: int | None = None) -> None:
        """Have room for what the task of `folder` is about to write; called once by each task.

        Waits while other tasks of this process hold the room that is needed. A task beside which
        there is no other is not kept waiting.

        Args:
            certain_bytes: what it writes at least.
            likely_bytes: what it probably writes in all.

        Raises:
            WorkFolderUnavailable: when something else fills the disk.
            WorkFolderTooSmall: when the disk could not hold it even if it were empty.
            WorkInterrupted: when waiting has become pointless.
        """
        with in_stage("disk_wait"), translated(self.root):
            self._room.reserve(folder, certain_bytes, max(certain_bytes, likely_bytes or 0))

    def abandon(self) -> None:
        """Remove the folders of this process's tasks, which will never end: it is about to."""
        for folder in list(self._in_use):
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> Sweep:
        """Remove the folders of tasks that died.

        A folder goes when nothing in it has changed for 30 minutes and no process holds its
        lock, and after 2 hours in any case, unless its task runs in this very process: a clock
        that jumps must not take its files away. Links are not followed, other file systems are
        not entered, and anything that is not a task's folder, or not this user's, stays.

        Raises:
            WorkFolderUnavailable: when the work folder can't be looked at.
        """
        removed = freed_bytes = 0
        with translated(self.root), suppress(FileNotFoundError), opened_root(self.root) as root:
            for name in self._not_ours(root):
                # A task may end, and take its folder along, at any moment.
                with suppress(OSError):
                    size_bytes = swept_bytes(root, name, self.clock.unix_s())
                    if size_bytes is not None:
                        removed += 1
                        freed_bytes += size_bytes
        return Sweep(removed, freed_bytes)

    def _make(self) -> Path:
        with translated(self.root), self._making, opened_root(self.root, create=True) as root:
            name = TASK_PREFIX + secrets.token_hex(16)
            os.mkdir(name, 0o700, dir_fd=root)
            os.chmod(name, 0o700, dir_fd=root)  # whatever the umask took away
            # Named as the sweep will find it, also when the root is a relative path.
            folder = self.root / name
            self._in_use.add(folder)
        return folder

    def _not_ours(self, root: int) -> list[str]:
        """The names of tasks' folders that don't belong to tasks of this process."""
        # None is seen that was made, but is not known to be in use yet.
        with self._making:
            found = {name for name in os.listdir(root) if name.startswith(TASK_PREFIX)}
            return sorted(found - {folder.name for folder in self._in_use})
