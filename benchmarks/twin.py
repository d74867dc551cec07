"""The slow, obvious way to the same peaks and mixes: a fast wrong answer fails the bench."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.files import fingerprint
from benchmarks.formats import Missing

_CHUNK_FRAMES = 1 << 20
_CEILING = 0.95
"""Largest absolute value of a finished mix."""


class WrongAnswer(Exception):
    """What was measured isn't the work that was asked for."""


class PeakTwin:
    """Peaks of mono float64 blocks; bucket i of n covers frames i*N//n to (i+1)*N//n.

    Frames beyond N are left out.
    """

    def __init__(self, num_peaks: int, frames: int) -> None:
        self._edges = np.arange(num_peaks + 1) * frames // num_peaks
        self._frames = frames
        self._frame = 0
        self.peaks = np.zeros(num_peaks)

    def add(self, mono: NDArray[np.float64]) -> None:
        """Take the next frames."""
        mono = mono[: self._frames - self._frame]
        if not len(mono):
            return
        first, last = self._frame, self._frame + len(mono)
        self._frame = last
        low = int(np.searchsorted(self._edges, first, "right")) - 1
        high = int(np.searchsorted(self._edges, last, "left"))
        starts = np.maximum(self._edges[low:high], first) - first
        filled = starts < np.append(starts[1:], len(mono))
        largest = np.maximum.reduceat(np.abs(mono), starts[filled])
        buckets = np.arange(low, high)[filled]
        self.peaks[buckets] = np.maximum(self.peaks[buckets], largest)


def mono_of(block: NDArray[Any]) -> NDArray[np.float64]:
    """The mean of the channels, 1.0 being full scale.

    Args:
        block: (frames, channels) of int16, int32, float32 or float64, or uint8 (frames,
            channels, 3) of packed 24-bit samples, little-endian.
    """
    if block.dtype == np.uint8:
        upper = block[..., 2].astype(np.int8).astype(np.int32) << 16
        block = upper | block[..., 1].astype(np.int32) << 8 | block[..., 0]
        scale = 2.0**-23
    else:
        scale = {"int16": 2.0**-15, "int32": 2.0**-31}.get(block.dtype.name, 1.0)
    mono: NDArray[np.float64] = block.sum(axis=1, dtype=np.float64)
    mono *= scale / block.shape[1]
    return mono


def peaks_of(path: Path, num_peaks: int, kept_in: Path) -> NDArray[np.float64]:
    """Peaks of a file as libsndfile decodes it (ffmpeg where libsndfile can't).

    Kept in a folder until the file changes: for some formats decoding takes longer than a case.

    Raises:
        Missing: when the file's format needs ffmpeg, and it isn't there.
    """
    kept = kept_in / f"{fingerprint(path)}-{num_peaks}.npy"
    if kept.exists():
        peaks: NDArray[np.float64] = np.load(kept)
        return peaks
    frames = min(sum(map(len, mono_blocks(path))), _announced_frames(path))
    twin = PeakTwin(num_peaks, frames)
    for block in mono_blocks(path):
        twin.add(block)
    kept_in.mkdir(parents=True, exist_ok=True)
    np.save(kept, twin.peaks)
    return twin.peaks


def mono_blocks(path: Path) -> Iterator[NDArray[np.float64]]:
    """The mono signal of a file, block by block."""
    if path.suffix == ".m4a":
        yield from _blocks_of_ffmpeg(path)
        return
    with soundfile.SoundFile(path) as file:
        while len(block := file.read(_CHUNK_FRAMES, dtype="float64", always_2d=True)):
            yield mono_of(block)


def _announced_frames(path: Path) -> int:
    if path.suffix != ".m4a":
        return sys.maxsize
    # ffmpeg's decoder gives what the encoder filled the last block with, too.
    stream = _stream_of(path)
    return round(float(stream["duration"]) * int(stream["sample_rate"]))


def _stream_of(path: Path) -> dict[str, Any]:
    entries = ("-show_entries", "stream=duration,sample_rate,channels", "-of", "json")
    select = ("-select_streams", "a:0")
    ran = subprocess.run(
        [_program("ffprobe"), "-v", "error", *select, *entries, os.fspath(path)],
        check=True,
        capture_output=True,
    )
    (stream,) = json.loads(ran.stdout)["streams"]
    found: dict[str, Any] = stream
    return found


def _program(name: str) -> str:
    program = which(name)
    if program is None:
        raise Missing(f"{name}, to check M4A with, is not installed")
    return program


def _blocks_of_ffmpeg(path: Path) -> Iterator[NDArray[np.float64]]:
    command = [_program("ffmpeg"), "-v", "error", "-i", os.fspath(path), "-f", "f32le", "-"]
    channels = int(_stream_of(path)["channels"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while raw := process.stdout.read(4 * channels * _CHUNK_FRAMES):
            yield mono_of(np.frombuffer(raw, np.float32).reshape(-1, channels))


def reference_rate_hz(paths: Sequence[Path]) -> int:
    """The rate that most files have; on a tie, the higher."""
    rates_hz = [soundfile.info(path).samplerate for path in paths]
    return int(max(rates_hz, key=lambda rate_hz: (rates_hz.count(rate_hz), rate_hz)))


def mix_of(paths: Sequence[Path]) -> NDArray[np.float64]:
    """The finished mix of files, in 16-bit steps, before rounding; whole in memory."""
    import soxr

    rate_hz = reference_rate_hz(paths)
    signals = []
    for path in paths:
        mono = np.concatenate(list(mono_blocks(path)))
        own_hz = soundfile.info(path).samplerate
        signals.append(mono if own_hz == rate_hz else soxr.resample(mono, own_hz, rate_hz, "VHQ"))
    total = np.zeros(max(map(len, signals)))
    for signal in signals:
        total[: len(signal)] += signal
    total /= len(paths)
    largest = float(np.abs(total).max())
    return total * (32767.0 * (_CEILING / largest if largest > _CEILING else 1.0))


def require_peaks(ours: Sequence[float], expected: NDArray[np.float64], tolerance: float) -> None:
    """Raises `WrongAnswer` unless all peaks are within `tolerance` of full scale."""
    if len(ours) != len(expected):
        raise WrongAnswer(f"{len(ours)} peaks instead of {len(expected)}")
    worst = float(np.abs(np.asarray(ours) - expected).max())
    if not worst <= tolerance:
        raise WrongAnswer(f"a peak is off by {worst:.2g} of full scale; {tolerance:g} is allowed")


def require_mix(path: Path, expected: NDArray[np.float64], steps: float) -> None:
    """Raises `WrongAnswer` unless each 16-bit sample is within so many steps of `expected`."""
    samples, _ = soundfile.read(path, dtype="int16")
    if abs(len(samples) - len(expected)) > 1:  # Whether a resampled end is rounded up.
        raise WrongAnswer(f"the mix has {len(samples)} frames instead of {len(expected)}")
    shared = min(len(samples), len(expected))
    worst = float(np.abs(samples[:shared] - expected[:shared]).max())
    if not worst <= steps:
        raise WrongAnswer(f"a sample of the mix is off by {worst:.2f} steps of 16 bits")
