"""A delivery as a function of the answers that it got so far: what it asks for next, or its end.

The product's code is run from the beginning with the answers that are known, up to the first
question that has none yet. So one delivery can be stopped before every operation, left there for
good, and gone on with in any order with others, without a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from tests.support.workshop import FakeClock
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.commands import Command, DuplicateRequest, HashRequest, Origin
from waveflow.application.delivery import MessageHandler
from waveflow.application.disposition import Disposition, RetryPolicy
from waveflow.application.events import Event, HashGenerated, StageMixed, StemCompleted
from waveflow.application.failures import FailureReporter
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.outbox import Outbox
from waveflow.application.ports import (
    AudioStorage,
    Notifier,
    ObjectStat,
    ObjectStream,
    ReceivedMessage,
    WriteCondition,
)
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.application.tally import Tally
from waveflow.entrypoints.messages import MessageParser


@frozen(cache_hash=True)
class Operation:
    """One thing that a delivery asks of the storage or tells the server: an atomic step.

    Attributes:
        method: read, write, delete or tell.
        body: what is to be written.
        if_match: the version to delete.
    """

    method: str
    key: str = ""
    body: bytes = b""
    condition: WriteCondition | None = None
    if_match: str = ""
    event: Event | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.key}" if self.event is None else f"tell {told(self.event)}"


def told(event: Event) -> str:
    """An event in a few words, without what the clock has to do with."""
    if isinstance(event, HashGenerated):
        return f"hash of {event.filepath} (duplicate of {event.duplicate_of})"
    code = getattr(event.outcome, "code", "deleted")
    return f"{event.event_id}: {code}"


@frozen(cache_hash=True)
class Answer:
    """What came of an operation: an object, the name of a version, or an error."""

    stat: ObjectStat | None = None
    body: bytes = b""
    error: type[Exception] | None = None

    def take(self) -> ObjectStat | None:
        """The version. Raises the error, if it is one."""
        if self.error is not None:
            raise self.error("as the world wanted")
        return self.stat


class _Unanswered(BaseException):
    """Raised at the first operation whose answer isn't known yet; no handler of errors sees it."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation


@frozen
class _Snapshot(ObjectStream):
    body: bytes
    stat: ObjectStat

    def __iter__(self) -> Iterator[bytes]:
        yield self.body


@define
class _Script:
    answers: Iterator[Answer]

    def ask(self, operation: Operation) -> Answer:
        answer = next(self.answers, None)
        if answer is None:
            raise _Unanswered(operation)
        return answer


@frozen
class _ScriptedStorage(AudioStorage):
    script: _Script

    def stat(self, key: str) -> ObjectStat:
        raise NotImplementedError(key)

    @contextmanager
    def read(self, key: str, *, if_match: str | None = None) -> Iterator[ObjectStream]:
        if if_match is not None:
            raise NotImplementedError
        answer = self.script.ask(Operation("read", key))
        yield _Snapshot(answer.body, _there(answer.take()))

    def write(
        self,
        key: str,
        body: bytes | Path,
        *,
        content_type: str,
        condition: WriteCondition | None = None,
    ) -> ObjectStat:
        assert isinstance(body, bytes)
        return _there(self.script.ask(Operation("write", key, body, condition=condition)).take())

    def delete(self, key: str, *, if_match: str) -> None:
        self.script.ask(Operation("delete", key, if_match=if_match)).take()

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        raise NotImplementedError(prefix)


def _there(stat: ObjectStat | None) -> ObjectStat:
    assert stat is not None
    return stat


@frozen
class _ScriptedNotifier(Notifier):
    script: _Script

    def hash_generated(self, event: HashGenerated) -> None:
        self._tell(event)

    def stem_completed(self, event: StemCompleted) -> None:
        self._tell(event)

    def stage_mixed(self, event: StageMixed) -> None:
        self._tell(event)

    def _tell(self, event: Event) -> None:
        self.script.ask(Operation("tell", event=event)).take()


@frozen(cache_hash=True)
class Delivery:
    """One delivery of one message."""

    message_id: str
    body: str
    receive_count: int
    sent_at_ms: int

    def received(self) -> ReceivedMessage:
        return ReceivedMessage(
            self.message_id, self.body, str(self.receive_count), self.receive_count, self.sent_at_ms
        )


Next = Operation | Disposition
"""What a delivery asks for next; what becomes of its message, when it asks for nothing more."""


@frozen
class Node:
    """A delivery and the answers that it has got.

    Attributes:
        number: a short name for it.
        read: the objects that it has read so far, as key and content.
    """

    number: int
    delivery: Delivery
    answers: tuple[Answer, ...]
    next: Next
    read: frozenset[tuple[str, bytes]]


@define
class Rehearsal:
    """Runs deliveries, each only once for each row of answers.

    Attributes:
        make_ledger: the ledger of both use cases.
    """

    make_ledger: Callable[[AudioStorage], ContentLedger] = ContentLedger
    nodes: list[Node] = field(factory=list)
    _known: dict[tuple[Delivery, tuple[Answer, ...]], Node] = field(factory=dict)
    _after: dict[tuple[int, Answer], Node] = field(factory=dict)

    def begin(self, delivery: Delivery) -> Node:
        """A delivery before its first operation."""
        return self._node(delivery, (), frozenset())

    def go_on(self, node: Node, answer: Answer) -> Node:
        """The same delivery once what it asked for is answered."""
        after = self._after.get((node.number, answer))
        if after is None:
            operation, read = node.next, node.read
            assert isinstance(operation, Operation)
            if operation.method == "read" and answer.error is None:
                read |= {(operation.key, answer.body)}
            after = self._node(node.delivery, (*node.answers, answer), read)
            self._after[node.number, answer] = after
        return after

    def _node(
        self,
        delivery: Delivery,
        answers: tuple[Answer, ...],
        read: frozenset[tuple[str, bytes]],
    ) -> Node:
        known = self._known.get((delivery, answers))
        if known is None:
            following = self._run(delivery, answers)
            known = Node(len(self.nodes), delivery, answers, following, read)
            self.nodes.append(known)
            self._known[delivery, answers] = known
        return known

    def _run(self, delivery: Delivery, answers: tuple[Answer, ...]) -> Next:
        script = _Script(iter(answers))
        storage, notifier = _ScriptedStorage(script), _ScriptedNotifier(script)
        clock, tally = FakeClock().as_clock(), Tally()
        ledger = self.make_ledger(storage)
        ingest = IngestStem(storage, ledger, notifier)
        resolve = ResolveDuplicate(storage, ledger, notifier, clock)

        def perform(command: Command, origin: Origin) -> object:
            if isinstance(command, HashRequest):
                return ingest.ingest(command, origin)
            assert isinstance(command, DuplicateRequest)
            return resolve.resolve(command, origin)

        handler = MessageHandler(
            parse=MessageParser(default_num_peaks=4).parse,
            perform=perform,
            failures=FailureReporter(notifier, clock),
            # Nothing is ever put by: no notifier here is patient, so that none gives up.
            outbox=Outbox(InMemoryAudioStorage()),
            retries=RetryPolicy(draw=lambda: 0.5),
            clock=clock,
            tally=tally,
        )
        try:
            disposition = handler.handle(delivery.received())
        except _Unanswered as unanswered:
            return unanswered.operation
        assert next(script.answers, None) is None
        assert "defect" not in tally.counts()
        return disposition
