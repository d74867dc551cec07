"""How much memory the service uses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from attrs import define, field

from waveflow.application.clock import Clock

_FRESH_S = 1.0


def service_memory_mb() -> float:
    """Resident memory of this process and all of its children, in MB of 1024² bytes.

    Pages that several processes share are counted once for each of them.
    """
    import psutil

    this = psutil.Process()
    total = this.memory_info().rss
    # A child may have ended meanwhile, and a machine may hide processes from each other.
    with suppress(psutil.Error, OSError):
        for child in this.children(recursive=True):
            with suppress(psutil.Error, OSError):
                total += child.memory_info().rss
    return round(total / 1024**2, 1)


@define(eq=False)
class RecentMemory:
    """Memory as it was up to a second ago, for any number of threads.

    Finding the children takes a look at every process of the machine, milliseconds of processor
    time: as much as all the rest of a small task.

    Attributes:
        measure: how much memory is used now, in MB.
    """

    measure: Callable[[], float] = service_memory_mb
    clock: Clock = field(factory=Clock)
    _measured: tuple[float, float] | None = field(default=None, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def __call__(self) -> float:
        """MB of 1024² bytes. Raises what `measure` raises."""
        with self._lock:
            now_s = self.clock.monotonic_s()
            if self._measured is None or now_s - self._measured[0] > _FRESH_S:
                self._measured = (now_s, self.measure())
            return self._measured[1]
