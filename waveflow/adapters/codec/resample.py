"""A reader at another sample rate: soxr, streaming, in mono."""

from __future__ import annotations

import numpy as np
import soxr
from attrs import evolve
from numpy.typing import NDArray

from waveflow.domain.audio import AudioHeader
from waveflow.domain.kernels.mixing import add_mono
from waveflow.domain.pcm import BLOCK_FRAMES, PcmBlock, PcmReader, mono_scale, require_finite

_QUALITY = "VHQ"
"""28 bits: images and aliases stay under -170 dB, at the same cost as soxr's default."""


class ResampledReader(PcmReader):
    """The mono mean of another reader's channels, at `sample_rate_hz`.

    Averaging before resampling gives the same signal as after it, for one channel's work. soxr
    makes up for its filter's delay, so frame 0 stays frame 0.
    """

    def __init__(self, reader: PcmReader, sample_rate_hz: int) -> None:
        """Read `reader` to its end, resampled to `sample_rate_hz`."""
        self._reader = reader
        original = reader.header
        ratio = sample_rate_hz / original.sample_rate_hz
        announced = original.announced_frames
        self._header = evolve(
            original,
            channels=1,
            sample_rate_hz=sample_rate_hz,
            announced_frames=None if announced is None else round(announced * ratio),
            likely_frames=round(original.likely_frames * ratio),
        )
        self._resampler = soxr.ResampleStream(
            original.sample_rate_hz, sample_rate_hz, 1, dtype="float64", quality=_QUALITY
        )
        self._ready: NDArray[np.float64] = np.empty(0)
        self._ended = False

    @property
    def header(self) -> AudioHeader:
        """As the original, but mono and at the new rate."""
        return self._header

    def read(self, max_frames: int) -> PcmBlock:
        """The next frames, float64 (frames, 1)."""
        while not len(self._ready) and not self._ended:
            self._ready = self._resample(self._reader.read(BLOCK_FRAMES))
        block, self._ready = self._ready[:max_frames], self._ready[max_frames:]
        return block[:, np.newaxis]

    def _resample(self, block: PcmBlock) -> NDArray[np.float64]:
        mono = np.zeros(len(block))
        require_finite(add_mono(block, mono_scale(block), mono))
        self._ended = not len(block)
        resampled: NDArray[np.float64] = self._resampler.resample_chunk(
            mono[:, np.newaxis], last=self._ended
        )
        return resampled[:, 0]
