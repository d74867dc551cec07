"""From storage keys to open folders below a root: step by step, and never through a link.

A path that was looked at and then used by name can be swapped for a symbolic link in between.
So every step opens the next folder relative to the one that is already open, with O_NOFOLLOW:
what was checked is what is used. Links are refused even where they would stay inside the root,
since otherwise one object had several keys, and deleting a "copy" could delete the original.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from attrs import frozen

from waveflow.adapters.storage.os_errors import storage_errors
from waveflow.domain.errors import InvalidKey
from waveflow.domain.keys import folded, require_key

SCRATCH = ".waveflow-tmp"

_MAX_SEGMENT_BYTES = 255
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@frozen
class Place:
    """Where below the root the object of a key lies."""

    key: str
    folders: tuple[str, ...]
    name: str


def locate(key: str) -> Place:
    """The place of a key.

    Raises:
        InvalidKey: for a key that isn't valid anywhere, has a segment of more than 255 bytes,
            or begins with the folder in which writes are prepared.
    """
    *folders, name = require_key(key).split("/")
    if any(len(segment.encode()) > _MAX_SEGMENT_BYTES for segment in (*folders, name)):
        raise InvalidKey(
            f"The storage key {key[:140]!r} has a segment of more than {_MAX_SEGMENT_BYTES}"
            " bytes, which is more than a file name can have; use a shorter name."
        )
    if folded((*folders, name)[0]) == SCRATCH:
        raise InvalidKey(
            f"The storage key {key[:140]!r} begins with {SCRATCH!r}, which is reserved;"
            " use another name."
        )
    return Place(key, tuple(folders), name)


@contextmanager
def open_folder(root: Path, folders: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder below `root`, closed on leaving; missing ones can be made.

    Raises:
        FileNotFoundError: when one of `folders` doesn't exist.
        InvalidKey: when one of them is a file or a symbolic link.
        StorageUnavailable: when the root itself can't be opened.
    """
    with storage_errors(root):
        folder = os.open(root, _FOLDER)
    try:
        for name in folders:
            inner = _step(folder, name, create=create)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _step(folder: int, name: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            os.fsync(folder)
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as exc:
        if exc.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        raise InvalidKey(
            f"{name!r} is a file or a symbolic link, so nothing can be stored below it;"
            " use another key."
        ) from exc


def regular_file(folder: int, place: Place) -> os.stat_result:
    """What the file system says of the object, whose folder is open.

    Raises:
        FileNotFoundError: when there is none.
        InvalidKey: when it is a folder, a symbolic link or anything else but a file.
    """
    return _require_regular(os.stat(place.name, dir_fd=folder, follow_symlinks=False), place)


def open_regular_file(folder: int, place: Place) -> FileIO:
    """The object, whose folder is open, for reading; raises as `regular_file`."""
    regular_file(folder, place)
    # It may be swapped for a pipe right now: opening one must not wait for a writer.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(place.name, flags, dir_fd=folder)
    try:
        _require_regular(os.fstat(descriptor), place)
        return FileIO(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(info: os.stat_result, place: Place) -> os.stat_result:
    if not stat.S_ISREG(info.st_mode):
        what = "a folder" if stat.S_ISDIR(info.st_mode) else "a symbolic link or a special file"
        raise InvalidKey(f"{place.key!r} is {what} and can't be an object; use another key.")
    return info


def remove_empty_folders(root: Path, folders: Sequence[str]) -> None:
    """Remove the innermost of `folders` if nothing is in it, then the one above, and so on."""
    with suppress(OSError, InvalidKey):
        for depth in range(len(folders) - 1, -1, -1):
            with open_folder(root, folders[:depth]) as folder:
                os.rmdir(folders[depth], dir_fd=folder)
