"""Levels in a warm compute process, against the waveform alone and ffmpeg's `ebur128`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases.analysis import READ, warm
from benchmarks.cases.base import Case, Subject, Target
from benchmarks.files import Lengths
from benchmarks.place import Place
from benchmarks.twin import WrongAnswer

EBUR128 = "ffmpeg ebur128"
EBUR128_PEAKS = "ffmpeg ebur128 with true peak"
WAVEFORM = "the waveform alone"
_PEER_ROUNDS = 2
_LIMITS = {"wav-16": 0.1, "wav-24": 0.1, "wav-float": 0.1, "flac-16": 0.35}
"""Decoding is most of the work of a FLAC, for both."""

_TOLERANCE_LU = 0.1
_GRAPHS = {
    EBUR128: "ebur128=framelog=verbose",
    EBUR128_PEAKS: "ebur128=peak=true+sample:framelog=verbose",
}
_INTEGRATED = re.compile(r"I:\s+(-?[\d.]+) LUFS")


def cases(lengths: Lengths) -> list[Case]:
    """A case for each kind of file."""
    return [_levels(kind, limit, lengths) for kind, limit in _LIMITS.items()]


def _levels(kind: str, limit: float, lengths: Lengths) -> Case:
    seconds = lengths.medium_s

    def subjects(place: Place) -> Sequence[Subject]:
        path = place.audio.file(kind, seconds)
        warm(place, path)

        def check(answer: dict[str, Any]) -> None:
            if place.peers.has("ffmpeg"):
                _require_loudness(answer["integrated_lufs"], place.peers.path("ffmpeg"), path)

        return [
            # Only this checkout: others may not know of levels.
            place.ours.subject("waveflow", "analyse_levels", check, path=str(path)),
            place.ours.floor(WAVEFORM, "analyse", path=str(path)),
            place.ours.floor(READ, "read_bytes", path=str(path)),
            *_programs(place, path),
        ]

    targets = [Target(f"≤ {limit:g} × {EBUR128_PEAKS}", limit, [EBUR128_PEAKS])]
    title = f"waveform and levels of {kind}, {lengths.text(seconds)}, warm"
    return Case(f"levels-{kind}", title, subjects, targets)


def _programs(place: Place, path: Path) -> list[Subject]:
    if not place.peers.has("ffmpeg"):
        return []
    ffmpeg = place.peers.path("ffmpeg")
    return [
        place.program(name, _command(ffmpeg, path, graph), most_rounds=_PEER_ROUNDS)
        for name, graph in _GRAPHS.items()
    ]


def _command(ffmpeg: str, path: Path, graph: str, verbosity: str = "error") -> list[str]:
    options = ["-v", verbosity, "-nostdin", "-nostats", "-threads", "1"]
    return [ffmpeg, *options, "-i", str(path), "-af", graph, "-f", "null", "-"]


def _require_loudness(ours_lufs: float, ffmpeg: str, path: Path) -> None:
    command = _command(ffmpeg, path, _GRAPHS[EBUR128], "info")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = _INTEGRATED.findall(said)
    if not found or abs(float(found[-1]) - ours_lufs) > _TOLERANCE_LU:
        raise WrongAnswer(f"{ours_lufs} LUFS; ffmpeg says {found[-1:]}")
