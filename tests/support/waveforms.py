"""Waveforms, without decoding anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waveflow.domain.pixels import Pixels
from waveflow.domain.waveform import Waveform

NO_PIXELS = Pixels.laid_out(0, 1)


def waveform_of(
    peaks: Sequence[float],
    *,
    frames: int = 100,
    sample_rate_hz: int = 44_100,
    pixels: Pixels = NO_PIXELS,
) -> Waveform:
    """One with these absolute peaks."""
    return Waveform(np.array(peaks, np.float64), frames, sample_rate_hz, pixels)


def pixels_of(*bounds: tuple[float, float], samples_per_pixel: int = 1) -> Pixels:
    """Those with these lows and highs."""
    low, high = zip(*bounds, strict=True)
    return Pixels(np.array(low, np.float64), np.array(high, np.float64), samples_per_pixel)


def largest_waveform() -> Waveform:
    """One whose document takes as much room as there can be: 4000 peaks and pixels."""
    peaks = np.random.default_rng(1).uniform(0.11111, 0.99999, 4000)
    peaks[0] = 1.0
    low, high = np.full(4000, -1.0), np.full(4000, -0.9)
    return waveform_of(
        peaks.tolist(), frames=2**40, sample_rate_hz=384_000, pixels=Pixels(low, high, 2**28)
    )
