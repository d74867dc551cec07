"""The kinds of audio files that are measured, and writing them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from shutil import which

import soundfile
from attrs import frozen

from benchmarks.audio import Audio

_BLOCK_FRAMES = 65_536
"""libsndfile's Vorbis encoder overflows the stack on minutes of audio in one write."""


class Missing(Exception):
    """A case can't run here, and why."""


@frozen
class Kind:
    """A kind of file: soundfile's names for it, and how exactly its decoders have to agree.

    Attributes:
        tolerance: largest difference of a peak, 1.0 being full scale.
        codec: of ffmpeg, where libsndfile doesn't write the format.
    """

    container: str
    subtype: str
    suffix: str
    tolerance: float = 1e-6
    codec: str = ""

    @property
    def lossless(self) -> bool:
        """Whether every decoder gives the same samples."""
        return self.tolerance <= 1e-6


KINDS = {
    "wav-16": Kind("WAV", "PCM_16", "wav"),
    "wav-24": Kind("WAV", "PCM_24", "wav"),
    "wav-32": Kind("WAV", "PCM_32", "wav"),
    "wav-float": Kind("WAV", "FLOAT", "wav"),
    "aiff-16": Kind("AIFF", "PCM_16", "aiff"),
    "aiff-24": Kind("AIFF", "PCM_24", "aiff"),
    "rf64-24": Kind("RF64", "PCM_24", "wav"),
    "flac-16": Kind("FLAC", "PCM_16", "flac"),
    "flac-24": Kind("FLAC", "PCM_24", "flac"),
    "mp3": Kind("MP3", "MPEG_LAYER_III", "mp3", tolerance=5e-4),
    "vorbis": Kind("OGG", "VORBIS", "ogg", tolerance=5e-4),
    "opus": Kind("OGG", "OPUS", "opus", tolerance=5e-3),
    "m4a-aac": Kind("M4A", "AAC", "m4a", tolerance=5e-3, codec="aac"),
    "m4a-alac": Kind("M4A", "ALAC", "m4a", codec="alac"),
}


def write(path: Path, samples: Audio, rate_hz: int, kind: Kind, frames: int) -> None:
    """Write `samples`, over and over, until there are so many frames.

    Raises:
        Missing: when ffmpeg is needed for the format and isn't there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        if kind.codec:
            _encode(path, partial, samples, rate_hz, kind, frames)
        else:
            _write(partial, samples, rate_hz, (kind.container, kind.subtype), frames)
        # What is still to be written would be written while something is measured.
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, samples: Audio, rate_hz: int, form: tuple[str, str], frames: int) -> None:
    container, subtype = form
    with soundfile.SoundFile(
        path, "w", rate_hz, samples.shape[1], subtype=subtype, format=container
    ) as file:
        while frames:
            for start in range(0, min(frames, len(samples)), _BLOCK_FRAMES):
                file.write(samples[start : min(start + _BLOCK_FRAMES, frames)])
            frames -= min(frames, len(samples))


def _encode(
    path: Path, partial: Path, samples: Audio, rate_hz: int, kind: Kind, frames: int
) -> None:
    ffmpeg = which("ffmpeg")
    if ffmpeg is None:
        raise Missing("ffmpeg, which writes M4A files, is not installed")
    plain = path.with_name(f".{os.getpid()}-plain.wav")
    try:
        _write(plain, samples, rate_hz, ("RF64", "PCM_16"), frames)
        encode = ["-c:a", kind.codec, "-b:a", "192k", "-f", "ipod", "-y", str(partial)]
        subprocess.run(
            [ffmpeg, "-v", "error", "-nostdin", "-i", str(plain), *encode],
            check=True,
            capture_output=True,
        )
    finally:
        plain.unlink(missing_ok=True)
