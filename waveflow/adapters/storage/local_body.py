"""The local file that becomes an object. Decoders, which may have been taken over, make such files.

A link in its place would have the worker read what only the worker may, such as its own
environment, and store it where others can read it; a pipe would keep the worker waiting for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from waveflow.application.disk_errors import NotAFile


def open_local(path: Path) -> BinaryIO:
    """Open a regular file, not through a link, to be read without a buffer.

    Raises:
        NotAFile: when there is something else.
        OSError: when it can't be opened.
    """
    # Without O_NONBLOCK, a pipe is opened when somebody writes into it, and not before.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise _not_a_file(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_a_file(path)
    return os.fdopen(descriptor, "rb", buffering=0)


def _not_a_file(path: Path) -> NotAFile:
    return NotAFile(errno.EINVAL, "It is no regular file", str(path))
