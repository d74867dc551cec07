"""What several pieces of work share at once: the processors of an instance, and its network."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import simpy
from attrs import define, field


@define(eq=False)
class Shared:
    """Serves all work at once, each piece at the same rate: processor sharing.

    Attributes:
        capacity: number of pieces → rate of all together, in units of work per second.
        most: the largest rate of one piece.
        done: units of work that were served so far.
    """

    env: simpy.Environment
    capacity: Callable[[int], float]
    most: float
    done: float = field(default=0.0, init=False)
    # Work that one piece has been given since the start: a piece ends when that has grown by
    # its amount, and the order in which pieces end never changes.
    _given: float = field(default=0.0, init=False)
    _at_s: float = field(default=0.0, init=False)
    _pieces: list[tuple[float, int, simpy.Event]] = field(factory=list, init=False)
    _numbers: count[int] = field(factory=count, init=False)
    _timer: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._at_s = self.env.now

    def serve(self, amount: float) -> simpy.Event:
        """Happens once `amount` units have been served for this piece."""
        served = self.env.event()
        if amount <= 0:
            return served.succeed()
        self._advance()
        heapq.heappush(self._pieces, (self._given + amount, next(self._numbers), served))
        self._set_timer()
        return served

    @property
    def rate(self) -> float:
        """Of one piece, as things are."""
        pieces = len(self._pieces)
        return min(self.most, self.capacity(pieces) / pieces) if pieces else 0.0

    def _advance(self) -> None:
        passed_s = self.env.now - self._at_s
        self._at_s = self.env.now
        given = self.rate * passed_s
        self._given += given
        self.done += given * len(self._pieces)

    def _set_timer(self) -> None:
        self._timer += 1
        if self._pieces:
            # Rounding must not leave a piece that needs no time, and would be asked for ever.
            left = max(self._pieces[0][0] - self._given, 1e-9 * self.most)
            timer = self.env.timeout(self._until_next_s(left), self._timer)
            timer.callbacks.append(self._on_timer)

    def _until_next_s(self, left: float) -> float:
        return left / self.rate

    def _on_timer(self, timer: simpy.Event) -> None:
        if timer.value != self._timer:
            return  # Something has come or gone since.
        self._advance()
        while self._pieces and self._pieces[0][0] <= self._given + 1e-9 * self.most:
            heapq.heappop(self._pieces)[2].succeed()
        self._set_timer()


@define(eq=False)
class Link(Shared):
    """A network connection with a baseline, and credits for a while beyond it.

    Work is in bytes. Its own capacity is what it carries while there are credits; what the
    baseline leaves unused earns new ones.

    Attributes:
        baseline: bytes per second that are always there.
        most_credits: bytes that may be carried beyond the baseline; it begins with as many.
    """

    baseline: float = field(kw_only=True)
    most_credits: float = field(kw_only=True)
    credits: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.credits = self.most_credits

    @property
    def rate(self) -> float:
        pieces = len(self._pieces)
        if pieces and self.credits <= 0:
            return min(self.most, self.baseline / pieces)
        return super().rate

    def _advance(self) -> None:
        passed_s = self.env.now - self._at_s
        carried = self.done
        super()._advance()
        earned = self.baseline * passed_s - (self.done - carried)
        self.credits = min(self.credits + earned, self.most_credits)
        if self.credits < 1.0:
            self.credits = 0.0

    def _until_next_s(self, left: float) -> float:
        spent = self.rate * len(self._pieces) - self.baseline
        ends_s = super()._until_next_s(left)
        if self.credits > 0 and spent > 0:
            # A byte beyond, so that rounding doesn't leave a crumb of credit.
            return min(ends_s, (self.credits + 1.0) / spent)
        return ends_s
