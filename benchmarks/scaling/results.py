"""Carrying the experiments out, and what came of them as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from attrs import asdict

from benchmarks.scaling.assumptions import Assumptions, Load
from benchmarks.scaling.costs import PerStem, Prices, bill, limits
from benchmarks.scaling.experiments import Experiment
from benchmarks.scaling.service import ServiceTimes
from benchmarks.scaling.simulation import Outcome, simulate

_DIGITS = 6


def results(chosen: Sequence[Experiment], processes: int | None = None) -> dict[str, Any]:
    """What the experiments come to, in a form that goes into JSON.

    Args:
        processes: runs at once; None for one on each core.
    """
    names = [(experiment.name, run) for experiment in chosen for run in experiment.runs]
    assumed = [each for experiment in chosen for each in experiment.runs.values()]
    context = get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count(), mp_context=context) as pool:
        outcomes = list(pool.map(_simulate, assumed))
    per_stem = PerStem.of(Load())
    runs: dict[str, list[dict[str, Any]]] = {experiment.name: [] for experiment in chosen}
    for (experiment, name), each, outcome in zip(names, assumed, outcomes, strict=True):
        runs[experiment].append(_row(name, each, outcome))
    return {"prices": asdict(Prices()), "per_stem": _rounded(asdict(per_stem)), "runs": runs}


def _simulate(assumed: Assumptions) -> Outcome:
    return simulate(assumed, ServiceTimes.read())


def _row(name: str, assumed: Assumptions, outcome: Outcome) -> dict[str, Any]:
    each = PerStem.of(assumed.load)
    cost = bill(outcome, each, Prices(), assumed.group.spot_share)
    return {
        "name": name,
        "assumed": asdict(assumed),
        "outcome": _rounded(asdict(outcome)),
        "bill": _rounded(asdict(cost) | {"total": cost.total}),
        "limits": _rounded(limits(outcome, each)),
    }


def _rounded(value: Any) -> Any:
    """Digits beyond these differ between mathematical libraries."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, float) and math.isfinite(value) and value:
        return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    return value
