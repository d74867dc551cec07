"""Writing files whole or not at all: prepared in a hidden folder, then put in place at once."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from waveflow.adapters.storage.conditions import already_there
from waveflow.adapters.storage.local_body import open_local
from waveflow.adapters.storage.os_errors import storage_errors
from waveflow.adapters.storage.paths import SCRATCH, Place, open_folder
from waveflow.domain.errors import InvalidKey, StorageUnavailable

_COPY_BYTES = 1024 * 1024
_LOCK = "lock"
_SUFFIX = ".part"
_ABANDONED_AFTER_NS = 3600 * 10**9


class StagedFile:
    """A file that is being prepared in the scratch folder, and has yet to get its place."""

    def __init__(self, root: Path, scratch: int) -> None:
        self._root = root
        self._name = secrets.token_hex(16) + _SUFFIX
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(self._name, flags, 0o666, dir_fd=scratch)
        self._scratch = os.dup(scratch)

    def fill(self, body: bytes | Path) -> None:
        """Take all of `body`, and have it on the disk on return.

        An `OSError` of the local file `body` is passed on as it is: it is the caller's.
        """
        for chunk in _chunks_of(body):
            with storage_errors(self._root):
                _write_all(self._file, chunk)
        with storage_errors(self._root):
            # The time stamps of many kernels advance every few milliseconds only. With a full
            # one, two versions differ even when the file system reuses an inode at once.
            now_ns = time.time_ns()
            os.utime(self._file, ns=(now_ns, now_ns))
            os.fsync(self._file)

    def put(self, folder: int, place: Place, *, only_if_absent: bool) -> os.stat_result:
        """Make this the file at `place`, whose folder is open, and say what it is now.

        Raises:
            ObjectChanged: when `only_if_absent`, and something is there.
        """
        names = (self._name, place.name)
        if only_if_absent:
            # Unlike a rename, this fails where a program that knows of no lock was faster.
            try:
                os.link(*names, src_dir_fd=self._scratch, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError as exc:
                raise already_there(place.key) from exc
            os.unlink(self._name, dir_fd=self._scratch)
        else:
            os.rename(*names, src_dir_fd=self._scratch, dst_dir_fd=folder)
        os.fsync(folder)
        return os.fstat(self._file)

    def close(self) -> None:
        """Remove what has not been put in place."""
        os.close(self._file)
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._scratch)
        os.close(self._scratch)


@contextmanager
def staged_file(root: Path) -> Iterator[StagedFile]:
    """A new file in the scratch folder, gone on leaving unless it was put in place.

    Only the storage's own errors are translated: what the caller's block raises is the caller's.
    """
    with storage_errors(root), _scratch_folder(root) as scratch:
        _sweep(scratch)
        staged = StagedFile(root, scratch)
    try:
        yield staged
    finally:
        staged.close()


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Keep all other threads and processes that write below `root` out of the block.

    The kernel frees the lock of a process that dies. Each entry opens the lock file anew, and
    a lock belongs to that opening: this is why it also separates the threads of one process.

    Raises:
        StorageUnavailable: in place of any `OSError`, those of the block included.
    """
    with storage_errors(root):
        with _scratch_folder(root) as scratch:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            lock = os.open(_LOCK, flags, 0o666, dir_fd=scratch)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            # Closing alone would not free it while a forked child has inherited the descriptor.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
            os.close(lock)


@contextmanager
def _scratch_folder(root: Path) -> Iterator[int]:
    try:
        with open_folder(root, [SCRATCH], create=True) as scratch:
            yield scratch
    except InvalidKey as exc:
        raise StorageUnavailable(
            f"{root / SCRATCH} is in the way: it has to be a folder, or missing; remove it."
        ) from exc


def _sweep(scratch: int) -> None:
    """Remove what writers that died left behind: files that haven't grown for an hour."""
    oldest_ns = time.time_ns() - _ABANDONED_AFTER_NS
    for name in os.listdir(scratch):
        if not name.endswith(_SUFFIX):
            continue
        with suppress(OSError):
            info = os.stat(name, dir_fd=scratch, follow_symlinks=False)
            if info.st_mtime_ns < oldest_ns:
                os.unlink(name, dir_fd=scratch)


def _chunks_of(body: bytes | Path) -> Iterator[bytes]:
    if isinstance(body, Path):
        with open_local(body) as source:
            while chunk := source.read(_COPY_BYTES):
                yield chunk
    else:
        yield body


def _write_all(file: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(file, rest) :]
