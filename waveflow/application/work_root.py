"""Opening the work folder itself, once it is certain that nobody else can meddle in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from waveflow.domain.errors import WorkFolderUnavailable

TASK_PREFIX = "waveflow-task-"
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_ROOT_UID = 0
_OF_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022

_log = structlog.get_logger(__name__)


@contextmanager
def opened_root(root: Path, *, create: bool = False) -> Iterator[int]:
    """A descriptor of the work folder, closed on leaving.

    Whoever can write in the folder can put one of their own in the place of a task's, and read
    or replace what is decoded there. So the folder has to be this user's, or the
    superuser's, and nobody else may write in it unless it is sticky, as `/tmp` is. One that is
    open to others and holds nothing but tasks' folders is made private.

    Raises:
        WorkFolderUnavailable: when it isn't like that, or is a symbolic link.
        OSError: when it can't be opened, or made.
    """
    if create:
        _make(root)
    if root.is_symlink():
        raise WorkFolderUnavailable(
            f"The work folder {root} is a symbolic link, which others may turn elsewhere."
            " Point WAVEFLOW_WORK_DIR at the folder itself."
        )
    descriptor = os.open(root, FOLDER_FLAGS)
    try:
        _require_private(root, descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _make(root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
        root.chmod(0o700)  # whatever the umask took away


def _require_private(root: Path, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid not in (os.geteuid(), _ROOT_UID):
        raise WorkFolderUnavailable(
            f"The work folder {root} belongs to another user (uid {status.st_uid}), who could"
            " change what lies there. Point WAVEFLOW_WORK_DIR at a folder of the worker's own."
        )
    mode = stat.S_IMODE(status.st_mode)
    if not mode & _OF_OTHERS or mode & stat.S_ISVTX:
        return
    if status.st_uid == os.geteuid() and _holds_only_tasks(descriptor):
        os.fchmod(descriptor, 0o700)
        _log.warning("work_folder_made_private", folder=str(root), mode_before=f"{mode:o}")
    elif mode & _WRITABLE_BY_OTHERS:
        raise WorkFolderUnavailable(
            f"Others can write in the work folder {root} (mode {mode:o}), and change what lies"
            f" there. Point WAVEFLOW_WORK_DIR at a folder of its own, such as {root / 'waveflow'}."
        )


def _holds_only_tasks(descriptor: int) -> bool:
    return all(name.startswith(TASK_PREFIX) for name in os.listdir(descriptor))
