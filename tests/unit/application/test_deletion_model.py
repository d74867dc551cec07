"""Every order of two deliveries, two workers and a crash: no recording is ever lost.

The search runs the product's own use cases, ledger and delivery policy on its in-memory storage
(see `tests/support/deletion_model`). Each rule of `docs/decisions/01-deletion.md` is also switched
off in turn: then the same search has to find the loss.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import asdict, evolve, frozen

from tests.support.deletion_model.guard import Guard
from tests.support.deletion_model.parts import (
    Cast,
    Deed,
    Message,
    Remove,
    Shelf,
    State,
    Stem,
    Upload,
)
from tests.support.deletion_model.rehearsal import Delivery, Node, Operation, Rehearsal
from tests.support.deletion_model.search import Step, search
from tests.support.deletion_model.world import World
from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application import ingest_stem, resolve_duplicate
from waveflow.application.events import DuplicateDeleted, Failure, HashGenerated, StemCompleted
from waveflow.application.ledger import ContentLedger, LedgerLine
from waveflow.application.ports import AudioStorage, IfAbsent, IfMatch, ObjectStat, WriteCondition
from waveflow.application.removals import Removal
from waveflow.domain.content import (
    ContentHash,
    CopyState,
    Decision,
    Ownership,
    Verdict,
    may_delete,
)
from waveflow.domain.keys import ledger_key, removal_key

DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
A, B, C = (Stem(name, f"users/{name}/{name}.wav") for name in "abc")
HASHES = {"self", "other"}
HASHED_AB, HASHED_ABC = ("hash a", "hash b"), ("hash a", "hash b", "hash c")


def loose(name: str, user_id: str) -> Stem:
    """A stem without a track."""
    return Stem(name, f"users/{user_id}/{name}.wav", track_id=None, user_id=user_id)


@frozen
class Scenario:
    """A world's beginning, and everything that the server may hear in it."""

    stems: tuple[Stem, ...]
    answers: set[str]
    before: tuple[str, ...] = ()
    asked: tuple[Stem, ...] = ()
    deeds: tuple[Deed, ...] = ()
    workers: int = 2
    crashes: int = 1
    faults: int = 0

    def world(
        self,
        ledger: type[ContentLedger] = ContentLedger,
        storage: type[InMemoryAudioStorage] = InMemoryAudioStorage,
        guard: Guard | None = None,
    ) -> World:
        return World(
            stems=self.stems,
            before=self.before,
            asked=self.asked,
            deeds=self.deeds,
            workers=self.workers,
            crashes=self.crashes,
            faults=self.faults,
            rehearsal=Rehearsal(ledger),
            shelf=Shelf(storage),
            guard=guard or Guard(),
        )


COPY_AND_OWNER = (A, B)
OWNER_GONE = Scenario(
    COPY_AND_OWNER,
    HASHES | {"deleted", "owner_lost", "content_lost"},
    before=HASHED_AB,
    deeds=(Remove(A.path),),
)
OWNER_GONE_AND_BACK = evolve(
    OWNER_GONE,
    answers=HASHES | {"deleted", "owner_lost", "content_lost", "last_copy"},
    deeds=(Remove(A.path), Upload(evolve(A, name="a2"))),
)
BACK_AND_NOBODY_DIES = evolve(OWNER_GONE_AND_BACK, crashes=0)
COPY_OVERWRITTEN = Scenario(
    COPY_AND_OWNER,
    HASHES | {"deleted", "content_changed", "last_copy"},
    before=HASHED_AB,
    deeds=(Upload(evolve(B, name="b2", content=b"bass")),),
)
TWO_COPIES = Scenario(COPY_AND_OWNER, HASHES | {"deleted", "last_copy"})
COPY_AGAIN = Scenario(
    COPY_AND_OWNER,
    HASHES | {"deleted", "object_not_found"},
    before=HASHED_AB,
    deeds=(Upload(B),),
    crashes=0,
)

