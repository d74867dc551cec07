"""Files to waveforms in a warm compute process, against reading them and against the decoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases.base import Case, Role, Subject, Target
from benchmarks.files import Lengths
from benchmarks.floors import DECODERS_OF, PYAV, importable
from benchmarks.formats import KINDS, Missing
from benchmarks.kernels import NUM_PEAKS
from benchmarks.place import Checkout, Place
from benchmarks.twin import WrongAnswer, peaks_of, require_peaks

READ = "reading the bytes"
HASH = "hash alone"
_PEER_ROUNDS = 3
_LONGEST_CHILD_MB = 150
_SAME = 1.1
"""Memory for 60 min counts as the same as for 1 min up to that ratio."""
_UNCOMPRESSED = (
    "wav-16", "wav-24", "wav-32", "wav-float", "aiff-16", "aiff-24", "rf64-24",
)  # fmt: skip
_COMPRESSED = ("flac-16", "flac-24", "mp3", "vorbis", "opus", "m4a-aac", "m4a-alac")
_IN_MEMORY = ("wav-24", "wav-float", "aiff-24", "rf64-24", *_COMPRESSED)
_DECODING_PROGRAMS = {
    "flac": ("flac", ("-t", "-s")),
    "mp3": ("mpg123", ("-q", "-t")),
    "ogg": ("oggdec", ("-Q", "-o", "/dev/null")),
    "opus": ("opusdec", ("--quiet", "--float")),
}
"""What else decodes a suffix, with the options to throw the samples away."""


def cases(lengths: Lengths) -> list[Case]:
    """A case for each kind of file."""
    return [
        *(_uncompressed(kind, lengths) for kind in _UNCOMPRESSED),
        *(_compressed(kind, lengths) for kind in _COMPRESSED),
        _hash_and_peaks(lengths),
        # With files of one length there is nothing to compare.
        *(_memory(kind, lengths) for kind in _IN_MEMORY if not lengths.given),
    ]


def expected_peaks(place: Place, path: Path) -> Any:
    """The peaks that a file has to give."""
    return peaks_of(path, NUM_PEAKS, place.kept / "expected")


def _analysed(place: Place, path: Path, kind: str) -> list[Subject]:
    warm(place, path)

    def subject(checkout: Checkout) -> Subject:
        def check(answer: dict[str, Any]) -> None:
            peaks = checkout.ask("analyse", path=str(path), check=True)["peaks"]
            require_peaks(peaks, expected_peaks(place, path), KINDS[kind].tolerance)

        return checkout.subject("waveflow", "analyse", check, path=str(path))

    return place.each(subject)


def warm(place: Place, path: Path) -> None:
    """Have the compute processes started and used."""
    for checkout in place.checkouts:
        checkout.ask("warm", path=str(path))


def _uncompressed(kind: str, lengths: Lengths) -> Case:
    seconds = lengths.long_s

    def subjects(place: Place) -> Sequence[Subject]:
        path = place.audio.file(kind, seconds)
        floor = place.ours.floor(READ, "read_bytes", path=str(path))
        return [*_analysed(place, path, kind), floor]

    target = Target("≤ 2.5 × reading the bytes", 2.5, [READ])
    title = f"analyse {kind}, {lengths.text(seconds)}, warm"
    return Case(f"analyse-{kind}", title, subjects, [target])


def _compressed(kind: str, lengths: Lengths) -> Case:
    # An hour of MP3, because the whole process is measured with one; else 20 min will do.
    seconds = lengths.long_s if kind == "mp3" else lengths.medium_s
    suffix = KINDS[kind].suffix

    def subjects(place: Place) -> Sequence[Subject]:
        _require_extra(kind)
        path = place.audio.file(kind, seconds)
        decoders = [
            place.ours.floor(name, "decode", paths=[str(path)], decoder=name)
            for name in DECODERS_OF[suffix]
            if importable(name)
        ]
        return [*_analysed(place, path, kind), *decoders, *_programs(place, path)]

    target = Target("≤ 1.1 × the fastest decoder alone", 1.1, DECODERS_OF[suffix])
    title = f"analyse {kind}, {lengths.text(seconds)}, warm"
    return Case(f"analyse-{kind}", title, subjects, [target])


def _programs(place: Place, path: Path) -> list[Subject]:
    taking_part = []
    name, options = _DECODING_PROGRAMS.get(path.suffix[1:], ("", ()))
    if place.peers.has(name):
        command = [place.peers.path(name), *options, str(path)]
        if name == "opusdec":
            command.append("/dev/null")
        taking_part.append(place.program(name, command, most_rounds=_PEER_ROUNDS))
    if place.peers.has("ffmpeg"):
        ffmpeg = [place.peers.path("ffmpeg"), "-v", "error", "-nostdin", "-threads", "1"]
        command = [*ffmpeg, "-i", str(path), "-f", "null", "-"]
        taking_part.append(place.program("ffmpeg", command, most_rounds=_PEER_ROUNDS))
    return taking_part


def _hash_and_peaks(lengths: Lengths) -> Case:
    kind, seconds = "wav-24", lengths.long_s

    def subjects(place: Place) -> Sequence[Subject]:
        path = place.audio.file(kind, seconds)
        hashes: set[str] = set()

        def check(answer: dict[str, Any]) -> None:
            hashes.add(answer["sha256"])
            if len(hashes) > 1:
                raise WrongAnswer("two hashes of one file")

        def check_all(answer: dict[str, Any]) -> None:
            check(answer)
            asked = place.ours.ask("hash_and_peaks", path=str(path), check=True)
            peaks = expected_peaks(place, path)
            require_peaks(asked["normalised"], peaks / peaks.max(), 1e-4)

        ours = place.ours
        return [
            ours.subject("waveflow", "hash_and_peaks", check_all, path=str(path)),
            *(
                each.subject("waveflow", "hash_and_peaks", check, path=str(path))
                for each in place.checkouts[1:]
            ),
            Subject(HASH, Role.FLOOR, ours.subject(HASH, "hash_file", path=str(path)).run, check),
        ]

    target = Target("≤ 1.15 × the hash alone", 1.15, [HASH])
    title = f"hash and peaks of one {kind}, {lengths.text(seconds)}"
    return Case("hash-and-peaks", title, subjects, [target])


def _memory(kind: str, lengths: Lengths) -> Case:
    spans = {lengths.text(seconds): seconds for seconds in (lengths.minute_s, lengths.long_s)}
    short, long = spans

    def subjects(place: Place) -> Sequence[Subject]:
        _require_extra(kind)
        first = str(place.audio.file(kind, place.lengths.minute_s))
        return [
            checkout.subject(
                name,
                "analyse_in_new_process",
                path=str(place.audio.file(kind, seconds)),
                warm_with=first,
            )
            for checkout in place.checkouts
            for name, seconds in spans.items()
        ]

    targets = [
        Target(f"≤ {_LONGEST_CHILD_MB} MB", _LONGEST_CHILD_MB, (), "peak_mb", long),
        Target("the same for 1 min", _SAME, [short], "peak_mb", long),
    ]
    title = f"memory of a compute process, {kind}"
    return Case(f"memory-{kind}", title, subjects, targets, most_rounds=1, warm_up=False)


def _require_extra(kind: str) -> None:
    if KINDS[kind].codec and not importable(PYAV):
        raise Missing("PyAV, the extra that opens M4A, is not installed")
