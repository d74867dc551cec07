"""A storage that is touched only while the lease on the message holds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from attrs import frozen

from tests.support.contracts.storage import AudioStorageContract
from tests.support.contracts.storage_actions import content, keys, put
from tests.support.storage_doubles import Step, WatchedStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.breaker import Breaker, StorageBreakers
from waveflow.application.current_lease import CurrentLease, Lease, LeasedStorage
from waveflow.application.ports import AudioStorage
from waveflow.application.side_by_side import Wanted, side_by_side
from waveflow.domain.errors import LeaseLost, ObjectChanged, ObjectNotFound, StorageUnavailable


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
    kind: str = "reading"


KINDS = ("reading", "writing", "deleting")
ACTS = [
    Act("stat", lambda storage: storage.stat("song.wav")),
    Act("stat nothing", lambda storage: storage.stat("missing.wav")),
    Act("read", lambda storage: content(storage, "song.wav")),
    Act("read a version", lambda storage: content(storage, "song.wav", if_match="etag")),
    Act("write", lambda storage: put(storage, "song.wav", b"other"), "writing"),
    Act("write anew", lambda storage: put(storage, "new.wav", b"other"), "writing"),
    Act(
        "delete",
        lambda storage: storage.delete("song.wav", if_match=_etag(b"sound")),
        "deleting",
    ),
    Act("list", lambda storage: keys(storage, "")),
    Act("list nothing", lambda storage: keys(storage, "missing/")),
]


MOVING_CONTENT = ("read", "write", "write anew", "delete")


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


def test_a_thread_that_helps_works_under_the_same_lease(inner: InMemoryAudioStorage) -> None:
    storage, lease = LeasedStorage(inner), RevocableLease()
    together = Barrier(2)

    def read(key: str, _: Wanted) -> bytes:
        together.wait(20)
        return content(storage, key)

    with storage.lease.held(lease):
        assert side_by_side(["song.wav"] * 2, read, at_once=2) == [b"sound"] * 2
        lease.lost = True
        outcomes: list[str] = []

        def fail(key: str, _: Wanted) -> None:
            together.wait(20)
            try:
                content(storage, key)
            except LeaseLost:
                outcomes.append("lost")

        side_by_side(["song.wav"] * 2, fail, at_once=2)
    assert outcomes == ["lost"] * 2


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


class TestBreakers:
    """What comes of each request is told to the breaker of its kind, and to no other."""

    @pytest.fixture
    def watched(self, inner: InMemoryAudioStorage) -> WatchedStorage:
        return WatchedStorage(inner)

    @pytest.fixture
    def storage(self, watched: WatchedStorage) -> LeasedStorage:
        reading, writing, deleting = (Breaker(kind, opens_after=2) for kind in KINDS)
        return LeasedStorage(watched, breakers=StorageBreakers(reading, writing, deleting))

    @pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
    def test_a_storage_that_does_not_answer_is_heard_of_by_every_kind_of_request(
        self, watched: WatchedStorage, storage: LeasedStorage, act: Act
    ) -> None:
        for breaker in all_of(storage):
            breaker.failed("another.wav")
        watched.before = _away
        with pytest.raises(StorageUnavailable) as caught:
            act.do(storage)
        assert [kind for kind in KINDS if of(storage, kind).is_open] == [act.kind]
        assert caught.value.use == act.kind

    @pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
    def test_so_is_one_that_answers_whatever_the_answer(
        self, storage: LeasedStorage, act: Act
    ) -> None:
        open_all(storage)
        with suppress(ObjectNotFound, ObjectChanged):
            act.do(storage)
        assert [kind for kind in KINDS if not of(storage, kind).is_open] == [act.kind]

    @pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
    def test_only_an_object_that_was_read_written_or_deleted_begins_the_count_anew(
        self, storage: LeasedStorage, act: Act
    ) -> None:
        """What is there, and what isn't, is known also where no object can be decrypted."""
        for breaker in all_of(storage):
            breaker.failed("another.wav")
        with suppress(ObjectNotFound, ObjectChanged):
            act.do(storage)
        anew = [kind for kind in KINDS if not of(storage, kind).failed("one more.wav")]
        assert anew == ([act.kind] if act.name in MOVING_CONTENT else [])

    def test_an_object_that_breaks_off_is_a_request_that_failed(
        self, watched: WatchedStorage, storage: LeasedStorage
    ) -> None:
        storage.breakers.reading.failed("another.wav")
        watched.before = lambda step: _away(step) if step.method == "chunk" else None
        with pytest.raises(StorageUnavailable):
            content(storage, "song.wav")
        assert storage.breakers.reading.is_open

    def test_one_object_again_and_again_may_be_at_fault_itself(
        self, watched: WatchedStorage, storage: LeasedStorage
    ) -> None:
        watched.before = _away
        for _ in range(5):
            with pytest.raises(StorageUnavailable):
                content(storage, "song.wav")
        assert not storage.breakers.is_open

    def test_a_reader_that_fails_says_nothing_about_the_storage(
        self, storage: LeasedStorage
    ) -> None:
        for is_open in (False, True):
            with pytest.raises(ZeroDivisionError), storage.read("song.wav"):
                raise ZeroDivisionError("our mistake")
            assert storage.breakers.reading.is_open is is_open
            open_all(storage)

    def test_a_lost_lease_says_nothing_about_the_storage(self, storage: LeasedStorage) -> None:
        open_all(storage)
        with storage.lease.held(RevocableLease(lost=True)), pytest.raises(LeaseLost):
            storage.stat("song.wav")
        assert all(breaker.is_open for breaker in all_of(storage))

    def test_a_listing_that_nobody_finishes_says_nothing_about_the_storage(
        self, storage: LeasedStorage
    ) -> None:
        open_all(storage)
        found = storage.list("")
        assert isinstance(found, Generator)
        next(found)
        found.close()
        assert storage.breakers.reading.is_open


def of(storage: LeasedStorage, kind: str) -> Breaker:
    breaker = getattr(storage.breakers, kind)
    assert isinstance(breaker, Breaker)
    return breaker


def all_of(storage: LeasedStorage) -> list[Breaker]:
    return [of(storage, kind) for kind in KINDS]


def open_all(storage: LeasedStorage) -> None:
    for breaker in all_of(storage):
        for key in ("a", "b"):
            breaker.failed(key)


def _away(step: Step) -> None:
    raise StorageUnavailable("away")
