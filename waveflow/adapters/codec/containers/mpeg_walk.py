"""Walking an MP3 stream from frame header to frame header, to count what it really holds."""

from __future__ import annotations

import itertools
import re
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.mpeg_bits import BitSupply
from waveflow.adapters.codec.containers.mpeg_frame import (
    FrameHeader,
    length_table,
    read_frame_header,
)
from waveflow.adapters.codec.containers.parsed import bytes_at, damaged
from waveflow.adapters.codec.containers.splice import Span
from waveflow.domain.audio import Container

_SEARCH_BYTES = 1024 * 1024
_WALK_BYTES = 1024 * 1024
_MAX_CANDIDATES = 20_000
_WORTH_A_LOOK_BYTES = 4096
_MAX_RUNS = 100
_CHAIN = 4
_PACKET_FRAMES = 48
_ANY_HEADER = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]", re.DOTALL)


@frozen
class Walk:
    """What a walk found.

    Attributes:
        frames: complete MPEG frames.
        runs: where they lie, without the garbage between.
        packets: where they lie, some dozens at a time.
        is_supplied: whether each of them has all the bits it needs.
    """

    frames: int
    runs: tuple[Span, ...]
    packets: tuple[Span, ...]
    is_supplied: bool


def find_first_frame(file: BinaryIO, start: int, end: int) -> tuple[int, FrameHeader] | None:
    """The first frame that others of the same stream follow, within a megabyte of `start`.

    A single header is four bytes that turn up in anything, so it takes four in a row, or
    at the very start a row that reaches to the end of a short file.
    """
    window = bytes_at(file, start, min(end - start, _SEARCH_BYTES))
    for tries, match in enumerate(_ANY_HEADER.finditer(window)):
        if tries > _MAX_CANDIDATES:
            break
        position = match.start()
        header = read_frame_header(window[position : position + 4])
        if header is not None and _is_chained(file, header, start, start + position, end):
            return start + position, header
    return None


def _is_chained(file: BinaryIO, first: FrameHeader, start: int, position: int, end: int) -> bool:
    at_start = position == start
    header = first
    for count in range(1, _CHAIN):
        position += header.length
        if position + 4 > end:
            return at_start and count >= 2
        following = read_frame_header(bytes_at(file, position, 4))
        if following is None or not following.continues(first):
            return False
        header = following
    return True


def walk(file: BinaryIO, first: FrameHeader, start: int, end: int) -> Walk:
    """Counts the frames from `start`, which holds one like `first`, to `end`.

    Raises:
        InvalidAudio: when the stream breaks off more than `_MAX_RUNS` times, or goes on as one
            of another kind, which a decoder wouldn't follow.
    """
    second, lengths = first.raw[1] & 0xFE, length_table(first)
    runs: list[Span] = []
    survey = _Survey(first)
    position = start
    while position < end:
        run_end = _survey_run(file, second, lengths, position, end, survey)
        runs.append(Span(position, run_end))
        if len(runs) > _MAX_RUNS:
            raise damaged(Container.MP3, f"it breaks off in more than {_MAX_RUNS} places")
        position = _resynchronised(file, second, lengths, run_end, end)
        if (
            position - run_end > _WORTH_A_LOOK_BYTES
            and find_first_frame(file, run_end, position) is not None
        ):
            raise damaged(Container.MP3, "its sample rate changes on the way")
    found = tuple(run for run in runs if run.length)
    return Walk(survey.frames, found, tuple(survey.packets), survey.supply.suffices)


class _Survey:
    """What is noted of the frames on the way."""

    def __init__(self, first: FrameHeader) -> None:
        self.frames = 0
        self.packets: list[Span] = []
        self.supply = BitSupply(first)

    def add(self, position: int, chunk: bytes, ends: list[int]) -> None:
        """Take frames: they fill `chunk`, which lies at `position`, up to these offsets."""
        self.frames += len(ends)
        self.supply.add(chunk, ends)
        cuts = [0, *ends[_PACKET_FRAMES - 1 : -1 : _PACKET_FRAMES], ends[-1]]
        self.packets += [
            Span(position + start, position + end) for start, end in itertools.pairwise(cuts)
        ]


def _survey_run(
    file: BinaryIO, second: int, lengths: list[int], position: int, end: int, survey: _Survey
) -> int:
    """Takes in the frames that follow one another without a gap; where the last one ends."""
    while True:
        chunk = bytes_at(file, position, min(_WALK_BYTES, end - position))
        ends = _ends(chunk, second, lengths)
        if not ends:
            return position
        survey.add(position, chunk, ends)
        position += ends[-1]


def _ends(chunk: bytes, second: int, lengths: list[int]) -> list[int]:
    """Where the whole frames end that fill `chunk` from its start."""
    # The one hot loop: an hour at 128 kb/s has 138,000 frames.
    ends: list[int] = []
    position = 0
    last = len(chunk) - 4
    size = len(chunk)
    while position <= last and chunk[position] == 0xFF and chunk[position + 1] & 0xFE == second:
        length = lengths[chunk[position + 2]]
        if length == 0 or position + length > size:
            break
        position += length
        ends.append(position)
    return ends


def _resynchronised(
    file: BinaryIO, second: int, lengths: list[int], position: int, end: int
) -> int:
    """Where the next run of at least two frames starts; `end` when there is none."""
    thirds = bytes(third for third in range(256) if lengths[third])
    header = re.compile(
        b"\xff[" + re.escape(bytes([second, second | 1])) + b"][" + re.escape(thirds) + b"]",
        re.DOTALL,
    )
    tries = 0
    while position < end:
        chunk = bytes_at(file, position, min(_WALK_BYTES, end - position))
        for match in header.finditer(chunk):
            tries += 1
            if tries > _MAX_CANDIDATES:
                raise damaged(Container.MP3, "hardly any of it is audio")
            candidate = position + match.start()
            following = candidate + lengths[match.group()[2]]
            if following == end or header.match(bytes_at(file, following, 3)):
                return candidate
        # A header may straddle two chunks.
        position += max(len(chunk) - 2, 1)
    return end
