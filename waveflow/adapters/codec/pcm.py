"""Uncompressed samples, read straight from the file: exact, and faster than through a library."""

from __future__ import annotations

from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import PcmLayout, SampleType


class PcmBlocks:
    """Reads the samples that `layout` describes, block by block."""

    def __init__(
        self, file: BinaryIO, layout: PcmLayout, channels: int, sample_type: SampleType
    ) -> None:
        self._file = file
        self._layout = layout
        self._channels = channels
        self._sample_type = sample_type
        self._remaining = layout.frames
        file.seek(layout.start)

    def read(self, max_frames: int) -> NDArray[Any]:
        """The next `max_frames` frames or fewer, (frames, channels); none at the end."""
        frame_bytes = self._channels * self._layout.sample_bytes
        # One byte in front makes every 24-bit sample the upper part of some 32-bit word.
        lead = 1 if self._layout.sample_bytes == 3 else 0
        wanted = min(max_frames, self._remaining)
        raw = np.empty(lead + wanted * frame_bytes, np.uint8)
        got = self._file.readinto(raw[lead:]) // frame_bytes  # type: ignore[attr-defined]
        self._remaining = self._remaining - got if got == wanted else 0
        samples = self._decoded(raw[: lead + got * frame_bytes])
        return samples.reshape(got, self._channels)

    def _decoded(self, raw: NDArray[np.uint8]) -> NDArray[Any]:
        layout = self._layout
        order: Literal[">", "<"] = ">" if layout.big_endian else "<"
        if layout.sample_bytes == 1:
            return _from_8_bit(raw, unsigned=layout.unsigned)
        if layout.sample_bytes == 3:
            return _from_24_bit(raw, big_endian=layout.big_endian)
        stored = raw.view(np.dtype(self._sample_type).newbyteorder(order))
        return stored.astype(self._sample_type, copy=False)


def _from_8_bit(raw: NDArray[np.uint8], *, unsigned: bool) -> NDArray[np.int16]:
    signed = (raw ^ 0x80 if unsigned else raw).view(np.int8)
    return signed.astype(np.int16) << 8


def _from_24_bit(raw: NDArray[np.uint8], *, big_endian: bool) -> NDArray[np.int32]:
    count = raw.size // 3
    raw[0] = 0
    if big_endian:
        samples = raw[1:].reshape(count, 3)
        raw[1:] = samples[:, ::-1].reshape(-1)
    # Each word is a stray byte, then the sample: overlapping, and not aligned.
    words: NDArray[np.int32] = np.ndarray((count,), "<i4", buffer=raw, strides=(3,))
    return (words & np.int32(-256)).astype(np.int32, copy=False)
