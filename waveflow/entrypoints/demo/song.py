"""The demo song: a small arrangement, rendered as the stems a musician might upload.

120 beats per minute, four in a bar, A minor turning to C major: an intro, verses and choruses
of four bars, an ending of two. Every stem comes in another format, and one of them twice under
different names, so that whatever handles stems meets a realistic folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from itertools import accumulate, cycle, islice
from pathlib import Path

import soundfile
from attrs import frozen

from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.demo import synth
from waveflow.entrypoints.demo.synth import Grid, Note, Signal

BEAT_S = 0.5
BAR_S = 4 * BEAT_S
BLOCK_FRAMES = 32_768
"""libsndfile's Vorbis encoder overflows the stack when it is handed minutes at once."""


@frozen
class DemoStem:
    """One file of the song: the id to process it under, where it is, what it is."""

    stem_id: str
    path: Path
    title: str


@frozen
class Chord:
    """A chord as each instrument plays it, in MIDI note numbers; the root is the bass's."""

    root: int
    keys: tuple[int, ...]
    choir: tuple[int, int, int]


@frozen
class Groove:
    """A section's rhythms in (beat, beats), for the bass with semitones over the chord's root."""

    keys: tuple[tuple[float, float], ...]
    bass: tuple[tuple[float, float, int], ...]
    intensity: float


@frozen
class Bar:
    """One bar; its melody reads `pitch:beats`, a drum's pattern how loud each sixteenth is."""

    chord: Chord
    melody: str
    groove: Groove
    drums: Mapping[int, str]


INTRO = Groove(((0, 3.8),), ((0, 3.7, 0),), 0.45)
VERSE = Groove(
    keys=((0, 1.3), (1.5, 0.9), (2.75, 1.0)),
    bass=((0, 1.4, 0), (1.75, 0.5, 0), (2.5, 0.8, 0), (3.5, 0.4, 7)),
    intensity=0.5,
)
CHORUS = Groove(
    keys=((0, 0.9), (1, 0.4), (1.5, 0.9), (2.5, 0.9), (3.5, 0.45)),
    bass=(*((beat / 2, 0.42, 0) for beat in range(6)), (3, 0.42, 12), (3.5, 0.42, 7)),
    intensity=0.95,
)
ENDING = Groove(((0, 4),), ((0, 4, 0),), 0.75)

HATS = {synth.HAT: "4.3.5.3.4.3.5.3.", synth.KICK: "7..............."}
PICKUP = {**HATS, synth.SNARE: "............3.57"}
BEAT = {
    synth.KICK: "9......6..8.....",
    synth.SNARE: "....9..2....9...",
    synth.HAT: "8.5.7.5.8.5.7.5.",
}
DRIVE = {
    synth.KICK: "9.....7.9.7.....",
    synth.SNARE: "....9..2.2..9...",
    synth.HAT: "8363836383638.36",
    synth.OPEN_HAT: ".............7..",
}
ARRIVAL = {**DRIVE, synth.CRASH: "6..............."}
FILL = {
    synth.KICK: "9......6..8.....",
    synth.SNARE: "....9...45......",
    synth.HIGH_TOM: "..........78....",
    synth.MID_TOM: "............87..",
    synth.LOW_TOM: "..............89",
    synth.HAT: "8.5.7.5.8.......",
}
LAST = {synth.KICK: "9...............", synth.CRASH: "8..............."}

A_MINOR = Chord(33, (55, 60, 64, 71), (60, 64, 69))
F_MAJOR = Chord(29, (57, 60, 64, 67), (60, 65, 69))
C_MAJOR = Chord(36, (55, 62, 64, 67), (60, 64, 67))
G_MAJOR = Chord(31, (55, 59, 62, 64), (59, 62, 67))
HIGH_F = Chord(29, (57, 60, 64, 67), (65, 69, 72))
HIGH_G = Chord(31, (55, 59, 62, 69), (62, 67, 71))
E_MINOR = Chord(28, (55, 59, 62, 67), (64, 67, 71))
HIGH_A_MINOR = Chord(33, (55, 60, 64, 67), (64, 69, 72))
G_SUSPENDED = Chord(31, (57, 60, 62, 65), (65, 69, 74))
C_FINAL = Chord(36, (52, 57, 62, 67), (64, 67, 72))

