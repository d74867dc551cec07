"""Fuzzing: mutated files of every format through the isolated codec, as a worker would run it.

`python -m tests.campaigns.fuzz [--seed 1] [--files 10000]` prints what became of them by format,
the slowest, the largest memory, and every file that ended its decoder, which it keeps. Each file
follows from seed and number alone: `--only NUMBER --keep FOLDER` makes one again. The exit code is
1 if a promise was broken: an error without a code, a result that can't be, a limit reached.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
from attrs import Factory, define, frozen

from tests.campaigns.fuzz_corpus import corpus
from tests.support.audio_files import tone, write_audio
from tests.support.mutations import mutated
from tests.support.processes import descendants
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioLimits, Encoding
from waveflow.domain.errors import DecoderFailed, PermanentError
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis, Waveform

PROCESSES = 2
NUM_PEAKS = 50
LIMITS = AudioLimits()
_MIXED_SHARE = 0.15
_HOSTILE_SHARE = 0.25
_FLOATING = {
    Encoding.FLOAT_32,
    Encoding.FLOAT_64,
    Encoding.MP3,
    Encoding.VORBIS,
    Encoding.OPUS,
    Encoding.AAC,
}
_OVER_A_LIMIT = ("decoder_timeout", "decoder_out_of_memory")


@frozen
class Plan:
    """How much of what.

    Attributes:
        seconds: no file is begun after so many.
        only: numbers of the files, instead of all up to `files`.
        keep: where files are kept that broke something; None to keep none.
        memory_bytes: a child's resident memory that counts as too much. Loaded code takes
            85 MB of it.
        file_cpu_s: processor time of a file that counts as too much.
        file_wall_s: wall time likewise; far more, since the machine may have other work.
    """

    seed: int = 1
    files: int = 10_000
    seconds: float = float("inf")
    only: tuple[int, ...] = ()
    keep: Path | None = None
    memory_bytes: int = 400 * 1024**2
    file_cpu_s: float = 20.0
    file_wall_s: float = 180.0


@frozen
class Outcome:
    """What became of one file."""

    number: int
    origin: str
    outcome: str
    seconds: float
    problem: str | None = None


@define
class Findings:
    """What came of all of them."""

    outcomes: list[Outcome] = Factory(list)
    peak_bytes: int = 0
    seconds: float = 0.0
    problems: list[str] = Factory(list)

    @property
    def crashes(self) -> list[Outcome]:
        """Files that ended their decoder: allowed, but each one is worth a look."""
        return [each for each in self.outcomes if each.outcome.startswith("decoder_")]


@frozen
class MeteredCodec(SoundfileCodec):
    """Notes the resident memory that its process has used at most so far.

    Attributes:
        notes: a folder; there is a file in it for each process.
    """

    notes: Path

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        with self._noted():
            return super().analyse(source, num_peaks, limits, extras)

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        with self._noted():
            return super().mix(sources, destination, num_peaks, limits, extras)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        finally:
            peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            (self.notes / str(os.getpid())).write_text(str(peak_kb))


class Fuzzer:
    """Makes the files of a plan and hands them to a codec."""

    def __init__(self, plan: Plan, folder: Path, codec: AudioCodec) -> None:
        """Make files in `folder`."""
        self._plan = plan
        self._folder = folder
        self._codec = codec
        self._corpus = corpus()
        self._hostile = sorted(name for name in self._corpus if name.startswith("hostile"))
        self._sound = sorted(self._corpus.keys() - self._hostile)
        self._contents = [self._corpus[name] for name in (*self._sound, *self._hostile)]
        self._companion = write_audio(
            folder / "companion.wav", tone(9_000, 1, 32_000), 32_000, kind="wav-24"
        )

    def file(self, number: int) -> tuple[str, bytes, bool]:
        """Which file it was made from, the file, and whether it is mixed or analysed."""
        chance = Random(f"{self._plan.seed}/{number}")
        # A hostile file is mostly refused by its header: sound ones lead further into decoders.
        is_hostile = chance.random() < _HOSTILE_SHARE
        name = chance.choice(self._hostile if is_hostile else self._sound)
        content = mutated(self._corpus[name], self._contents, chance)
        return name, content, chance.random() < _MIXED_SHARE

    def run(self, number: int) -> Outcome:
        """Make a file and decode it."""
        origin, content, is_mixed = self.file(number)
        source = self._folder / f"{number}.audio"
        source.write_bytes(content)
        started_s = time.monotonic()
        problem: str | None = None
        try:
            problem = self._mix(source) if is_mixed else self._analyse(source)
            outcome = "result"
        except PermanentError as error:
            outcome = _crash_behind(error) or error.code
            if outcome in _OVER_A_LIMIT:
                problem = str(error)
        except Exception as error:
            outcome, problem = "error without a code", f"{error!r}\n{_notes(error)}"
        finally:
            source.unlink()
        if problem is not None or outcome.startswith("decoder_"):
            self._keep(number, content)
        return Outcome(number, origin, outcome, time.monotonic() - started_s, problem)

    def _analyse(self, source: Path) -> str | None:
        analysis = self._codec.analyse(source, NUM_PEAKS, LIMITS)
        limit = float("inf") if analysis.format.encoding in _FLOATING else 1.0
        if not 1 <= analysis.channels <= LIMITS.max_channels:
            return f"{analysis.channels} channels"
        return wrong_with(analysis.waveform, limit)

    def _mix(self, source: Path) -> str | None:
        destination = source.with_suffix(".wav")
        try:
            mix = self._codec.mix([self._companion, source], destination, NUM_PEAKS, LIMITS)
            size_bytes = destination.stat().st_size
        finally:
            left = destination.exists()
            destination.unlink(missing_ok=True)
        if not left or size_bytes != 44 + 2 * mix.waveform.frames:
            return f"a mix of {mix.waveform.frames} frames has {size_bytes} bytes"
        if not 0.0 < mix.gain <= 1.0:
            return f"a gain of {mix.gain}"
        return wrong_with(mix.waveform, 0.9501)

    def _keep(self, number: int, content: bytes) -> None:
        if self._plan.keep is not None:
            self._plan.keep.mkdir(parents=True, exist_ok=True)
            (self._plan.keep / f"{self._plan.seed}-{number}.audio").write_bytes(content)


def wrong_with(waveform: Waveform, largest: float) -> str | None:
    """Why this can't be the waveform of anything; None when it can."""
    peaks = waveform.peaks
    if peaks.shape != (NUM_PEAKS,) or not np.isfinite(peaks).all():
        return f"peaks {peaks}"
    if peaks.min() < 0.0 or peaks.max() > largest:
        return f"peaks from {peaks.min()} to {peaks.max()}"
    if waveform.frames < 0 or (waveform.frames == 0 and peaks.any()):
        return f"{waveform.frames} frames with peaks up to {peaks.max()}"
    if not LIMITS.min_sample_rate_hz <= waveform.sample_rate_hz <= LIMITS.max_sample_rate_hz:
        return f"{waveform.sample_rate_hz} Hz"
    if waveform.duration_s > LIMITS.max_duration_s:
        return f"{waveform.duration_s} s"
    normalised = waveform.normalised_peaks()
    return None if all(0.0 <= peak <= 1.0 for peak in normalised) else f"{normalised}"


