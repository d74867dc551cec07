"""Where every frame of a FLAC stream lies, when the stream is regular from end to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.flac_frame import (
    CRC8,
    StreamInfo,
    frame_extent,
    possible_end,
)
from waveflow.adapters.codec.containers.parsed import FlacFrames, Offsets, bytes_at

_SCAN_BYTES = 256 * 1024
_MOST_CANDIDATES = 1 << 19
_BATCH = 1 << 14
_HEAD_BYTES = 16
_LARGEST_LAST_FRAME_BYTES = 256 * 1024

_EXTRA_BYTES = np.array(
    [0] * 128 + [9] * 64 + [1] * 32 + [2] * 16 + [3] * 8 + [4] * 4 + [5] * 2 + [6, 9], np.intp
)
"""Bytes behind the first of a coded number; 9: can't be a first byte."""
_LENGTHS = np.array([0, 192, *(576 << i for i in range(4)), 0, 0, *(256 << i for i in range(8))])
_LENGTH_BYTES = np.array([0] * 6 + [1, 2] + [0] * 8)

_Found = tuple[Offsets, Offsets, Offsets]


@frozen
class _Heads:
    """Bytes that may be frame headers.

    Attributes:
        offsets: where they lie in the file.
        rows: uint8 (count, 16), zeros past the end of the stream.
    """

    offsets: Offsets
    rows: NDArray[np.uint8]


def regular_frames(
    file: BinaryIO, info: StreamInfo, stream_info: bytes, start: int, end: int
) -> FlacFrames | None:
    """The frames from `start` to `end`, found by their headers; None unless all is in order.

    In order means: as many PCM frames as announced; numbers without a gap; one sample size,
    number of channels and rate throughout; a last frame that is whole; and frames of the sizes
    that were announced, so that nothing of that size lies between them. What is within the
    frames, the decoder has to check.
    """
    first = bytes_at(file, start, _HEAD_BYTES)
    if not _is_plain(first, info):
        return None
    found: list[_Found] = []
    count = 0
    for heads in _candidates(file, first[:2], start, end):
        found.append(_headers(heads, first, info))
        count += len(heads.offsets)
        if count > _MOST_CANDIDATES:
            return None
    offsets, before, lengths = _chained(
        *(np.concatenate(part) for part in zip(*found, strict=True))
    )
    if len(offsets) == 0 or offsets[0] != start or lengths.max() > info.block_frames:
        return None
    positions = np.append(before, before[-1] + lengths[-1])
    sizes = np.diff(offsets)
    # The last frame may be cut off: nothing follows that would tell.
    fits = _is_whole(file, int(offsets[-1]), end)
    fits &= bool((sizes >= info.min_frame_bytes).all() and (sizes <= info.max_frame_bytes).all())
    if positions[-1] != info.total_frames or not fits:
        return None
    return FlacFrames(np.append(offsets, end), positions, stream_info)


def _is_whole(file: BinaryIO, start: int, end: int) -> bool:
    if end - start > _LARGEST_LAST_FRAME_BYTES:
        return False
    _, is_certain = possible_end(bytes_at(file, start, end - start))
    return is_certain


def _is_plain(first: bytes, info: StreamInfo) -> bool:
    """Whether a stream that begins so is of the kind that is scanned."""
    known_sizes = 0 < info.min_frame_bytes <= info.max_frame_bytes
    return (
        known_sizes
        and first[:2] in (b"\xff\xf8", b"\xff\xf9")
        and frame_extent(first, info) is not None
        # Rates that are written out would take two more bytes.
        and first[2] & 0x0F < 12
    )


def _candidates(file: BinaryIO, sync: bytes, start: int, end: int) -> Iterator[_Heads]:
    """All places with the sync code, thousands at a time."""
    offsets: list[Offsets] = []
    rows: list[NDArray[np.uint8]] = []
    for position, window in _windows(file, start, end):
        found = _places(window[: -_HEAD_BYTES + 1], sync)
        offsets.append(found + position)
        rows.append(window[found[:, np.newaxis] + np.arange(_HEAD_BYTES)])
        if sum(map(len, offsets)) > _BATCH:
            yield _Heads(np.concatenate(offsets), np.concatenate(rows))
            offsets, rows = [], []
    if offsets:
        yield _Heads(np.concatenate(offsets), np.concatenate(rows))


