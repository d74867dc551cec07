"""Circuit breakers: what fails again and again isn't asked for by every message anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition

import structlog
from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.commands import AnalysisRequest, Command, MixRequest
from waveflow.application.tally import Tally
from waveflow.domain.errors import MachineUnavailable, StorageUnavailable, StorageUse

_log = structlog.get_logger(__name__)

_MACHINE_FORGETS_S = 300.0
_STORAGE_FORGETS_S = 300.0
"""A probe comes every 30 s, and most messages read and write: ten that don't are unlikely."""
_LATELY_S = 1800.0
"""What failed while the storage was away has come back by then: its longest back-off."""


_asking: ContextVar[str | None] = ContextVar("asking", default=None)


@contextmanager
def one_asking(name: str) -> Iterator[None]:
    """Count all that fails within the block as one asking of that name.

    For what is asked for side by side, and would have ended with the first failure if it were
    asked for one after the other. Threads that have a copy of the context are included.
    """
    token = _asking.set(name)
    try:
        yield
    finally:
        _asking.reset(token)


class Breaker:
    """Knows whether something is away, from what came of asking it so far.

    It is away (the breaker is open) once several different askings in a row came to nothing,
    and back once one succeeds. A single one may be at fault itself. Thread-safe.
    """

    def __init__(
        self,
        name: str,
        *,
        opens_after: int = 3,
        forgets_after_s: float = math.inf,
        doing: str | None = None,
        clock: Clock | None = None,
        tally: Tally | None = None,
    ) -> None:
        """A closed breaker.

        Args:
            name: of what may be away; part of the log events `{name}_is_away`, `{name}_is_back`.
            opens_after: how many different askings in a row have to fail.
            forgets_after_s: it counts as back once nothing has failed for so long: it may be that
                nobody asks it who could tell.
            doing: which of several ways of asking it; part of the log lines.
        """
        self._name = name
        self._facts = {} if doing is None else {"doing": doing}
        self._opens_after = opens_after
        self._forgets_after_s = forgets_after_s
        self._clock = clock or Clock()
        self._tally = tally or Tally()
        self._failed: set[str] = set()
        self._failed_s = self._closed_s = -math.inf
        self._is_open = False
        self._changed = Condition()

    @property
    def is_open(self) -> bool:
        """Whether it is away."""
        with self._changed:
            # Only an open one forgets: where messages are rare, so are failures.
            if self._clock.monotonic_s() - self._failed_s > self._forgets_after_s:
                self._close()
            return self._is_open

    def was_open(self, within_s: float) -> bool:
        """Whether it is away, or has come back within that time: it may not be well yet."""
        return self.is_open or self._clock.monotonic_s() - self._closed_s < within_s

    def worked(self) -> None:
        """It has done what was asked: it is there."""
        with self._changed:
            self._failed.clear()
            self._close()

    def answered(self) -> None:
        """It has answered, but done nothing: it is there, and may still fail at what it does.

        So what fails before and after that is still in a row.
        """
        with self._changed:
            self._close()

    def failed(self, asked: str) -> bool:
        """Asking it for that came to nothing. Returns whether it is away."""
        with self._changed:
            self._failed_s = self._clock.monotonic_s()
            if not self._is_open:
                self._failed.add(_asking.get() or asked)
                self._is_open = len(self._failed) >= self._opens_after
                if self._is_open:
                    self._tally.add(f"{self._name}_away")
                    facts = {"failed": len(self._failed), **self._facts}
                    _log.error(f"{self._name}_is_away", **facts)
            return self._is_open

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._failed.clear()
            self._closed_s = self._clock.monotonic_s()
            _log.warning(f"{self._name}_is_back", **self._facts)
            self._changed.notify_all()


@frozen
class StorageBreakers:
    """One breaker for each way of asking the storage: each may fail while the others work.

    Were there only one, whatever is read while nothing can be written would close it again.
    """

    reading: Breaker
    writing: Breaker
    deleting: Breaker

    @property
    def is_open(self) -> bool:
        """Whether something is away that nearly all work needs: reading or writing.

        Only duplicates are deleted. Work on everything else goes on without.
        """
        return self.reading.is_open or self.writing.is_open

    def of(self, use: StorageUse) -> Breaker:
        """The one for that way of asking."""
        return {"reading": self.reading, "writing": self.writing, "deleting": self.deleting}[use]


def storage_breakers(tally: Tally | None = None, clock: Clock | None = None) -> StorageBreakers:
    """Closed ones. None is opened by one message alone.

    A message reads up to four objects, and writes and deletes up to three (its outcome is one).
    The stems of a mix, however many, count as one (`one_asking`).
    """

    def breaker(doing: StorageUse, opens_after: int) -> Breaker:
        return Breaker(
            "storage",
            opens_after=opens_after,
            forgets_after_s=_STORAGE_FORGETS_S,
            doing=doing,
            clock=clock,
            tally=tally,
        )

    # Single bad objects don't add up over a night: nearly every message reads one whole.
    return StorageBreakers(
        reading=breaker("reading", 8),
        writing=breaker("writing", 4),
        deleting=breaker("deleting", 4),
    )


def machine_breaker(tally: Tally | None = None, clock: Clock | None = None) -> Breaker:
    """One for what the machine itself lacks: room on its disk, processes.

    Only analyses and mixes need these. While nothing but hashes comes, nobody finds out that
    they are there again.
    """
    return Breaker("machine", forgets_after_s=_MACHINE_FORGETS_S, clock=clock, tally=tally)


@frozen
class Excuses:
    """Which failures are not the message's own, so that they don't count as its tries."""

    storage: StorageBreakers = field(factory=storage_breakers)
    machine: Breaker = field(factory=machine_breaker)

    def done(self, command: Command) -> None:
        """Work has come to its end: what it needed of the machine is there."""
        if isinstance(command, AnalysisRequest | MixRequest):
            self.machine.worked()

    def cover(self, error: Exception, message_id: str) -> bool:
        """Whether another message would have failed as well.

        One request that succeeds closes a breaker of the storage. The next one of the same
        message may fail again, and that isn't the message's failure either. What can't be
        deleted is no excuse for what can't be read.
        """
        if isinstance(error, MachineUnavailable):
            self.machine.failed(message_id)
            return True
        if isinstance(error, StorageUnavailable) and error.use is not None:
            return self.storage.of(error.use).was_open(_LATELY_S)
        return False
