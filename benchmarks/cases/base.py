"""What a case is: subjects that do the same work, and what is asked of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import Factory, frozen

from benchmarks.figures import Rounds, Sample, ratio, spreads

if TYPE_CHECKING:
    from benchmarks.place import Place


class Role(Enum):
    """What a subject is to the comparison."""

    OURS = "ours"
    BEFORE = "before"
    """The same code path of the other checkout."""
    PEER = "peer"
    """Another program."""
    FLOOR = "floor"
    """What can't be avoided: reading the bytes, the decoder alone."""


Check = Callable[[dict[str, Any]], str | None]
"""Looks at what a run answered; raises `WrongAnswer`, or says what a reader has to know."""


@frozen
class Run:
    """One run of a subject, and what else it answered."""

    sample: Sample
    answer: dict[str, Any] = Factory(dict)


@frozen
class Subject:
    """Something whose time is taken.

    Attributes:
        run: does the work once.
        check: looks at the answer of the first run.
        most_rounds: sits the later ones out; for peers that take long.
    """

    name: str
    role: Role
    run: Callable[[], Run]
    check: Check | None = None
    most_rounds: int = 1000

    @property
    def key(self) -> str:
        """Its name within the case."""
        return f"{self.name} (before)" if self.role is Role.BEFORE else self.name


@frozen
class Target:
    """What the figures of one of our subjects have to be.

    Attributes:
        text: the target, as a person would say it.
        references: subjects to compare with, by key; the fastest of those that are there
            counts. With none, the figure itself is what is limited.
        throughput: the ratio of throughputs, which has to be `limit` or more, instead of that
            of times, which has to be `limit` or less.
    """

    text: str
    limit: float
    references: Sequence[str] = ()
    metric: str = "wall_s"
    subject: str = "waveflow"
    throughput: bool = False

    def measured(self, rounds: Mapping[str, Rounds]) -> float | None:
        """The figure to hold against `limit`; None when something to compare with is missing."""
        ours = rounds.get(self.subject)
        if not ours:
            return None
        if not self.references:
            return spreads(ours)[self.metric].median
        others = [rounds[key] for key in self.references if rounds.get(key)]
        value = ratio(ours, others, self.metric)
        return 1 / value if value and self.throughput else value

    def met_by(self, value: float) -> bool:
        """Whether a measured figure is good enough."""
        return value >= self.limit if self.throughput else value <= self.limit


@frozen
class Case:
    """One line of the comparison.

    Attributes:
        subjects: makes what the case needs and says who takes part; raises `Missing` when the
            case can't run here.
        size_bytes: of the data that is gone through, for a throughput; 0 for none.
        most_rounds: fewer for what one run tells.
        warm_up: whether a round that isn't counted comes first.
    """

    name: str
    title: str
    subjects: Callable[[Place], Sequence[Subject]]
    targets: Sequence[Target] = ()
    size_bytes: int = 0
    most_rounds: int = 1000
    warm_up: bool = True
