"""What only the storage in memory has: a lock of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.support.contracts.storage_actions import at_once, content, put
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.ports import IfAbsent
from waveflow.domain.errors import ObjectChanged


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_one_thread_wins_each_of_many_races() -> None:
    storage = InMemoryAudioStorage()

    def claim_all(number: int) -> int:
        won = 0
        for key in map(str, range(1000)):
            try:
                put(storage, key, b"owner %d" % number, IfAbsent())
            except ObjectChanged:
                continue
            won += 1
        return won

    wins = at_once(4, claim_all)
    assert sum(won for won in wins if isinstance(won, int)) == 1000


def test_a_snapshot_is_read_to_its_end() -> None:
    storage = InMemoryAudioStorage()
    written = put(storage, "song.wav", b"old" * 1_000_000)
    with storage.read("song.wav") as stream:
        chunks = iter(stream)
        first = next(chunks)
        storage.delete("song.wav", if_match=written.etag)
        put(storage, "song.wav", b"new")
        assert first + b"".join(chunks) == b"old" * 1_000_000
    assert content(storage, "song.wav") == b"new"
