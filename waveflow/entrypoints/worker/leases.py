"""Leases on messages, and the heartbeat that extends them while the work runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from threading import Condition, Thread, get_ident

import structlog
from attrs import frozen

from waveflow.application.clock import Clock
from waveflow.application.current_lease import Lease
from waveflow.application.ports import (
    LONGEST_LOAN_S,
    MAX_BATCH,
    MessageQueue,
    ReceivedMessage,
)
from waveflow.application.tally import Tally
from waveflow.domain.errors import LeaseLost

_log = structlog.get_logger(__name__)

_BEATS_PER_TIMEOUT = 3
_TRIES_PER_TIMEOUT = 20
"""A failed extension is tried again soon, but not at once."""
LONGEST_LEASE_S = LONGEST_LOAN_S - 10.0
"""A queue lends a message for 12 hours and cuts extensions to that; ten seconds for its clock."""


@frozen
class Step:
    """A sign of life from whoever works on a message.

    Attributes:
        at_s: monotonic time.
        thread_id: whose it was.
    """

    at_s: float
    thread_id: int


class MessageLease(Lease):
    """The right to work on one delivery of a message.

    It is lost when its own deadline has passed, counted from the last extension that is known
    to have succeeded, and not when an extension fails: the next one may succeed in time.
    """

    def __init__(
        self, message: ReceivedMessage, clock: Clock, *, ends_at_last_s: float = math.inf
    ) -> None:
        """The lease that a message was received with.

        Args:
            ends_at_last_s: the monotonic time beyond which no extension reaches.
        """
        self.message = message
        self._clock = clock
        self._ends_at_last_s = ends_at_last_s
        self._asked_s = -math.inf
        self._ends_s = message.lease_ends_s
        self._revoked = False
        self.step()

    @property
    def ends_s(self) -> float:
        """The monotonic time until which the message is certainly ours."""
        return self._ends_s

    @property
    def lost(self) -> bool:
        """Whether the message may have been delivered to somebody else."""
        return self._revoked or self._clock.monotonic_s() >= self._ends_s

    @property
    def last_step(self) -> Step:
        """The latest sign of life."""
        return self._last_step

    def step(self) -> None:
        """Whoever works on the message goes on to something else."""
        self._last_step = Step(self._clock.monotonic_s(), get_ident())

    def require(self) -> None:
        self.step()
        if self.lost:
            raise LeaseLost(f"The lease on message {self.message.message_id} is lost.")

    def due_s(self, timeout_s: float) -> float:
        """The monotonic time at which to ask for an extension by `timeout_s`."""
        due_s = self._ends_s - timeout_s * (1 - 1 / _BEATS_PER_TIMEOUT)
        return max(due_s, self._asked_s + timeout_s / _TRIES_PER_TIMEOUT)

    def asked_at(self, asked_s: float) -> None:
        """An extension was asked for."""
        self._asked_s = asked_s

    def extended_until(self, ends_s: float) -> None:
        """An extension succeeded. A lease that was lost before stays lost."""
        if not self.lost:
            self._ends_s = min(ends_s, self._ends_at_last_s)

    def revoke(self) -> None:
        """It is lost, whatever the time."""
        self._revoked = True


class LeaseKeeper:
    """Extends the leases on everything that is held.

    The caller's thread runs `keep`, which has each request made by a thread of its own: one
    that isn't answered keeps no other lease waiting.
    """

    def __init__(
        self,
        queue: MessageQueue,
        *,
        visibility_timeout_s: float,
        on_lost: Callable[[MessageLease], object] = lambda lease: None,
        clock: Clock | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Keep nothing yet.

        Args:
            on_lost: told of each lease that is lost.
        """
        self._on_lost = on_lost
        self._queue = queue
        self._timeout_s = visibility_timeout_s
        self._clock = clock or Clock()
        self._tally = tally or Tally()
        self._leases: set[MessageLease] = set()
        self._beating: set[MessageLease] = set()
        self._ended = False
        self._changed = Condition()

    def take(self, message: ReceivedMessage) -> MessageLease:
        """Keep the lease on a message that was just received, until it is released."""
        received_s = message.lease_ends_s - self._timeout_s
        lease = MessageLease(message, self._clock, ends_at_last_s=received_s + LONGEST_LEASE_S)
        with self._changed:
            self._leases.add(lease)
            self._changed.notify_all()
        return lease

    def release(self, leases: Iterable[MessageLease]) -> None:
        """Stop extending these. No extension of them is under way once this returns.

        Otherwise a late one would undo what is done to the message next: its back-off, say.
        """
        leases = set(leases)
        with self._changed:
            self._leases -= leases
            self._changed.wait_for(lambda: not self._beating & leases)

    def give_back(self, leases: Iterable[MessageLease]) -> None:
        """Let somebody else have these messages at once; nothing more may be done for them."""
        leases = list(leases)
        self.release(leases)
        messages = [lease.message for lease in leases if not lease.lost]
        for lease in leases:
            lease.revoke()
        problems = self._queue.change_visibility_of_all(messages, 0.0)
        for error in problems.values():
            _log.warning("message_not_given_back", reason=str(error))

    def held(self) -> list[MessageLease]:
        """Every lease that is being kept."""
        with self._changed:
            return list(self._leases)

    def keep(self) -> None:
        """Extend what is due, again and again, until `end`."""
        while self._sleep_until_due():
            self._begin_beat()
        with self._changed:
            self._changed.wait_for(lambda: not self._beating)

    def end(self) -> None:
        """Let `keep` return."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def beat(self) -> None:
        """Extend the leases of which a third has passed, ten with each request."""
        for thread in self._begin_beat():
            thread.join()

    def _begin_beat(self) -> list[Thread]:
        """Returns the threads that make the requests."""
        with self._changed:
            now_s = self._clock.monotonic_s()
            idle = self._leases - self._beating
            due = [lease for lease in idle if lease.due_s(self._timeout_s) <= now_s]
            self._beating |= set(due)
        due.sort(key=lambda lease: lease.ends_s)
        # Side by side: with a slow queue the last would come too late.
        threads = []
        for first in range(0, len(due), MAX_BATCH):
            chunk = due[first : first + MAX_BATCH]
            thread = Thread(target=self._beat_for, args=[chunk], name="beat", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._beat_for(chunk)  # There is no room for another thread.
            else:
                threads.append(thread)
        return threads

    def _beat_for(self, leases: list[MessageLease]) -> None:
        try:
            self._extend([lease for lease in leases if not lease.lost])
        except Exception as error:
            # The heartbeat has to go on, whatever happens to one beat.
            self._tally.add("defect")
            _log.error("defect", exc_info=error)
        finally:
            # Whatever happened, nobody waits for this beat any more.
            lost = {lease for lease in leases if lease.lost}
            with self._changed:
                self._leases -= lost
                self._beating -= set(leases)
                self._changed.notify_all()
        for lease in lost:
            self._tally.add("lease_lost")
            _log.warning("lease_lost", message_id=lease.message.message_id)
            self._on_lost(lease)

    def _extend(self, leases: list[MessageLease]) -> None:
        asked_s = self._clock.monotonic_s()
        for lease in leases:
            lease.asked_at(asked_s)
        messages = [lease.message for lease in leases]
        problems = self._queue.change_visibility_of_all(messages, self._timeout_s)
        for lease in leases:
            problem = problems.get(lease.message.receipt)
            if problem is None:
                lease.extended_until(asked_s + self._timeout_s)
                continue
            if isinstance(problem, LeaseLost):
                lease.revoke()
            message_id = lease.message.message_id
            _log.warning("lease_not_extended", message_id=message_id, reason=str(problem))

    def _sleep_until_due(self) -> bool:
        """Returns whether there is anything more to do."""
        with self._changed:
            if not self._ended:
                now_s = self._clock.monotonic_s()
                idle = self._leases - self._beating
                due_s = [lease.due_s(self._timeout_s) for lease in idle]
                self._changed.wait(max(min([*due_s, now_s + self._timeout_s]) - now_s, 0.0))
            return not self._ended
