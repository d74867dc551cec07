"""Walking the files below a root in the order of their keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from waveflow.adapters.storage.paths import locate, open_folder
from waveflow.domain.errors import InvalidKey


@frozen
class FoundFile:
    """A file, under the key that it has as an object."""

    key: str
    info: os.stat_result


@frozen
class _Folder:
    # Ends with a slash (the root: ""), because that is what orders it among its siblings:
    # "a-b" < "a/x" < "a0", although "a" < "a-b".
    key: str


def files_below(root: Path, prefix: str) -> Iterator[FoundFile]:
    """All regular files whose key begins with `prefix`, in key order.

    Only folders that can hold such keys are opened, one at a time, and none is kept open while
    the caller works. What vanishes meanwhile is left out, as are links, special files and names
    that can't be keys.
    """
    parent, slash, _ = prefix.rpartition("/")
    pending: list[_Folder | FoundFile] = [_Folder(parent + slash)]
    while pending:
        item = pending.pop()
        if isinstance(item, FoundFile):
            yield item
        else:
            inside = (entry for entry in _entries(root, item) if entry.key.startswith(prefix))
            pending += sorted(inside, key=lambda entry: entry.key, reverse=True)


def _entries(root: Path, folder: _Folder) -> list[_Folder | FoundFile]:
    try:
        with (
            open_folder(root, _segments(folder)) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            read = [_classify(folder, entry) for entry in entries]
    except (FileNotFoundError, InvalidKey):
        return []
    return [entry for entry in read if entry is not None]


def _segments(folder: _Folder) -> tuple[str, ...]:
    if not folder.key:
        return ()
    place = locate(folder.key.removesuffix("/"))
    return (*place.folders, place.name)


def _classify(folder: _Folder, entry: os.DirEntry[str]) -> _Folder | FoundFile | None:
    key = folder.key + entry.name
    try:
        locate(key)
        if entry.is_dir(follow_symlinks=False):
            return _Folder(key + "/")
        if entry.is_file(follow_symlinks=False):
            return FoundFile(key, entry.stat(follow_symlinks=False))
    except (FileNotFoundError, InvalidKey):
        pass
    return None
