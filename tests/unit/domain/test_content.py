"""Who owns a content, and every state in which a copy of it might be deleted."""

from __future__ import annotations

from itertools import product

import pytest

from waveflow.domain.content import (
    ContentHash,
    CopyState,
    Decision,
    Ownership,
    Verdict,
    may_delete,
    refusal,
)
from waveflow.domain.errors import DeletionRefused, InvalidMessage

PATH = "users/u1/projects/t1/stems/copy.wav"
OTHER_PATH = "users/u2/projects/t1/stems/original.wav"
TOKEN = "message-1"

HOLDS, CHANGED, GONE = CopyState.HOLDS_CONTENT, CopyState.HOLDS_OTHER, CopyState.GONE

# Who is on record, whether by this very message, and what the copy and the owner hold.
State = tuple[str, bool, CopyState, CopyState]
EVERY_STATE: list[State] = list(
    product(("nobody", "this path", "another path"), (True, False), CopyState, CopyState)
)

UNKNOWN = Decision(Verdict.REFUSE, "unknown_content")
LAST_COPY = Decision(Verdict.REFUSE, "last_copy")
CONTENT_CHANGED = Decision(Verdict.REFUSE, "content_changed")
CONTENT_LOST = Decision(Verdict.REFUSE, "content_lost")
OWNER_LOST = Decision(Verdict.REFUSE, "owner_lost")
TAKE_OVER = Decision(Verdict.TAKE_OVER, "owner_lost")
ALREADY_DELETED = Decision(Verdict.ALREADY_DELETED)
DELETE = Decision(Verdict.DELETE)

# With nobody on record, nothing else matters.
TABLE: dict[State, Decision] = {
    ("nobody", same, copy, owner): UNKNOWN
    for same, copy, owner in product((True, False), CopyState, CopyState)
}
# With this path on record, the owner is the copy: what is said of it twice doesn't matter.
TABLE |= {
    ("this path", same, copy, owner): decision
    for (same, copy), decision in {
        (True, HOLDS): OWNER_LOST,
        (True, CHANGED): CONTENT_CHANGED,
        (True, GONE): CONTENT_LOST,
        (False, HOLDS): LAST_COPY,
        (False, CHANGED): CONTENT_CHANGED,
        (False, GONE): CONTENT_LOST,
    }.items()
    for owner in CopyState
}
# With another path on record, it doesn't matter which message wrote that down.
TABLE |= {
    ("another path", same, copy, owner): decision
    for (copy, owner), decision in {
        (HOLDS, HOLDS): DELETE,
        (HOLDS, CHANGED): TAKE_OVER,
        (HOLDS, GONE): TAKE_OVER,
        (CHANGED, HOLDS): CONTENT_CHANGED,
        (CHANGED, CHANGED): CONTENT_CHANGED,
        (CHANGED, GONE): CONTENT_CHANGED,
        (GONE, HOLDS): ALREADY_DELETED,
        (GONE, CHANGED): CONTENT_LOST,
        (GONE, GONE): CONTENT_LOST,
    }.items()
    for same in (True, False)
}


def decision_in(state: State) -> Decision:
    on_record, same_message, copy, owner = state
    token = TOKEN if same_message else "message-0"
    ownership = {
        "nobody": None,
        "this path": Ownership(PATH, "etag", 100, token),
        "another path": Ownership(OTHER_PATH, "etag", 100, token),
    }[on_record]
    return may_delete(PATH, TOKEN, ownership, copy, owner)


def test_the_table_covers_every_state() -> None:
    assert len(EVERY_STATE) == 54
    assert set(TABLE) == set(EVERY_STATE)


@pytest.mark.parametrize("state", EVERY_STATE)
def test_every_state_has_its_decision(state: State) -> None:
    assert decision_in(state) == TABLE[state]


