"""Where messages lie between the poller, which brings them, and the slots, which work on them."""

from __future__ import annotations

import math
from threading import Condition, Lock

from attrs import field, frozen

from waveflow.application.clock import Clock
from waveflow.application.ports import ReceivedMessage
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits
from waveflow.entrypoints.worker.leases import MessageLease

_MANY_RECEIVES = 4
_SUSPICIOUS_RECEIVES = 7
_TRUSTED_AFTER_S = 1.0
"""Each second without an end allows one message more; each end doubles what is allowed."""
MOMENT_S = 0.025
"""Small against what a message takes from server to server, large against what a receive costs."""


@frozen(eq=False)
class HeldMessage:
    """A message that this worker holds."""

    message: ReceivedMessage = field(repr=False)
    lease: MessageLease
    lane: Lane


class Desk:
    """Hands messages to slots, in the order in which they came, as far as their lanes allow.

    A message whose lane is full waits, with its lease kept, and lets others pass: the queue
    can't be searched for short work, only emptied as far as there is room. Thread-safe.

    A message may kill the worker, and then costs all that are held with it a receive. So a
    worker that has just begun holds few, and so does one that holds a message which came
    often and never to an end.
    """

    def __init__(
        self,
        limits: LaneLimits,
        waiting_messages: int,
        clock: Clock | None = None,
        *,
        trusted: bool = False,
        moment_s: float = MOMENT_S,
    ) -> None:
        """An empty desk.

        Args:
            waiting_messages: how many messages may be held beyond one for each slot.
            trusted: may hold all of them from the start.
            moment_s: for how long room is gathered.
        """
        self._limits = limits
        self._capacity = limits.slots + waiting_messages
        self._clock = clock or Clock()
        self._begun_s = self._clock.monotonic_s()
        self._ended = 0
        self._ended_s = -math.inf
        self._trusted = trusted
        self._moment_s = moment_s
        self._waiting: list[HeldMessage] = []
        self._running: list[HeldMessage] = []
        self._closed = False
        # Two bells for one lock: who waits for something is not woken by anything else.
        self._lock = Lock()
        self._to_do = Condition(self._lock)
        self._changed = Condition(self._lock)

    def room(self) -> int:
        """How many more messages may be taken: one for each free slot, if they can be held."""
        with self._changed:
            return 0 if self._closed else self._room()

    def wait_for_room(self, timeout_s: float) -> int:
        """The room, as soon as there is any, or after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._room(), timeout_s)
            return 0 if self._closed else self._room()

    def gathered_room(self) -> int:
        """The room, of which there is some: that of several messages where they end one by one.

        Where one has just ended and others run, more may end in a moment, and one receive then
        serves them all. Without any that runs, or after a while without an end, nobody waits.
        """
        with self._changed:
            since_end_s = self._clock.monotonic_s() - self._ended_s
            if self._running and since_end_s < self._moment_s:
                self._changed.wait_for(lambda: self._closed or not self._running, self._moment_s)
            return 0 if self._closed else self._room()

    def put(self, held: HeldMessage) -> bool:
        """Lay a message down. False when the desk is closed: it isn't taken."""
        with self._changed:
            if self._closed:
                return False
            # One whose lease is lost already is nobody's: it may have been dropped just before.
            if not held.lease.lost:
                self._waiting.append(held)
                self._to_do.notify()
                self._changed.notify_all()
            return True

    def next(self) -> HeldMessage | None:
        """The next message to work on, as soon as there is one; None once the desk is closed."""
        with self._to_do:
            self._to_do.wait_for(lambda: self._closed or self._first_admitted() is not None)
            held = None if self._closed else self._first_admitted()
            if held is not None:
                self._waiting.remove(held)
                self._running.append(held)
                held.lease.step()
            return held

    def done(self, held: HeldMessage) -> None:
        """The work on a message has ended."""
        with self._changed:
            if held in self._running:
                self._ended += 1
                self._ended_s = self._clock.monotonic_s()
                self._leave(held)

    def write_off(self, held: HeldMessage) -> None:
        """The work on a message will not come to its end: nobody is to wait for it."""
        with self._changed:
            if held in self._running:  # It may have come to its end just now.
                self._leave(held)

    def drop(self, lease: MessageLease) -> None:
        """The lease on a message is lost: if it hasn't begun, it is not worked on."""
        with self._changed:
            self._waiting = [held for held in self._waiting if held.lease is not lease]
            self._changed.notify_all()

    def close(self) -> list[HeldMessage]:
        """Hand out nothing more; returns what has not begun."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._to_do.notify_all()
            self._changed.notify_all()
            return waiting

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is being worked on. Returns whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout_s)

    def running(self) -> list[HeldMessage]:
        """What is being worked on."""
        with self._changed:
            return list(self._running)

    def counts(self) -> dict[str, int]:
        """How many messages are worked on, and how many wait."""
        with self._changed:
            return {"running": len(self._running), "waiting": len(self._waiting)}

    def _leave(self, held: HeldMessage) -> None:
        self._running.remove(held)
        if self._waiting:
            self._to_do.notify()  # One end lets one message more begin, and not two.
        self._changed.notify_all()

    def _first_admitted(self) -> HeldMessage | None:
        running = [held.lane for held in self._running]
        admitted = {lane for lane in Lane if self._limits.admits(lane, running)}
        return next((held for held in self._waiting if held.lane in admitted), None)

    def _room(self) -> int:
        lanes = [held.lane for held in self._running]
        full: set[Lane] = set()
        for held in self._waiting:
            if held.lane in full:
                continue
            if self._limits.admits(held.lane, lanes):
                lanes.append(held.lane)  # A slot is on its way to it.
            else:
                full.add(held.lane)
        held_messages = len(self._running) + len(self._waiting)
        return max(min(self._limits.slots - len(lanes), self._cautious() - held_messages), 0)

    def _cautious(self) -> int:
        """How many messages may be held at present."""
        receives = [held.message.receive_count for held in (*self._running, *self._waiting)]
        worst = max(receives, default=1)
        if worst >= _SUSPICIOUS_RECEIVES:
            return 1
        capacity = self._capacity if worst < _MANY_RECEIVES else self._limits.slots
        if self._trusted:
            return capacity
        age_s = self._clock.monotonic_s() - self._begun_s
        return min(capacity, (1 << min(self._ended, 20)) + int(age_s / _TRUSTED_AFTER_S))
