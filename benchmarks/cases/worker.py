"""The worker as a whole, on loopback servers: processor time per message, memory, start."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from benchmarks.cases.base import Case, Run, Subject, Target
from benchmarks.figures import Sample
from benchmarks.files import SHORT, Lengths
from benchmarks.place import Checkout, Place

INGEST, ANALYSIS = "an ingest message of 5.3 MB", "an analysis message of 5.3 MB"
LOADED, LOADED_RSS, START = "8 slots busy", "8 slots busy, RSS summed", "start to first receive"
_MESSAGES, _STARTS = 200, 3

_Figures = dict[str, Any]
_READ: dict[str, Callable[[_Figures], Sample]] = {
    INGEST: lambda figures: _message(figures["ingest"]),
    ANALYSIS: lambda figures: _message(figures["analysis"]),
    LOADED: lambda figures: Sample(0, 0, figures["loaded"]["pss_mb"]),
    LOADED_RSS: lambda figures: Sample(0, 0, figures["loaded"]["rss_mb"]),
    START: lambda figures: Sample(figures["start_s"], 0, 0),
}
"""How each subject's figures are found in what `benchmarks.worker` measures."""


def cases(lengths: Lengths) -> list[Case]:
    """One case with a subject for each figure: they come from one measurement."""
    short = ("--messages", "6", "--starts", "1") if lengths.long_s == SHORT.long_s else ()
    options = short or ("--messages", str(_MESSAGES), "--starts", str(_STARTS))

    def subjects(place: Place) -> Sequence[Subject]:
        return [
            subject
            for checkout in place.checkouts
            for subject in _subjects(place, checkout, options)
        ]

    targets = [
        Target("≤ 14 ms of CPU", 0.014, (), "cpu_s", INGEST),
        Target("≤ 18 ms of CPU", 0.018, (), "cpu_s", ANALYSIS),
        Target("≤ 700 MB (shared pages counted once)", 700, (), "peak_mb", LOADED),
        Target("≤ 1.5 s", 1.5, (), "wall_s", START),
    ]
    return [Case("worker", "whole worker", subjects, targets, most_rounds=1, warm_up=False)]


def _subjects(place: Place, checkout: Checkout, options: Sequence[str]) -> list[Subject]:
    @cache
    def figures() -> _Figures:
        command = [sys.executable, "-P", "-m", "benchmarks.worker", *options]
        place.launcher.run(command, checkout.environment)
        found: _Figures = json.loads(place.launcher.output())
        return found

    def subject(name: str) -> Subject:
        return Subject(name, checkout.role, lambda: Run(_READ[name](figures())))

    return [subject(name) for name in _READ]


def _message(cost: _Figures) -> Sample:
    return Sample(cost["wall_ms"] / 1000, cost["cpu_ms"] / 1000, 0)
