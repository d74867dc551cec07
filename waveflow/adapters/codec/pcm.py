"""Uncompressed samples, read straight from the file: exact, and faster than through a library."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import PcmLayout, SampleType
from waveflow.domain.kernels.swapping import swap_bytes
from waveflow.domain.kernels.unpacking import unpacked

_STEREO = 2


class PcmBlocks:
    """Reads the samples that `layout` describes, block by block, each into the same memory."""

    def __init__(
        self, file: BinaryIO, layout: PcmLayout, channels: int, sample_type: SampleType
    ) -> None:
        self._file = file
        self._layout = layout
        self._channels = channels
        self._sample_type = sample_type
        self._remaining = layout.frames
        self._octets = np.empty(0, np.uint8)
        self._samples = np.empty(0, np.int32)
        file.seek(layout.start)

    def read(self, max_frames: int) -> NDArray[Any]:
        """The next `max_frames` frames or fewer; none at the end. Valid until the next call.

        Shape (frames, channels); 24-bit stereo stays packed, (frames, 2, 3).
        """
        frame_bytes = self._channels * self._layout.sample_bytes
        wanted = min(max_frames, self._remaining)
        if len(self._octets) < wanted * frame_bytes:
            self._octets = np.empty(wanted * frame_bytes, np.uint8)
        raw = self._octets[: wanted * frame_bytes]
        got = self._file.readinto(raw) // frame_bytes  # type: ignore[attr-defined]
        self._remaining = self._remaining - got if got == wanted else 0
        return self._decoded(raw[: got * frame_bytes], got)

    def _decoded(self, raw: NDArray[np.uint8], frames: int) -> NDArray[Any]:
        layout = self._layout
        if layout.big_endian and layout.sample_bytes > 1:
            swap_bytes(raw, layout.sample_bytes)
        if layout.sample_bytes == 3:
            return self._from_24_bit(raw.reshape(frames, self._channels, 3))
        if layout.sample_bytes == 1:
            return _from_8_bit(raw, unsigned=layout.unsigned).reshape(frames, self._channels)
        return raw.view(self._sample_type).reshape(frames, self._channels)

    def _from_24_bit(self, packed: NDArray[np.uint8]) -> NDArray[Any]:
        if self._channels == _STEREO:
            return packed
        if len(self._samples) < len(packed) * self._channels:
            self._samples = np.empty(len(packed) * self._channels, np.int32)
        return unpacked(packed, self._samples)


def _from_8_bit(raw: NDArray[np.uint8], *, unsigned: bool) -> NDArray[np.int16]:
    signed = (raw ^ 0x80 if unsigned else raw).view(np.int8)
    return signed.astype(np.int16) << 8
