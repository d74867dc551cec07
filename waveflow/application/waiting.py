"""Who may go on waiting for a turn: asked now and then by whatever hands out turns."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from waveflow.application.current_lease import CurrentLease
from waveflow.application.outage import Outage
from waveflow.domain.errors import WorkInterrupted

LOOK_EVERY_S = 0.5
"""How often whoever waits asks; each time is a sign of life, too."""

KeepWaiting = Callable[[], object]
"""Raises `WorkInterrupted` when the calling thread has nothing to wait for any more."""


def always() -> None:
    """Wait for as long as it takes."""


@frozen
class WhileWanted:
    """Lets a thread wait until its message's lease is lost, or the service ends."""

    lease: CurrentLease
    outage: Outage

    def __call__(self) -> None:
        self.lease.require()
        if self.outage.ending:
            raise WorkInterrupted("The work was not begun: the service is ending.")
