"""Uploads: single stems and bursts of whole stages, by a Poisson process with a daily curve."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from attrs import define, frozen

from benchmarks.scaling.assumptions import KINDS, Kind, Load

SHORTEST_S, LONGEST_S = 5.0, 3600.0
LARGEST_BYTES = 100 * 1024 * 1024
"""`MAX_FILE_SIZE_MB`: what is larger fails at once and costs next to nothing."""


@frozen
class Stem:
    """An upload.

    Attributes:
        number: tells stems apart.
        stage: the burst that it belongs to; None for a single one.
    """

    number: int
    kind: Kind
    audio_s: float
    duplicate: bool
    stage: Stage | None

    @property
    def bytes(self) -> float:
        """Of the file."""
        return self.audio_s * self.kind.bytes_per_s


@define(eq=False)
class Stage:
    """Stems that came at once, and are mixed when the last is through.

    Attributes:
        left: how many aren't through yet.
        stems: those that stay, once they are through.
    """

    number: int
    left: int
    stems: list[Stem]


@define
class Uploads:
    """Draws what is uploaded, in order of time."""

    load: Load
    draw: random.Random
    _stems: int = 0
    _stages: int = 0

    def rate_per_s(self, hour: float) -> float:
        """Stems per second at an hour, which may be of a later day."""
        load = self.load
        middle = (1 + load.night_share) / 2
        swing = (1 - load.night_share) / 2
        curve = middle + swing * math.cos((hour - load.peak_hour) * math.pi / 12)
        in_spike = load.spike_from_h <= hour < load.spike_from_h + load.spike_h
        return load.stems_per_hour / 3600 * curve * (load.spike_factor if in_spike else 1.0)

    def arrivals(self, from_hour: float) -> Iterator[tuple[float, list[Stem]]]:
        """Endlessly: seconds after `from_hour`, and the stems that come at once."""
        load = self.load
        most = load.stems_per_hour / 3600 * max(load.spike_factor, 1.0)
        mean_burst = sum(load.burst_stems) / 2
        bursts = load.burst_share / mean_burst
        events = bursts + 1 - load.burst_share
        now_s = 0.0
        while True:
            now_s += self.draw.expovariate(most * events)
            if self.draw.random() * most < self.rate_per_s(from_hour + now_s / 3600):
                if self.draw.random() * events < bursts:
                    yield now_s, self._burst(self.draw.randint(*load.burst_stems))
                else:
                    yield now_s, [self._stem(None)]

    def _burst(self, stems: int) -> list[Stem]:
        self._stages += 1
        stage = Stage(self._stages, stems, [])
        return [self._stem(stage) for _ in range(stems)]

    def _stem(self, stage: Stage | None) -> Stem:
        self._stems += 1
        load = self.load
        (kind,) = self.draw.choices(KINDS, [kind.share for kind in KINDS])
        drawn_s = self.draw.lognormvariate(math.log(load.audio_s), load.audio_spread)
        longest_s = min(LONGEST_S, LARGEST_BYTES / kind.bytes_per_s)
        audio_s = min(max(drawn_s, SHORTEST_S), longest_s)
        duplicate = self.draw.random() < load.duplicate_share
        return Stem(self._stems, kind, audio_s, duplicate, stage)
