"""Whole processes, as somebody at a terminal starts them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

from benchmarks.cases.analysis import expected_peaks
from benchmarks.cases.base import Case, Role, Subject, Target
from benchmarks.cases.mixing import AMIX, STEMS, mixers
from benchmarks.files import Lengths
from benchmarks.formats import KINDS
from benchmarks.kernels import NUM_PEAKS
from benchmarks.place import Place
from benchmarks.twin import mix_of, require_mix, require_peaks

AUDIOWAVEFORM = "audiowaveform"
IMPORT_NUMBA = 'python -c "import numba"'
_PYTHON = "python -c pass"
_DECIMALS_STEP = 1e-4
_MIX_STEPS = 0.52


def cases(lengths: Lengths) -> list[Case]:
    """The commands."""
    long = lengths.text(lengths.long_s)
    return [
        _analyze(
            "wav-24",
            "wav-24",
            lengths.long_s,
            f"waveflow analyze, {long} of 24-bit WAV",
            Target(f"≤ 0.8 × {AUDIOWAVEFORM}", 0.8, [AUDIOWAVEFORM]),
        ),
        _analyze(
            "mp3",
            "mp3",
            lengths.long_s,
            f"waveflow analyze, {long} of MP3",
            Target(f"≤ 0.45 × {AUDIOWAVEFORM}", 0.45, [AUDIOWAVEFORM]),
        ),
        _analyze(
            "short-wav",
            "wav-16",
            lengths.clip_s,
            f"waveflow analyze, {lengths.text(lengths.clip_s)} of WAV",
            Target(f"≤ 1.5 × {IMPORT_NUMBA}", 1.5, [IMPORT_NUMBA]),
        ),
        Case(
            "command-mix",
            f"waveflow mix, {lengths.stems_text()} WAV",
            _mix,
            [Target(f"≤ 0.6 × {AMIX}", 0.6, [AMIX])],
        ),
    ]


def _analyze(name: str, kind: str, seconds: int, title: str, target: Target) -> Case:
    is_short = IMPORT_NUMBA in target.references

    def subjects(place: Place) -> Sequence[Subject]:
        path = place.audio.file(kind, seconds)
        output = place.work / "waveform.json"

        def check(answer: dict[str, Any]) -> None:
            peaks = json.loads(output.read_bytes())["peaks"]
            expected = expected_peaks(place, path)
            tolerance = _DECIMALS_STEP + KINDS[kind].tolerance / max(expected.max(), 1e-9)
            require_peaks(peaks, expected / expected.max(), tolerance)
            output.unlink()

        command = ("analyze", str(path), "-o", str(output))
        taking_part = place.waveflow("waveflow", *command, check=check)
        if place.peers.has(AUDIOWAVEFORM):
            taking_part.append(_audiowaveform(place, path))
        if is_short:
            python = [sys.executable, "-P", "-c"]
            taking_part += [
                place.program(IMPORT_NUMBA, [*python, "import numba"], Role.FLOOR),
                place.program(_PYTHON, [*python, "pass"], Role.FLOOR),
            ]
        return taking_part

    return Case(f"command-analyze-{name}", title, subjects, [target])


def _audiowaveform(place: Place, path: Path) -> Subject:
    # As many peaks as ours: it takes a number of frames per peak instead.
    zoom = max(2, soundfile.info(path).frames // NUM_PEAKS)
    output = place.work / "audiowaveform.dat"
    options = ("-q", "-i", str(path), "-o", str(output), "-z", str(zoom), "-b", "16")
    return place.program(AUDIOWAVEFORM, [place.peers.path(AUDIOWAVEFORM), *options])


def _mix(place: Place) -> Sequence[Subject]:
    paths = place.audio.stems("wav-16", STEMS)
    output = place.work / "mix.wav"

    def check(answer: dict[str, Any]) -> None:
        require_mix(output, mix_of(paths), _MIX_STEPS)

    command = ("mix", *map(str, paths), "-o", str(output))
    return [*place.waveflow("waveflow", *command, check=check), *mixers(place, paths)]
