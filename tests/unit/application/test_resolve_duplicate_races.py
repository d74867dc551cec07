"""ResolveDuplicate while somebody else writes and deletes."""

from __future__ import annotations

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.application.commands import DuplicateRequest, Origin
from waveflow.application.disposition import BackOff
from waveflow.domain.errors import ObjectChanged, StorageUnavailable, TransientError
from waveflow.domain.keys import removal_key

OWNER = "users/u1/owner.wav"
COPY = "users/u2/copy.wav"
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One in which the owner and the copy of the drums were uploaded and hashed."""
    for number, key in enumerate((OWNER, COPY)):
        workshop.upload(key, b"drums")
        workshop.deliver(hash_message(key), message_id=f"hash-{number}")
    workshop.server.requests.clear()
    return workshop


@pytest.mark.parametrize("before", ["read", "delete"])
def test_a_copy_that_is_overwritten_meanwhile_is_kept(workshop: Workshop, before: str) -> None:
    """Once while the owner is being looked at, once right before the delete."""
    watched = {"read": Step("read", OWNER), "delete": Step("delete", COPY)}[before]

    def overwrite(step: Step) -> None:
        if step == watched:
            workshop.upload(COPY, b"other")

    workshop.storage.before = overwrite
    with pytest.raises(TransientError) as raised:
        workshop.resolve_duplicate.resolve(
            DuplicateRequest(
                stem_id="stem789", filepath=COPY, audio_hash=DRUMS_HASH, track_id="track456"
            ),
            Origin("message-1", 1_704_103_200_123, "task-1"),
        )
    assert type(raised.value) is ObjectChanged
    assert workshop.server.requests == []
    assert (workshop.content(OWNER), workshop.content(COPY)) == (b"drums", b"other")


def test_a_copy_that_somebody_else_deletes_meanwhile_is_a_success(workshop: Workshop) -> None:
    def remove(step: Step) -> None:
        if step == Step("delete", COPY):
            workshop.remove(COPY)

    workshop.storage.before = remove
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    assert workshop.server.bodies[0]["status"] == "SUCCESS"


def test_two_copies_cannot_both_take_over(workshop: Workshop) -> None:
    """A second copy becomes the owner between the look at the ledger and the write to it."""
    third = "users/u3/third.wav"
    workshop.upload(third, b"drums")
    workshop.remove(OWNER)
    interrupted: list[Step] = []

    def take_over_first(step: Step) -> None:
        if step.method == "write" and not interrupted:
            interrupted.append(step)
            workshop.deliver(duplicate_message(third, DRUMS_HASH), message_id="message-2")

    workshop.storage.before = take_over_first
    assert workshop.deliver(duplicate_message(COPY, DRUMS_HASH)) == BackOff(60.0)
    assert workshop.owner("track456", DRUMS_HASH) == third
    assert {third, COPY} <= set(workshop.objects())
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    assert workshop.server.bodies[-1]["status"] == "SUCCESS"
    assert third in workshop.objects()


def test_between_the_look_at_the_owner_and_the_delete_only_our_own_records_are_written(
    workshop: Workshop,
) -> None:
    workshop.storage.steps.clear()
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    assert workshop.storage.steps == [
        Step("read", f"ledger/track456/{DRUMS_HASH}"),
        Step("chunk", f"ledger/track456/{DRUMS_HASH}"),
        Step("read", COPY),
        Step("chunk", COPY),
        Step("read", OWNER),
        Step("chunk", OWNER),
        Step("read", removal_key("stem789", COPY)),
        Step("write", removal_key("stem789", COPY)),
        Step("write", f"ledger/track456/{DRUMS_HASH}"),
        Step("delete", COPY),
    ]


def test_two_copies_cannot_be_deleted_for_each_others_sake(workshop: Workshop) -> None:
    """The owner vanishes and comes back while the copy's delete is on its way."""
    interrupted: list[Step] = []

    def let_the_copy_become_the_owner(step: Step) -> None:
        if step == Step("delete", COPY) and not interrupted:
            interrupted.append(step)
            workshop.remove(OWNER)
            workshop.deliver(duplicate_message(COPY, DRUMS_HASH), receive_count=2)
            workshop.upload(OWNER, b"drums")
            workshop.deliver(duplicate_message(OWNER, DRUMS_HASH), message_id="message-2")

    workshop.storage.before = let_the_copy_become_the_owner
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    codes = [body["result"].get("code") for body in workshop.server.bodies]
    assert codes == ["owner_lost", "last_copy", None]
    assert workshop.content(OWNER) == b"drums"
    assert COPY not in workshop.objects()


def test_a_ledger_line_that_changes_meanwhile_stops_the_deletion(workshop: Workshop) -> None:
    interrupted: list[Step] = []

    def move_the_ownership(step: Step) -> None:
        if step == Step("read", OWNER) and not interrupted:
            interrupted.append(step)
            workshop.remove(f"ledger/track456/{DRUMS_HASH}")
            workshop.deliver(hash_message(COPY), message_id="hash-again")

    workshop.storage.before = move_the_ownership
    assert workshop.deliver(duplicate_message(COPY, DRUMS_HASH)) == BackOff(60.0)
    assert {OWNER, COPY} <= set(workshop.objects())
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    assert workshop.server.bodies[-1]["result"]["code"] == "last_copy"


def test_a_condemned_copy_stays_condemned_when_the_ownership_moves(workshop: Workshop) -> None:
    """A delete of the copy may be on its way while one owner after the other is lost."""
    third = "users/u3/third.wav"
    workshop.upload(third, b"drums")

    def die(step: Step) -> None:
        if step == Step("delete", COPY):
            raise StorageUnavailable("the worker dies here")

    workshop.storage.before = die
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH))
    workshop.storage.leave_alone()
    workshop.remove(OWNER)
    workshop.deliver(duplicate_message(third, DRUMS_HASH), message_id="message-2")
    assert workshop.owner("track456", DRUMS_HASH) == third
    workshop.remove(third)
    workshop.deliver(duplicate_message(COPY, DRUMS_HASH), message_id="message-3")
    assert workshop.server.bodies[-1]["result"]["code"] == "owner_lost"
    assert workshop.owner("track456", DRUMS_HASH) == third
    assert workshop.content(COPY) == b"drums"
