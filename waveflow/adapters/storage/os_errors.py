"""What the operating system says of a storage folder, in terms of the port."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waveflow.adapters.storage.conditions import not_found
from waveflow.domain.errors import InvalidKey, StorageUnavailable

_FULL = "is full: free some space"
_FORBIDDEN = "may not be used: check its owner, its permissions and that it isn't read-only"
_BROKEN = "can't be reached: check the disk or the network share"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "can't take a file of this size: check the file system and `ulimit -f`",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.EIO: _BROKEN,
    errno.ESTALE: _BROKEN,
    errno.ETIMEDOUT: _BROKEN,
    errno.EHOSTDOWN: _BROKEN,
    errno.ENOTCONN: _BROKEN,
    errno.ENOENT: "is gone, or part of it: create it or mount it again",
    errno.ENOTDIR: "is not a folder, or lies below a file: give the path of a folder",
    errno.EEXIST: "is not a folder: give the path of a folder",
    errno.ELOOP: "is behind symbolic links that lead nowhere: give the path of a folder",
    errno.EXDEV: "spans several file systems: keep all of it on one",
    errno.EMFILE: "can't be read, too many files are open: raise `ulimit -n`",
    errno.ENFILE: "can't be read, too many files are open: raise `fs.file-max`",
    errno.ENOLCK: "can't be locked: use a file system with locks",
}
_UNSUITABLE_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ)


@contextmanager
def storage_errors(root: Path, *, key: str | None = None) -> Iterator[None]:
    """Raise the port's errors in place of `OSError`.

    Args:
        key: the object that the block looks for; a missing file is then a missing object.

    Raises:
        ObjectNotFound: for a file that doesn't exist, when `key` is given.
        InvalidKey: for a name that the file system can't hold.
        StorageUnavailable: for everything else, with what to do about it.
    """
    try:
        yield
    except OSError as exc:
        if key is not None and exc.errno == errno.ENOENT:
            raise not_found(key) from exc
        if exc.errno in _UNSUITABLE_NAMES:
            raise InvalidKey(
                f"The file system of {root} can't hold a file of this name; use another key."
            ) from exc
        advice = _ADVICE.get(exc.errno or 0, "doesn't work: see the reason and try again")
        raise StorageUnavailable(f"The storage folder {root} {advice} ({exc}).") from exc
