"""What the tests of the folder storage do again and again."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.support.contracts.storage_actions import content, put
from waveflow.adapters.storage import atomic
from waveflow.adapters.storage.local_body import open_local
from waveflow.application.ports import AudioStorage, IfAbsent, IfMatch, ObjectStat, WriteCondition
from waveflow.domain.errors import InvalidKey

REPOSITORY = Path(__file__).parents[4]
SCRATCH = ".waveflow-tmp"


def parts(root: Path) -> list[Path]:
    """Files that are being prepared, or were when their writer died."""
    return list((root / SCRATCH).glob("*.part"))


def assert_refused(storage: AudioStorage, key: str, reason: str) -> None:
    """Every method that takes a key refuses this one."""
    with pytest.raises(InvalidKey, match=reason):
        storage.stat(key)
    with pytest.raises(InvalidKey, match=reason):
        content(storage, key)
    for condition in (None, IfAbsent(), IfMatch("etag")):
        with pytest.raises(InvalidKey, match=reason):
            put(storage, key, b"sound", condition)
    with pytest.raises(InvalidKey, match=reason):
        storage.delete(key, if_match="etag")


def _open_pipes_too(path: Path) -> BinaryIO:
    """Files that arrive slowly can't be had; the storage refuses pipes."""
    return path.open("rb", buffering=0) if path.parts[1] == "dev" else open_local(path)


class SlowWrite:
    """A write whose body arrives through a pipe: inside the block it is half done."""

    def __init__(
        self, storage: AudioStorage, key: str, condition: WriteCondition | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._source, self._pipe = os.pipe()
        body = Path(f"/dev/fd/{self._source}")
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(atomic, "open_local", _open_pipes_too)
        self.outcome: Future[ObjectStat] = self._pool.submit(put, storage, key, body, condition)

    def __enter__(self) -> SlowWrite:
        # More than a pipe holds: on return, the writer has taken at least some of it.
        rest = bytes(1024 * 1024)
        while rest:
            rest = rest[os.write(self._pipe, rest) :]
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._pipe)
        self._pool.shutdown()
        self._patch.undo()
        os.close(self._source)


def python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Another process that runs `code`, with pipes to its standard input and output."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
