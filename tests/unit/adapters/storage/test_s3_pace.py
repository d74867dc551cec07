"""How slow an object may come: measured over all its connections, told by a line's own clock."""

from __future__ import annotations

from collections import deque
from itertools import cycle
from threading import Barrier, Lock

import pytest
from attrs import define, field

from waveflow.adapters.storage.s3_parts import PART_BYTES, PARTS_AHEAD, PartBuffers, ReadAhead
from waveflow.adapters.storage.s3_reading import RawBody, S3ObjectStream, Timing
from waveflow.adapters.storage.s3_span import PACE_BYTES, PACE_WINDOW_S, RESUMPTIONS, Pace, Span
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import StorageUnavailable

KIB = 1024
PARTS = 3
SIZE_BYTES = PARTS * PART_BYTES
PIECE_BYTES = 64 * KIB
WITHIN_S = 20.0


@define
class Line:
    """Carries what all its connections bring, a piece of each in turn.

    Attributes:
        piece_s: how long a piece takes.
        in_turn: lets nobody have a second piece before everybody has had one.
        lasts_bytes: what a connection brings before it breaks off.
    """

    piece_s: float
    in_turn: Barrier = field(factory=lambda: Barrier(1))
    lasts_bytes: int = SIZE_BYTES
    now_s: float = 0.0
    asked: list[int] = field(factory=list)
    lock: Lock = field(factory=Lock)

    def open_range(self, start: int, end: int) -> RawBody:
        self.asked.append(start)
        return Connection(self, start, min(end, start + self.lasts_bytes))

    def carry_piece(self) -> None:
        self.in_turn.wait(WITHIN_S)
        with self.lock:
            self.now_s += self.piece_s
        self.in_turn.wait(WITHIN_S)  # It arrives when those of the others do, too.

    def timing(self) -> Timing:
        return Timing(lambda: self.now_s, lambda seconds: None)

    def part_of(self, stat: ObjectStat, number: int, pace: Pace) -> Span:
        start, end = number * PART_BYTES, (number + 1) * PART_BYTES

        def resume(position: int) -> RawBody:
            return self.open_range(position, end)

        return Span(stat, start, end, resume=resume, timing=self.timing(), pace=pace)

    def stream(self) -> S3ObjectStream:
        stat = ObjectStat("song.wav", SIZE_BYTES, "etag")
        return S3ObjectStream(
            stat,
            self.open_range(0, SIZE_BYTES),
            None,
            resume=lambda stat, position: self.open_range(position, SIZE_BYTES),
            timing=self.timing(),
            ahead=ReadAhead(stat, self.open_range, timing=self.timing(), buffers=PartBuffers()),
        )


@define
class Connection(RawBody):
    """Zeros, over a line, from one position to another."""

    line: Line
    position: int
    end: int

    def read1(self, amt: int, /) -> bytes:
        size_bytes = min(amt, PIECE_BYTES, self.end - self.position)
        self.position += size_bytes
        self.line.carry_piece()
        return bytes(size_bytes)

    def shutdown(self) -> None:
        self.line.in_turn.abort()

    def close(self) -> None:
        return


def read_bytes_of(stream: S3ObjectStream) -> int:
    try:
        return sum(map(len, stream))
    finally:
        stream.close()


def test_the_parts_of_an_object_have_to_be_fast_enough_together_only() -> None:
    piece_s = PACE_WINDOW_S / (1.2 * PACE_BYTES / PIECE_BYTES)
    line = Line(piece_s, Barrier(PARTS))
    assert read_bytes_of(line.stream()) == SIZE_BYTES
    assert len(line.asked) == len(set(line.asked)) == PARTS


def test_connections_that_each_bring_their_share_may_break_off_again_and_again() -> None:
    line = Line(piece_s=0.001, lasts_bytes=PACE_BYTES // PARTS_AHEAD)
    assert read_bytes_of(line.stream()) == SIZE_BYTES


def test_an_object_that_trickles_is_given_up_after_as_many_windows_as_one_connection() -> None:
    line = Line(piece_s=PACE_WINDOW_S / 10)
    pace = Pace(line.timing(), PARTS_AHEAD)
    stat = ObjectStat("song.wav", SIZE_BYTES, "etag")
    in_turn = [line.part_of(stat, number, pace).pieces() for number in range(PARTS_AHEAD)]
    with pytest.raises(StorageUnavailable, match="broke off"):
        deque((next(pieces) for pieces in cycle(in_turn)), maxlen=0)
    assert line.now_s < (RESUMPTIONS + 2) * PACE_WINDOW_S
    assert len(line.asked) <= PARTS_AHEAD * (RESUMPTIONS + 1)


def a_pace(line: Line) -> Pace:
    return Pace(line.timing(), connections=2)


def is_slow(pace: Pace, slow_windows: int = 0) -> bool:
    stat = ObjectStat("song.wav", 1, "etag")
    opened: list[int] = []

    def resume(position: int) -> RawBody:
        opened.append(position)
        return Connection(Line(0.0), 0, 1)

    body = Connection(Line(0.0), 0, 1)
    span = Span(stat, 0, 1, body=body, resume=resume, timing=Timing(sleep=print), pace=pace)
    assert list(span.pieces()) == [b"\0"]
    return bool(opened)


def test_time_in_which_two_wait_counts_once() -> None:
    line = Line(0.0, now_s=0.9 * PACE_WINDOW_S)
    pace = a_pace(line)
    pace.add(0.0, 1)
    pace.add(0.4 * PACE_WINDOW_S, 1)
    assert not is_slow(pace)


def test_time_in_which_nobody_waits_does_not_count() -> None:
    line = Line(0.0)
    pace = a_pace(line)
    for _ in range(3):
        line.now_s += PACE_WINDOW_S
        pace.add(line.now_s - 1.0, 1)
    assert not is_slow(pace)


def test_a_window_with_too_little_breaks_off_whoever_reads() -> None:
    line = Line(0.0, now_s=PACE_WINDOW_S)
    pace = a_pace(line)
    pace.add(0.0, PACE_BYTES - 1)
    assert is_slow(pace)


def test_a_window_with_enough_forgets_the_slow_ones_before() -> None:
    line = Line(0.0)
    pace = a_pace(line)
    for arrived_bytes in (1, 1, PACE_BYTES, 1):
        line.now_s += PACE_WINDOW_S
        pace.add(line.now_s - PACE_WINDOW_S, arrived_bytes)
        pace.require(slow_windows=9)
    assert (pace.slow_windows, pace.slow_in_a_row) == (3, 1)


def test_one_connection_of_several_is_not_slower_for_ever() -> None:
    """It brings more than its share, but it is the only one."""
    line = Line(piece_s=PACE_WINDOW_S / 8)
    stat = ObjectStat("song.wav", SIZE_BYTES, "etag")
    span = line.part_of(stat, 0, Pace(line.timing(), PARTS_AHEAD))
    with pytest.raises(StorageUnavailable, match="5 times in a row"):
        list(span.pieces())
    assert line.now_s < (RESUMPTIONS + 2) * PACE_WINDOW_S


def test_breaking_off_again_and_again_hides_no_slowness() -> None:
    line = Line(piece_s=PACE_WINDOW_S / 5, lasts_bytes=PACE_BYTES // PARTS_AHEAD)
    stat = ObjectStat("song.wav", SIZE_BYTES, "etag")
    span = line.part_of(stat, 0, Pace(line.timing(), PARTS_AHEAD))
    with pytest.raises(StorageUnavailable, match="5 times in a row"):
        list(span.pieces())
    assert line.now_s < (RESUMPTIONS + 3) * PACE_WINDOW_S
