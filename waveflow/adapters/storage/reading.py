"""Reading one version of a file, and noticing when it doesn't stay that version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from waveflow.adapters.storage.os_errors import storage_errors
from waveflow.application.ports import ObjectStat, ObjectStream
from waveflow.domain.errors import ObjectChanged, StorageUnavailable

_CHUNK_BYTES = 256 * 1024


def etag_of(info: os.stat_result) -> str:
    """A name for this version of a file."""
    times = f"{info.st_mtime_ns:x}-{info.st_ctime_ns:x}"
    return f"{info.st_ino:x}-{info.st_size:x}-{times}"


def stat_of(key: str, info: os.stat_result) -> ObjectStat:
    """What the port says of a file."""
    return ObjectStat(key, info.st_size, etag_of(info))


class FileStream(ObjectStream):
    """The bytes of an open file, as it was when this stream was made."""

    def __init__(self, root: Path, key: str, file: FileIO) -> None:
        self._root = root
        self._file = file
        with storage_errors(root):
            self._opened = os.fstat(file.fileno())
        self._stat = stat_of(key, self._opened)

    @property
    def stat(self) -> ObjectStat:
        """The version that is being read."""
        return self._stat

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, in chunks of at most 256 KiB, each checked to be of the opened version.

        Raises:
            StorageUnavailable: when the file no longer has the size that it had.
            ObjectChanged: when it was written to.
        """
        self._require_unchanged()
        position = 0
        while position < self._opened.st_size:
            chunk = self._chunk_at(position)
            position += len(chunk)
            yield chunk

    def _chunk_at(self, position: int) -> bytes:
        with storage_errors(self._root):
            size_bytes = min(_CHUNK_BYTES, self._opened.st_size - position)
            chunk = os.pread(self._file.fileno(), size_bytes, position)
        self._require_unchanged()
        if not chunk:
            raise StorageUnavailable(
                f"{self._stat.key!r} ends after {position} of its {self._stat.size_bytes} bytes;"
                " check the disk or the network share."
            )
        return chunk

    def _require_unchanged(self) -> None:
        with storage_errors(self._root):
            now = os.fstat(self._file.fileno())
        if now.st_size != self._opened.st_size:
            raise StorageUnavailable(
                f"{self._stat.key!r} has {now.st_size} bytes instead of the"
                f" {self._stat.size_bytes} that it had when it was opened; try again."
            )
        # The time of change is left out: it moves when a writer replaces the file, whose bytes
        # stay readable here.
        if now.st_mtime_ns != self._opened.st_mtime_ns:
            raise ObjectChanged(f"{self._stat.key!r} was changed while it was being read.")
