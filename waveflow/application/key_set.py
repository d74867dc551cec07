"""A set of millions of keys in little memory, which also knows which of them were met."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


class KeySet:
    """Keys by 64 bits of their hash: 9 bytes each, however long they are.

    Two of a million keys look alike once in 40 million times.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        """Take them in, one by one."""
        self._digests = np.unique(np.fromiter(map(_digest, keys), np.uint64))
        self._met = np.zeros(len(self._digests), np.bool_)

    def __len__(self) -> int:
        return len(self._digests)

    def meet(self, key: str) -> bool:
        """Whether `key` is one of them; it counts as met then."""
        place = self._place(key)
        if place is not None:
            self._met[place] = True
        return place is not None

    def has_met(self, key: str) -> bool:
        """Whether `key` is one of them and was met."""
        place = self._place(key)
        return place is not None and bool(self._met[place])

    def _place(self, key: str) -> int | None:
        digest = np.uint64(_digest(key))
        place = int(np.searchsorted(self._digests, digest))
        is_there = place < len(self._digests) and self._digests[place] == digest
        return place if is_there else None


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
