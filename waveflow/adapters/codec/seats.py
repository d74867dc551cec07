"""Who may have a task run: a fixed number of seats, handed out in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from waveflow.adapters.codec.compute_child import Child
from waveflow.application.task_times import in_stage
from waveflow.application.waiting import LOOK_EVERY_S, KeepWaiting, always
from waveflow.domain.errors import MachineUnavailable, WorkInterrupted


class ComputeUnavailable(MachineUnavailable):
    """Raised when no compute process can take the work: the system is full, say."""


class ComputeEnding(ComputeUnavailable, WorkInterrupted):
    """Raised for work that is not begun, or broken off, because the service ends."""


class Seat:
    """The right to have one task run, and the child that runs it: none before the first."""

    def __init__(self) -> None:
        self.child: Child | None = None


class Seats:
    """A fixed number of seats, handed out in the order in which they were asked for.

    So a task that needs all of them gets its turn under any load.
    """

    def __init__(self, count: int, keep_waiting: KeepWaiting = always) -> None:
        self.all = [Seat() for _ in range(count)]
        self._free = list(self.all)
        self._keep_waiting = keep_waiting
        self._queue: list[object] = []
        self._changed = Condition()
        self.closed = False

    @contextmanager
    def taken(self, count: int) -> Iterator[Seat]:
        """Hold `count` seats, and use one of them.

        Raises:
            ComputeEnding: once closed.
            WorkInterrupted: from `keep_waiting`.
        """
        seats = self._take(count)
        try:
            yield seats[0]
        finally:
            with self._changed:
                # The seat used last is the next to be used: few children do for little work.
                self._free.extend(reversed(seats))
                self._changed.notify_all()

    def _take(self, count: int) -> list[Seat]:
        turn = object()
        with in_stage("compute_wait"), self._changed:
            self._queue.append(turn)
            try:
                while not self._changed.wait_for(
                    lambda: self.closed or (self._queue[0] is turn and len(self._free) >= count),
                    LOOK_EVERY_S,
                ):
                    self._keep_waiting()
                if self.closed:
                    raise ComputeEnding("The work was not begun: the service is ending.")
                return [self._free.pop() for _ in range(count)]
            finally:
                self._queue.remove(turn)
                self._changed.notify_all()

    def close(self) -> None:
        """Hand out no more seats."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def all_returned(self, within_s: float) -> bool:
        """Wait until nobody holds a seat. Returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._free) == len(self.all), within_s)
