"""What fuzzing starts from: a short file of every kind that is accepted, and the hostile ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import soundfile

from tests.support.audio_files import (
    KINDS,
    ape_tag,
    append,
    id3v1_tag,
    id3v2_tag,
    mp3_without_xing,
    prepend,
    tone,
    write_audio,
    write_vbr_mp3,
)
from tests.support.hostile_audio import BOMBS, HOSTILE
from tests.support.m4a_files import write_m4a

_FRAMES = 6_000
_LARGEST_BYTES = 100_000


@cache
def corpus() -> Mapping[str, bytes]:
    """Name → content; the names begin with the format."""
    with TemporaryDirectory() as folder:
        return MappingProxyType(_corpus(Path(folder)))


def _corpus(folder: Path) -> dict[str, bytes]:
    found = {}
    for kind, (container, _, _) in KINDS.items():
        for channels, rate_hz in ((1, 48_000), (2, 44_100)):
            if kind == "ogg-opus":
                rate_hz = 48_000
            path = folder / "seed"
            write_audio(path, tone(_FRAMES, channels, rate_hz, seed=channels), rate_hz, kind=kind)
            found[f"{_format(container)} {kind} {channels}"] = path.read_bytes()
    found |= _odd_seeds(folder)
    for name, hostile in HOSTILE.items():
        if name in BOMBS:
            continue  # Each of their mutants would take seconds.
        content = hostile.content(folder)
        if len(content) <= _LARGEST_BYTES:
            found[f"hostile {name}"] = content
    return found


def _format(container: str) -> str:
    return {"WAVEX": "WAV", "RF64": "WAV"}.get(container, container)


def _odd_seeds(folder: Path) -> dict[str, bytes]:
    path = folder / "seed"
    found = {}
    for rate_hz in (8_000, 11_025, 16_000, 22_050, 32_000):
        write_audio(path, tone(_FRAMES // 2, 1, rate_hz), rate_hz, kind="mp3")
        found[f"MP3 at {rate_hz} Hz"] = path.read_bytes()
    write_audio(path, tone(_FRAMES), kind="mp3")
    found["MP3 without Xing"] = mp3_without_xing(path).read_bytes()
    prepend(append(append(path, ape_tag()), id3v1_tag()), id3v2_tag(300, footer=True))
    found["MP3 among tags"] = path.read_bytes()
    found["MP3 VBR"] = write_vbr_mp3(path, tone(2 * _FRAMES)).read_bytes()
    for channels in (3, 6, 8):
        for kind in ("flac-16", "flac-24", "ogg-vorbis", "ogg-opus", "wavex-24"):
            rate_hz = 48_000
            write_audio(path, tone(_FRAMES // 2, channels, rate_hz), rate_hz, kind=kind)
            container = _format(KINDS[kind][0])
            found[f"{container} {kind} {channels}"] = path.read_bytes()
    for level in (0.0, 1.0):
        soundfile.write(path, tone(_FRAMES), 44_100, format="FLAC", compression_level=level)
        found[f"FLAC at level {level:g}"] = path.read_bytes()
    for kind in ("aac", "alac", "alac-24"):
        for channels in (1, 2, 6):
            samples = tone(_FRAMES, channels, 48_000)
            found[f"M4A {kind} {channels}"] = write_m4a(
                path, samples, 48_000, kind=kind
            ).read_bytes()
    silence = np.zeros((_FRAMES, 2), np.float32)
    for kind in ("flac-16", "ogg-vorbis", "mp3"):
        found[f"{KINDS[kind][0]} of silence"] = write_audio(path, silence, kind=kind).read_bytes()
    return found
