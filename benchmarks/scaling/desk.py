"""The worker's desk, counted instead of looked through; a test holds it to the real one."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from benchmarks.scaling.messages import Message
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits


@define(eq=False)
class CountingDesk:
    """Messages that a worker holds: those that wait for their lane, and those that run.

    The worker's first seconds, in which it holds few messages, are left out.
    """

    limits: LaneLimits
    waiting_messages: int
    _waiting: dict[Lane, deque[tuple[int, Message]]] = field(init=False)
    _running: dict[Lane, int] = field(init=False)
    _came: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._waiting = {lane: deque() for lane in Lane}
        self._running = dict.fromkeys(Lane, 0)

    @property
    def running(self) -> int:
        """How many messages are worked on."""
        return sum(self._running.values())

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def room(self) -> int:
        """How many more messages may be received."""
        limits, waiting, running = self.limits, self._waiting, self._running
        mixes = min(len(waiting[Lane.MIX]), limits.mixes - running[Lane.MIX])
        heavy = running[Lane.ANALYSIS] + running[Lane.MIX]
        heavies = min(len(waiting[Lane.ANALYSIS]) + mixes, limits.heavy - heavy)
        taken = min(self.running + heavies + len(waiting[Lane.LIGHT]), limits.slots)
        capacity = limits.slots + self.waiting_messages
        return max(min(limits.slots - taken, capacity - self.running - self.waiting), 0)

    def put(self, message: Message) -> None:
        """Lay a message down."""
        self._came += 1
        self._waiting[message.lane].append((self._came, message))

    def next(self) -> Message | None:
        """The first that its lane admits, which runs from now on."""
        heads = {lane: line[0][0] for lane, line in self._waiting.items() if line}
        admitted = [lane for lane in heads if self._admits(lane)]
        if not admitted:
            return None
        lane = min(admitted, key=heads.__getitem__)
        self._running[lane] += 1
        return self._waiting[lane].popleft()[1]

    def done(self, message: Message) -> None:
        """It runs no more."""
        self._running[message.lane] -= 1

    def clear(self) -> list[Message]:
        """What waited, which is held no more."""
        found = [message for line in self._waiting.values() for _, message in line]
        for line in self._waiting.values():
            line.clear()
        return found

    def _admits(self, lane: Lane) -> bool:
        if self.running >= self.limits.slots:
            return False
        if lane is Lane.LIGHT:
            return True
        if self._running[Lane.ANALYSIS] + self._running[Lane.MIX] >= self.limits.heavy:
            return False
        return lane is Lane.ANALYSIS or self._running[Lane.MIX] < self.limits.mixes
