"""The world around deliveries: queue, storage, main server and people.

Everything that can happen in a state is a step of its own:

- a message is delivered to a free worker, at any time: a second delivery may begin while the
  first still runs, as when a lease is lost, and nobody notices that it is;
- a running delivery does its next operation, atomically, or acknowledges, backs off or parks;
- a running delivery dies before its next operation, which is right after the one before, too;
- an operation fails without having been done, or is done and its answer gets lost;
- somebody uploads a file, writes over one, or removes one by hand.

The main server keeps to its own rule, as it is today: a hash that was seen in the track before,
even of this very stem, is a duplicate's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial

from attrs import define, field

from tests.support.deletion_model.guard import Guard, was_seen
from tests.support.deletion_model.parts import (
    Cast,
    Deed,
    Message,
    Remove,
    Running,
    Shelf,
    State,
    Stem,
    Upload,
)
from tests.support.deletion_model.rehearsal import (
    Answer,
    Delivery,
    Node,
    Operation,
    Rehearsal,
    told,
)
from tests.support.deletion_model.search import Step
from tests.support.workshop import duplicate_message, hash_message
from waveflow.application.disposition import Acknowledge, Park
from waveflow.application.events import HashGenerated
from waveflow.domain.errors import NotifierUnavailable, StorageUnavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")


@define(kw_only=True)
class World:
    """A scenario: what is there at the beginning, and what may happen.

    Attributes:
        stems: the uploads that are there at the beginning, hash request sent.
        asked: stems of which the server asks at the beginning that they be deleted.
        before: messages (`hash s`, for a stem s) that are worked off before the search begins.
        deeds: what people may do, once each and in this order, at any time.
        workers: how many deliveries can run at the same time.
        deliveries: of each message, at any time; more only to bring it to an end.
        crashes: how many deliveries may die, in one story.
        faults: how many operations may fail, or lose their answer, in one story.
        guard: what must never be seen.
    """

    stems: tuple[Stem, ...] = ()
    asked: tuple[Stem, ...] = ()
    before: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = ()
    workers: int = 2
    deliveries: int = 2
    crashes: int = 1
    faults: int = 0
    rehearsal: Rehearsal = field(factory=Rehearsal)
    shelf: Shelf = field(factory=Shelf)
    guard: Guard = field(factory=Guard)
    cast: Cast = field(init=False)
    _begun: dict[tuple[str, int, int], Node] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        uploads = (deed.stem for deed in self.deeds if isinstance(deed, Upload))
        self.cast = Cast((*dict.fromkeys((*self.stems, *self.asked)), *uploads))

    @property
    def start(self) -> State:
        """All stems are stored, and messages sent."""
        state = State(tuple(sorted((stem.path, stem.content) for stem in self.stems)))
        for key in self.before:
            state = self.worked_off(self._sent(state, key), key)
        for key in (f"hash {stem.name}" for stem in self.stems):
            if key not in self.before:
                state = self._sent(state, key)
        for stem in self.asked:
            state = self._sent(state, f"duplicate {stem.name}")
        return state._replace(crashes=self.crashes, faults=self.faults)

    def worked_off(self, state: State, key: str) -> State:
        """The state after one delivery of one message, while nothing else happens."""
        state = self._delivered(state, state.message(key)).after
        while state.running:
            state = next(self._going_on(state, state.running[0])).after
        return state

    def steps_from(self, state: State) -> Iterator[Step[State]]:
        """Everything that can happen."""
        if len(state.running) < self.workers:
            for message in state.messages:
                if self._may_come(state, message):
                    yield self._delivered(state, message)
        for running in state.running:
            yield from self._going_on(state, running)
        for number, deed in enumerate(self.deeds):
            if number == len(state.done):
                yield Step(partial(str, deed), self._after_deed(state, deed))

    def is_end(self, state: State) -> bool:
        """Whether every message is settled and no delivery runs."""
        return not state.running and all(message.settled for message in state.messages)

    def wrong_at_end(self, state: State) -> str | None:
        """What is wrong with an end, if anything is."""
        return self.guard.wrong_at_end(state, is_calm=not self.deeds)

    # The queue.

    def _sent(self, state: State, key: str) -> State:
        # Time goes by with people's deeds, so that what is sent after one has a later time.
        sent_at_ms = 10 * len(state.done) + (5 if key.startswith("duplicate ") else 0)
        return state._replace(messages=tuple(sorted((*state.messages, Message(key, sent_at_ms)))))

    def _may_come(self, state: State, message: Message) -> bool:
        if message.settled:
            return False
        if message.deliveries < self.deliveries:
            return True
        return all(running.message != message.key for running in state.running)

    def _delivered(self, state: State, message: Message) -> Step[State]:
        count = message.deliveries + 1
        known = (message.key, count, message.sent_at_ms)
        node = self._begun.get(known)
        if node is None:
            delivery = Delivery(message.key, self._body(message), count, message.sent_at_ms)
            node = self._begun[known] = self.rehearsal.begin(delivery)
        after = state.with_message(message._replace(deliveries=count))
        return Step(
            partial("{!r} is delivered, number {}".format, message.key, count),
            _with_running(after, Running(message.key, node.number)),
        )

    def _body(self, message: Message) -> str:
        stem = self.cast.named(message.stem_name)
        if message.kind == "hash":
            return hash_message(stem.path, **stem.fields())
        audio_hash = hashlib.sha256(stem.content).hexdigest()
        return duplicate_message(stem.path, audio_hash, **stem.fields())

    def _going_on(self, state: State, running: Running) -> Iterator[Step[State]]:
        node = self.rehearsal.nodes[running.node]
        rest = list(state.running)
        rest.remove(running)
        without = state._replace(running=tuple(rest))
        if isinstance(node.next, Operation):
            yield from self._operating(without, node, node.next)
        else:
            yield Step(partial(_label, node, ""), self._settled(without, node))
        if state.crashes:
            after = without._replace(crashes=state.crashes - 1)
            yield Step(partial(_label, node, ", but it dies before"), after)

    def _settled(self, without: State, node: Node) -> State:
        settled = {Acknowledge: "done", Park: "parked"}.get(type(node.next), "")
        message = without.message(node.delivery.message_id)
        # What another delivery has settled is off the queue for good.
        return without.with_message(message._replace(settled=message.settled or settled))

    # Storage and server.

    def _operating(self, without: State, node: Node, operation: Operation) -> Iterator[Step[State]]:
        is_told = operation.event is not None
        after, answer = (self._heard if is_told else self._stored)(without, node, operation)
        wrong = self.guard.wrong_in(self.cast, without, after, node)
        yield Step(partial(_label, node, ""), self._answered(after, node, answer), wrong)
        if not without.faults:
            return
        failure = Answer(error=NotifierUnavailable if is_told else StorageUnavailable)
        for state, label in ((without, ", but it fails"), (after, ", but its answer is lost")):
            failed = state._replace(faults=state.faults - 1)
            yield Step(partial(_label, node, label), self._answered(failed, node, failure))

    def _answered(self, state: State, node: Node, answer: Answer) -> State:
        following = self.rehearsal.go_on(node, answer)
        return _with_running(state, Running(node.delivery.message_id, following.number))

    def _stored(self, state: State, node: Node, operation: Operation) -> tuple[State, Answer]:
        store, answer = self.shelf.perform(state.store, operation)
        after = state._replace(store=store)
        if operation.method == "delete" and answer.error is None:
            [(path, content)] = set(state.store) - set(store)
            after = after._replace(by_hand=state.by_hand - {(path, content)})
            after = self._gone(after, path, state.message(node.delivery.message_id))
            recording = (self.cast.at(path).scope, content)
            if recording not in self.cast.recordings(store) and was_seen(after, node, content):
                after = after._replace(excused=after.excused | {recording})
        return after, answer

    def _heard(self, state: State, node: Node, operation: Operation) -> tuple[State, Answer]:
        event = operation.event
        assert event is not None
        fact = (node.delivery.message_id, event.event_id, told(event))
        after = state._replace(heard=state.heard | {fact})
        if isinstance(event, HashGenerated):
            seen = (event.track_id, event.audio_hash.hex)
            key = node.delivery.message_id.replace("hash ", "duplicate ")
            after = after._replace(hashes=after.hashes | {seen})
            if seen in state.hashes and key not in {each.key for each in state.messages}:
                after = self._sent(after, key)
        return after, Answer()

    # People.

    def _after_deed(self, state: State, deed: Deed) -> State:
        store = dict(state.store)
        path = deed.stem.path if isinstance(deed, Upload) else deed.path
        store.pop(path, None)
        if isinstance(deed, Upload):
            store[path] = deed.stem.content
        after = tuple(sorted(store.items()))
        gone, come = set(state.store) - set(after), set(after) - set(state.store)
        # Whoever takes the last copy away by hand has wanted it.
        lost = self.cast.recordings(state.store) - self.cast.recordings(after)
        state = state._replace(
            store=after,
            done=state.done | {len(state.done)},
            by_hand=frozenset((state.by_hand | gone) - come),
            excused=(state.excused | lost) - self.cast.recordings(after),
        )
        if isinstance(deed, Remove):
            return self._gone(state, path, None)
        return self._sent(state, self._hash_key(state, deed.stem))

    def _hash_key(self, state: State, stem: Stem) -> str:
        earlier = [each for each in state.messages if each.kind == "hash"]
        number = 1 + sum(each.stem_name == stem.name for each in earlier)
        return f"hash {stem.name}" + (f"#{number}" if number > 1 else "")

    def _gone(self, state: State, path: str, asked: Message | None) -> State:
        """The state when what lay there has gone because of that message, or by hand."""
        unasked = {
            message.key
            for message in state.messages
            if message.kind == "hash"
            and self.cast.named(message.stem_name).path == path
            and (
                asked is None
                or asked.stem_name != message.stem_name
                or asked.sent_at_ms < message.sent_at_ms
            )
        }
        return state._replace(unasked=state.unasked | unasked)


def _with_running(state: State, running: Running) -> State:
    return state._replace(running=tuple(sorted((*state.running, running))))


def _label(node: Node, what: str) -> str:
    delivery = node.delivery
    doing = _DIGEST.sub("<hash>", str(node.next))
    return f"{delivery.message_id!r}, delivery {delivery.receive_count}: {doing}{what}"
