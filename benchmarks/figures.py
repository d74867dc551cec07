"""What one run of something took, and what many runs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from attrs import frozen


@frozen
class Sample:
    """One run.

    Attributes:
        cpu_s: processor time, of user and system, of all processes that took part.
        peak_mb: largest resident memory of the process that did the work, in MB of 1024² bytes.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float

    def figure(self, metric: str) -> float:
        """One of the three, by its name."""
        return float(getattr(self, metric))


METRICS = ("wall_s", "cpu_s", "peak_mb")

Rounds = Mapping[int, Sample]
"""The runs of one subject by the number of the round; rounds that it sat out are missing."""


@frozen
class Spread:
    """The median of some figures, and how far they lie apart."""

    median: float
    smallest: float
    largest: float
    runs: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Raises `statistics.StatisticsError` when there are none."""
        return cls(median(figures), min(figures), max(figures), len(figures))


def spreads(rounds: Rounds) -> dict[str, Spread]:
    """The spread of each metric."""
    return {
        metric: Spread.of([sample.figure(metric) for sample in rounds.values()])
        for metric in METRICS
    }


def ratio(ours: Rounds, references: Sequence[Rounds], metric: str) -> float | None:
    """The median over the rounds of ours / the smallest reference of the same round.

    Pairs of one round met the same machine; a drift between rounds cancels out.

    Returns:
        None when no round has both.
    """
    ratios = []
    for number, sample in ours.items():
        present = [each[number].figure(metric) for each in references if number in each]
        if present and min(present) > 0:
            ratios.append(sample.figure(metric) / min(present))
    return median(ratios) if ratios else None
