"""The audio files that cases ask for: written when first needed, or found in a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import soundfile
from attrs import define, field, frozen

from benchmarks import audio
from benchmarks.formats import KINDS, Missing, write

RATE_HZ = 48_000
STEM_RATE_HZ = 44_100
_SONG_S = 240.0
"""Longer files play the same song again."""


@frozen
class Lengths:
    """How long the audio is, in seconds, and how much memory the kernels are given.

    Attributes:
        given: somebody's own files are as long as they are.
    """

    long_s: int = 3600
    medium_s: int = 1200
    minute_s: int = 60
    clip_s: int = 30
    stem_s: int = 190
    buffer_bytes: int = 512 * 1024**2
    given: bool = False

    def text(self, seconds: int) -> str:
        """A length in words, for titles."""
        if self.given:
            return "longest file"
        return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"

    def stems_text(self) -> str:
        """Number and length of the stems of a mix, for titles."""
        return "up to 8 files of" if self.given else f"8 × {self.stem_s} s"


SHORT = Lengths(long_s=5, medium_s=4, minute_s=2, clip_s=2, stem_s=3, buffer_bytes=4 * 1024**2)


class AudioFiles(Protocol):
    """Where the cases get their files from."""

    def file(self, kind: str, seconds: int) -> Path:
        """A stereo file of a kind. Raises `Missing`."""

    def stems(self, kind: str, rates_hz: Sequence[int]) -> list[Path]:
        """One stem for each rate. Raises `Missing`."""


@define
class RenderedFiles(AudioFiles):
    """Files of `benchmarks.audio`, kept in a folder."""

    folder: Path
    lengths: Lengths
    _song: audio.Audio | None = field(default=None, init=False)

    def file(self, kind: str, seconds: int) -> Path:
        path = self.folder / f"{kind}-{seconds}s.{KINDS[kind].suffix}"
        if not path.exists():
            if self._song is None:
                self._song = audio.song(min(_SONG_S, self.lengths.long_s), RATE_HZ)
            write(path, self._song, RATE_HZ, KINDS[kind], seconds * RATE_HZ)
        return path

    def stems(self, kind: str, rates_hz: Sequence[int]) -> list[Path]:
        seconds = self.lengths.stem_s
        paths = []
        for voice, rate_hz in enumerate(rates_hz):
            path = self.folder / f"stem{voice}-{rate_hz}-{seconds}s-{kind}.{KINDS[kind].suffix}"
            if not path.exists():
                samples = audio.stem(voice, seconds, rate_hz)
                write(path, samples, rate_hz, KINDS[kind], len(samples))
            paths.append(path)
        return paths


@frozen
class GivenFiles(AudioFiles):
    """The files of a folder that somebody names: the longest of each kind, whatever its length."""

    folder: Path

    def file(self, kind: str, seconds: int) -> Path:
        found = self._of(kind)
        if not found:
            raise Missing(f"no {kind} in {self.folder}")
        return max(found, key=lambda path: path.stat().st_size)

    def stems(self, kind: str, rates_hz: Sequence[int]) -> list[Path]:
        found = self._of(kind)
        if len(set(rates_hz)) > 1:
            rates = {soundfile.info(path).samplerate for path in found}
            if len(rates) < 2:
                raise Missing(f"no {kind} of two sample rates in {self.folder}")
        if len(found) < 2:
            raise Missing(f"fewer than two {kind} in {self.folder}")
        return found[: len(rates_hz)]

    def _of(self, kind: str) -> list[Path]:
        wanted = KINDS[kind]
        files = sorted(path for path in self.folder.iterdir() if path.is_file())
        if wanted.codec:
            # Which codec it is doesn't matter to whoever brings one.
            return [path for path in files if path.suffix == ".m4a"]
        return [path for path in files if _kind_of(path) == (wanted.container, wanted.subtype)]


@define
class NotedFiles(AudioFiles):
    """Other files, and a note of those that were asked for."""

    files: AudioFiles
    used: set[Path] = field(factory=set, init=False)

    def file(self, kind: str, seconds: int) -> Path:
        path = self.files.file(kind, seconds)
        self.used.add(path)
        return path

    def stems(self, kind: str, rates_hz: Sequence[int]) -> list[Path]:
        paths = self.files.stems(kind, rates_hz)
        self.used.update(paths)
        return paths


def _kind_of(path: Path) -> tuple[str, str] | None:
    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError:
        return None
    # A WAV with the long form of the header is a WAV.
    return str(info.format).replace("WAVEX", "WAV"), str(info.subtype)


def cached_share(path: Path, looks: int = 64) -> float | None:
    """The share of a file's pages that lie in the page cache; None where the system won't say."""
    size = path.stat().st_size
    present = 0
    with path.open("rb", buffering=0) as file:
        for look in range(looks):
            try:
                os.preadv(file.fileno(), [bytearray(1)], size * look // looks, os.RWF_NOWAIT)
                present += 1
            except BlockingIOError:
                continue
            except OSError:
                return None
    return present / looks


def fingerprint(path: Path) -> str:
    """Changes with the file's place, size or time: for what is kept about a file."""
    status = path.stat()
    text = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]
