"""Which messages may hold how many slots, so that short work never waits for all of the long."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Self

from attrs import frozen

from waveflow.application.commands import AnalysisRequest, MixRequest
from waveflow.application.parsed_message import ParsedMessage, RefusedMessage, UnreadableMessage


class Lane(Enum):
    """What kind of work a message asks for."""

    LIGHT = auto()
    ANALYSIS = auto()
    MIX = auto()


def lane_of(body: str, parse: Callable[[str], ParsedMessage]) -> Lane:
    """The lane of a message; light for one that asks for nothing that can be done."""
    try:
        command = parse(body).command
    except (RefusedMessage, UnreadableMessage):
        return Lane.LIGHT
    except Exception:
        return Lane.LIGHT  # A defect of the parser is met again, and reported, in the slot.
    if isinstance(command, MixRequest):
        return Lane.MIX
    return Lane.ANALYSIS if isinstance(command, AnalysisRequest) else Lane.LIGHT


@frozen
class LaneLimits:
    """How many slots there are, and how many of them each kind of work may hold at once.

    Attributes:
        heavy: analyses and mixes together.
        mixes: a mix takes longest and keeps analyses from the decoders.
    """

    slots: int
    heavy: int
    mixes: int

    @classmethod
    def of(cls, slots: int) -> Self:
        """A quarter of the slots, at least one, is for light work alone; a single slot does all."""
        heavy = max(slots - max(slots // 4, 1), 1)
        return cls(slots, heavy, max(heavy // 2, 1))

    def admits(self, lane: Lane, running: list[Lane]) -> bool:
        """Whether work of that lane may begin beside what runs."""
        if len(running) >= self.slots:
            return False
        if lane is Lane.LIGHT:
            return True
        if sum(other is not Lane.LIGHT for other in running) >= self.heavy:
            return False
        return lane is Lane.ANALYSIS or running.count(Lane.MIX) < self.mixes
