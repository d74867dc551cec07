"""Which part of an MP4 track is heard: its one edit, checked against what else tells of it."""

from __future__ import annotations

from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.mp4_boxes import (
    Box,
    broken,
    children,
    content_of,
    numbers,
    only,
)
from waveflow.adapters.codec.containers.mp4_codec import refused
from waveflow.adapters.codec.containers.parsed import bytes_at

_MOST_EDITS = 1000
_MOST_ROW_BYTES = 20


@frozen
class Edit:
    """A part of a track.

    Attributes:
        start: in the track's ticks.
        duration: in the movie's ticks; 0 for all that follows.
        pauses: how long nothing is heard before it, in the movie's ticks.
    """

    start: int
    duration: int
    pauses: int


def read_edit(file: BinaryIO, track: dict[bytes, list[Box]]) -> Edit | None:
    """The one edit of a track; None where it has none.

    A pause before it is passed over, as ffmpeg does it.

    Raises:
        InvalidAudio: when the list is cut off, or longer than any honest one.
        UnsupportedAudio: for several parts, and for a speed other than the recording's.
    """
    if b"edts" not in track:
        return None
    is_wide, rows = _rows(file, only(children(file, only(track, b"edts")), b"elst"))
    nothing = (1 << (64 if is_wide else 32)) - 1
    edits = [(duration, start) for duration, start, _ in rows if start != nothing]
    if len(edits) > 1 or any(rate != 1 << 16 for *_, rate in rows):
        raise refused("edited")
    if not edits:
        return None
    [(duration, start)] = edits
    return Edit(start, duration, sum(each for each, *_ in rows) - duration)


def _rows(file: BinaryIO, box: Box) -> tuple[bool, list[list[int]]]:
    """Whether the numbers have 64 bits, and (duration, start, rate) of each row."""
    count = int.from_bytes(bytes_at(file, box.start + 4, 4), "big")
    if count > _MOST_EDITS:
        raise broken(f"it claims {count} edits")
    end = min(box.end, box.start + 8 + _MOST_EDITS * _MOST_ROW_BYTES)
    content = content_of(file, Box(box.kind, box.start, end), at_least=8)
    if content[0] != 1:
        return False, numbers(content, 8, count, 3).tolist()
    rows = numbers(content, 8, count, 5).tolist()
    return True, [
        [high << 32 | low, start << 32 | end, rate] for high, low, start, end, rate in rows
    ]


def require_agreement(
    file: BinaryIO, track: dict[bytes, list[Box]], edit: Edit, whole_ticks: float
) -> None:
    """Raises `InvalidAudio` when the track's header tells of another duration than its edit.

    The header's is that of all edits (ISO/IEC 14496-12, 8.3.2.3). But there are writers that
    leave out the pauses, and some that add an edit for the encoder's delay and leave the header
    as it was.

    Args:
        whole_ticks: the duration of the track without edits, in the movie's ticks.
    """
    told = _told_duration(file, track)
    if told is None or edit.duration == 0:
        return
    possible = [edit.duration, edit.duration + edit.pauses]
    if edit.start > 0:
        possible.append(round(whole_ticks))
    if all(abs(told - each) > 1 for each in possible):
        raise broken("its parts differ in how long it lasts")


def _told_duration(file: BinaryIO, track: dict[bytes, list[Box]]) -> int | None:
    """What the track's header says, in the movie's ticks; None where it leaves it open."""
    if b"tkhd" not in track:
        return None
    content = content_of(file, only(track, b"tkhd"), at_least=24)
    start, size = (28, 8) if content[0] == 1 else (20, 4)
    duration = int.from_bytes(content[start : start + size], "big")
    is_open = duration in (0, (1 << 8 * size) - 1)
    return None if is_open else duration
