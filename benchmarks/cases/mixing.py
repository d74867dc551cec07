"""Eight stems to one finished 16-bit file with its peaks, in a warm compute process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cases.analysis import warm
from benchmarks.cases.base import Case, Subject, Target
from benchmarks.files import STEM_RATE_HZ, Lengths
from benchmarks.floors import DECODERS_OF, importable
from benchmarks.place import Checkout, Place
from benchmarks.twin import mix_of, reference_rate_hz, require_mix

AMIX = "ffmpeg amix"
SOX = "sox -m"
STEMS = (STEM_RATE_HZ,) * 8
_OTHER_RATE_HZ = 48_000
_MIXED_RATES = (_OTHER_RATE_HZ,) * 5 + (STEM_RATE_HZ,) * 3
_RESAMPLERS = {"soxr alone, float64": "float64", "soxr alone, float32": "float32"}
_PEER_ROUNDS = 3
_STEPS = 0.52
"""How far a rounded sample may lie from the exact one: sums are kept as float32 in between."""
_RESAMPLED_STEPS = 1.5
"""A resampler that streams and one that has all samples at once differ a little."""


def cases(lengths: Lengths) -> list[Case]:
    """The mixes."""
    length = lengths.stems_text()
    alone = [_all_of(decoder) for decoder in DECODERS_OF["flac"]]
    return [
        Case(
            "mix-wav",
            f"mix {length} WAV, warm",
            partial(_plain, kind="wav-16"),
            [Target(f"≤ 0.25 × {AMIX}", 0.25, [AMIX])],
        ),
        Case(
            "mix-flac",
            f"mix {length} FLAC, warm",
            _flac,
            [Target("≤ 0.6 × the sum of the eight decodes", 0.6, alone)],
        ),
        Case(
            "mix-resampled",
            f"mix {length} WAV, 3 of them resampled, warm",
            _resampled,
            [
                Target("≤ 1.2 × soxr alone", 1.2, list(_RESAMPLERS)),
                Target("≤ 1.2 × soxr alone, CPU", 1.2, list(_RESAMPLERS), "cpu_s"),
            ],
        ),
    ]


def mixers(place: Place, paths: Sequence[Path]) -> list[Subject]:
    """Other programs that mix files to one 16-bit mono WAV, as whole processes."""
    sources = [str(path) for path in paths]
    output = str(place.work / "peer.wav")
    taking_part = []
    if place.peers.has("ffmpeg"):
        inputs = [word for source in sources for word in ("-i", source)]
        command = [
            *(place.peers.path("ffmpeg"), "-v", "error", "-nostdin", "-y", *inputs),
            *("-filter_complex", f"amix=inputs={len(sources)}:duration=longest"),
            *("-ac", "1", "-c:a", "pcm_s16le", output),
        ]
        taking_part.append(place.program(AMIX, command))
    if place.peers.has("sox"):
        command = [place.peers.path("sox"), "-m", *sources, "-b", "16", output, "channels", "1"]
        taking_part.append(place.program(SOX, command, most_rounds=_PEER_ROUNDS))
    return taking_part


def _plain(place: Place, kind: str) -> list[Subject]:
    paths = place.audio.stems(kind, STEMS)
    return [*_mixed(place, paths, _STEPS), *mixers(place, paths)]


def _flac(place: Place) -> list[Subject]:
    paths = place.audio.stems("flac-16", STEMS)
    sources = [str(path) for path in paths]
    alone = [
        place.ours.floor(_all_of(decoder), "decode", paths=sources, decoder=decoder)
        for decoder in DECODERS_OF["flac"]
        if importable(decoder)
    ]
    return [*_plain(place, "flac-16"), *alone]


def _all_of(decoder: str) -> str:
    return f"8 decodes, {decoder}"


def _resampled(place: Place) -> list[Subject]:
    paths = place.audio.stems("wav-16", _MIXED_RATES)
    sources = [str(path) for path in paths]
    rate_hz = reference_rate_hz(paths)
    return [
        *_mixed(place, paths, _RESAMPLED_STEPS),
        *(
            place.ours.floor(name, "resample", paths=sources, to_hz=rate_hz, dtype=dtype)
            for name, dtype in _RESAMPLERS.items()
        ),
    ]


def _mixed(place: Place, paths: Sequence[Path], steps: float) -> list[Subject]:
    warm(place, paths[0])

    def subject(checkout: Checkout) -> Subject:
        destination = place.work / f"{checkout.role.value}.wav"

        def check(answer: dict[str, Any]) -> None:
            require_mix(destination, mix_of(paths), steps)

        sources = [str(path) for path in paths]
        return checkout.subject(
            "waveflow", "mix", check, paths=sources, destination=str(destination)
        )

    return place.each(subject)
