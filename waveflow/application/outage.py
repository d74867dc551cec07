"""The main server being down: who waits for it, and who asks whether it is back."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import get_ident

from waveflow.application.breaker import Breaker
from waveflow.application.clock import Clock
from waveflow.application.tally import Tally

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
_SPREAD = 0.2
"""Each pause is multiplied by 1 ± this, so that workers don't come back together."""


class Outage(Breaker):
    """The breaker for the main server.

    While it is away one of those who wait asks, at growing intervals: a server that takes
    events in but is too slow to answer is not told every event again and again.
    """

    def __init__(
        self,
        *,
        tally: Tally | None = None,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """A server that is there.

        Args:
            draw: uniform in [0, 1).
        """
        super().__init__("server", clock=clock, tally=tally)
        self._draw = draw
        self._waiting = 0
        self._ending = False
        self._asker: int | None = None
        self._pause_s = FIRST_PAUSE_S
        self._next_s = 0.0

    @property
    def ending(self) -> bool:
        """Whether nobody should wait for the server any more."""
        return self._ending

    @property
    def waiting(self) -> int:
        """How many deliveries wait for their next attempt."""
        return self._waiting

    def worked(self) -> None:
        with self._changed:
            super().worked()
            # The next outage begins anew, whoever still waits for an answer of this one.
            self._asker, self._pause_s, self._next_s = None, FIRST_PAUSE_S, 0.0

    def turn_in_s(self) -> float:
        """0 for who may ask the server now, and then has to say what came of it.

        Otherwise the seconds to wait before trying again.
        """
        with self._changed:
            if not self._is_open:
                return 0.0
            left_s = self._next_s - self._clock.monotonic_s()
            if self._asker is not None or left_s > 0:
                return max(left_s, FIRST_PAUSE_S)
            self._asker = get_ident()
            return 0.0

    def turn_ends(self, *, retry_after_s: float = 0.0) -> None:
        """The server was asked; the next may do so after a pause that grows while it is away."""
        with self._changed:
            if not self._is_open:
                return
            pause_s = FIRST_PAUSE_S
            if self._asker == get_ident():  # and not of those who asked before it was away
                self._asker = None
                pause_s = self._pause_s * (1 + _SPREAD * (2 * self._draw() - 1))
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            next_s = self._clock.monotonic_s() + max(pause_s, retry_after_s)
            self._next_s = max(self._next_s, next_s)

    def wait(self, seconds: float, *, until_back: bool = False) -> None:
        """Wait that long, or until the service ends, or, if asked for, the server is back."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(
                    lambda: self._ending or (until_back and not self._is_open), seconds
                )
            finally:
                self._waiting -= 1

    def end(self) -> None:
        """The service is ending: whoever waits gives up now."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
