"""Removing what a task that died left behind, and nothing else.

Everything is done relative to descriptors of folders that were opened without following links:
what was looked at is what is removed, whatever its name leads to meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat

from attrs import frozen

from waveflow.application.work_root import FOLDER_FLAGS

LOCK_NAME = "in-use"
ABANDONED_AFTER_S = 30 * 60.0
EXPIRED_AFTER_S = 2 * 3600.0

_NO_LOCK = (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""What opening says where there is no lock: nothing, a link, a folder, a socket."""


@frozen
class _Content:
    size_bytes: int
    newest_s: float
    is_all_here: bool


def swept_bytes(root: int, name: str, now_s: float) -> int | None:
    """Remove the folder `name` of a task that has died.

    Args:
        root: descriptor of the work folder.
        now_s: Unix time.

    Returns:
        The size of the files removed; None when the folder stays.

    Raises:
        OSError: when it is no folder, has gone, or can't be removed; as much as can be is gone
            then: one bad entry doesn't keep the rest.
    """
    folder = os.open(name, FOLDER_FLAGS, dir_fd=root)
    try:
        if os.fstat(folder).st_uid != os.geteuid():
            return None
        content = _content_of(folder, os.fstat(root).st_dev)
        age_s = now_s - content.newest_s
        if not content.is_all_here or not _has_died(folder, age_s):
            return None
        shutil.rmtree(".", ignore_errors=True, dir_fd=folder)
        os.rmdir(name, dir_fd=root)
        return content.size_bytes
    finally:
        os.close(folder)


def _has_died(folder: int, age_s: float) -> bool:
    return age_s > EXPIRED_AFTER_S or (age_s > ABANDONED_AFTER_S and not _is_locked(folder))


def _content_of(folder: int, device: int) -> _Content:
    """What lies in a folder; nothing that is mounted there is the task's."""
    size_bytes, is_all_here = 0, True
    newest_s = os.fstat(folder).st_mtime
    for _, folders, files, inner in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        is_all_here = is_all_here and os.fstat(inner).st_dev == device
        for entry in (*folders, *files):
            try:
                status = os.stat(entry, dir_fd=inner, follow_symlinks=False)
            except FileNotFoundError:
                continue
            newest_s = max(newest_s, status.st_mtime)
            is_all_here = is_all_here and status.st_dev == device
            size_bytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return _Content(size_bytes, newest_s, is_all_here)


def _is_locked(folder: int) -> bool:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        lock = os.open(LOCK_NAME, flags, dir_fd=folder)
    except OSError as error:
        # Anything else, such as too many open files, says nothing of the lock.
        return error.errno not in _NO_LOCK
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