def _crash_behind(error: BaseException | None) -> str | None:
    """The code of a decoder's failure; after a crash, a mix looks for the stem that is at fault."""
    while error is not None:
        if isinstance(error, DecoderFailed):
            return error.code
        error = error.__context__
    return None


def _notes(error: Exception) -> str:
    return "".join(getattr(error, "__notes__", []))


def run_fuzz(plan: Plan, say: Callable[[str], object] = lambda line: None) -> Findings:
    """Decode all files of the plan. `say` is told how it goes."""
    findings = Findings()
    before = descendants(os.getpid())
    limits = ProcessLimits(task_cpu_s=plan.file_cpu_s)
    with tempfile.TemporaryDirectory() as temporary:
        folder, notes = Path(temporary), Path(temporary) / "notes"
        notes.mkdir()
        with IsolatedCodec(
            MeteredCodec(notes),
            processes=PROCESSES,
            task_timeout_s=plan.file_wall_s,
            limits=limits,
        ) as codec:
            fuzzer = Fuzzer(plan, folder, codec)
            started_s = time.monotonic()
            for outcome in _outcomes(plan, fuzzer):
                findings.outcomes.append(outcome)
                if outcome.problem is not None:
                    findings.problems.append(f"file {outcome.number}: {outcome.problem}")
                if len(findings.outcomes) % 2000 == 0:
                    say(f"{len(findings.outcomes)} files, {len(findings.problems)} problems")
            findings.seconds = time.monotonic() - started_s
        findings.peak_bytes = max(1024 * int(note.read_text()) for note in notes.iterdir())
        left = sorted(path.name for path in folder.iterdir())
    if left != ["companion.wav", "notes"]:
        findings.problems.append(f"files are left: {left}")
    if left_over := descendants(os.getpid()) - before:
        findings.problems.append(f"processes are left: {left_over}")
    if findings.peak_bytes > plan.memory_bytes:
        findings.problems.append(f"a child used {findings.peak_bytes / 1024**2:.0f} MB")
    return findings


