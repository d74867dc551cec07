"""Signals of EBU Tech 3341 and 3342, and programmes to compare meters with. 1.0 is full scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]


def tones(
    parts: Sequence[tuple[float, float]],
    *,
    rate_hz: int = 48_000,
    frequency_hz: float = 1000.0,
    channels_db: Sequence[float] = (0.0, 0.0),
) -> Signal:
    """A sine on end, (frames, channels), whose peak is `dB` for so many seconds, and so on.

    Args:
        parts: dBFS and seconds.
        channels_db: added to the level of each channel; -inf for a silent one.
    """
    levels = np.concatenate(
        [np.full(round(seconds * rate_hz), 10.0 ** (level / 20.0)) for level, seconds in parts]
    )
    sine = levels * np.sin(2.0 * np.pi * frequency_hz * np.arange(len(levels)) / rate_hz)
    return sine[:, np.newaxis] * 10.0 ** (np.array(channels_db) / 20.0)


def faded(signal: Signal, frames: int) -> Signal:
    """With a fade-in and a fade-out of so many frames."""
    shape = np.ones(len(signal))
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / frames)
    shape[:frames] = ramp
    shape[-frames:] = ramp[::-1]
    return signal * shape[:, np.newaxis]


def steady_sine(
    divisor: int, amplitude: float, phase_degrees: float, rate_hz: int = 48_000
) -> Signal:
    """Tech 3341, 15 to 19: stereo, at the sample rate divided by `divisor`."""
    turns = np.arange(rate_hz) / divisor
    sine = amplitude * np.sin(2.0 * np.pi * turns + np.radians(phase_degrees))
    return faded(np.stack([sine, sine], axis=1), rate_hz // 10)


def one_loud_period(offset: int, rate_hz: int = 48_000) -> Signal:
    """Tech 3341, 20 to 23: a sixth of the rate at 0.5, and in it one period of a fourth at 1.0.

    Made at four times the rate, without what the rate can't hold, and taken every fourth sample
    from `offset` on. The phase goes on on both sides of the period.
    """
    from scipy.signal import firwin, oaconvolve

    quiet = 24  # samples of a period at four times the rate
    before = 0.5 * np.sin(2.0 * np.pi * np.arange(2000 * quiet) / quiet)
    loud = np.sin(2.0 * np.pi * np.arange(16) / 16)
    fine = faded(np.concatenate([before, loud, before])[:, np.newaxis], 4000)[:, 0]
    low_pass = firwin(511, 0.25 * 0.95, window=("kaiser", 9.0))
    kept = oaconvolve(fine, low_pass, mode="same")[offset::4]
    return np.stack([kept, kept], axis=1)


def noise_bursts(seconds: float, *, rate_hz: int, channels: int, seed: int) -> Signal:
    """Noise of less treble than white, in bursts of several lengths and levels."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * rate_hz)
    white = rng.normal(0.0, 1.0, (frames, channels))
    pink = white + np.roll(white, 1, axis=0) + np.roll(white, 2, axis=0)
    levels = np.repeat(10.0 ** rng.uniform(-2.5, -0.9, 30), frames // 30 + 1)[:frames]
    return np.asarray(np.clip(pink / 3.0 * levels[:, np.newaxis], -0.99, 0.99))


def speech_like(seconds: float, *, rate_hz: int, channels: int, seed: int) -> Signal:
    """A voice's harmonics in syllables, with pauses in which there is nothing at all."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch = 2.0 * np.pi * (120.0 * time_s + 2.0 * np.sin(2.0 * np.pi * 0.7 * time_s))
    voice = sum(np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 16))
    syllables = np.maximum(np.sin(2.0 * np.pi * 2.3 * time_s), 0.0)
    spoken = (np.floor(time_s / 4.0) % 2 == 0) * syllables
    level = 0.1 + 0.2 * rng.random(channels)
    return np.asarray((voice * spoken)[:, np.newaxis] * level * 0.5)