FEW_STATES = {
    "one upload": Scenario((A,), {"self", "last_copy"}, crashes=2, faults=1),
    "two copies, hashed": Scenario(
        COPY_AND_OWNER, HASHES | {"deleted", "last_copy"}, before=HASHED_AB, asked=(A,)
    ),
    "the owner is removed by hand": OWNER_GONE,
    "the copy is overwritten": COPY_OVERWRITTEN,
    "two copies, and nobody dies": evolve(TWO_COPIES, crashes=0),
    "two tracks": Scenario((A, evolve(B, track_id="t2")), {"self", "last_copy"}),
    "no track, three files of two users": Scenario(
        (loose("a", "u1"), loose("b", "u1"), loose("c", "u2")),
        HASHES | {"deleted", "unknown_content"},
        before=("hash a", "hash b"),
        crashes=0,
    ),
}
MANY_STATES = {
    "two copies": TWO_COPIES,
    "two copies, nobody dies but an answer gets lost": evolve(TWO_COPIES, crashes=0, faults=1),
    "two copies, hashed, on three workers": Scenario(
        COPY_AND_OWNER,
        HASHES | {"deleted", "last_copy"},
        before=HASHED_AB,
        asked=(A,),
        workers=3,
        crashes=2,
    ),
    "the owner is removed, and the storage fails": evolve(
        OWNER_GONE, answers=OWNER_GONE.answers | {"last_copy"}, asked=(A,), faults=1
    ),
    "the owner is removed and comes back": OWNER_GONE_AND_BACK,
    "the owner is overwritten": evolve(
        OWNER_GONE,
        answers=OWNER_GONE.answers | {"last_copy"},
        deeds=(Upload(evolve(A, name="a2", content=b"bass")),),
    ),
    "three copies, the owner is removed": Scenario(
        (A, B, C),
        HASHES | {"deleted", "owner_lost", "content_lost"},
        before=HASHED_ABC,
        deeds=(Remove(A.path),),
    ),
    "the copy is uploaded again under its id": evolve(COPY_AGAIN, crashes=1),
    "the copy is uploaded again, and removed": Scenario(
        COPY_AND_OWNER,
        HASHES | {"deleted", "object_not_found"},
        before=HASHED_AB,
        deeds=(Upload(evolve(B, name="b2")), Remove(B.path)),
    ),
}


def answers_in(world: World) -> set[str]:
    """Everything that any delivery was about to tell the server, in a word."""
    events = [
        node.next.event
        for node in world.rehearsal.nodes
        if isinstance(node.next, Operation) and node.next.event is not None
    ]
    words: set[str] = set()
    for event in events:
        if isinstance(event, HashGenerated):
            words.add("other" if event.duplicate_of else "self")
        elif isinstance(event.outcome, Failure):
            words.add(event.outcome.code)
        else:
            assert isinstance(event.outcome, DuplicateDeleted)
            words.add("deleted")
    return words


def assert_nothing_wrong(scenario: Scenario, name: str) -> None:
    world = scenario.world()
    seen = search(world)
    print(f"{name}: {seen}")  # noqa: T201  # pytest -s shows it
    assert seen.wrong is None, str(seen)
    assert seen.ends
    assert answers_in(world) == scenario.answers


@pytest.mark.parametrize("name", FEW_STATES)
def test_no_order_of_events_loses_a_recording(name: str) -> None:
    assert_nothing_wrong(FEW_STATES[name], name)


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY_STATES)
def test_no_order_of_many_events_loses_a_recording(name: str) -> None:
    assert_nothing_wrong(MANY_STATES[name], name)


Decide = Callable[[str, str, Ownership | None, CopyState, CopyState], Decision]
LOSSES_ALONE = Guard(only_losses=True)


def decide_by(monkeypatch: pytest.MonkeyPatch, decide: Decide) -> None:
    """Has the use case decide like that, and not by the domain's rule."""
    monkeypatch.setattr(resolve_duplicate, "may_delete", decide)


def assert_lost(world: World, *trace: str) -> None:
    """The search finds a loss; the steps of the shortest way to it have these in this order."""
    seen = search(world)
    print(seen)  # noqa: T201  # pytest -s shows it
    assert seen.wrong is not None, str(seen)
    assert seen.wrong.startswith("the last copy of "), str(seen)
    steps = iter(seen.trace)
    for words in trace:
        assert any(words in step for step in steps), f"{words} is missing in {seen}"


