"""What a piece of work in this process, and in those it started, costs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

_RESET_PEAK = "5"
"""What to write to /proc/PID/clear_refs to have VmHWM begin anew."""


class Meter:
    """Wall time, processor time and largest memory of what happens within a `with` block.

    Attributes:
        wall_s, cpu_s: set at the end; processor time of this process and all below it.
        peak_mb: largest resident memory, in MB of 1024² bytes, of the process that is looked at.
    """

    def __init__(self, pid: int | None = None) -> None:
        """Look at the memory of `pid`; this process when it is None."""
        self._pid = pid or os.getpid()
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        with suppress(OSError):
            Path(f"/proc/{self._pid}/clear_refs").write_text(_RESET_PEAK)
        self._before = _cpu_of_all()
        self._started_s = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._started_s
        after = _cpu_of_all()
        self.cpu_s = sum(cpu_s - self._before.get(pid, 0.0) for pid, cpu_s in after.items())
        self.peak_mb = _peak_kb(self._pid) / 1024

    def facts(self) -> dict[str, float]:
        """The three figures."""
        return {"wall_s": self.wall_s, "cpu_s": self.cpu_s, "peak_mb": self.peak_mb}


def youngest_process() -> int:
    """The process below this one that has started none itself: the compute process."""
    below = psutil.Process().children(recursive=True)
    parents = {process.ppid() for process in below}
    (leaf,) = [process.pid for process in below if process.pid not in parents]
    return leaf


def _cpu_of_all() -> dict[int, float]:
    times = {os.getpid(): time.process_time()}
    for process in psutil.Process().children(recursive=True):
        with suppress(OSError):
            times[process.pid] = time.clock_gettime(_clock_of(process.pid))
    return times


def _clock_of(pid: int) -> int:
    """The clock of another process's processor time, as clock_getcpuclockid(3) makes it.

    In nanoseconds and with the threads that have ended, where /proc/PID/stat counts in steps of
    10 ms.
    """
    return (~pid << 3) | 2


def _peak_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0
