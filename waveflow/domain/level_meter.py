"""Measuring the levels of a signal, block by block."""

from __future__ import annotations

from typing import Self

import numpy as np

from waveflow.domain.audio import AudioHeader, Encoding
from waveflow.domain.hop_planes import HopPlanes, Span
from waveflow.domain.levels import ChannelLevels, Levels
from waveflow.domain.loudness import LoudnessMeter
from waveflow.domain.pcm import PcmBlock
from waveflow.domain.sample_figures import SILENCE, SampleFigures
from waveflow.domain.true_peak import TruePeakMeter
from waveflow.domain.waveform import SILENCE_BELOW

_INTEGER_BITS = {np.dtype(np.int16): 16, np.dtype(np.uint8): 24, np.dtype(np.int32): 24}
"""Of 32-bit samples the upper 24 decide: what lies above their largest value is clipped, too."""


class LevelMeter:
    """Measures a signal block by block; results don't depend on the size of the blocks.

    What it keeps doesn't grow with the signal, but for 8 bytes per 100 ms.
    """

    def __init__(self, sample_rate_hz: int, channels: int, sample_bits: int | None = None) -> None:
        """Get ready for a signal.

        Args:
            sample_bits: of the file's integers, where blocks have room for more (8-bit files):
                it decides what counts as clipped.
        """
        self._rate_hz = sample_rate_hz
        self._sample_bits = sample_bits
        looks_back = max(TruePeakMeter.LOOKS_BACK, LoudnessMeter.LOOKS_BACK)
        looks_ahead = max(TruePeakMeter.LAGS, LoudnessMeter.LOOKS_AHEAD)
        self._planes = HopPlanes(sample_rate_hz, channels, looks_back, looks_ahead)
        self._highest = 1.0
        self._figures = SampleFigures(channels)
        self._true_peaks = TruePeakMeter(channels)
        self._loudness = LoudnessMeter(sample_rate_hz, channels)
        self._result: Levels | None = None

    @classmethod
    def of(cls, header: AudioHeader) -> Self:
        """For a file with such a header."""
        bits = 8 if header.format.encoding is Encoding.PCM_8 else None
        return cls(header.sample_rate_hz, header.channels, bits)

    def add(self, block: PcmBlock) -> None:
        """Take the next frames; all blocks have the same dtype.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
            ValueError: after `levels`, which looks beyond the last frame.
        """
        if self._result is not None:
            raise ValueError("The levels were asked for: no frames may follow.")
        bits = self._sample_bits or _INTEGER_BITS.get(block.dtype)
        self._highest = 1.0 if bits is None else 1.0 - 2.0 ** (1 - bits)
        for span in self._planes.spans(block):
            self._measure(span)

    def levels(self) -> Levels:
        """The levels of all frames, once all have come. Raises `InvalidAudio` as `add`."""
        if self._result is None:
            rest = self._planes.rest()
            self._measure(rest)
            self._true_peaks.add(rest.planes, rest.stop, rest.stop + TruePeakMeter.LAGS)
            self._result = self._of_file()
        return self._result

    def _measure(self, span: Span) -> None:
        self._figures.add(span, self._highest)
        self._true_peaks.add(span.planes, span.start, span.stop)
        self._loudness.add(span.planes, span.bounds)

    def _of_file(self) -> Levels:
        figures = self._figures
        peak = float(figures.peaks.max())
        first = figures.frames if figures.first_sound is None else figures.first_sound
        after = 0 if figures.first_sound is None else figures.after_last_sound
        return Levels(
            integrated_lufs=self._loudness.integrated_lufs(),
            loudness_range_lu=self._loudness.loudness_range_lu(),
            true_peak_dbtp=_db(max(peak, float(self._true_peaks.peaks.max())), peak),
            sample_peak_dbfs=_db(peak, peak),
            rms_dbfs=_db(np.sqrt(figures.mean_squares.mean()), peak),
            clipped_samples=int(figures.clipped.sum()),
            leading_silence_s=first / self._rate_hz,
            trailing_silence_s=(figures.frames - after) / self._rate_hz,
            silent=peak < SILENCE,
            dc_offset=float(figures.means.mean()),
            channels=tuple(self._of_channel(at) for at in range(len(figures.clipped))),
        )

    def _of_channel(self, at: int) -> ChannelLevels:
        figures = self._figures
        peak = float(figures.peaks[at])
        return ChannelLevels(
            true_peak_dbtp=_db(max(peak, float(self._true_peaks.peaks[at])), peak),
            sample_peak_dbfs=_db(peak, peak),
            rms_dbfs=_db(np.sqrt(figures.mean_squares[at]), peak),
            clipped_samples=int(figures.clipped[at]),
            dc_offset=float(figures.means[at]),
            silent=peak < SILENCE,
        )


def _db(amplitude: float, peak: float) -> float | None:
    """Relative to full scale; None in silence, of which decoders make 1e-34: its dB say nothing."""
    return None if peak < SILENCE_BELOW else 20.0 * float(np.log10(amplitude))
