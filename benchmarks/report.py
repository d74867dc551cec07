"""What was measured, as JSON with keys that stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import asdict

from benchmarks.cases.base import Role
from benchmarks.figures import METRICS, ratio, spreads
from benchmarks.runner import FAILED, Result, Taken

SCHEMA = 1


def document(
    results: Sequence[Result], machine: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """The whole run; `schema` grows by one when a key changes its meaning."""
    return {
        "schema": SCHEMA,
        "settings": settings,
        "machine": machine,
        "cases": [_case(result) for result in results],
        "failed": [result.case.name for result in results if result.status == FAILED],
    }


def _case(result: Result) -> dict[str, Any]:
    return {
        "name": result.case.name,
        "title": result.case.title,
        "status": result.status,
        "reason": result.reason or None,
        "seconds": round(result.seconds, 2),
        "size_bytes": result.case.size_bytes or None,
        "cached": result.cached,
        "subjects": [_subject(result, taken) for taken in result.taken],
        "targets": [
            {
                "text": verdict.target.text,
                "subject": verdict.target.subject,
                "metric": verdict.target.metric,
                "limit": verdict.target.limit,
                "measured": verdict.measured,
                "met": verdict.met,
            }
            for verdict in result.verdicts
        ],
    }


def _subject(result: Result, taken: Taken) -> dict[str, Any]:
    figures: dict[str, Any] = dict.fromkeys(METRICS)
    if taken.rounds:
        figures = {name: asdict(spread) for name, spread in spreads(taken.rounds).items()}
    return {
        "name": taken.subject.name,
        "role": taken.subject.role.value,
        "error": taken.error,
        "note": taken.note,
        **figures,
        "ours_to_this": ours_to(result, taken),
        "ours_to_before": result.against(taken) or None,
    }


def ours_to(result: Result, taken: Taken) -> float | None:
    """The ratio of wall times, ours / this; None where ours is several things."""
    ours = [each for each in result.taken if each.subject.role is Role.OURS]
    if taken.subject.role is Role.OURS or not ours or not result.case.warm_up:
        return None
    return ratio(ours[0].rounds, [taken.rounds], "wall_s")
