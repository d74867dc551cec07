"""What browsers are told that a stem is, and whether they play it, by a look at its first bytes.

Nothing is decoded here, and little is read: other people's audio is for the child processes.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from attrs import frozen

_PCM, _EXTENSIBLE = 1, 0xFFFE
_MOST_CHUNKS = 64
_LARGEST_MOOV_BYTES = 16 * 1024**2
_FARTHEST_BYTES = 2**62


@frozen
class Media:
    """A media type, and whether every browser plays such a file."""

    media_type: str
    is_played: bool


UNKNOWN = Media("application/octet-stream", is_played=False)


def media_of(path: Path) -> Media:
    """What the file at `path` is, as far as its first bytes tell. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
            return Media("audio/wav", is_played=head[:4] == b"RIFF" and _is_common_wav(file))
        if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
            return Media("audio/aiff", is_played=False)
        if head[4:8] == b"ftyp":
            return Media("audio/mp4", is_played=_is_aac(file))
        if head[:4] == b"OggS":
            return Media("audio/ogg", is_played=True)
        if head[:4] == b"fLaC":
            return Media("audio/flac", is_played=True)
        if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            return Media("audio/mpeg", is_played=True)
        return UNKNOWN


def _is_common_wav(file: BinaryIO) -> bool:
    """Whether the samples are integers of 8, 16 or 24 bits; floats and the like are for some."""
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return False
        size_bytes = int.from_bytes(header[4:], "little")
        if header[:4] == b"fmt ":
            form = file.read(min(size_bytes, 40))
            tag, bits = _number(form, 0), _number(form, 14)
            if tag == _EXTENSIBLE:
                tag = _number(form, 24)
            return tag == _PCM and bits in (8, 16, 24)
        file.seek(size_bytes + size_bytes % 2, 1)
    return False


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "little")


def _is_aac(file: BinaryIO) -> bool:
    """Whether an MP4 file holds AAC, and no ALAC, which only Apple's browsers play."""
    file.seek(0)
    for _ in range(_MOST_CHUNKS):
        header = file.read(16)
        if len(header) < 8:
            return False
        size_bytes, is_long = int.from_bytes(header[:4]), header[:4] == b"\0\0\0\1"
        if is_long:
            size_bytes = int.from_bytes(header[8:])
        begun = 16 if is_long else 8
        file.seek(begun - len(header), 1)
        if header[4:8] == b"moov":
            index = file.read(min(max(size_bytes - begun, 0), _LARGEST_MOOV_BYTES))
            return b"mp4a" in index and b"alac" not in index
        if not begun <= size_bytes < _FARTHEST_BYTES:
            return False
        file.seek(size_bytes - begun, 1)
    return False