class TestEachRuleIsNeeded:
    """With one of them switched off, the same search finds how the recording is lost."""

    def test_the_ledgers_owner_is_never_deleted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The loss that started it all: one upload, whose hash request is delivered twice."""

        def by_hash_alone(
            path: str, token: str, line: Ownership | None, copy: CopyState, owner: CopyState
        ) -> Decision:
            if copy is CopyState.HOLDS_CONTENT:
                return Decision(Verdict.DELETE)
            return may_delete(path, token, line, copy, owner)

        decide_by(monkeypatch, by_hash_alone)
        assert_lost(
            Scenario((A,), set(), crashes=0).world(),
            "'hash a' is delivered, number 2",
            "tell hash of users/a/a.wav (duplicate of None)",
            "tell hash of users/a/a.wav (duplicate of None)",
            "'duplicate a' is delivered, number 1",
            "delete users/a/a.wav",
        )

    def test_the_owner_was_just_seen_to_hold_the_recording(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def on_trust(
            path: str, token: str, line: Ownership | None, copy: CopyState, _: CopyState
        ) -> Decision:
            return may_delete(path, token, line, copy, CopyState.HOLDS_CONTENT)

        decide_by(monkeypatch, on_trust)
        assert_lost(
            OWNER_GONE.world(),
            "somebody removes users/a/a.wav",
            "read users/a/a.wav",
            "delete users/b/b.wav",
        )

    def test_the_copy_was_just_seen_to_hold_the_recording(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def on_trust(
            path: str, token: str, line: Ownership | None, copy: CopyState, owner: CopyState
        ) -> Decision:
            there = copy is not CopyState.GONE
            return may_delete(path, token, line, CopyState.HOLDS_CONTENT if there else copy, owner)

        decide_by(monkeypatch, on_trust)
        assert_lost(
            COPY_OVERWRITTEN.world(),
            "somebody uploads bass to users/b/b.wav",
            "delete users/b/b.wav",
        )

    def test_the_delete_names_the_version_that_was_read(self) -> None:
        class DeletesAnything(InMemoryAudioStorage):
            def delete(self, key: str, *, if_match: str) -> None:
                super().delete(key, if_match=self.stat(key).etag)

        assert_lost(
            COPY_OVERWRITTEN.world(storage=DeletesAnything),
            "read users/b/b.wav",
            "somebody uploads bass to users/b/b.wav",
            "delete users/b/b.wav",
        )

    def test_the_line_is_rewritten_before_the_delete(self) -> None:
        class NotRewritten(ContentLedger):
            def condemn(
                self, track_id: str | None, content_hash: ContentHash, line: LedgerLine, path: str
            ) -> None:
                return

        self._assert_deleted_for_each_other(NotRewritten)

    def test_the_rewritten_line_condemns_the_copy(self) -> None:
        class OnlyRewritten(ContentLedger):
            def condemn(
                self, track_id: str | None, content_hash: ContentHash, line: LedgerLine, path: str
            ) -> None:
                key = ledger_key(track_id, content_hash)
                self._write(key, line.ownership, IfMatch(line.etag))

        self._assert_deleted_for_each_other(OnlyRewritten)

    def test_the_line_is_rewritten_only_over_the_version_that_was_read(self) -> None:
        class Overwriting(InMemoryAudioStorage):
            def write(
                self,
                key: str,
                body: bytes | Path,
                *,
                content_type: str,
                condition: WriteCondition | None = None,
            ) -> ObjectStat:
                if isinstance(condition, IfMatch):
                    condition = None
                return super().write(key, body, content_type=content_type, condition=condition)

        world = BACK_AND_NOBODY_DIES.world(storage=Overwriting, guard=LOSSES_ALONE)
        assert_lost(world, "somebody removes", "somebody uploads", "delete", "delete")

    def _assert_deleted_for_each_other(self, ledger: type[ContentLedger]) -> None:
        """The owner goes and comes back while the copy's delete is on its way."""
        assert_lost(
            BACK_AND_NOBODY_DIES.world(ledger, guard=LOSSES_ALONE),
            "somebody removes users/a/a.wav",
            "owner_lost",
            "somebody uploads drums to users/a/a.wav",
            "delete users/a/a.wav",
            "delete users/b/b.wav",
        )

    def test_a_claim_never_takes_another_ones_place(self) -> None:
        class LastClaimWins(InMemoryAudioStorage):
            def write(
                self,
                key: str,
                body: bytes | Path,
                *,
                content_type: str,
                condition: WriteCondition | None = None,
            ) -> ObjectStat:
                if isinstance(condition, IfAbsent):
                    condition = None
                return super().write(key, body, content_type=content_type, condition=condition)

        world = evolve(TWO_COPIES, crashes=0).world(storage=LastClaimWins, guard=LOSSES_ALONE)
        assert_lost(world, "delete", "delete")

    @pytest.mark.parametrize("part", ["written", "read"])
    def test_a_removal_goes_on_record(self, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
        """Without it a hash that was told is followed by a failure, by another delivery."""
        if part == "written":
            monkeypatch.setattr(resolve_duplicate, "record_removal", lambda storage, removal: None)
        else:
            monkeypatch.setattr(ingest_stem, "find_removal", lambda storage, stem_id, path: None)
        seen = search(TWO_COPIES.world())
        assert str(seen.wrong).startswith("'hash b' was answered in 2 ways: "), str(seen)
        assert "object_not_found" in str(seen.wrong)

    def test_a_newer_record_of_a_removal_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def record(storage: AudioStorage, removal: Removal) -> None:
            body = json.dumps(asdict(removal)).encode()
            key = removal_key(removal.stem_id, removal.path)
            storage.write(key, body, content_type="application/json")

        monkeypatch.setattr(resolve_duplicate, "record_removal", record)
        seen = search(COPY_AGAIN.world())
        assert seen.wrong == "'hash b#2' was told, and then its upload was missed", str(seen)


class TestWhatIsLeftOver:
    """Races with people's hands that a storage without transactions can't exclude."""

    def test_the_owner_is_removed_between_the_last_look_and_the_delete(self) -> None:
        assert_lost(
            OWNER_GONE.world(guard=Guard(forgives_hands=False)),
            "read users/a/a.wav",
            "write ledger/t1/<hash>",
            "somebody removes users/a/a.wav",
            "delete users/b/b.wav",
        )

    def test_the_line_is_removed_between_the_last_look_and_the_delete(self) -> None:
        scenario = Scenario(
            COPY_AND_OWNER,
            set(),
            before=HASHED_AB,
            asked=(A,),
            deeds=(Remove(f"ledger/t1/{DRUMS_HASH}"), Upload(evolve(B, name="b2"))),
            crashes=0,
        )
        assert_lost(
            scenario.world(guard=LOSSES_ALONE),
            "write ledger/t1/<hash>",
            "somebody removes ledger/t1/",
            "delete users/",
            "delete users/",
        )

    def test_an_older_deletion_that_comes_again_removes_a_newer_upload(self) -> None:
        """No recording is lost, but a hash that was told is followed by a failure."""
        seen = search(COPY_AGAIN.world(guard=Guard(forgives_late_deletions=False)))
        assert seen.wrong == "'hash b#2' was told, and then its upload was missed", str(seen)
        deleted = [step for step in seen.trace if ": delete users/b/b.wav" in step]
        assert deleted
        assert all(step.startswith("'duplicate b', ") for step in deleted), str(seen)


@pytest.mark.parametrize("copies", [(A,), (A, B), (A, B, C)])
def test_the_model_does_what_the_application_does(
    workshop: Workshop, copies: tuple[Stem, ...]
) -> None:
    """Each message delivered once, in order: the same objects, and the same is said."""
    world = World(stems=copies, before=tuple(f"hash {stem.name}" for stem in copies))
    state = world.start
    for stem in copies[1:]:
        state = world.worked_off(state, f"duplicate {stem.name}")
    for message in state.messages:
        if message.key.startswith("hash "):
            stem = world.cast.named(message.stem_name)
            workshop.upload(stem.path, stem.content)
            workshop.deliver(
                hash_message(stem.path, **stem.fields()), message_id=message.key, sent_at_ms=0
            )
    for stem in copies[1:]:
        workshop.deliver(
            duplicate_message(stem.path, DRUMS_HASH, **stem.fields()),
            message_id=f"duplicate {stem.name}",
            sent_at_ms=5,
        )
    assert dict(state.store) == workshop.objects()
    assert {event_id for _, event_id, _ in state.heard} == {
        request.event_id for request in workshop.server.requests
    }


class TestGuard:
    """What it calls wrong beside losses; the searches above prove that it finds those."""

    CAST = Cast((A, B))
    STORED = State(store=((A.path, A.content), (B.path, B.content)))

    def wrong_in(self, before: State, operation: Operation, after: State | None = None) -> str:
        delivery = Delivery("duplicate b", "", 1, 0)
        node = Node(0, delivery, (), operation, frozenset())
        return Guard().wrong_in(self.CAST, before, after or before, node) or ""

    def test_a_stem_is_never_written(self) -> None:
        operation = Operation("write", A.path, b"bass")
        assert self.wrong_in(self.STORED, operation) == f"{A.path} was written"
        assert not self.wrong_in(self.STORED, Operation("write", "removed/x", b"{}"))

    def test_the_owner_is_never_deleted(self) -> None:
        line = (f"ledger/t1/{DRUMS_HASH}", json.dumps({"path": B.path}).encode())
        before = State(store=(*self.STORED.store, line))
        after = State(store=((A.path, A.content), line))
        operation = Operation("delete", B.path)
        assert self.wrong_in(before, operation, after).endswith("the owner of its recording")
        assert not self.wrong_in(before, operation)

    @pytest.mark.parametrize(
        ("left", "wrong"),
        [(A, ""), (B, "and is there"), (None, "there is no other copy")],
    )
    def test_only_what_is_deleted_is_said_to_be(self, left: Stem | None, wrong: str) -> None:
        event = StemCompleted(
            event_id="id",
            stem_id="b",
            user_id=None,
            track_id="t1",
            upstream_id=None,
            original_filename=None,
            completed_at="now",
            processing_time_s=0.0,
            outcome=DuplicateDeleted(ContentHash(DRUMS_HASH)),
        )
        state = State(store=((left.path, left.content),) if left else ())
        found = self.wrong_in(state, Operation("tell", event=event))
        assert found.endswith(wrong)
        assert bool(found) == bool(wrong)

    @pytest.mark.parametrize(
        ("settled", "heard", "wrong"),
        [
            ("done", [("1", "hash of a")], None),
            ("done", [], "'hash a' was never answered"),
            ("done", [("1", "one fact"), ("1", "another")], "'hash a' was answered in 2 ways"),
            ("done", [("1", "hash of a"), ("2", "failed")], "'hash a' was answered in 2 ways"),
            ("parked", [("1", "hash of a")], "'hash a' was parked"),
        ],
    )
    def test_every_message_is_answered_in_one_way(
        self, settled: str, heard: list[tuple[str, str]], wrong: str | None
    ) -> None:
        state = State(
            messages=(Message("hash a", 0, 1, settled),),
            heard=frozenset(("hash a", *fact) for fact in heard),
        )
        found = Guard().wrong_at_end(state, is_calm=True)
        assert (found and found.split(":")[0]) == wrong
        if settled == "parked" or len(heard) > 1:
            assert Guard().wrong_at_end(state, is_calm=False) is None

    @pytest.mark.parametrize(
        ("missed", "unasked", "is_wrong"),
        [
            ("id: object_not_found", (), True),
            ("id: object_not_found", ("hash a",), False),
            ("id: object_not_found", ("hash a#2",), True),
            ("id: invalid_audio", (), False),
        ],
    )
    def test_what_was_hashed_is_not_missed_whatever_people_do(
        self, missed: str, unasked: tuple[str, ...], is_wrong: bool
    ) -> None:
        state = State(
            messages=(Message("hash a", 0, 2, "done"),),
            heard=frozenset({("hash a", "1", "hash of a"), ("hash a", "2", missed)}),
            unasked=frozenset(unasked),
        )
        found = Guard().wrong_at_end(state, is_calm=False)
        assert found == ("'hash a' was told, and then its upload was missed" if is_wrong else None)

    @pytest.mark.parametrize(
        ("key", "sent_at_ms", "needs_none"),
        [
            ("duplicate a", 7, True),
            ("duplicate a#2", 7, True),
            ("duplicate a", 6, False),
            ("duplicate b", 7, False),
        ],
    )
    def test_only_a_deletion_asked_for_since_takes_the_place_of_an_answer(
        self, key: str, sent_at_ms: int, needs_none: bool
    ) -> None:
        messages = (Message(key, sent_at_ms, 1, "done"), Message("hash a", 7, 1, "done"))
        heard = frozenset({(key, "1", "deleted")})
        found = Guard().wrong_at_end(State(messages=messages, heard=heard), is_calm=True)
        assert found == (None if needs_none else "'hash a' was never answered")


@frozen
class Sums:
    """Adds 1 or 2 until `most`; the sum `wrong` must never be reached."""

    most: int
    wrong: int | None = None
    start: int = 0

    def steps_from(self, state: int) -> Iterator[Step[int]]:
        for more in (1, 2):
            if state + more <= self.most:
                wrong = "reached" if state + more == self.wrong else None
                yield Step(f"add {more}".__str__, state + more, wrong)

    def is_end(self, state: int) -> bool:
        return state == self.most

    def wrong_at_end(self, state: int) -> str | None:
        return "ended" if self.wrong == -state else None


class TestSearch:
    def test_every_state_is_looked_at_once(self) -> None:
        seen = search(Sums(10))
        assert (seen.states, seen.steps, seen.ends, seen.wrong) == (11, 19, 1, None)

    def test_the_way_to_a_wrong_is_the_shortest(self) -> None:
        seen = search(Sums(10, wrong=5))
        assert (seen.wrong, len(seen.trace)) == ("reached", 3)
        assert sum(int(step.removeprefix("add ")) for step in seen.trace) == 5

    def test_an_end_can_be_wrong_as_well(self) -> None:
        seen = search(Sums(10, wrong=-10))
        assert (seen.wrong, seen.trace) == ("ended", ("add 2",) * 5)

    def test_a_search_that_is_cut_short_is_no_success(self) -> None:
        with pytest.raises(AssertionError, match="more than 5 states"):
            search(Sums(10), most_states=5)
