"""Doing something so many times in a second, and not more."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import define, field

from waveflow.application.clock import Clock

HANDFUL = 5
"""As many are done without asking first."""


@define
class Pace:
    """Spaces things out evenly; time that was lost is not made up for in a burst."""

    per_second: float
    clock: Clock = field(factory=Clock)
    sleep: Callable[[float], object] = time.sleep
    _next_s: float = 0.0

    def wait(self) -> None:
        """Until the next thing may be done."""
        wait_s = self._next_s - self.clock.monotonic_s()
        if wait_s > 0:
            self.sleep(wait_s)
        self._next_s = self.clock.monotonic_s() + 1 / self.per_second