OPENING_BARS = (
    Bar(A_MINOR, "-:4", INTRO, HATS),
    Bar(F_MAJOR, "-:2.5 A4:.5 B4:.5 C5:.5", INTRO, PICKUP),
)
MIDDLE_BARS = (
    Bar(A_MINOR, "E5:1.5 D5:.5 C5:1 B4:.5 C5:.5", VERSE, BEAT),
    Bar(F_MAJOR, "A4:2 -:.5 C5:.5 E5:1", VERSE, BEAT),
    Bar(C_MAJOR, "G5:1.5 E5:.5 D5:1 C5:.5 D5:.5", VERSE, BEAT),
    Bar(G_MAJOR, "B4:2 -:.5 G4:.5 A4:.5 B4:.5", VERSE, FILL),
    Bar(HIGH_F, "A5:1.5 G5:.5 E5:1 C5:1", CHORUS, ARRIVAL),
    Bar(HIGH_G, "D5:1.5 E5:.5 G5:1.5 -:.5", CHORUS, DRIVE),
    Bar(E_MINOR, "G5:.5 B5:1 A5:.5 G5:1 E5:1", CHORUS, DRIVE),
    Bar(HIGH_A_MINOR, "A5:2.5 -:.5 E5:.5 G5:.5", CHORUS, FILL),
)
CLOSING_BARS = (
    Bar(G_SUSPENDED, "A5:1 G5:1 F5:1 D5:1", CHORUS, FILL),
    Bar(C_FINAL, "E5:4", ENDING, LAST),
)


def song_bars(count: int) -> list[Bar]:
    """The song's form: an intro, verse and chorus in turn, cut to length, an ending.

    Raises:
        ValueError: fewer bars than intro and ending take.
    """
    middle = count - len(OPENING_BARS) - len(CLOSING_BARS)
    if middle < 0:
        raise ValueError(f"the song has at least {count - middle} bars, {count} are too few")
    return [*OPENING_BARS, *islice(cycle(MIDDLE_BARS), middle), *CLOSING_BARS]


def require_scipy() -> None:
    """Raise PermanentError where the song can't be made: the worker's image leaves scipy out."""
    if find_spec("scipy") is None:
        raise PermanentError(
            "The demo's own song is made with scipy, which isn't installed here."
            " Give it stems: waveflow demo drums.wav bass.flac"
        )


def write_song(folder: Path, *, bars: int = 12) -> list[DemoStem]:
    """Write the song's stems into `folder`, `bars` bars of 2 s each, and say what they are.

    All have the same length and start together; the last is a byte-for-byte copy of the first.
    The same call writes the same audio. Raises ValueError for fewer than four bars.
    """
    song = song_bars(bars)
    folder.mkdir(parents=True, exist_ok=True)
    stems = []
    for name, title, render, sample_rate_hz, peak_db, subtype in (
        ("drums.wav", "Drums", _drums, 44_100, -3.2, "PCM_16"),
        ("bass.wav", "Bass", _bass, 48_000, -5.9, "PCM_24"),
        ("chords.flac", "Electric piano", _chords, 48_000, -4.5, "PCM_24"),
        ("lead.mp3", "Lead synth", _lead, 44_100, -5.3, "MPEG_LAYER_III"),
        ("choir.ogg", "Choir", _choir, 44_100, -5.5, "VORBIS"),
    ):
        grid = Grid(sample_rate_hz, round(len(song) * BAR_S * sample_rate_hz))
        stem = DemoStem(name.split(".")[0], folder / name, title)
        _write(stem.path, synth.finished(render(song, grid), grid, peak_db), grid, subtype)
        stems.append(stem)
    copy = shutil.copyfile(stems[0].path, folder / "드럼 (최종).wav")
    return [*stems, DemoStem("drums-final", copy, "Drums (the same file again)")]


