"""Doubles for tests of the worker: a queue and use cases that do as told, and a worker of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Event
from typing import TypeVar

from attrs import define, field

from tests.support.processes import eventually
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.breaker import Excuses
from waveflow.application.clock import Clock
from waveflow.application.commands import Command, Origin
from waveflow.application.current_lease import CurrentLease
from waveflow.application.delivery import MessageHandler
from waveflow.application.disposition import RetryPolicy
from waveflow.application.failures import FailureReporter
from waveflow.application.outage import Outage
from waveflow.application.outbox import Outbox
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.application.ports import AudioStorage, MessageQueue, Notifier, ReceivedMessage
from waveflow.application.tally import Tally
from waveflow.domain.errors import TransientError
from waveflow.entrypoints.messages import MessageParser
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.lanes import LaneLimits, lane_of
from waveflow.entrypoints.worker.leases import LeaseKeeper
from waveflow.entrypoints.worker.poller import Poller
from waveflow.entrypoints.worker.service import Ending, Worker
from waveflow.entrypoints.worker.slot import Slot

SECONDS = 20.0
"""How long a test waits for another thread before it fails; never waited for in full."""

Result = TypeVar("Result")


def a_message(
    name: str = "1",
    body: str = "{}",
    *,
    receive_count: int = 1,
    lease_ends_s: float = math.inf,
) -> ReceivedMessage:
    """A message on loan; its name is id and receipt."""
    return ReceivedMessage(name, body, name, receive_count, 0, lease_ends_s)


@contextmanager
def in_thread(function: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Runs `function` beside the block; it has to end by the end of the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function)


class Gate:
    """Holds back whoever calls it until it is opened."""

    def __init__(self) -> None:
        self._reached = Event()
        self._opened = Event()

    def __call__(self) -> None:
        self._reached.set()
        assert self._opened.wait(SECONDS)

    def wait_until_reached(self) -> None:
        """Until somebody stands before it."""
        assert self._reached.wait(SECONDS)

    def open(self) -> None:
        """Let everybody through."""
        self._opened.set()


def _nothing() -> None:
    return


@define
class ObedientQueue(MessageQueue):
    """A queue that answers as told, and notes what it was asked.

    Attributes:
        replies: what receives bring, one after the other; then they bring nothing.
        troubles: what settling raises, one after the other; then it succeeds.
        problems: what keeps messages from being hidden together, by receipt.
        on_receive, on_hide: called first, within the call.
        asked: the arguments of each receive.
        hidden: names and timeout of each call that hides messages together.
        settled: what was done to single messages, in words.
    """

    replies: list[list[ReceivedMessage] | Exception] = field(factory=list)
    troubles: list[Exception] = field(factory=list)
    problems: dict[str, TransientError] = field(factory=dict)
    on_receive: Callable[[], None] = _nothing
    on_hide: Callable[[], None] = _nothing
    on_settle: Callable[[], None] = _nothing
    asked: list[tuple[int, float]] = field(factory=list)
    hidden: list[tuple[set[str], float]] = field(factory=list)
    settled: list[str] = field(factory=list)

    def receive(self, max_messages: int, wait_s: float) -> list[ReceivedMessage]:
        self.asked.append((max_messages, wait_s))
        self.on_receive()
        reply = self.replies.pop(0) if self.replies else []
        if isinstance(reply, Exception):
            raise reply
        return reply

    def delete(self, message: ReceivedMessage) -> None:
        self._settle(f"delete {message.message_id}")

    def change_visibility(self, message: ReceivedMessage, timeout_s: float) -> None:
        self._settle(f"hide {message.message_id} for {timeout_s:g}")

    def change_visibility_of_all(
        self, messages: Sequence[ReceivedMessage], timeout_s: float
    ) -> Mapping[str, TransientError]:
        if messages:
            self.hidden.append(({message.message_id for message in messages}, timeout_s))
            self.on_hide()
        return dict(self.problems)

    def park(self, message: ReceivedMessage, reason: str) -> None:
        self._settle(f"park {message.message_id}")

    def send(self, body: str, *, delay_s: float = 0.0) -> str:
        raise NotImplementedError

    def _settle(self, what: str) -> None:
        self.on_settle()
        if self.troubles:
            raise self.troubles.pop(0)
        self.settled.append(what)


class Work:
    """Plays the use cases: notes what is performed, and holds it back where told.

    Attributes:
        begun, done: commands in order.
        errors: what performing a command of a kind raises.
    """

    def __init__(self) -> None:
        self.begun: list[Command] = []
        self.done: list[Command] = []
        self.errors: dict[type, BaseException] = {}
        self._held: tuple[type, ...] = ()
        self._changed = Condition()

    def __call__(self, command: Command, origin: Origin) -> None:
        with self._changed:
            self.begun.append(command)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not isinstance(command, self._held), SECONDS)
            if error := self.errors.get(type(command)):
                raise error
            self.done.append(command)
            self._changed.notify_all()

    def hold(self, *kinds: type) -> None:
        """Commands of these kinds begin, and don't end."""
        self._held = kinds

    def let_go(self) -> None:
        """Hold back nothing any more."""
        with self._changed:
            self._held = ()
            self._changed.notify_all()

    def wait_until_begun(self, count: int) -> None:
        """Until so many commands have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, SECONDS)

    def wait_until_done(self, count: int) -> None:
        """Until so many commands have ended well."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.done) >= count, SECONDS)


