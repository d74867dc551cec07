"""Breadth-first search through every state that can be reached, for the shortest way to a wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from time import process_time
from typing import Generic, Protocol, TypeVar

from attrs import frozen

State = TypeVar("State", bound=Hashable)


@frozen
class Step(Generic[State]):
    """One thing that can happen in a state.

    Attributes:
        label: says what, in a trace; made only when it is needed.
        after: the state that it leads to.
        wrong: what must never be seen, if it is.
    """

    label: Callable[[], str]
    after: State
    wrong: str | None = None


@frozen
class Search:
    """What a search has seen.

    Attributes:
        states: different states; each was looked at once.
        steps: ways from a state to another.
        ends: states in which nothing is left to be done.
        seconds: of the processor.
        wrong: the first wrong found, by the fewest steps; None when there is none at all.
        trace: those steps.
    """

    states: int
    steps: int
    ends: int
    seconds: float
    wrong: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = (
            f"{self.states:,} states, {self.steps:,} steps, {self.ends:,} ends,"
            f" {self.seconds:.1f} s of CPU"
        )
        if self.wrong is None:
            return f"{counts}: nothing wrong"
        steps = "".join(f"\n  {number:2}. {step}" for number, step in enumerate(self.trace, 1))
        return f"{counts}: {self.wrong}{steps}"


class Searchable(Protocol[State]):
    """What can be searched."""

    @property
    def start(self) -> State:
        """Where it begins."""

    def steps_from(self, state: State) -> Iterator[Step[State]]:
        """Everything that can happen in a state."""

    def is_end(self, state: State) -> bool:
        """Whether nothing is left to be done."""

    def wrong_at_end(self, state: State) -> str | None:
        """What must never be seen at an end, if it is."""


def search(world: Searchable[State], *, most_states: int = 3_000_000) -> Search:
    """Look at every state that can be reached, the nearest first.

    Raises:
        AssertionError: for more than `most_states`: what isn't complete proves nothing.
    """
    return _Searching(world, world.start).search(most_states)


class _Searching(Generic[State]):
    def __init__(self, world: Searchable[State], start: State) -> None:
        self._world = world
        self._began_s = process_time()
        self._parents = {start: start}
        self._waiting = deque([start])
        self._steps = self._ends = 0

    def search(self, most_states: int) -> Search:
        while self._waiting:
            state = self._waiting.popleft()
            found = self._look_at(state)
            if found is not None:
                return self._seen(*found)
            assert len(self._parents) <= most_states, f"more than {most_states} states"
        return self._seen()

    def _look_at(self, state: State) -> tuple[str, tuple[str, ...]] | None:
        """Find the states after this one; returns what is wrong here, and how to get there."""
        for step in self._world.steps_from(state):
            self._steps += 1
            if step.wrong is not None:
                return step.wrong, (*self._way_to(state), step.label())
            if step.after not in self._parents:
                self._parents[step.after] = state
                self._waiting.append(step.after)
        if not self._world.is_end(state):
            return None
        self._ends += 1
        wrong = self._world.wrong_at_end(state)
        return None if wrong is None else (wrong, self._way_to(state))

    def _way_to(self, state: State) -> tuple[str, ...]:
        labels: list[str] = []
        while self._parents[state] != state:
            parent = self._parents[state]
            steps = self._world.steps_from(parent)
            labels.append(next(step.label() for step in steps if step.after == state))
            state = parent
        return tuple(reversed(labels))

    def _seen(self, wrong: str | None = None, trace: tuple[str, ...] = ()) -> Search:
        seconds = process_time() - self._began_s
        return Search(len(self._parents), self._steps, self._ends, seconds, wrong, trace)
