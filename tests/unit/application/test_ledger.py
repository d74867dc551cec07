"""The ledger: the first to claim a content owns it, and takeovers are conditional."""

from __future__ import annotations

import json

import pytest

from tests.support.contracts.storage_actions import at_once
from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop
from waveflow.application.ledger import ContentLedger
from waveflow.application.transfer import HashedObject, hash_object
from waveflow.domain.content import ContentHash, Ownership
from waveflow.domain.errors import ObjectChanged, StorageUnavailable

DRUMS = ContentHash("7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac")
LINE = f"ledger/t1/{DRUMS}"


@pytest.fixture
def ledger(workshop: Workshop) -> ContentLedger:
    return workshop.ledger


def hashed(workshop: Workshop, key: str) -> HashedObject:
    """An upload of the drums, and its hash."""
    workshop.upload(key, b"drums")
    return hash_object(workshop.storage, key)


def test_the_first_to_claim_owns_the_content(workshop: Workshop, ledger: ContentLedger) -> None:
    mine = ledger.claim("t1", hashed(workshop, "a.wav"), "m1")
    theirs = ledger.claim("t1", hashed(workshop, "b.wav"), "m2")
    assert mine == theirs == Ownership("a.wav", "143a299485808af42d46ab8feb3d8cfa", 5, "m1")


def test_claiming_again_changes_nothing(workshop: Workshop, ledger: ContentLedger) -> None:
    ledger.claim("t1", hashed(workshop, "a.wav"), "m1")
    before = workshop.content(LINE)
    assert ledger.claim("t1", hashed(workshop, "a.wav"), "m2").token == "m1"
    assert workshop.content(LINE) == before


def test_eight_threads_that_claim_at_once_agree_on_the_owner(
    workshop: Workshop, ledger: ContentLedger
) -> None:
    copies = [hashed(workshop, f"{number}.wav") for number in range(8)]
    owners = at_once(8, lambda number: ledger.claim("t1", copies[number], f"m{number}"))
    [line] = {owner for owner in owners if isinstance(owner, Ownership)}
    assert json.loads(workshop.content(LINE))["path"] == line.path
    assert len(owners) == 8


def test_an_unclaimed_content_has_no_line(ledger: ContentLedger) -> None:
    assert ledger.find("t1", DRUMS) is None


@pytest.mark.parametrize(
    ("track_id", "key"),
    [
        (None, f"ledger/_/{DRUMS}"),
        ("track456", f"ledger/track456/{DRUMS}"),
        ("_", f"ledger/%5F/{DRUMS}"),
        ("", f"ledger/%/{DRUMS}"),
        ("..", f"ledger/%2E%2E/{DRUMS}"),
        ("a/b", f"ledger/a%2Fb/{DRUMS}"),
        ("트랙", f"ledger/%ED%8A%B8%EB%9E%99/{DRUMS}"),
    ],
)
def test_every_track_has_a_place_of_its_own(
    workshop: Workshop, ledger: ContentLedger, track_id: str | None, key: str
) -> None:
    ledger.claim(track_id, hashed(workshop, "a.wav"), "m1")
    assert list(workshop.objects()) == sorted(["a.wav", key])
    found = ledger.find(track_id, DRUMS)
    assert found
    assert found.ownership.path == "a.wav"


def test_a_path_in_any_script_survives(workshop: Workshop, ledger: ContentLedger) -> None:
    key = "users/u 1/드럼 (최종) 🎸.wav"
    ledger.claim("t1", hashed(workshop, key), "m1")
    assert key.encode() in workshop.content(LINE)
    assert workshop.owner("t1", DRUMS.hex) == key


def test_ownership_moves_to_the_heir(workshop: Workshop, ledger: ContentLedger) -> None:
    ledger.claim("t1", hashed(workshop, "a.wav"), "m1")
    line = ledger.find("t1", DRUMS)
    assert line
    ledger.take_over("t1", hashed(workshop, "b.wav"), line, "m2")
    moved = ledger.find("t1", DRUMS)
    assert moved
    assert moved.ownership == Ownership("b.wav", "143a299485808af42d46ab8feb3d8cfa", 5, "m2")


def test_ownership_does_not_move_twice_from_one_line(
    workshop: Workshop, ledger: ContentLedger
) -> None:
    ledger.claim("t1", hashed(workshop, "a.wav"), "m1")
    line = ledger.find("t1", DRUMS)
    assert line
    ledger.take_over("t1", hashed(workshop, "b.wav"), line, "m2")
    with pytest.raises(ObjectChanged):
        ledger.take_over("t1", hashed(workshop, "c.wav"), line, "m3")
    assert workshop.owner("t1", DRUMS.hex) == "b.wav"


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b"null", b"{", b"{}", b'{"path": "a.wav"}', b'"a.wav"'],
)
def test_a_damaged_line_is_an_error_and_never_a_missing_one(
    workshop: Workshop, ledger: ContentLedger, text: bytes
) -> None:
    workshop.upload(LINE, text)
    with pytest.raises(StorageUnavailable, match="look at it"):
        ledger.find("t1", DRUMS)
    with pytest.raises(StorageUnavailable, match="look at it"):
        ledger.claim("t1", hashed(workshop, "a.wav"), "m1")
    assert workshop.content(LINE) == text


def test_a_line_that_vanishes_while_it_is_claimed_is_tried_again(
    workshop: Workshop, ledger: ContentLedger
) -> None:
    ledger.claim("t1", hashed(workshop, "a.wav"), "m1")

    def vanish(step: Step) -> None:
        if step == Step("read", LINE):
            workshop.remove(LINE)

    workshop.storage.before = vanish
    with pytest.raises(ObjectChanged, match="vanished"):
        ledger.claim("t1", hashed(workshop, "b.wav"), "m2")
    workshop.storage.leave_alone()
    assert ledger.claim("t1", hashed(workshop, "b.wav"), "m2").path == "b.wav"
