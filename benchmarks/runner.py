"""Carries out cases: all subjects in turn, round after round."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress

from attrs import define, field, frozen

from benchmarks.cases.base import Case, Role, Run, Subject, Target
from benchmarks.figures import METRICS, Sample, ratio
from benchmarks.files import cached_share
from benchmarks.floors import read_bytes
from benchmarks.formats import Missing
from benchmarks.place import Place, RunFailed

RUNS = 7
LEAST_RUNS = 3
"""Rounds that a case gets even when it takes long."""
BUDGET_S = 45.0
"""A case that has taken longer begins no further round."""

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@define
class Taken:
    """What the runs of one subject took.

    Attributes:
        rounds: by the number of the round; those that it sat out are missing.
        error: why it came to no end; it takes no further part then.
        note: what a reader has to know of the way it was done.
    """

    subject: Subject
    rounds: dict[int, Sample] = field(factory=dict)
    error: str | None = None
    note: str | None = None


@frozen
class Verdict:
    """A target, and the figure that was measured; None when there is none."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """None when nothing could be measured."""
        return None if self.measured is None else self.target.met_by(self.measured)


@frozen
class Result:
    """What came of a case.

    Attributes:
        status: done, skipped or failed.
        reason: of what isn't done.
        cached: the least share of a file that lay in the page cache at the end; None when there
            was no file, or the system doesn't say.
    """

    case: Case
    status: str
    reason: str = ""
    taken: Sequence[Taken] = ()
    verdicts: Sequence[Verdict] = ()
    seconds: float = 0.0
    cached: float | None = None

    def against(self, taken: Taken) -> dict[str, float | None]:
        """Ours / before of each metric; nothing without another checkout."""
        before = [
            each
            for each in self.taken
            if each.subject.role is Role.BEFORE and each.subject.name == taken.subject.name
        ]
        if taken.subject.role is not Role.OURS or not before or not before[0].rounds:
            return {}
        return {metric: ratio(taken.rounds, [before[0].rounds], metric) for metric in METRICS}


def carried_out(case: Case, place: Place, runs: int = RUNS, budget_s: float = BUDGET_S) -> Result:
    """Run a case.

    A program beside ours that fails is told of and left out. Ours failing, or answering wrongly,
    fails the case.
    """
    started_s = time.monotonic()
    place.audio.used.clear()
    try:
        taken = [Taken(subject) for subject in case.subjects(place)]
        _measure(case, taken, place, min(runs, case.most_rounds), budget_s)
    except Missing as reason:
        return Result(case, SKIPPED, str(reason))
    except Exception as error:
        # Whatever breaks one case, the others have their turn.
        return Result(case, FAILED, f"{type(error).__name__}: {error}")
    finally:
        _empty(place)
    rounds = {each.subject.key: each.rounds for each in taken}
    verdicts = [Verdict(target, target.measured(rounds)) for target in case.targets]
    seconds = time.monotonic() - started_s
    return Result(case, DONE, "", taken, verdicts, seconds, _least_cached(place))


def _least_cached(place: Place) -> float | None:
    shares = [cached_share(path) for path in place.audio.used]
    return min((share for share in shares if share is not None), default=None)


def _bring_back(place: Place) -> None:
    """Read again what the system has dropped from the page cache meanwhile."""
    for path in place.audio.used:
        if cached_share(path) != 1.0:
            read_bytes(path)


def _measure(case: Case, taken: Sequence[Taken], place: Place, runs: int, budget_s: float) -> None:
    if case.warm_up:
        for each in taken:
            _run(each, check=True)
    started_s = time.monotonic()
    for number in range(runs):
        if number >= LEAST_RUNS and time.monotonic() - started_s > budget_s:
            return
        # Another first one each time: nobody always runs in the wake of the same neighbour.
        for turn in range(len(taken)):
            each = taken[(number + turn) % len(taken)]
            if each.error is None and number < each.subject.most_rounds:
                _bring_back(place)
                run = _run(each, check=not case.warm_up and number == 0)
                if run is not None:
                    each.rounds[number] = run.sample


def _run(taken: Taken, *, check: bool) -> Run | None:
    subject = taken.subject
    try:
        run = subject.run()
        if check and subject.check is not None:
            taken.note = subject.check(run.answer)
    except Exception as error:
        if subject.role is Role.OURS:
            raise
        taken.error = f"{type(error).__name__}: {error}"
        return None
    return run


def _empty(place: Place) -> None:
    for checkout in place.checkouts:
        with suppress(RunFailed):
            checkout.ask("forget")
    for path in place.work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
