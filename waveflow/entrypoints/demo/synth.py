"""The demo song's instruments and effects: every sound is computed, none is recorded.

Signals are float32 arrays: `(frames,)` for one channel, `(frames, 2)` for stereo, on a `Grid`
that fixes rate and length. scipy, which takes a second to load, is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Signal = NDArray[np.float32]
Band = tuple[float, float]
FilterKind = Literal["lowpass", "highpass", "bandpass"]
TAU = 2 * np.pi
KICK, SNARE, LOW_TOM, MID_TOM, HIGH_TOM, HAT, OPEN_HAT, CRASH = 36, 38, 45, 47, 50, 42, 46, 49
"""The drums, under their General MIDI note numbers."""
_DRUM_PAN = {LOW_TOM: 0.4, HIGH_TOM: -0.4, HAT: 0.25, OPEN_HAT: 0.25, CRASH: -0.35}
_OO = (((260.0, 440.0), 0.45), ((770.0, 870.0), 0.2), ((2400.0, 2600.0), 0.04))
_AH = (((640.0, 780.0), 1.0), ((1080.0, 1230.0), 0.75), ((2600.0, 3000.0), 0.5))
"""The formants of two vowels: the band's edges in Hz, linear gain."""


@frozen
class Note:
    """One note: when, how long, MIDI note number, and loudness from 0 to 1."""

    start_s: float
    duration_s: float
    midi: int
    velocity: float


@frozen
class Grid:
    """The sample grid a stem is rendered on: rate, and length in frames."""

    sample_rate_hz: int
    frames: int

    def times_s(self, duration_s: float | None = None) -> Signal:
        """The times in seconds of the frames in `duration_s`, by default of all: (frames,)."""
        frames = self.frames if duration_s is None else round(duration_s * self.sample_rate_hz)
        return np.arange(frames, dtype=np.float32) / np.float32(self.sample_rate_hz)

    def add(self, track: Signal, sound: Signal, start_s: float) -> None:
        """Add `sound` to `track`, both (n,) or both (n, 2), in place; what overhangs is cut."""
        start = round(start_s * self.sample_rate_hz)
        part = track[start : start + len(sound)]
        part += sound[: len(part)]


@frozen
class Envelope:
    """Attack, decay to a sustained level, release; curves without corners, hence without clicks."""

    attack_s: float
    decay_s: float
    sustain: float
    release_s: float

    def shape(self, duration_s: float, grid: Grid) -> Signal:
        """Gain over a note held for `duration_s`, release included: (frames,), 0 at both ends."""
        times_s = grid.times_s(duration_s + self.release_s)
        held: Signal = self.sustain + (1 - self.sustain) * np.exp(-times_s / self.decay_s)
        rise = np.clip(times_s / self.attack_s, 0, 1)
        fall = np.clip((duration_s + self.release_s - times_s) / self.release_s, 0, 1)
        return held * _eased(rise) * _eased(fall)

    def over(self, notes: Iterable[Note], grid: Grid) -> Signal:
        """Gain over a whole line of notes, scaled by their velocities: (frames,)."""
        track = np.zeros(grid.frames, dtype=np.float32)
        for note in notes:
            grid.add(track, self.shape(note.duration_s, grid) * note.velocity, note.start_s)
        return track


def bass(notes: Sequence[Note], grid: Grid) -> Signal:
    """A gliding mono synth bass, a saw that opens at the start of each note: (frames,)."""
    gain = Envelope(0.006, 0.3, 0.4, 0.06).over(notes, grid)
    opening = Envelope(0.004, 0.12, 0.12, 0.08).over(notes, grid)
    midi = _held([note.midi for note in notes], notes, grid, glide_s=0.012)
    return gain * _saw(midi, 150 + 1300 * opening, grid)


def keys(notes: Iterable[Note], grid: Grid) -> Signal:
    """An electric piano by frequency modulation, low notes left, high notes right: (frames, 2)."""
    track = np.zeros((grid.frames, 2), dtype=np.float32)
    for note in notes:
        gain = Envelope(0.004, 0.9, 0.15, 0.18).shape(note.duration_s, grid) * note.velocity
        times_s = grid.times_s(len(gain) / grid.sample_rate_hz)
        phase = TAU * 440 * 2 ** ((note.midi - 69) / 12) * times_s
        tine = 0.6 * np.exp(-times_s / 0.06) * np.sin(14 * phase)
        body = 1.6 * note.velocity * np.exp(-times_s / 0.45) * np.sin(phase)
        pan = min(max((note.midi - 60.5) / 20, -0.5), 0.5)
        grid.add(track, _panned(gain * np.sin(phase + body + tine), pan), note.start_s)
    return track


