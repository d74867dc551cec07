"""Service times: straight lines through what was measured of one worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from attrs import frozen

from benchmarks.scaling.measure import MEASURED


@frozen
class Line:
    """Seconds of processor time: a part for each message, and one for each unit."""

    fixed_s: float
    per_unit_s: float

    @classmethod
    def through(cls, first: tuple[float, float], second: tuple[float, float]) -> Self:
        """The line through two points (units, seconds); neither part is below 0."""
        (units, s), (more_units, more_s) = sorted((first, second))
        per_unit_s = max((more_s - s) / (more_units - units), 0.0)
        return cls(max(s - per_unit_s * units, 0.0), per_unit_s)

    def at(self, units: float) -> float:
        """Seconds for so many units."""
        return self.fixed_s + self.per_unit_s * units


@frozen
class ServiceTimes:
    """Processor time of one worker's messages.

    Attributes:
        hashing: of the main process, over bytes of the stem.
        fetching: the same of an analysis.
        decoding: of a compute process for an analysis, over seconds of audio, by kind.
        mixing_main: of the main process, over bytes of all stems.
        mixing: of a compute process for a mix, over seconds of audio of all stems, by kind.
    """

    hashing: Line
    fetching: Line
    decoding: Mapping[str, Line]
    mixing_main: Line
    mixing: Mapping[str, Line]

    @classmethod
    def read(cls, path: Path = MEASURED) -> Self:
        """Of a file that `benchmarks.scaling.measure` wrote."""
        return cls.of(json.loads(path.read_text()))

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> Self:
        """Of what such a file holds."""
        figures = measured["figures"]
        stems = measured["mixed_stems"]
        kinds = {figure["kind"] for figure in figures if figure["task"] == "analysis"}
        mixes = {figure["kind"]: figure for figure in figures if figure["task"] == "mix"}
        fetching = _line(figures, "analysis", "wav-16", "bytes", "parent_ms")
        return cls(
            hashing=_line(figures, "ingest", "wav-16", "bytes", "parent_ms"),
            fetching=fetching,
            decoding={
                kind: _line(figures, "analysis", kind, "audio_s", "children_ms") for kind in kinds
            },
            # One size of mixes was measured: what a message costs by itself is an analysis's.
            mixing_main=_from_fixed(
                fetching.fixed_s,
                stems * mixes["wav-16"]["bytes"],
                mixes["wav-16"]["cost"]["parent_ms"] / 1000,
            ),
            mixing={
                kind: _from_fixed(
                    0.0, stems * figure["audio_s"], figure["cost"]["children_ms"] / 1000
                )
                for kind, figure in mixes.items()
            },
        )

    def mixing_of(self, kind: str) -> Line:
        """Of a compute process: kinds that weren't measured cost what decoding them costs more."""
        if kind in self.mixing:
            return self.mixing[kind]
        base = self.mixing["wav-16"]
        more_s = self.decoding[kind].per_unit_s - self.decoding["wav-16"].per_unit_s
        return Line(base.fixed_s, base.per_unit_s + max(more_s, 0.0))


def _from_fixed(fixed_s: float, units: float, seconds: float) -> Line:
    return Line(fixed_s, max(seconds - fixed_s, 0.0) / units)


def _line(figures: list[dict[str, Any]], task: str, kind: str, unit: str, cost: str) -> Line:
    first, second = (
        (float(figure[unit]), figure["cost"][cost] / 1000)
        for figure in figures
        if (figure["task"], figure["kind"]) == (task, kind)
    )
    return Line.through(first, second)
