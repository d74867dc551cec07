"""Counts of the things that an operator should hear of."""

from __future__ import annotations

from collections import Counter
from threading import Lock


class Tally:
    """A thread-safe counter by name, and for some names by what they are divided into."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._lock = Lock()

    def add(self, name: str, *parts: str) -> None:
        """Count one more of `name`, or of a part of it. Both come from closed sets."""
        with self._lock:
            self._counts[(name, *parts)] += 1

    def counts(self) -> dict[str, int]:
        """Everything counted so far by name alone."""
        with self._lock:
            return {key[0]: count for key, count in self._counts.items() if len(key) == 1}

    def parts(self, name: str) -> dict[tuple[str, ...], int]:
        """What was counted so far of each part of `name`."""
        with self._lock:
            return {
                key[1:]: count
                for key, count in self._counts.items()
                if key[0] == name and len(key) > 1
            }
