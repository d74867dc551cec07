"""Reading a large object in parts, told with bodies that are let go on one by one."""

from __future__ import annotations

import ctypes
import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from threading import Event, Semaphore, Thread

import numpy as np
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from tests.support import part_threads
from waveflow.adapters.storage.s3_parts import (
    IN_ONE_PIECE_BYTES,
    PART_BYTES,
    PARTS_AHEAD,
    PARTS_IN_ALL,
    PartBuffers,
    ReadAhead,
    is_read_in_parts,
    later_parts,
)
from waveflow.adapters.storage.s3_reading import RESUMPTIONS, RawBody, S3ObjectStream, Timing
from waveflow.adapters.storage.s3_span import Span
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import ObjectChanged, StorageUnavailable

WITHIN_S = 20.0
PIECE_BYTES = 200_000
ALL_PARTS = 7
SIZE_BYTES = (ALL_PARTS - 1) * PART_BYTES + 12_345
SOUND = np.arange(SIZE_BYTES // 4 + 1, dtype=">u4").tobytes()[:SIZE_BYTES]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    part_threads.require_none_left(WITHIN_S)


@given(st.integers(IN_ONE_PIECE_BYTES + 1, 5 * 10**9))
def test_parts_are_the_whole_object_without_gap_or_overlap(size_bytes: int) -> None:
    parts = [(0, PART_BYTES), *later_parts(size_bytes)]
    assert parts[-1][1] == size_bytes
    assert [end for _, end in parts[:-1]] == [start for start, _ in parts[1:]]
    assert all(0 < end - start <= PART_BYTES for start, end in parts)
    # Each costs a request: only the last one may be small.
    assert all(end - start == PART_BYTES for start, end in parts[:-1])


@pytest.mark.parametrize(
    ("size_bytes", "in_parts"),
    [(0, False), (1, False), (IN_ONE_PIECE_BYTES, False), (IN_ONE_PIECE_BYTES + 1, True)],
)
def test_sixteen_mib_come_with_one_request(size_bytes: int, in_parts: bool) -> None:
    assert is_read_in_parts(size_bytes) is in_parts


@define
class Body(RawBody):
    """SOUND from one position to another; it stops where told, until it is shut down."""

    position: int
    end: int
    stops_at: int
    breaks_at: int
    cut_off_fails: bool = False
    closed: Event = field(factory=Event)
    has_stopped: Event = field(factory=Event)
    shut: Event = field(factory=Event)

    def read1(self, amt: int, /) -> bytes:
        if self.position >= self.stops_at:
            self.has_stopped.set()
            assert self.shut.wait(WITHIN_S)
            return b""
        end = min(self.position + min(amt, PIECE_BYTES), self.end, self.breaks_at, self.stops_at)
        piece = SOUND[self.position : end]
        self.position = end
        return piece

    def shutdown(self) -> None:
        self.shut.set()
        if self.cut_off_fails:
            raise ZeroDivisionError("our mistake")

    def close(self) -> None:
        self.closed.set()


@define
class Server:
    """Opens bodies.

    Attributes:
        asked: where each range began.
        breaks: for a range's start, where its body ends too early, the next time.
        stop_at: where the bodies that reach it stop.
        refuse: called with each range's start.
    """

    asked: list[int] = field(factory=list)
    bodies: list[Body] = field(factory=list)
    breaks: dict[int, int] = field(factory=dict)
    stop_at: dict[int, int] = field(factory=dict)
    refuse: Callable[[int], None] = lambda start: None
    buffers: PartBuffers = field(factory=PartBuffers)
    pauses_s: list[float] = field(factory=list)
    opened: Semaphore = field(factory=lambda: Semaphore(0))

    def open_range(self, start: int, end: int) -> RawBody:
        self.asked.append(start)
        self.refuse(start)
        stops_at = self.stop_at.get(start, SIZE_BYTES)
        body = Body(start, end, stops_at, self.breaks.pop(start, SIZE_BYTES))
        self.bodies.append(body)
        self.opened.release()
        return body

    def stream(self) -> S3ObjectStream:
        stat = ObjectStat("song.wav", SIZE_BYTES, "etag")
        timing = Timing(sleep=self.pauses_s.append)
        first = Body(0, SIZE_BYTES, SIZE_BYTES, self.breaks.pop(0, SIZE_BYTES))
        self.bodies.append(first)
        return S3ObjectStream(
            stat,
            first,
            None,
            resume=lambda stat, position: self.open_range(position, SIZE_BYTES),
            timing=timing,
            ahead=ReadAhead(stat, self.open_range, timing=timing, buffers=self.buffers),
        )

    def free_buffers(self) -> int:
        taken = []
        while (buffer := self.buffers.take()) is not None:
            taken.append(buffer)
        for buffer in taken:
            self.buffers.give_back(buffer)
        return len(taken)


def start_of(part: int) -> int:
    return part * PART_BYTES


def test_the_bytes_come_in_order_each_asked_for_once() -> None:
    server = Server()
    stream = server.stream()
    chunks = list(stream)
    assert b"".join(chunks) == SOUND
    assert max(map(len, chunks)) <= 256 * 1024
    assert sorted(server.asked) == [start_of(part) for part in range(1, ALL_PARTS)]
    assert all(body.closed.is_set() for body in server.bodies)
    stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


def test_nothing_is_asked_for_before_the_first_byte_is() -> None:
    server = Server()
    server.stream().close()
    assert server.asked == []


def test_a_reader_that_stalls_has_a_few_parts_read_ahead_and_no_more() -> None:
    server = Server()
    stream = server.stream()
    chunks = iter(stream)
    next(chunks)
    # Only the reader begins a part; the threads end when theirs is read.
    join_parts()
    assert sorted(server.asked) == [start_of(part) for part in range(1, PARTS_AHEAD)]
    read_bytes = 0
    for chunk in chunks:
        read_bytes += len(chunk)
        if read_bytes > PART_BYTES:
            break
    join_parts()
    assert sorted(server.asked) == [start_of(part) for part in range(1, PARTS_AHEAD + 1)]
    stream.close()


def test_readers_share_the_memory_and_none_waits_for_it() -> None:
    server = Server()
    streams = [server.stream() for _ in range(PARTS_IN_ALL)]
    stalled = [iter(stream) for stream in streams]
    for chunks in stalled:
        next(chunks)
    join_parts()
    assert len(server.asked) == PARTS_IN_ALL
    assert server.free_buffers() == 0
    last = server.stream()
    assert b"".join(last) == SOUND
    last.close()
    for stream in streams:
        stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


@pytest.mark.parametrize("part", range(ALL_PARTS))
def test_a_part_that_breaks_off_is_taken_up_again_where_it_ended(part: int) -> None:
    server = Server()
    server.breaks[start_of(part)] = start_of(part) + 5_000
    stream = server.stream()
    assert b"".join(stream) == SOUND
    assert start_of(part) + 5_000 in server.asked
    assert server.pauses_s == [0.25]
    stream.close()


def test_a_part_that_breaks_off_again_and_again_is_given_up() -> None:
    server = Server()
    broken = start_of(2)
    for number in range(RESUMPTIONS + 1):
        server.breaks[broken + number * 1_000] = broken + (number + 1) * 1_000
    stream = server.stream()
    read: list[bytes] = []
    with pytest.raises(StorageUnavailable, match=f"broke off after {broken + 5_000} of its"):
        read.extend(stream)
    assert b"".join(read) == SOUND[:broken]
    stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


def test_what_a_part_meets_is_raised_where_it_would_begin() -> None:
    def refuse(start: int) -> None:
        if start in (start_of(2), start_of(3)):
            raise ObjectChanged(f"at {start}")

    server = Server(refuse=refuse)
    stream = server.stream()
    read: list[bytes] = []
    with pytest.raises(ObjectChanged, match=f"at {start_of(2)}"):
        read.extend(stream)
    assert b"".join(read) == SOUND[: start_of(2)]
    stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


def test_a_defect_in_a_thread_is_raised_by_the_reader() -> None:
    def refuse(start: int) -> None:
        raise ZeroDivisionError("our mistake")

    stream = Server(refuse=refuse).stream()
    with pytest.raises(ZeroDivisionError):
        list(stream)
    stream.close()


def test_leaving_early_ends_what_is_on_its_way() -> None:
    server = Server()
    for part in range(1, ALL_PARTS):
        server.stop_at[start_of(part)] = start_of(part) + 700_000
    stream = server.stream()
    next(iter(stream))
    for _ in range(PARTS_AHEAD - 1):
        assert server.opened.acquire(timeout=WITHIN_S)
    for body in server.bodies[1:]:
        assert body.has_stopped.wait(WITHIN_S)
    stream.close()
    assert all(body.closed.is_set() for body in server.bodies)
    assert server.free_buffers() == PARTS_IN_ALL
    assert server.pauses_s == []


@pytest.mark.parametrize("nth", range(1, PARTS_AHEAD))
def test_what_goes_wrong_with_cutting_off_one_part_concerns_no_other(nth: int) -> None:
    server = Server()
    for part in range(1, ALL_PARTS):
        server.stop_at[start_of(part)] = start_of(part) + 700_000
    stream = server.stream()
    next(iter(stream))
    for _ in range(PARTS_AHEAD - 1):
        assert server.opened.acquire(timeout=WITHIN_S)
    for body in server.bodies[1:]:
        assert body.has_stopped.wait(WITHIN_S)
    server.bodies[nth].cut_off_fails = True
    stream.close()
    assert all(body.closed.is_set() for body in server.bodies)
    assert server.free_buffers() == PARTS_IN_ALL


def test_what_goes_wrong_with_the_first_part_ends_the_others_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    stream = server.stream()
    next(iter(stream))

    def fail(body: Body) -> None:
        if body is server.bodies[0]:
            raise ZeroDivisionError("our mistake")

    monkeypatch.setattr(Body, "close", fail)
    with pytest.raises(ZeroDivisionError):
        stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


def test_a_part_can_be_cut_off_while_its_thread_gives_up_the_body() -> None:
    class GivenUp(Span):
        """The other thread gives the body up as soon as this one has looked at it."""

        _kept: RawBody | None = None

        @property
        def _body(self) -> RawBody | None:
            body, self._kept = self._kept, None
            return body

        @_body.setter
        def _body(self, body: RawBody | None) -> None:
            self._kept = body

    server = Server()
    body = server.open_range(0, 100)
    stat = ObjectStat("song.wav", 100, "etag")
    span = GivenUp(stat, 0, 100, body=body, resume=lambda position: body, timing=Timing())
    span.cancel()
    assert server.bodies[0].shut.is_set()


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").is_dir(), reason="no large pages here"
)
def test_parts_are_kept_in_pages_that_may_be_large_ones() -> None:
    buffer = PartBuffers().take()
    assert buffer is not None
    flags = _flags_at(ctypes.addressof(ctypes.c_char.from_buffer(buffer)))
    assert "hg" in flags
    assert "sh" not in flags  # Of shared ones Linux makes none, unless it is set up otherwise.


