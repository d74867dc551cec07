"""Music to measure with, made from a seed: eight voices, echoes, loud and quiet passages.

Not a tone and not noise: a decoder's cost depends on how well the audio can be predicted. The
16-bit FLAC of it takes about two thirds of the WAV's room, as that of a loud recording does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""Frames of a rendered signal, shape (frames, 2); 1.0 is full scale."""

BEAT_S = 0.5
_PASSAGE_S = 16.0
_LEVELS = (1.0, 0.5, 0.9, 0.12, 1.0, 0.7)
"""Loudness of one passage after the other."""
_CHORDS_HZ = (
    (220.0, 261.63, 329.63),
    (174.61, 220.0, 261.63),
    (196.0, 246.94, 293.66),
    (164.81, 207.65, 246.94),
)
_ECHOES_S = ((0.0297, 0.7), (0.0371, 0.66), (0.0411, 0.62))
"""Delay and feedback of the combs that stand for a room."""
_HISS = 0.0015
"""What microphones and preamplifiers add; without it quiet passages would cost no bits."""


@frozen
class Voice:
    """What one stem plays.

    Attributes:
        partials: amplitude of each harmonic.
        octave: times the pitch of the chord's notes.
        attack_s, decay_s: of each note; the decay is the time to a third.
        noise: share of noise in a note.
        density: chance of a note on each half beat.
        pan: 0 is left, 1 is right.
    """

    partials: Sequence[float]
    octave: float
    attack_s: float
    decay_s: float
    noise: float
    density: float
    pan: float


VOICES = (
    Voice((1.0, 0.2), 0.25, 0.001, 0.09, 0.7, 0.8, 0.5),  # drums
    Voice((1.0, 0.6, 0.4, 0.25, 0.12), 0.5, 0.006, 0.35, 0.02, 0.6, 0.45),  # bass
    Voice((1.0, 0.5, 0.33, 0.25, 0.2, 0.16), 1.0, 0.25, 1.4, 0.03, 0.3, 0.3),  # strings
    Voice((1.0, 0.1, 0.5, 0.05, 0.3, 0.02, 0.1), 2.0, 0.02, 0.5, 0.06, 0.5, 0.6),  # lead
    Voice((1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1), 1.0, 0.002, 0.25, 0.04, 0.9, 0.75),  # guitar
    Voice((1.0, 0.4, 0.2), 2.0, 0.15, 0.9, 0.25, 0.3, 0.2),  # choir
    Voice((1.0, 0.3, 0.6, 0.2), 4.0, 0.001, 0.18, 0.05, 0.7, 0.85),  # bells
    Voice((0.1,), 8.0, 0.004, 0.04, 1.0, 1.0, 0.55),  # shaker
)


def stem(voice: int, seconds: float, rate_hz: int, seed: int = 1) -> Audio:
    """One voice alone, the same samples for the same arguments on the same machine."""
    rng = np.random.default_rng([seed, voice])
    frames = int(seconds * rate_hz)
    signal = np.zeros(frames)
    _play(VOICES[voice % len(VOICES)], signal, rate_hz, rng)
    _add_room(signal, rate_hz)
    return _finished(signal, VOICES[voice % len(VOICES)].pan, rate_hz, rng)


def song(seconds: float, rate_hz: int, seed: int = 1) -> Audio:
    """All voices together, driven into soft clipping as a master is."""
    total = np.zeros((int(seconds * rate_hz), 2), np.float32)
    for voice in range(len(VOICES)):
        total += stem(voice, seconds, rate_hz, seed)
    master: Audio = np.tanh(total * np.float32(0.9)) * np.float32(0.97)
    return master


def _play(
    voice: Voice, signal: NDArray[np.float64], rate_hz: int, rng: np.random.Generator
) -> None:
    notes = [
        [_note(voice, pitch_hz * voice.octave, rate_hz, rng) for pitch_hz in chord]
        for chord in _CHORDS_HZ
    ]
    step = int(BEAT_S / 2 * rate_hz)
    for number, start in enumerate(range(0, len(signal), step)):
        if rng.random() > voice.density:
            continue
        chord = notes[number // 16 % len(notes)]
        note = chord[rng.integers(len(chord))]
        played = min(len(note), len(signal) - start)
        signal[start : start + played] += note[:played] * rng.uniform(0.3, 1.0)


def _note(
    voice: Voice, pitch_hz: float, rate_hz: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    seconds = np.arange(int(min(4 * voice.decay_s + voice.attack_s, 4.0) * rate_hz)) / rate_hz
    envelope = np.minimum(seconds / voice.attack_s, 1.0) * np.exp(-seconds / voice.decay_s)
    tone = np.zeros(len(seconds))
    for harmonic, amplitude in enumerate(voice.partials, start=1):
        if pitch_hz * harmonic < rate_hz / 2:
            detuned_hz = pitch_hz * harmonic * (1 + 0.0007 * harmonic)
            tone += amplitude * np.sin(2 * np.pi * detuned_hz * seconds + rng.uniform(0, 6))
    noise = rng.normal(0, 0.5, len(seconds))
    note: NDArray[np.float64] = envelope * ((1 - voice.noise) * tone + voice.noise * noise)
    note /= np.abs(note).max() + 1e-9
    return note


def _add_room(signal: NDArray[np.float64], rate_hz: int) -> None:
    dry = signal.copy()
    for delay_s, feedback in _ECHOES_S:
        delay = int(delay_s * rate_hz)
        wet = dry.copy()
        for start in range(delay, len(wet), delay):
            stop = min(start + delay, len(wet))
            wet[start:stop] += feedback * wet[start - delay : stop - delay]
        signal += 0.15 * (wet - dry)


def _finished(
    signal: NDArray[np.float64], pan: float, rate_hz: int, rng: np.random.Generator
) -> Audio:
    frames = len(signal)
    passages = np.arange(frames / rate_hz // _PASSAGE_S + 2) * _PASSAGE_S
    levels = np.resize(_LEVELS, len(passages))
    level = np.interp(np.arange(frames) / rate_hz, passages, levels)
    # The far side hears it later: the channels aren't multiples of each other.
    late = np.roll(signal, rate_hz // 1500)
    left = (1 - pan) * signal + 0.15 * late
    right = pan * signal + 0.15 * late
    stereo = np.stack([left * level, right * level], axis=1)
    stereo += rng.normal(0, _HISS, stereo.shape)
    finished: Audio = (0.55 * stereo).clip(-0.999, 0.999).astype(np.float32)
    return finished
