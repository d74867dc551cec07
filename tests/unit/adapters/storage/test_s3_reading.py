"""Taking a body up again, told with bodies of which each piece is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from attrs import define, field

from waveflow.adapters.storage.s3_reading import (
    PACE_BYTES,
    PACE_WINDOW_S,
    RESUMPTIONS,
    RawBody,
    S3ObjectStream,
    Timing,
)
from waveflow.application.ports import ObjectStat
from waveflow.domain.errors import StorageUnavailable

KIB = 1024


@define
class Clock:
    """A clock that goes on only when told to."""

    now_s: float = 0.0
    pauses_s: list[float] = field(factory=list)

    def timing(self) -> Timing:
        return Timing(lambda: self.now_s, self.pauses_s.append)


@define
class ScriptedBody(RawBody):
    """Gives its pieces one by one, each after a while, and nothing after the last."""

    clock: Clock
    pieces: Iterator[bytes]
    seconds_per_piece: float = 0.0
    closed: bool = False

    def read1(self, amt: int, /) -> bytes:
        self.clock.now_s += self.seconds_per_piece
        piece = next(self.pieces, b"")
        assert len(piece) <= amt
        return piece

    def close(self) -> None:
        self.closed = True


@define
class Reading:
    """A stream over one body after the other, and where each after the first began."""

    clock: Clock
    stream: S3ObjectStream
    bodies: list[ScriptedBody]
    resumed_at: list[int]


def reading(size_bytes: int, *bodies: Sequence[bytes], seconds_per_piece: float = 0.0) -> Reading:
    clock, resumed_at = Clock(), list[int]()
    scripted = [ScriptedBody(clock, iter(pieces), seconds_per_piece) for pieces in bodies]

    def resume(stat: ObjectStat, position: int) -> RawBody:
        resumed_at.append(position)
        return scripted[len(resumed_at)]

    stat = ObjectStat("song.wav", size_bytes, "etag")
    stream = S3ObjectStream(stat, scripted[0], None, resume=resume, timing=clock.timing())
    return Reading(clock, stream, scripted, resumed_at)


def test_small_pieces_come_as_large_chunks() -> None:
    read = reading(300 * KIB, [bytes(KIB)] * 300)
    assert [len(chunk) for chunk in read.stream] == [256 * KIB, 44 * KIB]


def test_a_body_that_ends_early_is_taken_up_again_where_it_ended() -> None:
    read = reading(7, [b"a ", b"so"], [b"und"])
    assert b"".join(read.stream) == b"a sound"
    assert read.resumed_at == [4]
    assert read.bodies[0].closed


def test_pauses_grow_from_one_break_to_the_next() -> None:
    read = reading(7, *[[b"a"]] * (RESUMPTIONS + 1))
    with pytest.raises(StorageUnavailable, match="broke off after 5 of its 7 bytes, 5 times"):
        list(read.stream)
    assert read.clock.pauses_s == [0.25, 0.5, 1.0, 2.0]
    assert all(body.closed for body in read.bodies)


def test_a_body_may_take_many_windows_if_enough_arrives_in_each() -> None:
    pieces = [bytes(256 * KIB)] * 40
    read = reading(10 * KIB * KIB, pieces, seconds_per_piece=PACE_WINDOW_S * 256 * KIB / PACE_BYTES)
    assert sum(map(len, read.stream)) == 10 * KIB * KIB
    assert read.clock.now_s == 10 * PACE_WINDOW_S
    assert read.resumed_at == []


def test_a_body_that_becomes_too_slow_is_taken_up_again() -> None:
    fast, slow = [bytes(256 * KIB)] * 4, [b"\0"] * 100
    read = reading(PACE_BYTES + 200, [*fast, *slow], [bytes(196)], seconds_per_piece=15.0)
    list(read.stream)
    assert read.resumed_at == [PACE_BYTES + 4]


def test_the_time_that_the_reader_takes_does_not_count() -> None:
    read = reading(600 * KIB, [bytes(KIB)] * 600, seconds_per_piece=0.05)
    for _ in read.stream:
        read.clock.now_s += 3600
    assert read.resumed_at == []


def test_an_empty_object_is_not_read_at_all() -> None:
    read = reading(0, [])
    assert list(read.stream) == []
    read.stream.close()
    assert read.bodies[0].closed