def _flags_at(address: int) -> set[str]:
    """What the kernel says of the mapping there."""
    is_there = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        with suppress(ValueError):
            start, end = (int(bound, 16) for bound in name.split("-"))
            is_there = start <= address < end
        if is_there and name == "VmFlags:":
            return set(rest)
    return set()


def test_a_request_without_an_answer_keeps_nobody_who_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("waveflow.adapters.storage.s3_parts._JOIN_S", 0.01)
    answered, asked = Event(), Semaphore(0)

    def refuse(start: int) -> None:
        asked.release()
        assert answered.wait(WITHIN_S)

    server = Server(refuse=refuse)
    stream = server.stream()
    next(iter(stream))
    for _ in range(PARTS_AHEAD - 1):
        assert asked.acquire(timeout=WITHIN_S)
    stream.close()
    # What they read into is theirs until they end.
    assert server.free_buffers() == PARTS_IN_ALL - (PARTS_AHEAD - 1)
    answered.set()
    join_parts()
    assert all(body.closed.is_set() for body in server.bodies)
    assert server.free_buffers() == PARTS_IN_ALL


def test_without_room_for_a_thread_the_reader_reads_all_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    server = Server()
    stream = server.stream()
    assert b"".join(stream) == SOUND
    assert server.asked == [start_of(part) for part in range(1, ALL_PARTS)]
    stream.close()
    assert server.free_buffers() == PARTS_IN_ALL


def test_without_memory_for_parts_the_reader_reads_all_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> mmap:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("waveflow.adapters.storage.s3_parts._new_buffer", refuse)
    server = Server()
    stream = server.stream()
    assert b"".join(stream) == SOUND
    stream.close()
    monkeypatch.undo()
    assert server.free_buffers() == PARTS_IN_ALL


def join_parts() -> None:
    """Wait until the threads have read what they are to read."""
    for thread in threading.enumerate():
        if thread.name == "s3-part":
            thread.join(WITHIN_S)