def _write(path: Path, signal: Signal, grid: Grid, subtype: str) -> None:
    """Write `signal`, (frames,) or (frames, 2), as what the path's suffix and `subtype` say."""
    channels = 1 if signal.ndim == 1 else signal.shape[1]
    with soundfile.SoundFile(path, "w", grid.sample_rate_hz, channels, subtype) as file:
        for start in range(0, grid.frames, BLOCK_FRAMES):
            file.write(signal[start : start + BLOCK_FRAMES])


def _note(bar: int, beat: float, beats: float, midi: int, velocity: float) -> Note:
    """A note of the bar with that index, its place and length in beats."""
    return Note(bar * BAR_S + beat * BEAT_S, beats * BEAT_S, midi, velocity)


def _drums(song: Sequence[Bar], grid: Grid) -> Signal:
    """The drums in a small room: (frames, 2)."""
    hits = [
        _note(index, step / 4, 0.25, drum, int(digit) / 9)
        for index, bar in enumerate(song)
        for drum, pattern in bar.drums.items()
        for step, digit in enumerate(pattern)
        if digit != "."
    ]
    return synth.reverb(synth.drums(hits, grid, seed=1), grid, decay_s=0.5, gain=0.12, seed=2)


def _bass(song: Sequence[Bar], grid: Grid) -> Signal:
    """The bass, dry: (frames,)."""
    notes = [
        _note(index, beat, beats, bar.chord.root + above, 0.9 if beat == 0 else 0.8)
        for index, bar in enumerate(song)
        for beat, beats, above in bar.groove.bass
    ]
    return synth.bass(notes, grid)


def _chords(song: Sequence[Bar], grid: Grid) -> Signal:
    """The electric piano, softened, through a chorus, in a room: (frames, 2)."""
    notes = [
        _note(index, beat, beats, midi, 0.8 if beat == 0 else 0.6)
        for index, bar in enumerate(song)
        for beat, beats in bar.groove.keys
        for midi in bar.chord.keys
    ]
    piano = synth.filtered(synth.keys(notes, grid), grid, 4500.0, "lowpass")
    return synth.reverb(synth.chorus(piano, grid), grid, decay_s=1.4, gain=0.25, seed=3)


def _lead(song: Sequence[Bar], grid: Grid) -> Signal:
    """The melody with an echo of dotted eighths, in a hall: (frames, 2)."""
    notes = [note for index, bar in enumerate(song) for note in _melody(index, bar)]
    sung = synth.echo(synth.lead(notes, grid), grid, delay_s=0.75 * BEAT_S, gain=0.38)
    return synth.reverb(sung, grid, decay_s=1.6, gain=0.2, seed=4)


def _melody(index: int, bar: Bar) -> list[Note]:
    """The notes of a bar's melody; "-" is a rest."""
    pitches, lengths = zip(*(word.split(":") for word in bar.melody.split()), strict=True)
    beats = [float(length) for length in lengths]
    starts, velocity = accumulate(beats, initial=0.0), 0.55 + 0.4 * bar.groove.intensity
    return [
        _note(index, start, 0.94 * length, _midi(pitch), velocity)
        for start, length, pitch in zip(starts, beats, pitches, strict=False)
        if pitch != "-"
    ]


def _midi(pitch: str) -> int:
    """The MIDI note number of a white key such as "A4", which is 69."""
    return "C.D.EF.G.A.B".index(pitch[0]) + 12 * (int(pitch[1]) + 1)


def _choir(song: Sequence[Bar], grid: Grid) -> Signal:
    """Three voices, one chord a bar, in a hall: (frames, 2)."""
    voices = [
        [
            _note(index, 0, 3.7, bar.chord.choir[voice], bar.groove.intensity)
            for index, bar in enumerate(song)
        ]
        for voice in range(3)
    ]
    return synth.reverb(synth.choir(voices, grid, seed=5), grid, decay_s=2.2, gain=0.4, seed=6)
