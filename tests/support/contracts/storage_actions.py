"""What the contract of `AudioStorage` does again and again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest

from waveflow.application.ports import (
    AudioStorage,
    IfAbsent,
    IfMatch,
    ObjectStat,
    WriteCondition,
)
from waveflow.domain.errors import InvalidKey, ObjectNotFound, WaveFlowError

Outcome = TypeVar("Outcome")


def put(
    storage: AudioStorage,
    key: str,
    body: bytes | Path = b"sound",
    condition: WriteCondition | None = None,
) -> ObjectStat:
    """Write an object whose content type doesn't matter."""
    return storage.write(key, body, content_type="audio/wav", condition=condition)


def content(storage: AudioStorage, key: str, *, if_match: str | None = None) -> bytes:
    """All bytes of an object."""
    with storage.read(key, if_match=if_match) as stream:
        return b"".join(stream)


def keys(storage: AudioStorage, prefix: str) -> list[str]:
    """The keys that are listed under a prefix."""
    return [stat.key for stat in storage.list(prefix)]


def at_once(workers: int, act: Callable[[int], Outcome]) -> list[Outcome | WaveFlowError]:
    """What each of several threads got, or met, that began to `act` at the same moment."""
    ready = Barrier(workers)

    def begin(number: int) -> Outcome | WaveFlowError:
        ready.wait(timeout=30)
        try:
            return act(number)
        except WaveFlowError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(begin, range(workers)))


def is_refused(storage: AudioStorage, key: str) -> bool:
    """Whether the key is refused, by each method as by the others. It names nothing yet."""
    try:
        storage.stat(key)
    except ObjectNotFound:
        return False
    except InvalidKey:
        pass
    with pytest.raises(InvalidKey), storage.read(key):
        pass
    for condition in (None, IfAbsent(), IfMatch("etag")):
        with pytest.raises(InvalidKey):
            put(storage, key, b"sound", condition)
    with pytest.raises(InvalidKey):
        storage.delete(key, if_match="etag")
    return True
