"""A storage that passes everything on, and lets a test act around every single step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.ports import AudioStorage, ObjectStat, ObjectStream, WriteCondition


class ProcessDiedError(BaseException):
    """Raised where a test lets the process die: no handler of errors sees that."""


@frozen
class Step:
    """One thing that was asked of the storage: stat, read, chunk, write, delete or list."""

    method: str
    key: str


def _nothing(step: Step) -> None:
    return


class Trouble:
    """Raises `error` at the step numbered `at` (from 0), once; put it before or after the steps."""

    def __init__(self, at: int, error: BaseException) -> None:
        self._at = at
        self._error = error
        self._seen = 0
        self.happened = False

    def __call__(self, step: Step) -> None:
        self._seen += 1
        if self._seen == self._at + 1:
            self.happened = True
            raise self._error


@frozen
class _WatchedStream(ObjectStream):
    stream: ObjectStream
    take_step: Callable[[Step], None]

    @property
    def stat(self) -> ObjectStat:
        return self.stream.stat

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.stream:
            self.take_step(Step("chunk", self.stat.key))
            yield chunk


@define
class WatchedStorage(AudioStorage):
    """An in-memory storage around which tests act.

    Attributes:
        before: called before each step; what it raises, the caller gets, and nothing happens.
        after: called after each step; what it raises, the caller gets, though it happened.
        steps: everything that was asked for.
    """

    inner: AudioStorage = field(factory=InMemoryAudioStorage)
    before: Callable[[Step], None] = _nothing
    after: Callable[[Step], None] = _nothing
    steps: list[Step] = field(factory=list)

    def stat(self, key: str) -> ObjectStat:
        with self._step("stat", key):
            return self.inner.stat(key)

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        self._begin(Step("read", key))
        with self.inner.read(key, if_match=if_match) as stream:
            self.after(Step("read", key))
            yield _WatchedStream(stream, self._begin)

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        with self._step("write", key):
            return self.inner.write(key, body, content_type=content_type, condition=condition)

    def delete(self, key: str, *, if_match: str) -> None:
        with self._step("delete", key):
            self.inner.delete(key, if_match=if_match)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        with self._step("list", prefix):
            return self.inner.list(prefix)

    def count(self, method: str) -> int:
        """How many steps of one kind there were."""
        return sum(step.method == method for step in self.steps)

    def leave_alone(self) -> None:
        """Nothing happens around the steps from here on."""
        self.before = self.after = _nothing

    @contextmanager
    def _step(self, method: str, key: str) -> Iterator[None]:
        self._begin(Step(method, key))
        yield
        self.after(Step(method, key))

    def _begin(self, step: Step) -> None:
        self.steps.append(step)
        self.before(step)