def lead(notes: Sequence[Note], grid: Grid) -> Signal:
    """A singing mono lead, two detuned saws with a vibrato that sets in late: (frames, 2)."""
    gain = Envelope(0.018, 0.3, 0.55, 0.09).over(notes, grid)
    depth = Envelope(0.6, 1.0, 1.0, 0.05).over(notes, grid)
    midi = _held([note.midi for note in notes], notes, grid, glide_s=0.018)
    midi += 0.28 * depth * np.sin(TAU * 5.4 * grid.times_s())
    left, right = (_saw(midi + cents / 100, 800 + 1700 * gain, grid) for cents in (-6, 6))
    return np.stack([left + 0.4 * right, 0.4 * left + right], axis=1) * gain[:, None]


def choir(voices: Sequence[Sequence[Note]], grid: Grid, seed: int) -> Signal:
    """Two singers to each voice; soft notes are sung "oo", loud ones "ah": (frames, 2)."""
    random, source = np.random.default_rng(seed), np.zeros((grid.frames, 2), dtype=np.float32)
    for voice in voices:
        gain = Envelope(0.16, 1.0, 1.0, 0.3).over(voice, grid)
        midi = _held([note.midi for note in voice], voice, grid, glide_s=0.03)
        for pan in (-0.6, 0.6):
            rate_hz, offset, detune = map(float, random.uniform((4.7, 0, -0.08), (5.7, TAU, 0.08)))
            vibrato = 0.18 * np.sin(TAU * rate_hz * grid.times_s() + offset) + detune
            air = 0.04 * random.standard_normal(grid.frames, dtype=np.float32)
            source += _panned(gain * (_saw(midi + vibrato, 2500.0, grid) + air), pan)
    loudness = _held([note.velocity for note in voices[0]], voices[0], grid, glide_s=0.15)
    openness = np.clip((loudness - 0.5) / 0.4, 0, 1)[:, None]
    sung = np.zeros_like(source)
    for vowel, share in ((_OO, 1 - openness), (_AH, openness)):
        for band, level in vowel:
            sung += share * (level * filtered(source, grid, band, "bandpass"))
    return sung


def drums(hits: Iterable[Note], grid: Grid, seed: int) -> Signal:
    """A drum kit; the notes' MIDI numbers choose the drum, their durations don't count."""
    kit, track = _kit(grid, seed), np.zeros((grid.frames, 2), dtype=np.float32)
    for hit in hits:
        drum = kit[hit.midi] * hit.velocity
        grid.add(track, _panned(drum, _DRUM_PAN.get(hit.midi, 0.0)), hit.start_s)
    return np.tanh(track, out=track)


def _kit(grid: Grid, seed: int) -> Mapping[int, Signal]:
    """One stroke on each drum, (frames,), as long as it rings."""
    random = np.random.default_rng(seed)

    def noise(cutoff_hz: float, ring_s: float) -> Signal:
        gain = Envelope(0.001, ring_s, 0.0, ring_s).shape(6 * ring_s, grid)
        hiss = random.standard_normal(len(gain), dtype=np.float32)
        return filtered(hiss, grid, cutoff_hz, "highpass") * gain

    def skin(pitch_hz: float, sweep_hz: float, ring_s: float) -> Signal:
        gain = Envelope(0.001, ring_s, 0.0, ring_s).shape(6 * ring_s, grid)
        times_s = grid.times_s(len(gain) / grid.sample_rate_hz)
        cycles = pitch_hz * times_s + 0.028 * sweep_hz * (1 - np.exp(-times_s / 0.028))
        gain *= np.sin(TAU * cycles)
        return gain

    kick, snare = 1.1 * skin(48.0, 190.0, 0.13), 0.4 * skin(186.0, 60.0, 0.08)
    grid.add(kick, 0.3 * noise(2000.0, 0.004), 0.0)
    grid.add(snare, 0.38 * noise(900.0, 0.085), 0.0)
    return {
        KICK: kick,
        SNARE: snare,
        LOW_TOM: 0.6 * skin(98.0, 70.0, 0.12),
        MID_TOM: 0.6 * skin(131.0, 70.0, 0.12),
        HIGH_TOM: 0.6 * skin(175.0, 70.0, 0.12),
        HAT: 0.26 * noise(7500.0, 0.025),
        OPEN_HAT: 0.18 * noise(7000.0, 0.11),
        CRASH: 0.20 * noise(4200.0, 0.42),
    }


