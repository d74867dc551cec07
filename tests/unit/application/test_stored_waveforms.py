"""Waveforms are found by what their objects are called."""

from __future__ import annotations

import json

import pytest

from tests.support.storage_doubles import Step, WatchedStorage
from waveflow.application.documents import StemDocument, StemRequest
from waveflow.application.stored_waveforms import (
    StemWaveforms,
    all_stems,
    newest_waveform,
    read_all,
    waveform_keys,
)
from waveflow.domain.errors import InvalidKey, StorageUnavailable


def key(stem_id: str, day: int) -> str:
    return f"waveforms/{stem_id}_waveform_2024-01-{day:02d}T10:00:00.123456Z.json"


def document(filepath: str | None) -> StemDocument:
    request = StemRequest(
        filepath=filepath or "",
        original_filename="a.wav",
        user_id=None,
        track_id=None,
        upstream_id=None,
        event_id="msg_1.completion.success",
    )
    return StemDocument(
        peaks=[1.0],
        duration=1.0,
        sample_rate=44100,
        num_peaks=1,
        created_at="2024-01-01T10:00:00.123456Z",
        waveform_version=1,
        amplitude=1.0,
        audio_data_hash="ab" * 32,
        file_size=5,
        processing_time=0.1,
        request=request if filepath else None,
    )


@pytest.fixture
def storage() -> WatchedStorage:
    return WatchedStorage()


def store(storage: WatchedStorage, key: str, body: bytes | None = None) -> None:
    body = document("a.wav").encode() if body is None else body
    storage.inner.write(key, body, content_type="application/json")


def test_the_waveforms_of_a_stem_are_found_the_newest_first(storage: WatchedStorage) -> None:
    for day in (2, 3, 1):
        store(storage, key("s1", day))
    # Other stems, whose ids begin alike, a mix, and what is called otherwise.
    for other in (key("s10", 1), key("s1_waveform_x", 1), key("s1_mixed", 1), "waveforms/s1.json"):
        store(storage, other)
    store(storage, "waveforms/s1_waveform_latest.json")
    assert waveform_keys(storage, "s1") == [key("s1", 3), key("s1", 2), key("s1", 1)]
    assert waveform_keys(storage, "s2") == []


@pytest.mark.parametrize("stem_id", ["", "a/b", "../up", "é"])
def test_an_id_that_no_stem_can_have_is_refused(storage: WatchedStorage, stem_id: str) -> None:
    with pytest.raises(InvalidKey):
        waveform_keys(storage, stem_id)


def test_the_newest_that_says_who_asked_for_it_counts(storage: WatchedStorage) -> None:
    store(storage, key("s1", 3), b"{damaged")
    store(storage, key("s1", 2), document(None).encode())
    store(storage, key("s1", 1), document("old.wav").encode())
    found = newest_waveform(storage, "s1", waveform_keys(storage, "s1"))
    assert found is not None
    assert (found.key, found.document) == (key("s1", 1), document("old.wav"))


def test_without_any_that_says_so_the_newest_legible_one_is_found(storage: WatchedStorage) -> None:
    store(storage, key("s1", 3), b"{damaged")
    store(storage, key("s1", 2), document(None).encode())
    found = newest_waveform(storage, "s1", waveform_keys(storage, "s1"))
    assert found is not None
    assert found.key == key("s1", 2)
    assert newest_waveform(storage, "s1", [key("s1", 3)]) is None


def test_the_walk_meets_every_stem_once_with_its_newest_waveforms(storage: WatchedStorage) -> None:
    for day in (1, 2, 3, 4):
        store(storage, key("a", day))
    store(storage, key("b", 1))
    store(storage, "waveforms/notes.txt")
    assert list(all_stems(storage)) == [
        StemWaveforms("a", key("a", 1), (key("a", 4), key("a", 3), key("a", 2))),
        StemWaveforms("b", key("b", 1), (key("b", 1),)),
    ]


def test_a_place_in_the_walk_stays_when_a_newer_waveform_is_stored(storage: WatchedStorage) -> None:
    store(storage, key("a", 1))
    [before] = all_stems(storage)
    store(storage, key("a", 2))
    [after] = all_stems(storage)
    assert before.place == after.place
    assert before.keys != after.keys


def test_all_are_read_in_their_order_and_not_far_ahead(storage: WatchedStorage) -> None:
    stems = [f"s{number:04d}" for number in range(200)]
    for number, stem_id in enumerate(stems):
        store(storage, key(stem_id, 1), document(f"{number}.wav").encode())
    found = read_all(storage, all_stems(storage))
    first, waveform = next(found)
    assert (first.stem_id, waveform and waveform.stem_id) == ("s0000", "s0000")
    assert len([step for step in storage.steps if step.method == "read"]) == 64
    assert [stem.stem_id for stem, _ in found] == stems[1:]


def test_a_mix_is_none_of_a_stems_waveforms(storage: WatchedStorage) -> None:
    mix = {"peaks": [1.0], "duration": 1.0, "sample_rate": 44100, "num_peaks": 1}
    facts = {"created_at": "x", "waveform_version": 1, "amplitude": 1.0, "gain": 1.0}
    body = json.dumps(mix | facts | {"stem_count": 2}).encode()
    store(storage, key("g1_mixed", 1), body)
    assert [found for _, found in read_all(storage, all_stems(storage))] == [None]


def test_a_storage_that_fails_ends_the_walk(storage: WatchedStorage) -> None:
    store(storage, key("a", 1))

    def fail(step: Step) -> None:
        if step.method == "read":
            raise StorageUnavailable("away")

    storage.before = fail
    with pytest.raises(StorageUnavailable, match="away"):
        list(read_all(storage, all_stems(storage)))
