"""The queue of the simulation, and what lies on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any

import simpy
from attrs import define, field

from benchmarks.scaling.load import Stage, Stem
from waveflow.entrypoints.worker.lanes import Lane

Steps = Generator[simpy.Event, Any, Any]
"""What a process of simpy is."""


@define(eq=False)
class Message:
    """A task on the queue.

    Attributes:
        task: hash, duplicate, analysis or mix.
        sent_s: when it was sent.
        receives: how often it was delivered.
        done: how often it was carried out to its webhook's 2xx.
    """

    task: str
    sent_s: float
    stem: Stem | None = None
    stage: Stage | None = None
    receives: int = 0
    done: int = 0

    @property
    def lane(self) -> Lane:
        """Which slots may take it."""
        return _LANES.get(self.task, Lane.LIGHT)


_LANES = {"analysis": Lane.ANALYSIS, "mix": Lane.MIX}


@define(eq=False)
class Queue:
    """SQS: messages are lent, and come back unless they are deleted.

    Attributes:
        receive_s: of a receive that finds something.
        lent: messages that somebody holds.
        most_lent: the largest number of them so far.
    """

    env: simpy.Environment
    receive_s: float
    lent: set[Message] = field(factory=set)
    most_lent: int = 0
    _visible: deque[Message] = field(factory=deque)
    _waiting: deque[simpy.Event] = field(factory=deque)

    def send(self, message: Message) -> None:
        """Put a message on the queue."""
        self._visible.append(message)
        self._wake()

    def visible(self) -> int:
        """How many messages could be received."""
        return len(self._visible)

    def receive(self, wanted: Callable[[], int], wait: simpy.Event) -> Steps:
        """Lend messages, as soon as there is one; none once `wait` has happened.

        Args:
            wanted: how many, asked when they are handed out.
        """
        while not self._visible and not wait.triggered:
            bell = self.env.event()
            self._waiting.append(bell)
            yield bell | wait
        yield self.env.timeout(self.receive_s)
        taken: list[Message] = []
        if not wait.triggered:
            for _ in range(min(wanted(), len(self._visible))):
                message = self._visible.popleft()
                message.receives += 1
                self.lent.add(message)
                taken.append(message)
        self.most_lent = max(self.most_lent, len(self.lent))
        if self._visible:
            self._wake()
        return taken

    def delete(self, message: Message) -> None:
        """It is done; nothing happens if it is on loan to somebody else by now."""
        self.lent.discard(message)

    def give_back(self, messages: Iterable[Message], after_s: float = 0.0) -> None:
        """Messages that are lent can be received again, after a while."""
        for message in messages:
            self.env.process(self._come_back(message, after_s))

    def _come_back(self, message: Message, after_s: float) -> Steps:
        yield self.env.timeout(after_s)
        self.lent.discard(message)
        self._visible.appendleft(message)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            bell = self._waiting.popleft()
            if not bell.triggered and bell.callbacks:
                bell.succeed()
                return
