"""Moments as the wire writes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import frozen


def _since_boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _monotonic_clock() -> Callable[[], float]:
    """A clock that never jumps back and, if there is one, also counts a suspended machine's time.

    `time.monotonic` stands still while the machine is suspended; the queue's time doesn't. A
    lease that ended meanwhile would look held, and its message be worked on twice.
    """
    try:
        _since_boot_s()
    except (AttributeError, OSError):  # Not Linux, or a sandbox that lacks it.
        return time.monotonic
    return _since_boot_s


@frozen
class Clock:
    """Time as plain callables, so that tests can tell it.

    Attributes:
        unix_s: seconds since 1970, for timestamps and file ages.
        monotonic_s: seconds that never go back, for durations and leases. Those in which the
            machine was suspended count, where the system tells.
    """

    unix_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = _monotonic_clock()

    def now_iso(self) -> str:
        """The moment in UTC, ISO 8601 with microseconds and `Z`."""
        return f"{datetime.fromtimestamp(self.unix_s(), UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
