"""A signal at the resolution of a picture: lowest, highest and RMS value of each column."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from attrs import cmp_using, field, frozen
from numpy.typing import NDArray

from waveflow.domain.audio import AudioHeader, AudioLimits
from waveflow.domain.decoding import laid_out
from waveflow.domain.kernels.columns import MOST_COLUMNS, MOST_FRAMES, accumulate_columns
from waveflow.domain.kernels.mixing import add_mono
from waveflow.domain.pcm import (
    BLOCK_FRAMES,
    PcmBlock,
    PcmReader,
    channels_apart,
    full_scale,
    mono_scale,
    require_finite,
)


@frozen
class Columns:
    """What is to be drawn of a signal, from left to right.

    Attributes:
        low, high, rms: amplitudes, float64 (lanes, columns); 1.0 is full scale. A lane is a
            channel, or their mean.
        frames: of the whole signal, as decoded.
    """

    low: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    high: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    rms: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    frames: int
    header: AudioHeader


class ColumnAccumulator:
    """Collects columns block by block, given how many frames the signal will have.

    Results don't depend on the size of the blocks. There are as many columns as were asked for, or
    as there are frames where these are fewer; column i of n covers frames ⌊i·N/n⌋ to ⌊(i+1)·N/n⌋.
    """

    def __init__(
        self, header: AudioHeader, most_columns: int, total_frames: int, *, split_channels: bool
    ) -> None:
        """Lay out the columns.

        Args:
            split_channels: a lane for each channel, instead of one for their mean.

        Raises:
            ValueError: for a number of columns that no picture has, or of frames that no audio has.
        """
        if not (1 <= most_columns <= MOST_COLUMNS and 0 <= total_frames <= MOST_FRAMES):
            raise ValueError(f"{total_frames} frames can't be laid out in {most_columns} columns.")
        self.frames = 0
        self._header = header
        self._total_frames = total_frames
        self._split = split_channels
        self._columns = min(most_columns, max(total_frames, 1))
        shape = header.channels if split_channels else 1, self._columns
        self._low = np.full(shape, np.inf)
        self._high = np.full(shape, -np.inf)
        self._squares = np.zeros(shape)
        self._mono = np.zeros(0)

    def add(self, block: PcmBlock) -> None:
        """Take the next frames.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
        """
        if self._split:
            samples = np.ascontiguousarray(channels_apart(block))
            scale = 1.0 / full_scale(samples)
        else:
            samples, scale = self._mean(block), 1.0
        for lane in range(len(self._low)):
            into = self._low[lane], self._high[lane], self._squares[lane]
            accumulate_columns(samples, lane, self.frames, self._total_frames, scale, into)
        require_finite(bool(np.isfinite(self._squares).all()))
        self.frames += len(block)

    def _mean(self, block: PcmBlock) -> NDArray[np.float64]:
        if len(self._mono) < len(block):
            self._mono = np.empty(len(block))
        mono = self._mono[: len(block)]
        mono[:] = 0.0
        require_finite(add_mono(block, mono_scale(block), mono))
        return mono.reshape(-1, 1)

    @property
    def is_complete(self) -> bool:
        """Whether just as many frames came as columns were laid out for."""
        return self.frames == self._total_frames

    def columns(self) -> Columns:
        """The columns so far; those that no frame has reached are silent."""
        edges = np.arange(self._columns + 1) * self._total_frames // self._columns
        frames = np.maximum(np.diff(edges), 1)
        return Columns(
            np.where(np.isfinite(self._low), self._low, 0.0),
            np.where(np.isfinite(self._high), self._high, 0.0),
            np.sqrt(self._squares / frames),
            self.frames,
            self._header,
        )


def columns_of(
    open_reader: Callable[[], AbstractContextManager[PcmReader]],
    most_columns: int,
    limits: AudioLimits,
    *,
    split_channels: bool,
    block_frames: int = BLOCK_FRAMES,
) -> Columns:
    """Decode a file once, or twice when its header misjudges its length, and take its columns.

    Args:
        open_reader: opens the file from its start.
        split_channels: a lane for each channel, instead of one for their mean.

    Raises:
        InvalidAudio, TruncatedAudio, UnsupportedAudio, AudioTooLarge: as the file deserves.
    """
    columns, _ = laid_out(
        open_reader,
        lambda header, frames: ColumnAccumulator(
            header, most_columns, frames, split_channels=split_channels
        ),
        limits,
        block_frames,
    )
    return columns.columns()
