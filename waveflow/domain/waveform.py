"""The waveform of a signal: the largest absolute value in n buckets, and the bounds of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
from attrs import cmp_using, evolve, field, frozen
from numpy.typing import NDArray

from waveflow.domain.audio import AudioFormat, AudioLimits, require_num_peaks
from waveflow.domain.decoding import Onlooker, laid_out
from waveflow.domain.kernels.peaks import MOST_FRAMES, accumulate_peaks
from waveflow.domain.levels import Levels
from waveflow.domain.pcm import (
    BLOCK_FRAMES,
    PcmBlock,
    PcmReader,
    mono_scale,
    require_finite,
)
from waveflow.domain.pixels import Pixels

WAVEFORM_VERSION = 1

SILENCE_BELOW = 2.0**-31
"""Less than the smallest step of 32-bit audio is what lossy decoders make of silence (Opus:
2e-34), and would be drawn at full height."""


@frozen
class Waveform:
    """The peaks and the pixels of a mono signal.

    Attributes:
        peaks: float64 (num_peaks,), absolute amplitudes; 1.0 is full scale. Bucket i of n
            covers frames ⌊i·N/n⌋ to ⌊(i+1)·N/n⌋; a bucket without frames is 0.0.
        frames: N, as decoded.
        pixels: at most as many as peaks, since each has the same whole number of frames.
    """

    peaks: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    frames: int
    sample_rate_hz: int
    pixels: Pixels

    @property
    def duration_s(self) -> float:
        """Frames decoded / sample rate: never what a header claims."""
        return self.frames / self.sample_rate_hz

    @property
    def amplitude(self) -> float:
        """The largest peak: what 1.0 stands for in the normalised peaks."""
        return float(self.peaks.max())

    def scaled(self, gain: float) -> Waveform:
        """The waveform of the same signal times `gain` (linear, not negative)."""
        return evolve(self, peaks=self.peaks * gain, pixels=self.pixels.scaled(gain))

    def normalised_peaks(self) -> list[float]:
        """Peaks divided by the largest, rounded to 4 decimals; all zero for silence.

        Silence is an amplitude below `SILENCE_BELOW`.
        """
        amplitude = self.amplitude
        if amplitude < SILENCE_BELOW:
            return [0.0] * len(self.peaks)
        peaks: list[float] = np.round(self.peaks / amplitude, 4).tolist()
        return peaks

    def normalised_pixels(self) -> list[int]:
        """low0, high0, low1, high1 … divided by the largest peak, times 127 and rounded.

        Half is rounded to even. All zero for silence, as the peaks are.
        """
        if self.amplitude < SILENCE_BELOW:
            return [0] * (2 * len(self.pixels))
        return self.pixels.shares_of(self.amplitude)


@frozen
class Analysis:
    """What decoding one file gave.

    Attributes:
        levels: None when nobody asked for them.
    """

    waveform: Waveform
    format: AudioFormat
    channels: int
    levels: Levels | None = None


class PeakAccumulator:
    """Collects a signal's peaks and pixels block by block, given how many frames it will have.

    Results don't depend on the size of the blocks. Frames beyond `total_frames` are counted
    but have no bucket: ask `is_complete` at the end.
    """

    def __init__(self, num_peaks: int, total_frames: int) -> None:
        """Lay out `num_peaks` buckets, and at most as many pixels, over `total_frames` frames.

        Raises:
            InvalidAudio: when num_peaks is outside 1 to 4000.
            ValueError: for a number of frames that no audio has.
        """
        require_num_peaks(num_peaks)
        if not 0 <= total_frames <= MOST_FRAMES:
            raise ValueError(f"{total_frames} frames can't be laid out.")
        self.total_frames = total_frames
        self.frames = 0
        self._peaks = np.zeros(num_peaks)
        self._pixels = Pixels.laid_out(total_frames, num_peaks)

    def add(self, block: PcmBlock) -> None:
        """Take the next frames.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
        """
        scale = mono_scale(block)
        pixels = self._pixels
        grid = (pixels.samples_per_pixel, pixels.low, pixels.high)
        require_finite(
            accumulate_peaks(block, self.frames, self.total_frames, scale, self._peaks, *grid)
        )
        self.frames += len(block)

    @property
    def is_complete(self) -> bool:
        """Whether just as many frames came as buckets were laid out for."""
        return self.frames == self.total_frames

    def waveform(self, sample_rate_hz: int) -> Waveform:
        """Peaks and pixels so far. A pixel that no frame has reached holds no numbers."""
        return Waveform(self._peaks.copy(), self.frames, sample_rate_hz, self._pixels.copy())


def analyse(
    open_reader: Callable[[], AbstractContextManager[PcmReader]],
    num_peaks: int,
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
    onlookers: Sequence[Onlooker] = (),
) -> Analysis:
    """Decode a file once, or twice when its header misjudges its length, and take its peaks.

    Args:
        open_reader: opens the file from its start.
        onlookers: see all frames, once.

    Raises:
        InvalidAudio, TruncatedAudio, UnsupportedAudio, AudioTooLarge: as the file deserves.
    """
    require_num_peaks(num_peaks)
    peaks, header = laid_out(
        open_reader,
        lambda _, frames: PeakAccumulator(num_peaks, frames),
        limits,
        block_frames,
        onlookers,
    )
    waveform = peaks.waveform(header.sample_rate_hz)
    return Analysis(waveform, header.format, header.channels)