def _windows(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The bytes in pieces, each followed by 15 bytes of the next one, or zeros."""
    window = np.zeros(_SCAN_BYTES + _HEAD_BYTES, np.uint8)
    for position in range(start, end, _SCAN_BYTES):
        length = min(len(window) - 1, end - position)
        file.seek(position)
        got = file.readinto(window[:length])  # type: ignore[attr-defined]
        window[got:] = 0
        yield position, window[: min(_SCAN_BYTES, end - position) + _HEAD_BYTES - 1]


def _places(window: NDArray[np.uint8], sync: bytes) -> NDArray[np.intp]:
    """Where in the window these two bytes are, at even and at odd offsets."""
    word = np.frombuffer(sync, np.uint16)[0]
    even = np.flatnonzero(window[: len(window) // 2 * 2].view(np.uint16) == word) * 2
    odd = np.flatnonzero(window[1 : (len(window) - 1) // 2 * 2 + 1].view(np.uint16) == word) * 2
    found = np.concatenate([even, odd + 1])
    found.sort()
    return found


def _headers(heads: _Heads, first: bytes, info: StreamInfo) -> _Found:
    """Where valid headers lie, PCM frames before them, and in their frames."""
    rows = heads.rows.astype(np.int64)
    assignments = rows[:, 3] >> 4
    channels = np.where(assignments < 8, assignments + 1, np.where(assignments < 11, 2, 0))
    number_bytes = _EXTRA_BYTES[rows[:, 4]]
    length_codes = rows[:, 2] >> 4
    alike = (rows[:, 2] & 0x0F) == (first[2] & 0x0F)
    alike &= (rows[:, 3] & 0x0F) == (first[3] & 0x0F)
    alike &= (channels == info.channels) & (number_bytes < 9) & (length_codes > 0)
    rows, number_bytes, length_codes = rows[alike], number_bytes[alike], length_codes[alike]
    numbers, lengths = _numbers(rows, number_bytes), _LENGTHS[length_codes]
    ends = 5 + number_bytes
    every = np.arange(len(rows))
    one, two = rows[every, ends], rows[every, ends + 1]
    lengths = np.where(length_codes == 6, one + 1, lengths)
    lengths = np.where(length_codes == 7, (one << 8) + two + 1, lengths)
    ends = ends + _LENGTH_BYTES[length_codes]
    valid = _crc8(rows, ends) == rows[every, ends]
    before = numbers if first[1] & 1 else numbers * info.block_frames
    return heads.offsets[alike][valid], before[valid], lengths[valid]


def _numbers(rows: NDArray[np.int64], number_bytes: NDArray[np.intp]) -> NDArray[np.int64]:
    """Frame or sample numbers, in UTF-8's scheme stretched to 36 bits."""
    numbers = np.where(number_bytes == 0, rows[:, 4], rows[:, 4] & (0x3F >> number_bytes))
    for extra in range(1, 7):
        longer = numbers << 6 | rows[:, 4 + extra] & 0x3F
        numbers = np.where(number_bytes >= extra, longer, numbers)
    return numbers


def _crc8(rows: NDArray[np.int64], ends: NDArray[Any]) -> NDArray[np.int64]:
    """The checksum of each row's bytes before its end."""
    table = np.array(CRC8, np.int64)
    crc = np.zeros(len(rows), np.int64)
    for index in range(_HEAD_BYTES - 1):
        crc = np.where(index < ends, table[crc ^ rows[:, index]], crc)
    return crc


def _chained(offsets: Offsets, before: Offsets, lengths: Offsets) -> _Found:
    """The headers each of which goes on where the one before ends.

    Once in some hours of audio, bytes within a frame look like a header.
    """
    running = np.cumsum(lengths) - lengths
    if not np.array_equal(running, before):
        kept: list[int] = []
        position = 0
        for index, (at, length) in enumerate(zip(before.tolist(), lengths.tolist(), strict=True)):
            if at == position:
                kept.append(index)
                position += length
        offsets, before, lengths = offsets[kept], before[kept], lengths[kept]
    return offsets, before, lengths
