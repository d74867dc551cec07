"""A storage in a local folder: each object is a file whose path below the folder is its key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waveflow.adapters.storage.atomic import exclusive, staged_file
from waveflow.adapters.storage.conditions import require_condition, require_version
from waveflow.adapters.storage.listing import files_below
from waveflow.adapters.storage.os_errors import storage_errors
from waveflow.adapters.storage.paths import (
    Place,
    locate,
    open_folder,
    open_regular_file,
    regular_file,
    remove_empty_folders,
)
from waveflow.adapters.storage.reading import FileStream, etag_of, stat_of
from waveflow.application.ports import (
    AudioStorage,
    IfAbsent,
    ObjectStat,
    ObjectStream,
    WriteCondition,
)
from waveflow.domain.errors import StorageUnavailable


class FolderAudioStorage(AudioStorage):
    """Objects as files, for people to browse; may be shared by threads and by processes.

    Names are used as they are, Unicode, spaces and parentheses included. A key can't be a file
    and the folder of other keys at once, nor a symbolic link or below one: `InvalidKey`. Writes
    are prepared in the hidden folder `.waveflow-tmp`, which also holds the lock.

    An ETag is made of the file's inode, size and times of modification and change. It costs no
    reading, and notices every write of WaveFlow and every edit by others but one: an edit in
    place that keeps the size, within the same tick of the kernel's clock (1 to 10 ms) as the edit
    before it. It also changes when only the permissions or the number of links do, and in a
    copy of the folder. Programs that know of no lock can come between the check and the act of
    a conditional write or delete, except for `IfAbsent`.

    The file system has to offer `flock` and hard links.
    """

    def __init__(self, root: Path) -> None:
        """Use the folder `root`, which is made if it doesn't exist.

        Raises:
            StorageUnavailable: when it can't be made, is a file, or names aren't UTF-8 here.
        """
        self._root = root.absolute()
        if sys.getfilesystemencoding() != "utf-8":
            raise StorageUnavailable(
                "File names are not UTF-8 here, so keys can't be told apart; set PYTHONUTF8=1."
            )
        with storage_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)

    def stat(self, key: str) -> ObjectStat:
        """The current version of the object. Raises `ObjectNotFound`."""
        place = locate(key)
        with storage_errors(self._root, key=key), open_folder(self._root, place.folders) as folder:
            return stat_of(key, regular_file(folder, place))

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        """Open one version of the object; replacing or deleting it doesn't disturb the reader.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when `if_match` is given and is not the current version.
        """
        place = locate(key)
        with storage_errors(self._root, key=key), open_folder(self._root, place.folders) as folder:
            file = open_regular_file(folder, place)
        with file:
            stream = FileStream(self._root, key, file)
            require_version(key, stream.stat.etag, if_match)
            yield stream

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,  # noqa: ARG002  the port's; see below
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        """Store `body` under `key`; on return it has reached the disk.

        The content type is not kept: it follows from the name, as for any local file.

        Raises:
            ObjectChanged: when `condition` isn't met; nothing is written.
            OSError: when `body` is a local file that can't be read.
        """
        place = locate(key)
        # Asked again below: here it only spares a long copy that can't be put in place.
        self._require(place, condition)
        with staged_file(self._root) as staged:
            staged.fill(body)
            with exclusive(self._root):
                self._require(place, condition)
                with open_folder(self._root, place.folders, create=True) as folder:
                    only_if_absent = isinstance(condition, IfAbsent)
                    info = staged.put(folder, place, only_if_absent=only_if_absent)
        return stat_of(key, info)

    def delete(self, key: str, *, if_match: str) -> None:
        """Delete the object if it is still the version named by `if_match`.

        Folders that become empty are removed as well.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when another version is; it is kept.
        """
        place = locate(key)
        with exclusive(self._root):
            with (
                storage_errors(self._root, key=key),
                open_folder(self._root, place.folders) as folder,
            ):
                info = regular_file(folder, place)
                require_version(key, etag_of(info), if_match)
                os.unlink(place.name, dir_fd=folder)
                os.fsync(folder)
            remove_empty_folders(self._root, place.folders)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """All objects whose key begins with `prefix`, in key order.

        Each folder is read when its turn comes, and its objects are as they were then.
        """
        files = files_below(self._root, prefix)
        while True:
            with storage_errors(self._root):
                found = next(files, None)
            if found is None:
                return
            yield stat_of(found.key, found.info)

    def _require(self, place: Place, condition: WriteCondition | None) -> None:
        with storage_errors(self._root):
            try:
                with open_folder(self._root, place.folders) as folder:
                    current = etag_of(regular_file(folder, place))
            except FileNotFoundError:
                current = None
        require_condition(place.key, current, condition)
