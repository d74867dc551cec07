"""The circuit breaker for a main server that is down."""

from __future__ import annotations

from threading import Condition

import structlog

from waveflow.application.tally import Tally

_log = structlog.get_logger(__name__)

OPENS_AFTER = 3
"""Different events in a row that the server hasn't taken: one event may be at fault itself."""


class Outage:
    """Knows whether the server is away, from what came of the webhooks so far.

    It is away (the breaker is open) once several different events in a row were not delivered,
    and back once one is. Thread-safe.
    """

    def __init__(self, *, opens_after: int = OPENS_AFTER, tally: Tally | None = None) -> None:
        self._opens_after = opens_after
        self._tally = tally or Tally()
        self._undelivered: set[str] = set()
        self._waiting = 0
        self._is_open = False
        self._ending = False
        self._changed = Condition()

    @property
    def is_open(self) -> bool:
        """Whether the server is away."""
        return self._is_open

    @property
    def ending(self) -> bool:
        """Whether nobody should wait for the server any more."""
        return self._ending

    @property
    def waiting(self) -> int:
        """How many deliveries wait for their next attempt."""
        return self._waiting

    def delivered(self) -> None:
        """A webhook got through, or was refused for its own sake: the server is there."""
        with self._changed:
            self._undelivered.clear()
            if self._is_open:
                self._is_open = False
                _log.warning("server_is_back")
                self._changed.notify_all()

    def undelivered(self, event_id: str) -> bool:
        """An attempt at that event came to nothing. Returns whether the server is away."""
        with self._changed:
            self._undelivered.add(event_id)
            if not self._is_open and len(self._undelivered) >= self._opens_after:
                self._is_open = True
                self._tally.add("server_away")
                _log.error("server_is_away", undelivered=len(self._undelivered))
            return self._is_open

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