def handler_of(
    perform: Callable[[Command, Origin], object],
    *,
    notifier: Notifier | None = None,
    storage: AudioStorage | None = None,
) -> MessageHandler:
    """A handler on memory, whose back-offs have no jitter.

    Args:
        storage: of the outbox.
    """
    return MessageHandler(
        parse=MessageParser(default_num_peaks=4).parse,
        perform=perform,
        failures=FailureReporter(notifier or InMemoryNotifier(), Clock()),
        outbox=Outbox(storage or InMemoryAudioStorage()),
        retries=RetryPolicy(draw=lambda: 0.5),
    )


class WorkerRig:
    """A worker on an in-process queue and on use cases that do as told.

    It may hold all that it can from its start, unless it is told not to be `trusted`.
    """

    def __init__(
        self,
        *,
        slots: int = 4,
        waiting_messages: int = 64,
        queue: MessageQueue | None = None,
        drain_timeout_s: float = SECONDS,
        watchdog_s: float = SECONDS,
        stuck_after_s: float = 0.0,
        sweep: Callable[[], object] = _nothing,
        sweep_interval_s: float = 3600.0,
        notifier: Notifier | None = None,
        memory_mb: Callable[[], float] = lambda: 1.0,
        trusted: bool = True,
        heartbeat_clock: Clock | None = None,
        threads_end_s: float = SECONDS,
    ) -> None:
        self.work = Work()
        self.messages = InProcessQueue(visibility_timeout_s=3600.0)
        self.queue = queue or self.messages
        self.outage = Outage()
        self.excuses = Excuses()
        self.tally = Tally()
        self.desk = Desk(LaneLimits.of(slots), waiting_messages, trusted=trusted)
        self.leases = LeaseKeeper(
            self.queue,
            visibility_timeout_s=3600.0,
            on_lost=self.desk.drop,
            clock=heartbeat_clock,
            tally=self.tally,
        )
        lease = CurrentLease()
        if notifier is not None:
            notifier = PatientNotifier(notifier, self.outage, lease, first_pause_s=SECONDS)
        self.handler = handler_of(self.work, notifier=notifier)
        self.poller = Poller(
            queue=self.queue,
            desk=self.desk,
            leases=self.leases,
            outage=self.outage,
            excuses=self.excuses,
            lane_of=lambda body: lane_of(body, self.handler.parse),
            stop=Event(),
            wait_s=0.05,
            tally=self.tally,
        )
        self.worker = Worker(
            poller=self.poller,
            desk=self.desk,
            leases=self.leases,
            slot=Slot(self.desk, self.queue, self.handler, self.leases, lease, memory_mb=memory_mb),
            slots=slots,
            outage=self.outage,
            sweep=sweep,
            sweep_interval_s=sweep_interval_s,
            drain_timeout_s=drain_timeout_s,
            watchdog_s=watchdog_s,
            stuck_after_s=stuck_after_s,
            threads_end_s=threads_end_s,
            look_every_s=0.02,
        )

    @contextmanager
    def running(self) -> Iterator[Future[Ending]]:
        """The worker runs within the block; everything of it has ended after it."""
        with in_thread(self.worker.run) as run:
            try:
                yield run
            finally:
                self.work.let_go()
                self.worker.stop()
        # What a worker leaves that ends without waiting for its threads.
        self.poller.stop.set()
        self.desk.close()
        self.leases.end()
        self.worker._ended.set()
        assert eventually(lambda: not self.worker.is_busy)

    def send(self, *bodies: str) -> list[str]:
        """Put messages on the queue; returns their ids."""
        return [self.messages.send(body) for body in bodies]

    def visible(self) -> list[str]:
        """The ids of messages that somebody else could receive now; they are received."""
        visible: list[str] = []
        while received := self.messages.receive(10, 0.0):
            visible += [message.message_id for message in received]
        return visible
