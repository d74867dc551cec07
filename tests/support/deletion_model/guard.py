"""What must never be seen, whatever happens in whatever order."""

from __future__ import annotations

import hashlib
import json

from attrs import frozen

from tests.support.deletion_model.parts import Cast, Message, State
from tests.support.deletion_model.rehearsal import Node, Operation
from waveflow.application.events import DuplicateDeleted, StemCompleted
from waveflow.domain.keys import OWN_PREFIXES


def was_seen(state: State, node: Node, content: bytes) -> bool:
    """Whether a copy went by somebody's hand after this delivery had seen that it was there.

    Between its last look and its delete nothing can help: a storage has no transaction over two
    keys.
    """
    return any(held == content and (path, held) in node.read for path, held in state.by_hand)


@frozen
class Guard:
    """Says what is wrong.

    Attributes:
        forgives_hands: whether a loss is no wrong when somebody removed the other copy between a
            delivery's last look at it and its delete.
        forgives_late_deletions: whether a hash that was told may be followed by a failure when the
            upload went by a deletion that was asked for before it, or for another stem's sake.
        only_losses: whether nothing but the loss of a recording is wrong.
    """

    forgives_hands: bool = True
    forgives_late_deletions: bool = True
    only_losses: bool = False

    def wrong_in(self, cast: Cast, before: State, after: State, node: Node) -> str | None:
        """What is wrong with the operation of `node` that leads from one state to another."""
        operation = node.next
        assert isinstance(operation, Operation)
        loss = self._loss(cast, before, after)
        if loss or self.only_losses:
            return loss
        if isinstance(operation.event, StemCompleted):
            return _untrue(cast, before, node, operation.event)
        if operation.method == "delete" and after.store != before.store:
            return _owner_gone(cast, before, operation.key)
        if operation.method == "write" and not operation.key.startswith(OWN_PREFIXES):
            return f"{operation.key} was written"
        return None

    def _loss(self, cast: Cast, before: State, after: State) -> str | None:
        if after.store == before.store:
            return None
        for scope, content in cast.recordings(before.store) - cast.recordings(after.store):
            if (scope, content) not in after.excused or not self.forgives_hands:
                return f"the last copy of {content.decode()} ({scope}) was deleted"
        return None

    def wrong_at_end(self, state: State, *, is_calm: bool) -> str | None:
        """What is wrong when every message is settled.

        Args:
            is_calm: whether no person did anything. Then no message is parked, and of each the
                same is said by every delivery.
        """
        if self.only_losses:
            return None
        for message in state.messages:
            answers = {(each[1], each[2]) for each in state.heard if each[0] == message.key}
            if is_calm and message.settled == "parked":
                return f"{message.key!r} was parked"
            if is_calm and len(answers) > 1:
                return f"{message.key!r} was answered in {len(answers)} ways: {sorted(answers)}"
            if _is_contradicted(answers) and not self._is_forgiven(state, message):
                return f"{message.key!r} was told, and then its upload was missed"
            if not answers and not _needs_none(state, message):
                return f"{message.key!r} was never answered"
        return None

    def _is_forgiven(self, state: State, message: Message) -> bool:
        return self.forgives_late_deletions and message.key in state.unasked


def _untrue(cast: Cast, state: State, node: Node, event: StemCompleted) -> str | None:
    if not isinstance(event.outcome, DuplicateDeleted):
        return None
    stem = cast.named(event.stem_id)
    recording = (stem.scope, stem.content)
    has_copy = recording in cast.recordings(state.store) | state.excused
    if not has_copy and not was_seen(state, node, stem.content):
        return f"{stem.path} was said to be a duplicate, and there is no other copy"
    was_uploaded_once = sum(each.path == stem.path for each in cast.stems) == 1
    if was_uploaded_once and (stem.path, stem.content) in state.store:
        return f"{stem.path} was said to be deleted, and is there"
    return None


def _owner_gone(cast: Cast, before: State, path: str) -> str | None:
    store = dict(before.store)
    digest = hashlib.sha256(store[path]).hexdigest()
    line = store.get(f"ledger/{cast.at(path).track_id or '_'}/{digest}")
    if line and json.loads(line)["path"] == path:
        return f"{path} was deleted, the owner of its recording"
    return None


def _is_contradicted(answers: set[tuple[str, str]]) -> bool:
    """Whether a hash was told, and that there is nothing to hash."""
    is_told = any(fact.startswith("hash of ") for _, fact in answers)
    return is_told and any(fact.endswith(": object_not_found") for _, fact in answers)


def _needs_none(state: State, message: Message) -> bool:
    """Whether a hash request needs no answer: the server had the stem removed."""
    return message.kind == "hash" and any(
        each.kind == "duplicate"
        and each.stem_name == message.stem_name
        and each.sent_at_ms >= message.sent_at_ms
        for each in state.messages
    )
