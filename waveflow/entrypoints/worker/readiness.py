"""Whether a message would be worked on now: what `/readyz` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread

import structlog
from attrs import define, field, frozen

from waveflow.application.clock import Clock
from waveflow.application.health_checks import Check, DependencyCheck
from waveflow.entrypoints.worker.service import State

_log = structlog.get_logger(__name__)

LIMIT_S = 3.0
"""What takes longer to answer counts as away."""
_EVERY_S = 10.0
_AGAIN_S = 2.0
"""While something is wrong: so that it is known soon when it is right again."""
_STALE_S = 60.0
_SENTENCES = {
    "server": "several webhooks in a row were not delivered",
    "storage_reading": "several objects in a row could not be read",
    "storage_writing": "several objects in a row could not be written",
    "machine": "several tasks in a row met a full disk, or got no process",
}


@frozen
class ReadyReport:
    """What is known of everything that a message needs."""

    state: State
    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        """Whether a message would be worked on now."""
        return self.state is State.WORKING and not any(check.problem for check in self.checks)


@define(eq=False)
class Readiness:
    """Tries what the tasks depend on every ten seconds, and knows what came of it.

    Nobody who asks waits for that, and it makes no difference how often they ask.

    Attributes:
        state: what the worker is about.
        away: for what breakers are open: nothing is received then.
    """

    dependencies: Sequence[DependencyCheck]
    state: Callable[[], State]
    away: Callable[[], Sequence[str]]
    clock: Clock = field(factory=Clock)
    every_s: float = _EVERY_S
    again_s: float = _AGAIN_S
    limit_s: float = LIMIT_S
    _ended: Event = field(factory=Event, init=False)
    _tried_s: float | None = field(default=None, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def begin(self) -> None:
        """The codec has passed its test, with compiled kernels; begin to look at the rest."""
        self._thread = Thread(target=self._try_regularly, name="readiness", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Try nothing more. Waits a moment for what is under way: it may write a file."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self.limit_s)

    def is_ready(self) -> bool:
        """Whether a message would be worked on now. Cheap."""
        return self.report().is_ready

    def report(self) -> ReadyReport:
        """What is known now. Cheap."""
        found = [dependency.latest(self.limit_s) for dependency in self.dependencies]
        codec = None if self._thread else "Not tried yet: kernels are loaded or compiled."
        return ReadyReport(
            self.state(), (*found, Check("codec", codec), Check("receiving", self._obstacle()))
        )

    def _obstacle(self) -> str | None:
        if self._thread is None:
            return "Not yet."
        if self._tried_s is not None and self.clock.monotonic_s() - self._tried_s > _STALE_S:
            return f"Nothing has been tried for more than {_STALE_S:.0f} s."
        away = [f"{_SENTENCES[name]} ({name})" for name in self.away()]
        return f"No messages are received: {'; '.join(away)}." if away else None

    def _try_regularly(self) -> None:
        pause_s = 0.0
        while not self._ended.wait(pause_s):
            pause_s = self.every_s if self._all_is_well() else self.again_s

    def _all_is_well(self) -> bool:
        self._tried_s = self.clock.monotonic_s()
        try:
            for dependency in self.dependencies:
                dependency.begin()
            found = [dependency.wait(self.limit_s) for dependency in self.dependencies]
        except Exception as error:  # such as no memory left; the next try may succeed
            _log.error("defect", exc_info=error)
            return False
        return not any(check.problem for check in found)
