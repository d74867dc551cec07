"""Memory that an hour of audio takes in a compute process.

`python -m tests.support.memory_figures FOLDER` prints the table; FOLDER needs 3 GB of room.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from attrs import field, frozen

from tests.support.audio_files import KINDS, mp3_without_xing, tone, write_audio
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis

RATE_HZ = 48_000
LIMITS = AudioLimits(max_bytes=4 * 1024**3)
NUM_PEAKS = 1_000
STEMS = 4

LENGTHS_MIN = (1, 10, 60)
MEASURED_KINDS = ("wav-24", "flac-24", "mp3", "ogg-vorbis")


@frozen
class MeasuredCodec(AudioCodec):
    """Another codec; writes the largest resident memory of its process to a file."""

    report: Path
    codec: AudioCodec = field(factory=SoundfileCodec)

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        with self._measured():
            return self.codec.analyse(source, num_peaks, limits, extras)

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        with self._measured():
            return self.codec.mix(sources, destination, num_peaks, limits, extras)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        before_kb = _status_kb("VmRSS")
        yield
        self.report.write_text(f"{before_kb} {_status_kb('VmHWM')}")


def _status_kb(name: str) -> int:
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith(f"{name}:")
    )
    return int(line.split()[1])


@frozen
class Figure:
    """One line of the table. Resident memory of the child before its only task, and at most."""

    what: str
    minutes: int
    before_mb: float
    peak_mb: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.what:<14} {self.minutes:>3} min  before {self.before_mb:6.1f} MB"
            f"  peak {self.peak_mb:6.1f} MB  {self.seconds:6.2f} s"
        )


def long_file(path: Path, kind: str, minutes: int) -> Path:
    """So many minutes of 48 kHz stereo; the same minute over and over."""
    container, subtype, _ = KINDS[kind]
    minute = tone(60 * RATE_HZ, 2, RATE_HZ, seed=1)
    repeats = 1 if kind == "mp3" else minutes
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, subtype=subtype, format=container) as file:
        for _ in range(repeats):
            for start in range(0, len(minute), RATE_HZ):
                file.write(np.ascontiguousarray(minute[start : start + RATE_HZ]))
    if kind == "mp3":
        # Encoding an hour takes a minute; frames of a constant bit rate can just be repeated.
        frames = mp3_without_xing(path).read_bytes()
        path.write_bytes(frames * minutes)
    return path


def analysis_figure(folder: Path, kind: str, minutes: int) -> Figure:
    """Make a file, analyse it in a child, delete it."""
    source = long_file(folder / f"long.{kind}", kind, minutes)
    try:
        return _figure(
            f"analyse {kind}",
            minutes,
            folder,
            lambda codec: codec.analyse(source, NUM_PEAKS, LIMITS).waveform.duration_s,
        )
    finally:
        source.unlink()


def mix_figure(folder: Path, minutes: int) -> Figure:
    """Mix four stems, which are the same file to save room, and delete everything."""
    source = long_file(folder / "stem.wav", "wav-24", minutes)
    destination = folder / "mix.wav"
    try:
        return _figure(
            f"mix {STEMS} stems",
            minutes,
            folder,
            lambda codec: (
                codec.mix([source] * STEMS, destination, NUM_PEAKS, LIMITS).waveform.duration_s
            ),
        )
    finally:
        source.unlink()
        destination.unlink(missing_ok=True)


def _figure(what: str, minutes: int, folder: Path, task: Callable[[AudioCodec], float]) -> Figure:
    report = folder / "report"
    silence = write_audio(folder / "silence.wav", np.zeros((8, 1), np.int16))
    with IsolatedCodec(MeasuredCodec(report), processes=1, tasks_per_process=1) as codec:
        codec.analyse(silence, 1, LIMITS)  # The fork server has loaded everything now.
        started_s = time.perf_counter()
        duration_s = task(codec)
        seconds = time.perf_counter() - started_s
    if abs(duration_s - 60 * minutes) > 0.01 * 60 * minutes:
        raise ValueError(f"{what}: {duration_s} s were decoded instead of {minutes} minutes")
    before_kb, peak_kb = map(int, report.read_text().split())
    return Figure(what, minutes, before_kb / 1024, peak_kb / 1024, seconds)


def figures(folder: Path) -> Iterator[Figure]:
    """The whole table."""
    for kind in MEASURED_KINDS:
        for minutes in LENGTHS_MIN:
            yield analysis_figure(folder, kind, minutes)
    for minutes in LENGTHS_MIN:
        yield mix_figure(folder, minutes)


def print_figures(folder: Path) -> None:
    """Print the table while it is made."""
    for figure in figures(folder):
        sys.stdout.write(f"{figure}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # Imported anew: what `__main__` defines can't be found by a compute process.
    from tests.support import memory_figures

    memory_figures.print_figures(Path(sys.argv[1]))