def test_a_copy_is_deleted_only_when_another_path_and_the_copy_hold_the_content() -> None:
    deleting = [state for state in EVERY_STATE if decision_in(state).verdict is Verdict.DELETE]
    assert deleting == [
        ("another path", True, HOLDS, HOLDS),
        ("another path", False, HOLDS, HOLDS),
    ]


def test_a_copy_that_is_gone_counts_as_deleted_only_while_the_owner_holds_the_content() -> None:
    gone = [state for state in EVERY_STATE if decision_in(state).verdict is Verdict.ALREADY_DELETED]
    assert all((who, owner) == ("another path", HOLDS) for who, _, _, owner in gone)
    assert all(copy is GONE for _, _, copy, _ in gone)


def test_only_a_copy_that_holds_the_content_takes_over() -> None:
    taking = [state for state in EVERY_STATE if decision_in(state).verdict is Verdict.TAKE_OVER]
    assert taking
    assert all(who == "another path" and copy is HOLDS for who, _, copy, _ in taking)


def test_the_second_delivery_after_a_take_over_gives_the_same_answer() -> None:
    assert decision_in(("another path", False, HOLDS, GONE)).code == "owner_lost"
    assert decision_in(("this path", True, HOLDS, HOLDS)).code == "owner_lost"


@pytest.mark.parametrize("state", EVERY_STATE)
def test_every_kept_file_has_a_reason_and_no_deleted_one_does(state: State) -> None:
    decision = decision_in(state)
    if decision.verdict in (Verdict.DELETE, Verdict.ALREADY_DELETED):
        assert decision.code is None
    else:
        assert decision.code is not None
        error = refusal(decision.code)
        assert isinstance(error, DeletionRefused)
        assert error.code == decision.code
        assert str(error).endswith(".")


class TestContentHash:
    @pytest.mark.parametrize("text", ["0123456789abcdef" * 4, "0123456789ABCDEF" * 4])
    def test_it_is_64_hex_digits_in_lower_case(self, text: str) -> None:
        assert str(ContentHash(text)) == ContentHash(text).hex == "0123456789abcdef" * 4

    def test_hashes_with_the_same_digits_are_equal(self) -> None:
        assert ContentHash("AB" * 32) == ContentHash("ab" * 32)
        assert len({ContentHash("AB" * 32), ContentHash("ab" * 32)}) == 1

    @pytest.mark.parametrize(
        "text",
        ["", "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n", " " + "a" * 63, "٣" * 64, "a" * 10**5],
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidMessage, match="not a SHA-256 hash") as caught:
            ContentHash(text)
        assert caught.value.code == "invalid_hash"
        assert len(str(caught.value)) < 600


class TestOwnership:
    OWNERSHIP = Ownership(OTHER_PATH, "etag", 5, "message-0", "u2")

    def test_a_condemned_copy_cannot_become_the_owner(self) -> None:
        condemned = self.OWNERSHIP.condemning(PATH)
        assert may_delete(PATH, TOKEN, condemned, HOLDS, GONE) == OWNER_LOST
        assert may_delete("third.wav", TOKEN, condemned, HOLDS, GONE) == TAKE_OVER

    def test_a_condemned_copy_may_be_deleted_again(self) -> None:
        condemned = self.OWNERSHIP.condemning(PATH)
        assert may_delete(PATH, TOKEN, condemned, HOLDS, HOLDS) == DELETE

    def test_condemning_twice_is_condemning_once(self) -> None:
        once = self.OWNERSHIP.condemning(PATH)
        assert once.condemning(PATH) == once
        assert once.condemning("a.wav").condemned == ("a.wav", PATH)

    def test_it_covers_everybody_in_the_track_and_only_its_user_without_one(self) -> None:
        assert self.OWNERSHIP.covers("track456", "u1")
        assert self.OWNERSHIP.covers(None, "u2")
        assert not self.OWNERSHIP.covers(None, "u1")
        assert not self.OWNERSHIP.covers(None, None)
