"""The work folder: private folders for running tasks, and the sweep of what crashes leave."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.domain.errors import WorkFolderUnavailable

_TASK_PREFIX = "waveflow-task-"
_LOCK_NAME = "in-use"
ABANDONED_AFTER_S = 30 * 60.0
EXPIRED_AFTER_S = 2 * 3600.0


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
        root: created when missing.
    """

    root: Path
    clock: Clock = field(factory=Clock)
    _in_use: set[Path] = field(factory=set, init=False, repr=False, eq=False)
    _making: Lock = field(factory=Lock, init=False, repr=False, eq=False)

    @contextmanager
    def task(self) -> Iterator[Path]:
        """A new empty folder for one task, deleted when the task ends, however it ends.

        Raises:
            WorkFolderUnavailable: when the folder can't be made, or the disk fills up.
        """
        folder = self._make()
        try:
            with translated(self.root):
                lock = os.open(folder / _LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                with translated(self.root):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
            finally:
                os.close(lock)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._in_use.discard(folder)

    def abandon(self) -> None:
        """Remove the folders of this process's tasks, which will never end: it is about to."""
        for folder in list(self._in_use):
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> Sweep:
        """Remove the folders of tasks that died.

        A folder goes when nothing in it has changed for 30 minutes and no process holds its
        lock, and after 2 hours in any case, unless its task runs in this very process: a clock
        that jumps must not take its files away. Links are not followed, and anything that is not
        a task's folder stays.
        """
        removed = freed_bytes = 0
        for folder in self._not_ours():
            # A task may end, and take its folder along, at any moment.
            with suppress(OSError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    continue
                size_bytes, age_s = self._size_and_age(folder)
                if age_s > EXPIRED_AFTER_S or (age_s > ABANDONED_AFTER_S and not _locked(folder)):
                    # As much as can be removed is: one bad entry doesn't keep the rest.
                    shutil.rmtree(folder, ignore_errors=True)
                    if not folder.exists():
                        removed += 1
                        freed_bytes += size_bytes
        return Sweep(removed, freed_bytes)

    def _make(self) -> Path:
        with translated(self.root), self._making:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Named as the sweep will find it, also when the root is a relative path.
            folder = self.root / Path(tempfile.mkdtemp(prefix=_TASK_PREFIX, dir=self.root)).name
            self._in_use.add(folder)
        return folder

    def _not_ours(self) -> list[Path]:
        """The folders of tasks that don't run in this process."""
        # None is seen that was made, but is not known to be in use yet.
        with self._making:
            folders = set(self.root.glob(f"{_TASK_PREFIX}*"))
            return sorted(folders - self._in_use)

    def _size_and_age(self, folder: Path) -> tuple[int, float]:
        size_bytes = 0
        newest_s = folder.lstat().st_mtime
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):
                status = path.lstat()
                newest_s = max(newest_s, status.st_mtime)
                size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return size_bytes, self.clock.unix_s() - newest_s


def _locked(folder: Path) -> bool:
    try:
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Turn a local file error into `WorkFolderUnavailable`, saying what to do."""
    try:
        yield
    except OSError as error:
        raise WorkFolderUnavailable(
            f"The work folder {root} can't be used ({error.strerror or error})."
            " Make room there, or point WAVEFLOW_WORK_DIR at a folder that can be written."
        ) from error
