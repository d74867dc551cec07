"""A body on its way to S3: bytes, or a local file that is never in memory as a whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from waveflow.adapters.storage.local_body import open_local


class Body:
    """A file as botocore wants it: it reads from the start, several times over.

    It has the length that it had at first, whatever is done to the file meanwhile. botocore
    takes its errors for those of the network, so they are kept.

    Attributes:
        error: what kept the file from being read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = file.seek(0, os.SEEK_END)
        self.error: OSError | None = None
        file.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes; the rest, if that is negative or None."""
        rest = self.size_bytes - self._file.tell()
        wanted = rest if size is None or size < 0 else min(size, rest)
        try:
            piece = self._file.read(wanted)
            if wanted and not piece:
                raise OSError(errno.EIO, "The file has been cut short while it was read")
        except OSError as exc:
            self.error = exc
            raise
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere else."""
        if whence == os.SEEK_END:
            return self._file.seek(self.size_bytes + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()


@contextmanager
def opened(body: bytes | Path) -> Iterator[Body]:
    """A body at its start, closed on leaving.

    Raises:
        OSError: of the local file, in place of whatever else came of it.
    """
    with open_local(body) if isinstance(body, Path) else BytesIO(body) as file:
        content = Body(file)
        try:
            yield content
        except Exception:
            if content.error is not None:
                raise content.error from None
            raise


def same_bytes(chunks: Iterable[bytes], body: bytes | Path) -> bool:
    """Whether `chunks` are, all in all, the bytes of `body`; compared piece by piece."""
    with opened(body) as content:
        return all(content.read(len(chunk)) == chunk for chunk in chunks) and (
            content.tell() == content.size_bytes
        )
