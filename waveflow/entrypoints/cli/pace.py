"""Doing something so many times in a second, and not more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
from attrs import define, field

from waveflow.application.clock import Clock

HANDFUL = 5
"""As many are done without asking first."""

_SLOWEST, _FASTEST = 0.001, 1000.0
_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Rate(click.FloatRange):
    """A number of things in a second; `nan` lies in every range and would mean no pace at all."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        rate = super().convert(value, param, ctx)
        if math.isnan(rate):
            raise click.BadParameter(
                f"{value!r} is not a number of things in a second.", ctx, param
            )
        return rate


def per_second_option(things: str) -> Callable[[_Function], _Function]:
    """An option `--per-second` for how many `things` are sent."""
    return click.option(
        "--per-second",
        type=_Rate(_SLOWEST, _FASTEST),
        default=5.0,
        show_default=True,
        help=f"How many {things} are sent in a second at most.",
    )


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
