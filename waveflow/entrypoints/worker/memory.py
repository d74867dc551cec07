"""How much memory the service uses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from attrs import define, field, frozen

from waveflow.application.clock import Clock

_FRESH_S = 1.0


@frozen
class ServiceMemory:
    """Resident memory in bytes. Pages that several processes share count once for each of them.

    Attributes:
        worker_bytes: of this process.
        compute_bytes: of all that it started: fork server and compute processes.
    """

    worker_bytes: int
    compute_bytes: int


def service_memory() -> ServiceMemory | None:
    """How much memory this process and all of its children use now.

    None when that can't be looked up: with too many files open, say.
    """
    import psutil

    try:
        this = psutil.Process()
        worker_bytes = this.memory_info().rss
    except (psutil.Error, OSError):
        return None
    compute_bytes = 0
    # A child may have ended meanwhile, and a machine may hide processes from each other.
    with suppress(psutil.Error, OSError):
        for child in this.children(recursive=True):
            with suppress(psutil.Error, OSError):
                compute_bytes += child.memory_info().rss
    return ServiceMemory(worker_bytes, compute_bytes)


def service_memory_mb() -> float | None:
    """The same, all in all, in MB of 1024² bytes."""
    memory = service_memory()
    if memory is None:
        return None
    return round((memory.worker_bytes + memory.compute_bytes) / 1024**2, 1)


@define(eq=False)
class RecentMemory:
    """Memory as it was up to a second ago, for any number of threads.

    Finding the children takes a look at every process of the machine, milliseconds of processor
    time: as much as all the rest of a small task.

    Attributes:
        measure: how much memory is used now, in MB; None when nobody can say.
    """

    measure: Callable[[], float | None] = service_memory_mb
    clock: Clock = field(factory=Clock)
    _measured: tuple[float, float | None] | None = field(default=None, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def __call__(self) -> float | None:
        """MB of 1024² bytes; None when it couldn't be measured."""
        with self._lock:
            now_s = self.clock.monotonic_s()
            if self._measured is None or now_s - self._measured[0] > _FRESH_S:
                self._measured = (now_s, self.measure())
            return self._measured[1]
