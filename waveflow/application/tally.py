"""Counts of the things that an operator should hear of."""

from __future__ import annotations

from collections import Counter
from threading import Lock


class Tally:
    """A thread-safe counter by name."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, name: str) -> None:
        """Count one more of `name`."""
        with self._lock:
            self._counts[name] += 1

    def counts(self) -> dict[str, int]:
        """Everything counted so far."""
        with self._lock:
            return dict(self._counts)
