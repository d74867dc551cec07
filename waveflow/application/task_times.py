"""How long the stages of a task take, and how much it reads: noted by whoever does the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock, get_ident
from types import TracebackType
from typing import Literal, get_args

from waveflow.application.clock import Clock

Stage = Literal[
    "disk_wait",
    "download",
    "hash",
    "records",
    "compute_wait",
    "decode",
    "upload",
    "webhook",
    "settle",
]
"""What a task does in turn, or in several threads at once.

- `disk_wait`: for room in the work folder, which other tasks hold
- `download`: stems from the storage, into the work folder where they are needed there
- `hash`: SHA-256 over them
- `records`: small objects of our own: looking for them, reading and writing them
- `compute_wait`: for a compute process
- `decode`: in a compute process, the way there and back included
- `upload`: waveforms and mixes
- `webhook`: telling the server, waiting for one that is away included
- `settle`: doing to the message what was decided
"""

STAGES: tuple[Stage, ...] = get_args(Stage)


class TaskTimes:
    """One task's stopwatch, for all threads that work on it.

    Every moment belongs to one stage: in each thread to the innermost that it is in. A moment in
    which several threads work is shared among them. So all stages together never take longer
    than the task.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        """Begin to measure; no stage has begun."""
        self._now_s = (clock or Clock()).monotonic_s
        self._lock = Lock()
        self._under_way: dict[int, Stage] = {}
        self._since_s = 0.0
        self._taken_s: dict[Stage, float] = {}
        self._size_bytes = 0
        self._audio_s = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of stems that were read."""
        return self._size_bytes

    @property
    def audio_s(self) -> float:
        """Seconds of audio that were drawn or mixed."""
        return self._audio_s

    def taken_s(self) -> dict[str, float]:
        """Seconds of each stage that took place, in the order of `STAGES`."""
        with self._lock:
            self._share_out()
            return {stage: self._taken_s[stage] for stage in STAGES if stage in self._taken_s}

    def enter(self, stage: Stage) -> Stage | None:
        """The calling thread is in that stage now. Returns in which it was before."""
        with self._lock:
            self._share_out()
            thread_id = get_ident()
            before = self._under_way.get(thread_id)
            self._under_way[thread_id] = stage
            return before

    def leave(self, before: Stage | None) -> None:
        """The calling thread is back in the stage in which it was before."""
        with self._lock:
            self._share_out()
            if before is None:
                del self._under_way[get_ident()]
            else:
                self._under_way[get_ident()] = before

    def read(self, size_bytes: int) -> None:
        """So much of a stem was read."""
        with self._lock:
            self._size_bytes += size_bytes

    def heard(self, audio_s: float) -> None:
        """So much audio was drawn or mixed."""
        with self._lock:
            self._audio_s += audio_s

    def _share_out(self) -> None:
        now_s = self._now_s()
        if self._under_way:
            each_s = (now_s - self._since_s) / len(self._under_way)
            for stage in self._under_way.values():
                self._taken_s[stage] = self._taken_s.get(stage, 0.0) + each_s
        self._since_s = now_s


_current: ContextVar[TaskTimes | None] = ContextVar("task_times", default=None)


@contextmanager
def timed(times: TaskTimes) -> Iterator[None]:
    """Within the block this thread, and those with a copy of its context, work on that task."""
    token = _current.set(times)
    try:
        yield
    finally:
        _current.reset(token)


def current_times() -> TaskTimes | None:
    """Those of the task that the calling thread works on; None for a command, say."""
    return _current.get()


class in_stage:  # noqa: N801 (it reads as a context manager, and is one for each chunk of a stem)
    """`with in_stage("download"):` the block is part of that stage of the current task."""

    __slots__ = ("_before", "_stage", "_times")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._times = _current.get()
        self._before: Stage | None = None

    def __enter__(self) -> None:
        if self._times is not None:
            self._before = self._times.enter(self._stage)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._times is not None:
            self._times.leave(self._before)
