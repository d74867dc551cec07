"""The waveform of a signal: n buckets, and the largest absolute value in each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from attrs import cmp_using, evolve, field, frozen
from numpy.typing import NDArray

from waveflow.domain.audio import AudioFormat, AudioLimits, require_num_peaks
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.kernels.peaks import MOST_FRAMES, accumulate_peaks
from waveflow.domain.pcm import (
    BLOCK_FRAMES,
    PcmBlock,
    PcmReader,
    blocks_of,
    mono_scale,
    require_finite,
)

WAVEFORM_VERSION = 1

SILENCE_BELOW = 2.0**-31
"""Less than the smallest step of 32-bit audio is what lossy decoders make of silence (Opus:
2e-34), and would be drawn at full height."""


@frozen
class Waveform:
    """The peaks of a mono signal.

    Attributes:
        peaks: float64 (num_peaks,), absolute amplitudes; 1.0 is full scale. Bucket i of n
            covers frames ⌊i·N/n⌋ to ⌊(i+1)·N/n⌋; a bucket without frames is 0.0.
        frames: N, as decoded.
    """

    peaks: NDArray[np.float64] = field(eq=cmp_using(eq=np.array_equal))
    frames: int
    sample_rate_hz: int

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
        return evolve(self, peaks=self.peaks * gain)

    def normalised_peaks(self) -> list[float]:
        """Peaks divided by the largest, rounded to 4 decimals; all zero for silence.

        Silence is an amplitude below `SILENCE_BELOW`.
        """
        amplitude = self.amplitude
        if amplitude < SILENCE_BELOW:
            return [0.0] * len(self.peaks)
        peaks: list[float] = np.round(self.peaks / amplitude, 4).tolist()
        return peaks


@frozen
class Analysis:
    """What decoding one file gave."""

    waveform: Waveform
    format: AudioFormat
    channels: int


class PeakAccumulator:
    """Collects the peaks of a signal block by block, given how many frames it will have.

    Results don't depend on the size of the blocks. Frames beyond `total_frames` are counted
    but have no bucket: ask `is_complete` at the end.
    """

    def __init__(self, num_peaks: int, total_frames: int) -> None:
        """Lay out `num_peaks` buckets over `total_frames` frames.

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

    def add(self, block: PcmBlock) -> None:
        """Take the next frames.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
        """
        scale = mono_scale(block)
        require_finite(accumulate_peaks(block, self.frames, self.total_frames, scale, self._peaks))
        self.frames += len(block)

    @property
    def is_complete(self) -> bool:
        """Whether just as many frames came as buckets were laid out for."""
        return self.frames == self.total_frames

    def waveform(self, sample_rate_hz: int) -> Waveform:
        """The peaks so far."""
        return Waveform(self._peaks.copy(), self.frames, sample_rate_hz)


def analyse(
    open_reader: Callable[[], AbstractContextManager[PcmReader]],
    num_peaks: int,
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
) -> Analysis:
    """Decode a file once, or twice when its header misjudges its length, and take its peaks.

    Bucket boundaries need the number of frames beforehand, and only counting tells it. The
    header's figure is tried first; if counting disagrees, the count is used and the file is
    decoded again.

    Args:
        open_reader: opens the file from its start.

    Raises:
        InvalidAudio, TruncatedAudio, UnsupportedAudio, AudioTooLarge: as the file deserves.
    """
    require_num_peaks(num_peaks)
    expected_frames: int | None = None
    for _ in range(2):
        with open_reader() as reader:
            header = reader.header
            if expected_frames is None:
                expected_frames = limits.likely_frames(header)
            peaks = PeakAccumulator(num_peaks, expected_frames)
            for block in blocks_of(reader, limits, block_frames):
                peaks.add(block)
        if peaks.is_complete:
            waveform = peaks.waveform(header.sample_rate_hz)
            return Analysis(waveform, header.format, header.channels)
        expected_frames = peaks.frames
    raise InvalidAudio("The file decodes to a different length every time. Please export it again.")
