"""What runs on this machine, from /proc, and waiting for it to change."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_POLL_S = 0.02


def descendants(pid: int) -> set[int]:
    """The living children of a process, theirs, and so on; zombies don't count."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue  # It has ended meanwhile.
        if state not in "ZX":
            parents[int(status.parent.name)] = int(parent)
    found: set[int] = set()
    while more := {pid_ for pid_, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def running(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    alive = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            alive.add(pid)
    return alive


def eventually(condition: Callable[[], object], *, within_s: float = 20.0) -> bool:
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
