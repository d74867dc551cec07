"""A storage that lives in this process and ends with it: for tests, demos and dry runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from attrs import frozen

from waveflow.adapters.storage.conditions import not_found, require_condition, require_version
from waveflow.adapters.storage.local_body import open_local
from waveflow.application.ports import AudioStorage, ObjectStat, ObjectStream, WriteCondition
from waveflow.domain.keys import require_key

_CHUNK_BYTES = 256 * 1024


@frozen
class _StoredObject(ObjectStream):
    """One version of an object. It never changes, so whoever holds it reads a snapshot."""

    body: bytes
    stat: ObjectStat

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.body), _CHUNK_BYTES):
            yield self.body[start : start + _CHUNK_BYTES]


class InMemoryAudioStorage(AudioStorage):
    """Objects in a dictionary; may be shared by any number of threads.

    An ETag is the MD5 of the content, as S3's is for a plain upload. A counter would promise
    more than S3 keeps: code that takes two writes of equal bytes for two versions would pass
    here and fail there.
    """

    def __init__(self) -> None:
        self._objects: dict[str, _StoredObject] = {}
        self._lock = Lock()

    def stat(self, key: str) -> ObjectStat:
        """The current version of the object. Raises `ObjectNotFound`."""
        return self._current(key).stat

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        """Open a snapshot of the object; later writes and deletes don't disturb it.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when `if_match` is given and is not the current version.
        """
        found = self._current(key)
        require_version(key, found.stat.etag, if_match)
        yield found

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,  # noqa: ARG002  the port's; see below
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        """Store `body` under `key`; its content type is not kept, since nothing asks for it.

        Raises:
            ObjectChanged: when `condition` isn't met; nothing is written.
            OSError: when `body` is a local file that can't be read.
        """
        require_key(key)
        content = _content_of(body)
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        stat = ObjectStat(key, len(content), etag)
        with self._lock:
            current = self._objects.get(key)
            require_condition(key, current.stat.etag if current else None, condition)
            self._objects[key] = _StoredObject(content, stat)
        return stat

    def delete(self, key: str, *, if_match: str) -> None:
        """Delete the object if it is still the version named by `if_match`.

        Raises:
            ObjectNotFound: when nothing is stored under `key`.
            ObjectChanged: when another version is; it is kept.
        """
        require_key(key)
        with self._lock:
            current = self._objects.get(key)
            if current is None:
                raise not_found(key)
            require_version(key, current.stat.etag, if_match)
            del self._objects[key]

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """All objects whose key begins with `prefix`, in key order, as of the first step."""
        with self._lock:
            found = [item.stat for key, item in self._objects.items() if key.startswith(prefix)]
        yield from sorted(found, key=lambda stat: stat.key)

    def _current(self, key: str) -> _StoredObject:
        with self._lock:
            found = self._objects.get(require_key(key))
        if found is None:
            raise not_found(key)
        return found


def _content_of(body: bytes | Path) -> bytes:
    if not isinstance(body, Path):
        return bytes(body)
    with open_local(body) as file:
        return file.read()
