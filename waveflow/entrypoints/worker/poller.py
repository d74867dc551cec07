"""Receiving messages: as many as can be held, and none while what they need is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import structlog
from attrs import define, field

from waveflow.application.breaker import Excuses
from waveflow.application.clock import Clock
from waveflow.application.outage import Outage
from waveflow.application.ports import MAX_BATCH, MessageQueue, ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import QueueUnavailable
from waveflow.entrypoints.worker.desk import Desk, HeldMessage
from waveflow.entrypoints.worker.lanes import Lane
from waveflow.entrypoints.worker.leases import LeaseKeeper

_log = structlog.get_logger(__name__)

_IDLE_S = 1.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_PROBE_AFTER_S = 30.0
_PROBE_BESIDE_WAITING_AFTER_S = 300.0

RECEIVES = ("messages", "empty", "failed")
"""What may come of a receive."""


@define(eq=False)
class Poller:
    """Brings messages from the queue to the desk.

    While the server, the storage or something of the machine is away, one message may be
    received now and then, to have something to ask with: soon when nothing else waits for the
    server, seldom when something does. (The waiting ones may be at fault themselves, and would
    then keep the breaker open for ever.) Light work asks nothing of the machine.

    Attributes:
        wait_s: how long one receive waits for a first message.
        stop: set when nothing more is to be received.
    """

    queue: MessageQueue
    desk: Desk
    leases: LeaseKeeper
    outage: Outage
    excuses: Excuses
    lane_of: Callable[[str], Lane]
    stop: Event
    wait_s: float
    clock: Clock = field(factory=Clock)
    tally: Tally = field(factory=Tally)
    _pause_s: float = field(default=_FIRST_PAUSE_S, init=False)
    _heard_s: float | None = field(default=None, init=False)
    _received_s: float = field(init=False)
    _answered_s: float | None = field(default=None, init=False)
    _newest_age_s: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._received_s = self.clock.monotonic_s()

    def run(self) -> None:
        """Poll until `stop` is set. What a last receive brings is given back."""
        while not self.stop.is_set():
            self.poll()

    def silent_s(self) -> float:
        """For how long the queue has not answered, although there was room; 0 without room."""
        heard_s = self._heard_s
        return 0.0 if heard_s is None else self.clock.monotonic_s() - heard_s

    def since_answer_s(self) -> float | None:
        """Seconds since a receive was last answered, with or without messages; None before."""
        answered_s = self._answered_s
        return None if answered_s is None else self.clock.monotonic_s() - answered_s

    def received_age_s(self) -> float | None:
        """How long the last message that came for the first time had been on the queue, in s."""
        return self._newest_age_s

    def poll(self) -> None:
        """One receive, if there is room."""
        room = self._room()
        if not room:
            self._heard_s = None
            self._wait_for_room()
            return
        if self._heard_s is None:
            self._heard_s = self.clock.monotonic_s()
        try:
            messages = self.queue.receive(min(room, MAX_BATCH), self.wait_s)
        except QueueUnavailable as error:
            self.tally.add("receive", "failed")
            _log.warning("queue_unavailable", reason=str(error), pause_s=self._pause_s)
            self.stop.wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            return
        self._pause_s = _FIRST_PAUSE_S
        self._heard_s = self._answered_s = self.clock.monotonic_s()
        self._note(messages)
        unwanted = []
        for message in messages:
            lease = self.leases.take(message)
            held = HeldMessage(message, lease, self.lane_of(message.body))
            if held.lane is not Lane.LIGHT or not self._only_the_machine_is_away():
                self._received_s = self._heard_s
            if not self.desk.put(held):
                unwanted.append(lease)
        if unwanted:
            self.leases.give_back(unwanted)

    def _note(self, messages: Sequence[ReceivedMessage]) -> None:
        self.tally.add("receive", "messages" if messages else "empty")
        for message in messages:
            if message.receive_count == 1:
                self._newest_age_s = max(self.clock.unix_s() - message.sent_at_ms / 1000, 0.0)

    def _room(self) -> int:
        room = self.desk.room()
        if not self._something_is_away():
            return self.desk.gathered_room() if room else 0
        somebody_asks = self.outage.is_open and self.outage.waiting
        patience_s = _PROBE_BESIDE_WAITING_AFTER_S if somebody_asks else _PROBE_AFTER_S
        return min(room, 1) if self.clock.monotonic_s() - self._received_s > patience_s else 0

    def _something_is_away(self) -> bool:
        breakers = (self.outage, self.excuses.storage, self.excuses.machine)
        return any(breaker.is_open for breaker in breakers)

    def _only_the_machine_is_away(self) -> bool:
        others = (self.outage, self.excuses.storage)
        return self.excuses.machine.is_open and not any(breaker.is_open for breaker in others)

    def _wait_for_room(self) -> None:
        if self._something_is_away():
            self.stop.wait(_IDLE_S)
        else:
            self.desk.wait_for_room(_IDLE_S)
