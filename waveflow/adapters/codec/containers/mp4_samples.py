"""Where the packets of an MP4 track lie: what its sample table says, checked against the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.mp4_boxes import Box, broken, content_of, numbers, only
from waveflow.adapters.codec.containers.packets import LARGEST_PACKET_BYTES, PacketStream
from waveflow.adapters.codec.containers.parsed import bytes_at

MOST_PACKETS = 1 << 22
"""Six hours of AAC at 192 kHz."""

_WINDOW_BYTES = 256 * 1024
_AT_A_TIME = 4096

Numbers = NDArray[np.int64]


@frozen(eq=False)
class Samples:
    """The packets of a track.

    Attributes:
        offsets: int64 (packets,), bytes from the start of the file.
        sizes: int64 (packets,), bytes.
        ticks: how long they last together, in units of the track's time scale.
    """

    offsets: Numbers
    sizes: Numbers
    ticks: int


@frozen(eq=False)
class Mp4Packets(PacketStream):
    """An AAC or ALAC stream: packets that are whole, up to the first that isn't."""

    setup: bytes
    skipped: int
    offsets: Numbers
    sizes: Numbers
    lenient: bool = False

    def packets(self, file: BinaryIO) -> Iterator[bytes]:
        window, window_start = b"", 0
        for offset, size in self._places():
            start = offset - window_start
            if start < 0 or start + size > len(window):
                window, window_start, start = (
                    bytes_at(file, offset, _WINDOW_BYTES + size),
                    offset,
                    0,
                )
            yield window[start : start + size]

    def _places(self) -> Iterator[tuple[int, int]]:
        for first in range(0, len(self.sizes), _AT_A_TIME):
            some = slice(first, first + _AT_A_TIME)
            yield from zip(self.offsets[some].tolist(), self.sizes[some].tolist(), strict=True)


def read_samples(file: BinaryIO, table: dict[bytes, list[Box]], file_size: int) -> Samples:
    """What the boxes within `stbl` say.

    Raises:
        InvalidAudio: when they contradict each other, or can't be true of any file of this size.
    """
    sizes = _sizes(file, table)
    offsets = _offsets(file, table, sizes)
    if len(sizes) and (sizes.min() < 1 or sizes.max() > LARGEST_PACKET_BYTES):
        raise broken("it has packets of a size that can't be")
    ends = offsets + sizes
    if len(ends) and int(sizes[ends <= file_size].sum()) > file_size:
        raise broken("its packets overlap")
    return Samples(offsets, sizes, _ticks(file, table, len(sizes)))


def whole(samples: Samples, file_size: int) -> int:
    """How many of the packets are there, up to the first that isn't."""
    missing = np.flatnonzero(samples.offsets + samples.sizes > file_size)
    return int(missing[0]) if len(missing) else len(samples.sizes)


def _sizes(file: BinaryIO, table: dict[bytes, list[Box]]) -> Numbers:
    content = content_of(file, only(table, b"stsz"), at_least=12)
    common, count = (int.from_bytes(content[at : at + 4], "big") for at in (4, 8))
    if count > MOST_PACKETS:
        raise broken(f"it claims {count} packets")
    if common:
        return np.full(count, common, np.int64)
    return numbers(content, 12, count, 1)[:, 0].astype(np.int64)


def _offsets(file: BinaryIO, table: dict[bytes, list[Box]], sizes: Numbers) -> Numbers:
    """Each chunk has an offset and a number of packets, which lie one behind the other."""
    chunks = _chunk_offsets(file, table)
    per_chunk = _packets_per_chunk(file, table, len(chunks))
    if int(per_chunk.sum()) != len(sizes):
        raise broken("its tables differ in how many packets it has")
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    first_of_chunk = np.cumsum(per_chunk) - per_chunk
    offsets: Numbers = np.repeat(chunks - before[first_of_chunk], per_chunk) + before[:-1]
    return offsets


def _chunk_offsets(file: BinaryIO, table: dict[bytes, list[Box]]) -> Numbers:
    kind, bytes_each = (b"co64", 8) if b"co64" in table else (b"stco", 4)
    content = content_of(file, only(table, kind), at_least=8)
    count = int.from_bytes(content[4:8], "big")
    if count > MOST_PACKETS:
        raise broken(f"it claims {count} parts of audio")
    offsets = numbers(content, 8, count, 1, bytes_each)[:, 0]
    if len(offsets) and int(offsets.max()) >= 1 << 62:
        raise broken("a part of its audio lies behind the end of any file")
    return offsets.astype(np.int64)


def _packets_per_chunk(file: BinaryIO, table: dict[bytes, list[Box]], chunks: int) -> Numbers:
    """From runs of chunks that have equally many: (first chunk, from 1; packets; description)."""
    content = content_of(file, only(table, b"stsc"), at_least=8)
    runs = numbers(content, 8, int.from_bytes(content[4:8], "big"), 3).astype(np.int64)
    if chunks == 0:
        return np.zeros(0, np.int64)
    starts = np.append(runs[:, 0], chunks + 1)
    is_in_order = len(runs) > 0 and starts[0] == 1 and bool((np.diff(starts) > 0).all())
    if not is_in_order or (runs[:, 2] != 1).any():
        raise broken("its table of chunks is out of order")
    if int(runs[:, 1].max()) > MOST_PACKETS:
        raise broken("it claims more packets than it can have")
    return np.repeat(runs[:, 1], np.diff(starts))


def _ticks(file: BinaryIO, table: dict[bytes, list[Box]], packets: int) -> int:
    """The sum of the packets' durations, from runs of equal ones: (packets, duration)."""
    content = content_of(file, only(table, b"stts"), at_least=8)
    runs = numbers(content, 8, int.from_bytes(content[4:8], "big"), 2)
    if len(runs) > MOST_PACKETS or int(runs[:, 0].sum(dtype=np.uint64)) != packets:
        raise broken("its tables differ in how many packets it has")
    # 2^22 packets of less than 2^32 ticks: 64 bits hold the sum.
    return sum(
        int(np.prod(runs[first : first + _AT_A_TIME], axis=1, dtype=np.uint64).sum())
        for first in range(0, len(runs), _AT_A_TIME)
    )
