"""Builders of M4A files: honest ones, and ones whose boxes were changed afterwards."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
"""Where the tables of packets are. The index comes last in the file: it may change its size."""

_FORMATS = {"aac": "fltp", "alac": "s16p", "alac-24": "s32p"}
_OWN_BYTES = {b"stsd": 8, b"mp4a": 28, b"alac": 28, b"meta": 4}
_BLOCK_FRAMES = 4_096

Change = Callable[[bytes], bytes]


def write_m4a(
    path: Path,
    samples: NDArray[np.floating[Any]],
    sample_rate_hz: int = 44_100,
    *,
    kind: str = "aac",
    options: dict[str, str] | None = None,
) -> Path:
    """Writes `samples` (frames, channels), 1.0 being full scale, as AAC or ALAC.

    Args:
        kind: `aac`, `alac` (16 bits) or `alac-24`.
        options: of ffmpeg's writer of MP4 files.
    """
    layout, form = LAYOUTS[samples.shape[1]], _FORMATS[kind]
    with av.open(str(path), "w", format="ipod", options=options or {}) as container:
        stream: Any = container.add_stream(kind.removesuffix("-24"), rate=sample_rate_hz)
        stream.layout, stream.format = layout, form
        for start in range(0, len(samples), _BLOCK_FRAMES):
            planes = np.ascontiguousarray(as_sent(samples[start : start + _BLOCK_FRAMES], kind).T)
            frame = av.AudioFrame.from_ndarray(planes, form, layout)
            frame.sample_rate, frame.pts = sample_rate_hz, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def as_sent(samples: NDArray[np.floating[Any]], kind: str) -> NDArray[Any]:
    """What the encoder gets: for ALAC, the integers that have to come out again."""
    if kind == "aac":
        return samples.astype(np.float32)
    sent: NDArray[Any] = np.rint(samples * 32767).astype(np.int16)
    if kind == "alac-24":
        sent = np.rint(samples * (2.0**23 - 1)).astype(np.int32) << 8
    return sent


def box(kind: bytes, content: bytes, *, claimed: int | None = None) -> bytes:
    """A box; `claimed` is the size that it gives."""
    return struct.pack(">I", len(content) + 8 if claimed is None else claimed) + kind + content


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box."""
    while content:
        size = int.from_bytes(content[:4], "big")
        yield content[4:8], content[8:size]
        content = content[size:]


def content_of(content: bytes, *kinds: bytes) -> bytes:
    """The content of the first box at the end of a path of kinds."""
    for kind in kinds:
        content = next(inner for found, inner in boxes(content) if found == kind)
        content = content[_OWN_BYTES.get(kind, 0) :] if kind != kinds[-1] else content
    return content


def changed(content: bytes, kinds: tuple[bytes, ...], change: Change) -> bytes:
    """The file with the content of each box at the end of a path changed, sizes put right.

    A box for which nothing is given back is left out.
    """
    found = b""
    for kind, inner in boxes(content):
        if kind != kinds[0]:
            found += box(kind, inner)
        elif len(kinds) > 1:
            own = _OWN_BYTES.get(kind, 0)
            found += box(kind, inner[:own] + changed(inner[own:], kinds[1:], change))
        elif new := change(inner):
            found += box(kind, new)
    return found


def patched(offset: int, new: bytes) -> Change:
    """A change of some bytes of a box's content."""
    return lambda content: content[:offset] + new + content[offset + len(new) :]


def replaced(new: bytes) -> Change:
    """A change of all of a box's content."""
    return lambda _: new


def added(kind: bytes, content: bytes = b"") -> Change:
    """One more box within a box."""
    return lambda inner: inner + box(kind, content)


def renamed(content: bytes, kinds: tuple[bytes, ...], kind: bytes) -> bytes:
    """The file with another kind of box there."""
    *outer, last = kinds

    def rename(inner: bytes) -> bytes:
        own = _OWN_BYTES.get(outer[-1], 0)
        return inner[:own] + b"".join(
            box(kind if found == last else found, content) for found, content in boxes(inner[own:])
        )

    return changed(content, tuple(outer), rename)


def with_edits(content: bytes, *edits: tuple[int, int]) -> bytes:
    """The file with these edits: (duration in the movie's ticks, start in the track's).

    The track's header tells of the same duration.
    """
    rows = b"".join(struct.pack(">Iii", duration, start, 1 << 16) for duration, start in edits)
    table = bytes(4) + struct.pack(">I", len(edits)) + rows
    edited = changed(content, (b"moov", b"trak", b"edts", b"elst"), lambda _: table)
    return with_duration(edited, sum(duration for duration, _ in edits))


def with_duration(content: bytes, ticks: int) -> bytes:
    """The file whose track's header tells of so many of the movie's ticks."""
    return changed(content, (b"moov", b"trak", b"tkhd"), patched(20, struct.pack(">I", ticks)))


def with_aac_setup(content: bytes, setup: bytes) -> bytes:
    """The file with another AudioSpecificConfig."""
    config = b"\x40\x15" + bytes(11) + b"\x05" + bytes([len(setup)]) + setup
    stream = b"\0\1\0" + b"\x04" + bytes([len(config)]) + config
    esds = bytes(4) + b"\x03" + bytes([len(stream)]) + stream
    return changed(content, (*TABLE, b"stsd", b"mp4a", b"esds"), lambda _: esds)


def with_packets(content: bytes, count: int, ticks: int) -> bytes:
    """The file with so many packets of one byte, that last so many ticks each: none decodes."""
    start = content.index(b"mdat") + 4
    content = changed(content, (b"mdat",), lambda _: b"\xe0" * count)
    for kind, numbers in {
        b"stts": (0, 1, count, ticks),
        b"stsc": (0, 1, 1, count, 1),
        b"stsz": (0, 1, count),
        b"stco": (0, 1, start),
    }.items():
        table = struct.pack(f">{len(numbers)}I", *numbers)
        content = changed(content, (*TABLE, kind), replaced(table))
    return content


def with_track(content: bytes, handler: bytes, *parts: bytes) -> bytes:
    """The file with one more track, of such a kind, that has nothing but these parts."""
    media = box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(13)) + b"".join(parts))
    return changed(content, (b"moov",), added(b"trak", media))


def louder(content: bytes, packet: int, by: int) -> bytes:
    """The file with one packet of AAC, of one channel, 2^(by / 4) times as loud."""
    sizes = content_of(content, *TABLE, b"stsz")
    start = content.index(b"mdat") + 4
    start += sum(struct.unpack_from(f">{packet}I", sizes, 12))
    # Three bits for the kind of element, four for its number, eight for its gain.
    head = int.from_bytes(content[start : start + 2], "big") + (by << 1)
    return content[:start] + head.to_bytes(2, "big") + content[start + 2 :]
