"""Giving an old bucket its ledger."""

from __future__ import annotations

import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, duplicate_message, hash_message
from waveflow.application.build_ledger import BuildLedger, KeyPattern, LedgerBuild
from waveflow.domain.errors import InvalidMessage, StorageUnavailable

STEMS = KeyPattern("users/*/projects/{track}/stems/*")
DRUMS_HASH = "7cc44eb19abccf91739a72392909971b727f3e4220422df91bb1eb56344ab0ac"
BASS_HASH = "441349e1ec2f7fd0aa17267bdc4339ea1379cae3a7d24cf7f3f295a6c9f9d469"
BUCKET = {
    "users/u1/projects/t1/stems/a.wav": b"drums",
    "users/u1/projects/t1/stems/b.wav": b"bass",
    "users/u2/projects/t1/stems/c.wav": b"drums",
    "users/u2/projects/t2/stems/d 드럼.wav": b"drums",
    "users/u2/projects/t2/stems/empty.wav": b"",
    "users/u2/projects/t2/cover.png": b"drums",
    "users/u2/projects/t2/stems/old/e.wav": b"drums",
    "waveforms/users/u1/projects/t1/stems/w.json": b"drums",
}


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    for key, content in BUCKET.items():
        workshop.upload(key, content)
    return workshop


@pytest.fixture
def building(workshop: Workshop) -> BuildLedger:
    return BuildLedger(workshop.storage, workshop.ledger)


@pytest.mark.parametrize(
    ("pattern", "key", "track"),
    [
        ("users/*/projects/{track}/stems/*", "users/u1/projects/t1/stems/a b (1).wav", "t1"),
        ("users/*/projects/{track}/stems/*", "users/u1/projects/트랙/stems/드럼.wav", "트랙"),
        ("users/*/projects/{track}/stems/*", "users/u1/projects/t1/stems/old/a.wav", None),
        ("users/*/projects/{track}/stems/*", "users/u1/projects//stems/a.wav", None),
        ("users/*/projects/{track}/stems/*", "old/users/u1/projects/t1/stems/a.wav", None),
        ("{track}/*.wav", "t1/a.wav", "t1"),
        ("{track}/*.wav", "t1/aXwav", None),
        ("p-{track}-q", "p-t1-q", "t1"),
        ("a+(b)/{track}", "a+(b)/t1", "t1"),
    ],
)
def test_a_pattern_finds_the_track_in_a_key(pattern: str, key: str, track: str | None) -> None:
    assert KeyPattern(pattern).track_of(key) == track


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("users/*/projects/{track}/stems/*", "users/"),
        ("users/u1/projects/{track}/*", "users/u1/projects/"),
        ("{track}/*", ""),
    ],
)
def test_only_keys_that_can_match_are_listed(pattern: str, prefix: str) -> None:
    assert KeyPattern(pattern).prefix == prefix


@pytest.mark.parametrize("text", ["", "users/*", "{track}/{track}", "{tracks}/*"])
def test_a_pattern_names_the_track_exactly_once(text: str) -> None:
    with pytest.raises(InvalidMessage, match=r"must contain \{track\} once") as raised:
        KeyPattern(text)
    assert raised.value.code == "invalid_pattern"


def test_the_first_copy_in_key_order_owns_each_content(
    workshop: Workshop, building: BuildLedger
) -> None:
    assert building.build(STEMS) == LedgerBuild(owners=3, duplicates=1, passed_over=3)
    ledger = [key for key in workshop.objects() if key.startswith("ledger/")]
    assert ledger == [
        f"ledger/t1/{BASS_HASH}",
        f"ledger/t1/{DRUMS_HASH}",
        f"ledger/t2/{DRUMS_HASH}",
    ]
    assert workshop.owner("t1", DRUMS_HASH) == "users/u1/projects/t1/stems/a.wav"
    assert workshop.owner("t2", DRUMS_HASH) == "users/u2/projects/t2/stems/d 드럼.wav"


def test_running_it_again_changes_nothing(workshop: Workshop, building: BuildLedger) -> None:
    first = building.build(STEMS)
    objects = workshop.objects()
    assert building.build(STEMS) == first
    assert workshop.objects() == objects


def test_an_owner_that_is_known_already_stays(workshop: Workshop, building: BuildLedger) -> None:
    last = "users/u2/projects/t1/stems/c.wav"
    workshop.deliver(hash_message(last, trackId="t1"))
    building.build(STEMS)
    assert workshop.owner("t1", DRUMS_HASH) == last


def test_our_own_objects_are_no_stems_whatever_the_pattern(
    workshop: Workshop, building: BuildLedger
) -> None:
    workshop.upload("mixed/m.wav", b"mix")
    assert building.build(KeyPattern("{track}/*")) == LedgerBuild(0, 0, len(BUCKET) + 1)


def test_every_stem_is_shown_before_it_is_hashed(workshop: Workshop, building: BuildLedger) -> None:
    shown: list[str] = []
    building.build(STEMS, lambda stat: shown.append(f"{stat.key} {stat.size_bytes}"))
    assert shown == [
        "users/u1/projects/t1/stems/a.wav 5",
        "users/u1/projects/t1/stems/b.wav 4",
        "users/u2/projects/t1/stems/c.wav 5",
        "users/u2/projects/t2/stems/d 드럼.wav 5",
        "users/u2/projects/t2/stems/empty.wav 0",
    ]


def test_a_stem_that_vanishes_during_the_walk_is_passed_over(
    workshop: Workshop, building: BuildLedger
) -> None:
    build = building.build(STEMS, lambda stat: workshop.remove(stat.key))
    assert build == LedgerBuild(owners=0, duplicates=0, passed_over=7)


def test_what_was_claimed_before_the_storage_failed_stays(
    workshop: Workshop, building: BuildLedger
) -> None:
    def fail(step: Step) -> None:
        if step == Step("read", "users/u2/projects/t1/stems/c.wav"):
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    with pytest.raises(StorageUnavailable):
        building.build(STEMS)
    assert workshop.owner("t1", DRUMS_HASH) == "users/u1/projects/t1/stems/a.wav"
    workshop.storage.leave_alone()
    assert building.build(STEMS) == LedgerBuild(owners=3, duplicates=1, passed_over=3)


def test_a_duplicate_of_before_waveflow_can_be_deleted_afterwards(
    workshop: Workshop, building: BuildLedger
) -> None:
    building.build(STEMS)
    copy = "users/u2/projects/t1/stems/c.wav"
    workshop.deliver(duplicate_message(copy, DRUMS_HASH, trackId="t1"))
    assert workshop.server.bodies[0]["status"] == "SUCCESS"
    assert copy not in workshop.objects()
    assert "users/u1/projects/t1/stems/a.wav" in workshop.objects()