def chorus(stereo: Signal, grid: Grid) -> Signal:
    """Blend in a copy whose delay drifts, left and right in opposite directions: (frames, 2)."""
    frames = np.arange(grid.frames)
    drift_s = 0.0025 * np.sin(TAU * 0.6 * grid.times_s())
    copy = np.empty_like(stereo)
    for side, delay_s in enumerate((0.011 + drift_s, 0.011 - drift_s)):
        copy[:, side] = np.interp(frames - delay_s * grid.sample_rate_hz, frames, stereo[:, side])
    return 0.75 * stereo + 0.45 * copy


def echo(stereo: Signal, grid: Grid, delay_s: float, gain: float) -> Signal:
    """Add four fading repeats that hop from side to side: (frames, 2)."""
    track, mono = stereo.copy(), stereo.mean(axis=1)
    for repeat in range(1, 5):
        grid.add(track, _panned(mono * gain**repeat, 0.7 * (-1) ** repeat), repeat * delay_s)
    return track


def reverb(stereo: Signal, grid: Grid, decay_s: float, gain: float, seed: int) -> Signal:
    """Add a room: decaying noise as its response, 60 dB down after `decay_s`: (frames, 2)."""
    from scipy.signal import oaconvolve

    times_s = grid.times_s(decay_s)
    hiss = np.random.default_rng(seed).standard_normal((len(times_s), 2), dtype=np.float32)
    decay = np.exp(-6.9 * times_s / decay_s)[:, None]
    room = decay * filtered(hiss, grid, (180.0, 5000.0), "bandpass")
    room *= gain / np.sqrt(np.square(room).sum(axis=0))
    track = stereo.copy()
    grid.add(track, oaconvolve(stereo, room, axes=0), 0.018)
    return track


def finished(signal: Signal, grid: Grid, peak_db: float) -> Signal:
    """Without rumble and DC, faded out at the end, its peak at `peak_db` dBFS; same shape."""
    clean = filtered(signal, grid, 12.0, "highpass")
    clean.T[..., ::-1] *= _eased(np.clip(grid.times_s() / 0.7, 0, 1))
    return clean * float(10 ** (peak_db / 20) / np.abs(clean).max())


def filtered(signal: Signal, grid: Grid, edge_hz: float | Band, kind: FilterKind) -> Signal:
    """`signal` through a Butterworth filter of 12 dB per octave (bandpass 6); same shape."""
    from scipy.signal import butter, sosfilt

    order = 1 if kind == "bandpass" else 2
    sections = butter(order, edge_hz, kind, fs=grid.sample_rate_hz, output="sos")
    return sosfilt(sections, signal, axis=0).astype(np.float32)


def _saw(midi: Signal, brightness_hz: Signal | float, grid: Grid) -> Signal:
    """A saw at gliding pitches; its harmonics fade by e every `brightness_hz`: (frames,)."""
    pitch_hz = 440 * np.exp2((midi - 69) / 12)
    cycles = np.cumsum(pitch_hz, dtype=np.float64) / grid.sample_rate_hz
    phase = (TAU * (cycles % 1)).astype(np.float32)
    fading = np.exp(-pitch_hz / brightness_hz)
    # This sums the harmonics in closed form: no aliases, and no filter to run.
    return np.asarray(np.arctan2(fading * np.sin(phase), 1 - fading * np.cos(phase)))


def _held(values: Sequence[float], notes: Sequence[Note], grid: Grid, glide_s: float) -> Signal:
    """Each note's value until the next note's start, gliding from one to the next: (frames,)."""
    from scipy.signal import lfilter

    starts = [0, *(round(note.start_s * grid.sample_rate_hz) for note in notes[1:])]
    steps = np.repeat(np.asarray(values, dtype=np.float64), np.diff(starts, append=grid.frames))
    keep = float(np.exp(-1 / (glide_s * grid.sample_rate_hz)))
    glided, _ = lfilter([1 - keep], [1, -keep], steps, zi=[keep * values[0]])
    return glided.astype(np.float32)


def _panned(mono: Signal, pan: float) -> Signal:
    """`mono`, (frames,), at equal power between -1, left, and 1, right: (frames, 2)."""
    return np.outer(mono, np.sqrt(np.array([1 - pan, 1 + pan], dtype=np.float32) / 2))


def _eased(ramp: Signal) -> Signal:
    """A ramp from 0 to 1 with its corners rounded off; same shape."""
    return ramp * ramp * (3 - 2 * ramp)
