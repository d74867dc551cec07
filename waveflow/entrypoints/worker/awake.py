"""Time as it passes for a process that is suspended, stopped or starved now and then."""

from __future__ import annotations

import structlog
from attrs import define, field, frozen

from waveflow.application.clock import Clock

_log = structlog.get_logger(__name__)

_STOOD_STILL_S = 5.0
"""Looks come twice a second. With as much between two of them nobody ran."""
_LOOK_S = 0.5
"""What such a gap counts for: with nothing, a process that crawls would never grow older."""


@frozen
class _Gap:
    ends_s: float
    skipped_s: float


@define(eq=False)
class AwakeTime:
    """Counts the time between looks, but not that in which nobody ran.

    Attributes:
        horizon_s: the longest time that anybody asks about.
    """

    horizon_s: float
    clock: Clock = field(factory=Clock)
    _looked_s: float = field(init=False)
    _gaps: list[_Gap] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._looked_s = self.clock.monotonic_s()

    def look(self) -> None:
        """To be called often: notices when nobody ran."""
        now_s = self.clock.monotonic_s()
        gap_s, self._looked_s = now_s - self._looked_s, now_s
        if gap_s > _STOOD_STILL_S:
            _log.warning("worker_stood_still", seconds=round(gap_s, 1))
            self._gaps.append(_Gap(now_s, gap_s - _LOOK_S))
            # Whoever was last heard of before a gap this old is beyond the horizon without it.
            self._gaps = [gap for gap in self._gaps if self.since_s(gap.ends_s) <= self.horizon_s]

    def since_s(self, at_s: float) -> float:
        """How much has passed from `at_s`, monotonic time, to the latest look."""
        skipped_s = sum(
            min(gap.skipped_s, gap.ends_s - at_s) for gap in self._gaps if gap.ends_s > at_s
        )
        return self._looked_s - at_s - skipped_s
