"""The lease under which a thread works, and a storage that is touched only while it holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from waveflow.application.breaker import StorageBreakers, storage_breakers
from waveflow.application.ports import AudioStorage, ObjectStat, ObjectStream, WriteCondition
from waveflow.application.task_times import Stage, in_stage
from waveflow.domain.errors import ObjectChanged, ObjectNotFound, StorageUnavailable, StorageUse
from waveflow.domain.keys import MIX_PREFIX, OWN_PREFIXES, WAVEFORM_PREFIX


class Lease(Protocol):
    """The right to work on a message."""

    def require(self) -> None:
        """Raises `LeaseLost` once the message may have been delivered to somebody else."""


class CurrentLease:
    """Says whether the calling thread may go on with the message that it works on.

    A thread that works on no message (a command, a timer) may do what it likes. One that is
    started with a copy of the context of another (`side_by_side`) works under the other's lease.
    """

    def __init__(self) -> None:
        self._held: ContextVar[Lease | None] = ContextVar("lease", default=None)

    @contextmanager
    def held(self, lease: Lease) -> Iterator[None]:
        """Within the block the calling thread works under `lease`."""
        self._held.set(lease)
        try:
            yield
        finally:
            self._held.set(None)

    def require(self) -> None:
        """Raises `LeaseLost` when the calling thread's lease is lost."""
        lease = self._held.get()
        if lease is not None:
            lease.require()


@frozen
class _LeasedStream(ObjectStream):
    inner: ObjectStream
    lease: CurrentLease

    @property
    def stat(self) -> ObjectStat:
        return self.inner.stat

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.inner:
            self.lease.require()
            yield chunk


@frozen
class LeasedStorage(AudioStorage):
    """A storage that raises `LeaseLost` instead of working for somebody whose lease is lost.

    Attributes:
        breakers: told what came of each request.
    """

    inner: AudioStorage
    lease: CurrentLease = field(factory=CurrentLease)
    breakers: StorageBreakers = field(factory=storage_breakers)

    def stat(self, key: str) -> ObjectStat:
        with self._asked_for(key, "reading", moves_content=False):
            return self.inner.stat(key)

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        with (
            self._asked_for(key, "reading"),
            self.inner.read(key, if_match=if_match) as stream,
        ):
            yield _LeasedStream(stream, self.lease)

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        with self._asked_for(key, "writing"):
            return self.inner.write(key, body, content_type=content_type, condition=condition)

    def delete(self, key: str, *, if_match: str) -> None:
        with self._asked_for(key, "deleting"):
            self.inner.delete(key, if_match=if_match)

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        with self._asked_for(prefix, "reading", moves_content=False):
            for stat in self.inner.list(prefix):
                self.lease.require()
                yield stat

    @contextmanager
    def _asked_for(
        self, key: str, use: StorageUse, *, moves_content: bool = True
    ) -> Iterator[None]:
        self.lease.require()
        breaker = self.breakers.of(use)
        try:
            with in_stage(_stage_of(key, use)):
                yield
        except StorageUnavailable as error:
            error.use = use
            breaker.failed(key)
            raise
        except (ObjectNotFound, ObjectChanged):
            breaker.answered()
            raise
        # With a key of KMS that is disabled S3 still says what is there, and what isn't.
        if moves_content:
            breaker.worked()
        else:
            breaker.answered()


def _stage_of(key: str, use: StorageUse) -> Stage:
    if use == "writing" and key.startswith((WAVEFORM_PREFIX, MIX_PREFIX)):
        return "upload"
    return "records" if use == "deleting" or key.startswith(OWN_PREFIXES) else "download"
