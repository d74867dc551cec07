"""Whether the worker lives: what `/livez` says."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from attrs import define, field, frozen

from waveflow.application.clock import Clock
from waveflow.entrypoints.worker.service import State, Worker

LONGEST_START_S = 900.0
"""Compiling takes 20 s, on a machine that has no time for it minutes; S3 and SQS, two at most."""
_SECOND_LOOK_S = 2.0
_LOOK_AGAIN_S = 0.1

_SILENCES = {
    State.STARTING: "The start has taken",
    State.WORKING: "The main thread has not come to look for",
    State.DRAINING: "The end has taken",
}


@frozen
class LifeSigns:
    """What the worker says of itself.

    Attributes:
        problem: why it counts as dead; None while it lives.
    """

    state: State
    problem: str | None = None


@define(eq=False)
class Liveness:
    """Judges by the main thread, which comes to look twice a second. Asks nobody else.

    Attributes:
        silent_after_s: how long the main thread may not have looked.
        longest_drain_s: how long an end may take.
        wait: how to wait for so many seconds.
    """

    silent_after_s: float
    longest_drain_s: float
    clock: Clock = field(factory=Clock)
    wait: Callable[[float], object] = field(factory=lambda: Event().wait)
    _worker: Worker | None = field(default=None, init=False)
    _looked_s: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._looked_s = self.clock.monotonic_s()

    @property
    def state(self) -> State:
        """What the worker is about."""
        return State.STARTING if self._worker is None else self._worker.state

    def begin(self, worker: Worker) -> None:
        """The start is over; `worker` begins to work."""
        self.look()
        self._worker = worker

    def look(self) -> None:
        """To be called by the main thread, often, until the worker begins to end."""
        self._looked_s = self.clock.monotonic_s()

    def signs(self) -> LifeSigns:
        """Whether the worker lives; it is given two seconds more to show that it does.

        A process that was suspended or stopped goes on with a look that is long ago, and its
        main thread need not be the first that runs.
        """
        signs = self._signs()
        waited_s = 0.0
        while signs.problem and waited_s < _SECOND_LOOK_S:
            self.wait(_LOOK_AGAIN_S)
            waited_s += _LOOK_AGAIN_S
            signs = self._signs()
        return signs

    def _signs(self) -> LifeSigns:
        state = self.state
        limit_s = {
            State.STARTING: LONGEST_START_S,
            State.WORKING: self.silent_after_s,
            State.DRAINING: self.longest_drain_s,
        }[state]
        silent_s = self.clock.monotonic_s() - self._looked_s
        if silent_s > limit_s:
            return LifeSigns(
                state, f"{_SILENCES[state]} {silent_s:.0f} s; {limit_s:.0f} s is much."
            )
        missing = self._worker.missing() if self._worker and state is State.WORKING else []
        if missing and self.state is State.WORKING:  # It may have been told to end just now.
            return LifeSigns(state, f"What is needed has ended: {', '.join(missing)}.")
        return LifeSigns(self.state)
