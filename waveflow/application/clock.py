"""Moments as the wire writes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from attrs import frozen


@frozen
class Clock:
    """Time as plain callables, so that tests can tell it.

    Attributes:
        unix_s: seconds since 1970, for timestamps and file ages.
        monotonic_s: seconds that never jump, for durations.
    """

    unix_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic

    def now_iso(self) -> str:
        """The moment in UTC, ISO 8601 with microseconds and `Z`."""
        return f"{datetime.fromtimestamp(self.unix_s(), UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
