"""Audio as a stream of blocks: what the accumulators read from, and how loud full scale is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.audio import AudioHeader, AudioLimits, require_complete
from waveflow.domain.errors import InvalidAudio

PcmBlock = NDArray[Any]
"""Frames as decoded: shape (frames, channels), C-contiguous, int16, int32, float32 or float64."""

BLOCK_FRAMES = 1 << 16
"""Frames asked for at a time: a stereo block of 16 bits fits in the second-level cache."""

_LARGEST_SAMPLE = float(np.finfo(np.float32).max)
"""What 32-bit audio can hold: a mix is kept in that between its passes."""

_FULL_SCALE = {"int16": 2.0**15, "int32": 2.0**31, "float32": 1.0, "float64": 1.0}


def full_scale(block: PcmBlock) -> float:
    """The sample value that stands for an amplitude of 1.0 in the block's dtype."""
    return _FULL_SCALE[block.dtype.name]


def mono_scale(block: PcmBlock) -> float:
    """The amplitude of the mono signal for a channel sum of 1: 1 / (channels * full scale)."""
    channels: int = block.shape[1]
    return 1.0 / (channels * full_scale(block))


class PcmReader(Protocol):
    """A stream of decoded frames."""

    @property
    @abstractmethod
    def header(self) -> AudioHeader:
        """What the file's header says; `channels` and `sample_rate_hz` hold for every block."""

    @abstractmethod
    def read(self, max_frames: int) -> PcmBlock:
        """The next frames, at most `max_frames`; 0 rows at the end, and only there.

        Raises:
            InvalidAudio: when the data can't be decoded.
        """


def blocks_of(
    reader: PcmReader, limits: AudioLimits, block_frames: int = BLOCK_FRAMES
) -> Iterator[PcmBlock]:
    """All frames of `reader` in full blocks, the last one shorter.

    Every block but the last has exactly `block_frames` rows, however the decoder chops its
    output: streams that are mixed must advance in step.

    Raises:
        InvalidAudio: for a 64-bit sample that 32 bits couldn't hold.
        AudioTooLarge: once more than the allowed duration has been decoded.
        TruncatedAudio: at the end, when clearly fewer frames came than the header announces.
    """
    header = reader.header
    decoded = 0
    ended = False
    while not ended:
        pieces: list[PcmBlock] = []
        missing = block_frames
        while missing:
            piece = reader.read(missing)
            if not len(piece):
                ended = True
                break
            pieces.append(piece)
            missing -= len(piece)
        decoded += block_frames - missing
        limits.require_duration(decoded, header.sample_rate_hz)
        if len(pieces) > 1:
            pieces = [np.concatenate(pieces)]
        if pieces:
            _require_in_range(pieces[0])
            # Popped, so that a paused stream keeps no block: a mix may have hundreds of them.
            yield pieces.pop()
    require_complete(header, decoded)


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
