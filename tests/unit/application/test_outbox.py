"""Outcomes that are kept: found again exactly as they were, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.contracts.storage_actions import keys, put
from tests.support.levels import some_levels
from tests.support.storage_doubles import Step, WatchedStorage
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.events import (
    DuplicateDeleted,
    Event,
    Failure,
    HashGenerated,
    MixStored,
    StageMixed,
    StemAnalyzed,
    StemCompleted,
)
from waveflow.application.outbox import Outbox, Outcome
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import StorageUnavailable

HASH = ContentHash("ab" * 32)
FAILURE = Failure("Cut short.", "audio_truncated")
FAILED = StemCompleted("id", "stem789", None, None, None, None, "now", 0.5, FAILURE)

texts = st.text(max_size=20)
texts_or_none = st.none() | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)
hashes = st.binary(min_size=32, max_size=32).map(lambda digest: ContentHash(digest.hex()))
failures = st.builds(Failure, texts, texts)
levels = st.none() | st.just(some_levels(1)) | st.just(some_levels(3))
stem_outcomes = st.one_of(
    st.builds(
        StemAnalyzed,
        *(hashes, texts, st.integers(), numbers, st.integers(), st.integers()),
        levels=levels,
        dat_path=texts_or_none,
    ),
    st.builds(DuplicateDeleted, hashes),
    failures,
)
events = st.one_of(
    st.builds(
        HashGenerated,
        *(texts, texts, texts_or_none, texts_or_none, texts_or_none, texts, hashes),
        timestamp=st.none() | texts | st.integers() | numbers,
        original_filename=texts,
        duplicate_of=texts_or_none,
    ),
    st.builds(
        StemCompleted,
        *(texts, texts, texts_or_none, texts_or_none, texts_or_none, texts_or_none, texts),
        processing_time_s=numbers,
        outcome=stem_outcomes,
    ),
    st.builds(
        StageMixed,
        *(texts, texts, texts_or_none, texts, st.lists(texts, max_size=4).map(tuple), texts),
        outcome=st.builds(MixStored, texts, texts, levels, texts_or_none) | failures,
    ),
)


def hashed(timestamp: str | int | float | None) -> Event:
    return HashGenerated("id", "s", None, None, None, "a.wav", HASH, timestamp, "a.wav", None)


def kinds_of(value: Any) -> list[type]:
    """1 and 1.0 are equal, but not the same on the wire."""
    return [
        type(getattr(value, name)) for name in getattr(value, "__slots__", ()) if name[0] != "_"
    ]


@given(untold=st.none() | events, park_reason=texts_or_none)
@example(untold=hashed(None), park_reason=None)
@example(untold=hashed(1_704_103_200_123), park_reason=None)
@example(untold=hashed(1.0), park_reason=None)
@example(untold=hashed(10**300), park_reason=None)
@example(untold=hashed("2024-01-01T10:00:00Z"), park_reason="드럼 🥁 \x00 \u2028")
def test_what_was_kept_is_found_exactly_as_it_was(
    untold: Event | None, park_reason: str | None
) -> None:
    outbox = Outbox(InMemoryAudioStorage())
    outbox.keep("message-1", Outcome(untold, park_reason))
    found = outbox.find("message-1")
    assert found == Outcome(untold, park_reason)
    assert type(found.untold) is type(untold)
    assert kinds_of(found.untold) == kinds_of(untold)


def test_an_outcome_is_one_small_object_that_people_can_read() -> None:
    storage = InMemoryAudioStorage()
    Outbox(storage).keep("message-1", Outcome(FAILED, "드럼"))
    assert keys(storage, "") == ["outcomes/message-1.json"]
    with storage.read("outcomes/message-1.json") as stream:
        assert json.loads(b"".join(stream).decode()) == {
            "untold": {
                "event_id": "id",
                "stem_id": "stem789",
                "user_id": None,
                "track_id": None,
                "upstream_id": None,
                "original_filename": None,
                "completed_at": "now",
                "processing_time_s": 0.5,
                "outcome": {"_type": "Failure", "error": "Cut short.", "code": "audio_truncated"},
            },
            "park_reason": "드럼",
        }


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (
            StemAnalyzed(HASH, "w.json", 5, 1.0, 8_000, 4),
            {
                "_type": "StemAnalyzed",
                "audio_hash": {"hex": "ab" * 32},
                "waveform_path": "w.json",
                "size_bytes": 5,
                "duration_s": 1.0,
                "sample_rate_hz": 8_000,
                "num_peaks": 4,
            },
        ),
        (
            MixStored("m.wav", "w.json"),
            {"_type": "MixStored", "mix_path": "m.wav", "waveform_path": "w.json"},
        ),
    ],
)
def test_what_no_setting_asked_for_is_not_mentioned(
    outcome: StemAnalyzed | MixStored, kept: dict[str, Any]
) -> None:
    storage = InMemoryAudioStorage()
    event: Event = (
        StageMixed("id", "g1", None, "t", ("a.wav",), "now", outcome)
        if isinstance(outcome, MixStored)
        else evolve(FAILED, outcome=outcome)
    )
    Outbox(storage).keep("message-1", Outcome(event))
    with storage.read("outcomes/message-1.json") as stream:
        assert json.loads(b"".join(stream))["untold"]["outcome"] == kept


def test_a_later_outcome_takes_the_place_of_an_earlier_one() -> None:
    outbox = Outbox(InMemoryAudioStorage())
    outbox.keep("message-1", Outcome(FAILED, "reason"))
    outbox.keep("message-1", Outcome(None, "reason"))
    assert outbox.find("message-1") == Outcome(None, "reason")


def test_every_message_has_an_outcome_of_its_own() -> None:
    outbox = Outbox(InMemoryAudioStorage())
    outbox.keep("message-1", Outcome(FAILED))
    outbox.keep("message-2", Outcome(None))
    outbox.forget("message-1")
    assert outbox.find("message-1") is None
    assert outbox.find("message-2") == Outcome(None)


@pytest.mark.parametrize(
    "message_id",
    ["", ".", "..", "../a", "a/b", "a b", "드럼", "\ud800", "\x00", "x" * 128, "x" * 300],
    ids=ascii,
)
def test_any_message_id_will_do(message_id: str) -> None:
    storage = InMemoryAudioStorage()
    outbox = Outbox(storage)
    outbox.keep(message_id, Outcome(FAILED))
    assert outbox.find(message_id) == Outcome(FAILED)
    assert outbox.find(message_id + "x") is None
    [key] = keys(storage, "")
    assert key.count("/") == 1
    outbox.forget(message_id)
    assert keys(storage, "") == []


def test_nothing_is_found_of_a_message_without_outcome() -> None:
    assert Outbox(InMemoryAudioStorage()).find("message-1") is None


WHOLE = {"untold": None, "park_reason": None}
EVENT = {"event_id": "id", "stage_id": "s", "upstream_id": None, "task_id": "t"}
MIXED: dict[str, Any] = {**EVENT, "stem_paths": [], "processed_at": "now"}
FAILURE_RECORD = {"_type": "Failure", "error": "e", "code": "c"}
HASHED = {
    **dict.fromkeys(("user_id", "track_id", "stage_id", "timestamp", "duplicate_of")),
    **dict.fromkeys(("event_id", "stem_id", "filepath", "original_filename"), "x"),
}


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        "text",
        [],
        {},
        {"park_reason": "reason"},
        WHOLE | {"park_reason": 7},
        WHOLE | {"untold": 7},
        WHOLE | {"untold": False},
        WHOLE | {"untold": []},
        WHOLE | {"untold": {}},
        WHOLE | {"untold": "HashGenerated"},
        WHOLE | {"untold": MIXED},
        WHOLE | {"untold": MIXED | {"outcome": None}},
        WHOLE | {"untold": MIXED | {"outcome": {"error": "e", "code": "c"}}},
        WHOLE | {"untold": MIXED | {"outcome": FAILURE_RECORD | {"_type": "Unknown"}}},
        WHOLE | {"untold": MIXED | {"outcome": FAILURE_RECORD | {"_type": []}}},
        WHOLE | {"untold": MIXED | {"outcome": FAILURE_RECORD | {"code": 7}}},
        WHOLE | {"untold": MIXED | {"outcome": FAILURE_RECORD, "stem_paths": "a.wav"}},
        WHOLE | {"untold": HASHED | {"audio_hash": {"hex": "short"}}},
        WHOLE | {"untold": HASHED | {"audio_hash": HASH.hex}},
        WHOLE | {"untold": HASHED | {"audio_hash": {"hex": HASH.hex}, "timestamp": True}},
        WHOLE | {"untold": HASHED | {"audio_hash": {"hex": HASH.hex}, "timestamp": []}},
        {"hash": HASH.hex, "path": "a.wav"},
    ],
    ids=str,
)
def test_a_record_that_is_not_ours_is_no_outcome(record: object) -> None:
    assert _found(json.dumps(record).encode()) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"untold": null, "park_reason": NaN}'],
    ids=["empty", "cut short", "no text", "deep", "not a number"],
)
def test_what_is_no_record_is_no_outcome(body: bytes) -> None:
    assert _found(body) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=8,
    )
)
def test_no_record_at_all_is_an_error(untold: object) -> None:
    found = _found(json.dumps({"untold": untold, "park_reason": "reason"}).encode())
    assert found == (Outcome(None, "reason") if untold is None else None)


def _found(body: bytes) -> Outcome | None:
    storage = InMemoryAudioStorage()
    put(storage, "outcomes/message-1.json", body)
    return Outbox(storage).find("message-1")


def test_a_huge_record_is_not_even_read() -> None:
    storage = WatchedStorage()
    body = json.dumps({"untold": None, "park_reason": "x" * 2**20}).encode()
    put(storage.inner, "outcomes/message-1.json", body)
    assert Outbox(storage).find("message-1") is None
    assert storage.count("chunk") == 0


def test_what_is_not_unicode_is_kept_but_not_legible() -> None:
    storage = InMemoryAudioStorage()
    outbox = Outbox(storage)
    outbox.keep("message-1", Outcome(FAILED, "\ud800"))
    assert keys(storage, "") == ["outcomes/message-1.json"]
    assert outbox.find("message-1") is None


def test_forgetting_nothing_is_no_error() -> None:
    Outbox(InMemoryAudioStorage()).forget("message-1")


@pytest.mark.parametrize("event", ["replaced", "deleted"])
def test_what_changes_while_it_is_forgotten_is_left_alone(event: str) -> None:
    storage = WatchedStorage()
    outbox = Outbox(storage)
    outbox.keep("message-1", Outcome(FAILED))

    def interfere(step: Step) -> None:
        if step.method == "delete":
            other = Outbox(storage.inner)
            other.keep("message-1", Outcome(None, "newer"))
            if event == "deleted":
                other.forget("message-1")

    storage.before = interfere
    outbox.forget("message-1")
    assert outbox.find("message-1") == (Outcome(None, "newer") if event == "replaced" else None)


@pytest.mark.parametrize(
    "use",
    [
        lambda outbox: outbox.keep("message-1", Outcome(FAILED)),
        lambda outbox: outbox.find("message-1"),
        lambda outbox: outbox.forget("message-1"),
    ],
    ids=["keep", "find", "forget"],
)
def test_a_storage_that_is_away_is_told_to_the_caller(use: Callable[[Outbox], object]) -> None:
    storage = WatchedStorage()
    outbox = Outbox(storage)
    outbox.keep("message-1", Outcome(FAILED))

    def fail(step: Step) -> None:
        raise StorageUnavailable("away")

    storage.before = fail
    with pytest.raises(StorageUnavailable):
        use(outbox)
