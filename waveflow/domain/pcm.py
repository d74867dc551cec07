"""Audio as a stream of blocks: what the accumulators read from, and how loud full scale is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.audio import AudioHeader, AudioLimits, require_complete
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.kernels.unpacking import unpacked

PcmBlock = NDArray[Any]
"""Frames as they lie in the file, or as the decoder gives them; converted only by kernels.

(frames, channels) of int16, int32 (left-justified), float32 or float64; or, for 24-bit stereo,
uint8 (frames, 2, 3), packed and lower byte first. The channels of float32 may lie apart.
"""

BLOCK_FRAMES = 1 << 17
"""Frames asked for at a time: stereo of 16 or 24 bits fits in a second-level cache of 1 MiB, and
each block costs some 15 µs of Python and system calls."""

_LARGEST_SAMPLE = float(np.finfo(np.float32).max)
"""What 32-bit audio can hold: a mix is kept in that between its passes."""

_PACKED_DIMENSIONS = 3
_FULL_SCALE = {
    np.dtype(np.int16): 2.0**15,
    np.dtype(np.uint8): 2.0**23,  # packed 24-bit
    np.dtype(np.int32): 2.0**31,
    np.dtype(np.float32): 1.0,
    np.dtype(np.float64): 1.0,
}


def full_scale(block: PcmBlock) -> float:
    """The sample value that stands for an amplitude of 1.0 in the block's dtype."""
    return _FULL_SCALE[block.dtype]


def mono_scale(block: PcmBlock) -> float:
    """The amplitude of the mono signal for a channel sum of 1: 1 / (channels * full scale)."""
    channels: int = block.shape[1]
    return 1.0 / (channels * full_scale(block))


def channels_apart(block: PcmBlock) -> NDArray[Any]:
    """`block` as (frames, channels): packed samples become int32, all others stay as they are."""
    return unpacked(block) if block.ndim == _PACKED_DIMENSIONS else block


class PcmReader(Protocol):
    """A stream of decoded frames."""

    @property
    @abstractmethod
    def header(self) -> AudioHeader:
        """What the file's header says; `channels` and `sample_rate_hz` hold for every block."""

    @abstractmethod
    def read(self, max_frames: int) -> PcmBlock:
        """The next frames, at most `max_frames`; 0 rows at the end, and only there.

        They are valid until the next call: fresh memory for each block would cost more than
        what is done with it.

        Raises:
            InvalidAudio: when the data can't be decoded.
        """


class CheckedReader:
    """Reads the blocks of another reader, and judges them.

    Attributes:
        header: of the other reader.
        frames: how many have been read.
    """

    def __init__(self, reader: PcmReader, limits: AudioLimits) -> None:
        """Read `reader` to its end."""
        self.header = reader.header
        self.frames = 0
        self._reader = reader
        self._limits = limits

    def read(self, max_frames: int) -> PcmBlock:
        """As `PcmReader.read`.

        Raises:
            InvalidAudio: for a 64-bit sample that 32 bits couldn't hold.
            AudioTooLarge: once more than the allowed duration has been decoded.
            TruncatedAudio: at the end, when clearly fewer frames came than the header announces.
        """
        block = self._reader.read(max_frames)
        if not len(block):
            require_complete(self.header, self.frames)
            return block
        self.frames += len(block)
        self._limits.require_duration(self.frames, self.header.sample_rate_hz)
        _require_in_range(block)
        return block


def blocks_of(
    reader: PcmReader, limits: AudioLimits, block_frames: int = BLOCK_FRAMES
) -> Iterator[PcmBlock]:
    """All frames of `reader`, block by block as they come. Raises as `CheckedReader.read`."""
    checked = CheckedReader(reader, limits)
    while len(block := checked.read(block_frames)):
        yield block


def _require_in_range(block: PcmBlock) -> None:
    if block.dtype == np.float64:
        require_finite(bool(block.min() >= -_LARGEST_SAMPLE and block.max() <= _LARGEST_SAMPLE))


def require_finite(finite: bool) -> None:
    """Raises `InvalidAudio` for samples that are not numbers, or that no audio holds."""
    if not finite:
        raise InvalidAudio(
            "The file contains samples that are not numbers (NaN or infinity), or too large for"
            " 32-bit audio. Please export it again.",
            code="audio_not_finite",
        )
