"""A storage that is touched only while the lease on the message holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from attrs import frozen

from tests.support.contracts.storage import AudioStorageContract
from tests.support.contracts.storage_actions import content, keys, put
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.current_lease import CurrentLease, Lease, LeasedStorage
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import LeaseLost


class RevocableLease(Lease):
    def __init__(self, *, lost: bool = False) -> None:
        self.lost = lost

    def require(self) -> None:
        if self.lost:
            raise LeaseLost("stale")


class TestLeasedStorage(AudioStorageContract):
    """While the lease holds it is a storage like any other."""

    @pytest.fixture
    def storage(self) -> Iterator[AudioStorage]:
        storage = LeasedStorage(InMemoryAudioStorage(), CurrentLease())
        with storage.lease.held(RevocableLease()):
            yield storage


class TestStorageWithoutLease(AudioStorageContract):
    """So it is for a command or a timer, which work on no message."""

    @pytest.fixture
    def storage(self) -> AudioStorage:
        return LeasedStorage(InMemoryAudioStorage())


@frozen
class Act:
    """Something that is done to a storage in which song.wav is."""

    name: str
    do: Callable[[AudioStorage], object]


ACTS = [
    Act("stat", lambda storage: storage.stat("song.wav")),
    Act("stat nothing", lambda storage: storage.stat("missing.wav")),
    Act("read", lambda storage: content(storage, "song.wav")),
    Act("read a version", lambda storage: content(storage, "song.wav", if_match="etag")),
    Act("write", lambda storage: put(storage, "song.wav", b"other")),
    Act("write anew", lambda storage: put(storage, "new.wav", b"other")),
    Act("delete", lambda storage: storage.delete("song.wav", if_match=_etag(b"sound"))),
    Act("list", lambda storage: keys(storage, "")),
    Act("list nothing", lambda storage: keys(storage, "missing/")),
]


def _etag(body: bytes) -> str:
    return put(InMemoryAudioStorage(), "x", body).etag


@pytest.fixture
def inner() -> InMemoryAudioStorage:
    storage = InMemoryAudioStorage()
    put(storage, "song.wav", b"sound")
    return storage


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
def test_nothing_is_done_under_a_lost_lease(inner: InMemoryAudioStorage, act: Act) -> None:
    storage = LeasedStorage(inner)
    with storage.lease.held(RevocableLease(lost=True)), pytest.raises(LeaseLost):
        act.do(storage)
    assert [(stat.key, content(inner, stat.key)) for stat in inner.list("")] == [
        ("song.wav", b"sound")
    ]


def test_a_lease_that_is_lost_between_two_chunks_ends_the_reading() -> None:
    storage, lease = LeasedStorage(InMemoryAudioStorage()), RevocableLease()
    put(storage, "song.wav", bytes(600_000))
    with storage.lease.held(lease), storage.read("song.wav") as stream:
        chunks = iter(stream)
        first = next(chunks)
        lease.lost = True
        with pytest.raises(LeaseLost):
            next(chunks)
    assert 0 < len(first) < 600_000


def test_a_lease_that_is_lost_between_two_objects_ends_the_listing() -> None:
    storage, lease = LeasedStorage(InMemoryAudioStorage()), RevocableLease()
    for key in ("a", "b"):
        put(storage, key)
    with storage.lease.held(lease):
        found = storage.list("")
        assert next(found).key == "a"
        lease.lost = True
        with pytest.raises(LeaseLost):
            next(found)


def test_a_stream_says_what_it_reads_whatever_the_lease(inner: InMemoryAudioStorage) -> None:
    storage, lease = LeasedStorage(inner), RevocableLease()
    with storage.lease.held(lease), storage.read("song.wav") as stream:
        lease.lost = True
        assert stream.stat == inner.stat("song.wav")


def test_another_thread_has_a_lease_of_its_own_or_none(inner: InMemoryAudioStorage) -> None:
    storage = LeasedStorage(inner)

    def work_under(lease: Lease) -> bytes:
        with storage.lease.held(lease):
            return content(storage, "song.wav")

    with storage.lease.held(RevocableLease(lost=True)), ThreadPoolExecutor(1) as pool:
        assert pool.submit(content, storage, "song.wav").result() == b"sound"
        assert pool.submit(work_under, RevocableLease()).result() == b"sound"
        with pytest.raises(LeaseLost):
            content(storage, "song.wav")
    with storage.lease.held(RevocableLease()), ThreadPoolExecutor(1) as pool:
        with pytest.raises(LeaseLost):
            pool.submit(work_under, RevocableLease(lost=True)).result()
        assert content(storage, "song.wav") == b"sound"


def test_after_the_work_nothing_is_required_any_more(inner: InMemoryAudioStorage) -> None:
    storage = LeasedStorage(inner)
    with storage.lease.held(RevocableLease(lost=True)):
        pass
    assert content(storage, "song.wav") == b"sound"


def test_after_work_that_failed_nothing_is_required_either(inner: InMemoryAudioStorage) -> None:
    storage = LeasedStorage(inner)
    with pytest.raises(LeaseLost), storage.lease.held(RevocableLease(lost=True)):
        content(storage, "song.wav")
    assert content(storage, "song.wav") == b"sound"


def test_two_leases_are_told_apart_by_who_keeps_them(inner: InMemoryAudioStorage) -> None:
    """What is held here says nothing about a storage with another `CurrentLease`."""
    one, other = LeasedStorage(inner), LeasedStorage(inner)
    with one.lease.held(RevocableLease(lost=True)):
        assert content(other, "song.wav") == b"sound"