def _outcomes(plan: Plan, fuzzer: Fuzzer) -> Iterator[Outcome]:
    deadline_s = time.monotonic() + plan.seconds
    numbers = plan.only or range(plan.files)

    def run(number: int) -> Outcome | None:
        return fuzzer.run(number) if time.monotonic() < deadline_s else None

    with ThreadPoolExecutor(PROCESSES) as threads:
        yield from (outcome for outcome in threads.map(run, numbers) if outcome is not None)


def table(findings: Findings) -> str:
    """Outcomes by the format of the file that was mutated."""
    counts = Counter((each.outcome, each.origin.split()[0]) for each in findings.outcomes)
    formats = sorted({kind for _, kind in counts})
    outcomes = sorted({outcome for outcome, _ in counts})
    lines = [f"{'':<24}" + "".join(f"{name:>9}" for name in (*formats, "all"))]
    for outcome in outcomes:
        row = [counts[outcome, kind] for kind in formats]
        lines.append(f"{outcome:<24}" + "".join(f"{count:>9}" for count in (*row, sum(row))))
    return "\n".join(lines)


def _summary(plan: Plan, findings: Findings) -> Iterator[str]:
    slowest = max(findings.outcomes, key=lambda each: each.seconds)
    count = len(findings.outcomes)
    yield f"seed {plan.seed}: {count} files in {findings.seconds:.0f} s"
    yield f"{count / findings.seconds:.0f} files/s"
    yield table(findings)
    yield f"slowest: file {slowest.number} ({slowest.origin}), {slowest.seconds:.2f} s"
    yield f"largest resident memory of a child: {findings.peak_bytes / 1024**2:.0f} MB"
    for each in findings.crashes:
        yield f"{each.outcome}: file {each.number}, made from {each.origin}"
    for problem in findings.problems:
        yield f"BROKEN: {problem}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--only", type=int, nargs="*", default=())
    parser.add_argument("--keep", type=Path, help="a folder for files that break something")
    chosen = parser.parse_args(arguments)
    plan = Plan(
        chosen.seed, chosen.files, chosen.seconds, only=tuple(chosen.only), keep=chosen.keep
    )

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    say(f"seed {plan.seed}")
    findings = run_fuzz(plan, say)
    for line in _summary(plan, findings):
        say(line)
    return 1 if findings.problems else 0


if __name__ == "__main__":
    # Imported anew: what `__main__` defines can't be found by a compute process.
    from tests.campaigns import fuzz

    sys.exit(fuzz.main())
