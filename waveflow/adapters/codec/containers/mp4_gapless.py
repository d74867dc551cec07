"""What iTunes notes of an AAC track, in place of an edit list: how much of it is the recording."""

from __future__ import annotations

from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.mp4_boxes import Box, boxes, children, content_of, only
from waveflow.domain.errors import InvalidAudio

_PATH = (b"udta", b"meta", b"ilst")
_NAME = b"iTunSMPB"
_HEAD_BYTES = {b"meta": 4}
_MOST_BYTES = 1024


@frozen
class Gapless:
    """Frames before the recording, and in it."""

    skipped: int
    frames: int


def read_gapless(file: BinaryIO, movie: Box) -> Gapless | None:
    """The note, if there is one that can be read; tags that are broken are no reason to refuse."""
    try:
        return _find(file, movie)
    except (InvalidAudio, ValueError):
        return None


def _find(file: BinaryIO, box: Box) -> Gapless | None:
    for kind in _PATH:
        found = children(file, box, skipped=_HEAD_BYTES.get(box.kind, 0)).get(kind)
        if not found:
            return None
        box = found[0]
    for tag in boxes(file, box.start, box.end):
        if tag.kind == b"----" and tag.end - tag.start <= _MOST_BYTES:
            parts = children(file, tag)
            if content_of(file, only(parts, b"name"))[4:] == _NAME:
                return _parsed(content_of(file, only(parts, b"data"))[8:])
    return None


def _parsed(text: bytes) -> Gapless | None:
    """From hexadecimal numbers: 0, frames before, frames behind, frames of the recording …"""
    fields = [int(field, 16) for field in text.split()[:4]]
    return Gapless(fields[1], fields[3]) if len(fields) == 4 else None
