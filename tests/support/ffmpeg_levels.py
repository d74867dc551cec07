"""Our levels beside those of ffmpeg's `ebur128`, on the same files.

`python -m tests.support.ffmpeg_levels` prints the table of `docs/levels.md`.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import soundfile
from attrs import frozen

from tests.support.level_signals import Signal, noise_bursts, speech_like
from waveflow.domain.level_meter import LevelMeter

SECONDS = 60.0


@frozen
class Figures:
    """What both meters say. A whole difference of two is one, too."""

    integrated_lufs: float
    loudness_range_lu: float
    true_peak_dbtp: float
    sample_peak_dbfs: float

    def minus(self, other: Figures) -> Figures:
        """How much more this is."""
        return Figures(
            self.integrated_lufs - other.integrated_lufs,
            self.loudness_range_lu - other.loudness_range_lu,
            self.true_peak_dbtp - other.true_peak_dbtp,
            self.sample_peak_dbfs - other.sample_peak_dbfs,
        )


def need_ffmpeg() -> None:
    """Skip the test, or fail it where CI runs, unless ffmpeg is there."""
    if shutil.which("ffmpeg"):
        return
    if os.environ.get("CI") == "true":
        pytest.fail("ffmpeg is not installed")
    pytest.skip("ffmpeg is not installed")


def by_ffmpeg(path: Path) -> Figures:
    """As `ebur128` has measured when the file ends; it says three decimals to other filters."""
    graph = "ebur128=peak=true+sample:metadata=1,ametadata=mode=print:file=-"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-nostdin",
        "-i",
        str(path),
        "-af",
        graph,
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def decibels(name: str) -> float:
        return 20.0 * math.log10(float(said[f"lavfi.r128.{name}"]))

    return Figures(
        integrated_lufs=float(said["lavfi.r128.I"]),
        loudness_range_lu=float(said["lavfi.r128.LRA"]),
        true_peak_dbtp=decibels("true_peak"),
        sample_peak_dbfs=decibels("sample_peak"),
    )


def by_us(path: Path) -> Figures:
    """As `LevelMeter` says. The file must not be silent, nor shorter than 3 s."""
    with soundfile.SoundFile(path) as file:
        meter = LevelMeter(file.samplerate, file.channels)
        for block in file.blocks(65_536, dtype="float32", always_2d=True):
            meter.add(block)
    levels = meter.levels()
    assert levels.integrated_lufs is not None
    assert levels.loudness_range_lu is not None
    assert levels.true_peak_dbtp is not None
    assert levels.sample_peak_dbfs is not None
    return Figures(
        levels.integrated_lufs,
        levels.loudness_range_lu,
        levels.true_peak_dbtp,
        levels.sample_peak_dbfs,
    )


def _file(rate_hz: int, channels: int, make: Callable[..., Signal]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        signal = make(SECONDS, rate_hz=rate_hz, channels=channels, seed=rate_hz + channels)
        path = folder / f"{make.__name__}-{rate_hz}-{channels}.wav"
        soundfile.write(path, signal, rate_hz, "PCM_24", format="WAVEX")
        return path

    return write


@cache
def _song(folder: Path) -> Path:
    from waveflow.entrypoints.demo.song import write_song

    write_song(folder / "song", bars=8)
    return folder / "song"


def _stem(name: str) -> Callable[[Path], Path]:
    return lambda folder: _song(folder) / name


PROGRAMMES: dict[str, Callable[[Path], Path]] = {
    "noise in bursts, 44.1 kHz, mono": _file(44_100, 1, noise_bursts),
    "noise in bursts, 44.1 kHz, stereo": _file(44_100, 2, noise_bursts),
    "noise in bursts, 48 kHz, stereo": _file(48_000, 2, noise_bursts),
    "noise in bursts, 48 kHz, 5.1": _file(48_000, 6, noise_bursts),
    "noise in bursts, 96 kHz, stereo": _file(96_000, 2, noise_bursts),
    "syllables and pauses, 44.1 kHz, mono": _file(44_100, 1, speech_like),
    "syllables and pauses, 48 kHz, stereo": _file(48_000, 2, speech_like),
    "syllables and pauses, 96 kHz, 5.1": _file(96_000, 6, speech_like),
    "the demo's drums, 44.1 kHz, stereo": _stem("drums.wav"),
    "the demo's bass, 48 kHz": _stem("bass.wav"),
    "the demo's chords, 48 kHz, stereo": _stem("chords.flac"),
}
"""What is played → writes it into a folder."""


def table() -> Iterator[str]:
    """Lines of Markdown."""
    yield "| programme | LUFS | difference | LU | difference | dBTP | difference |"
    yield "|---|---|---|---|---|---|---|"
    with TemporaryDirectory() as folder:
        for name, write in PROGRAMMES.items():
            path = write(Path(folder))
            ours = by_us(path)
            more = ours.minus(by_ffmpeg(path))
            yield (
                f"| {name} | {ours.integrated_lufs:.2f} | {more.integrated_lufs:+.3f}"
                f" | {ours.loudness_range_lu:.2f} | {more.loudness_range_lu:+.3f}"
                f" | {ours.true_peak_dbtp:.2f} | {more.true_peak_dbtp:+.3f} |"
            )


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table())
