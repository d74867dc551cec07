"""The part of the contract of `AudioStorage` that is about versions: who may replace or delete."""

from __future__ import annotations

import pytest

from tests.support.contracts.storage_actions import at_once, content, keys, put
from waveflow.application.ports import AudioStorage, IfAbsent, IfMatch, ObjectStat
from waveflow.domain.errors import ObjectChanged, ObjectNotFound, WaveFlowError


class ConditionalWrites:
    def test_if_absent_writes_once(self, storage: AudioStorage) -> None:
        first = put(storage, "ledger/x", b"first", IfAbsent())
        with pytest.raises(ObjectChanged):
            put(storage, "ledger/x", b"second", IfAbsent())
        assert storage.stat("ledger/x") == first
        assert content(storage, "ledger/x") == b"first"

    def test_if_absent_writes_again_after_a_deletion(self, storage: AudioStorage) -> None:
        first = put(storage, "ledger/x", b"first", IfAbsent())
        storage.delete("ledger/x", if_match=first.etag)
        put(storage, "ledger/x", b"second", IfAbsent())
        assert content(storage, "ledger/x") == b"second"

    def test_if_match_replaces_the_named_version(self, storage: AudioStorage) -> None:
        first = put(storage, "song.wav", b"first")
        second = put(storage, "song.wav", b"second", IfMatch(first.etag))
        assert storage.stat("song.wav") == second
        assert content(storage, "song.wav") == b"second"

    def test_if_match_keeps_another_version(self, storage: AudioStorage) -> None:
        first = put(storage, "song.wav", b"first")
        second = put(storage, "song.wav", b"second")
        with pytest.raises(ObjectChanged):
            put(storage, "song.wav", b"third", IfMatch(first.etag))
        assert storage.stat("song.wav") == second
        assert content(storage, "song.wav") == b"second"

    def test_if_match_writes_nothing_where_nothing_is(self, storage: AudioStorage) -> None:
        gone = put(storage, "song.wav")
        storage.delete("song.wav", if_match=gone.etag)
        with pytest.raises(ObjectChanged):
            put(storage, "song.wav", b"new", IfMatch(gone.etag))
        assert keys(storage, "") == []

    def test_one_of_eight_threads_that_write_if_absent_wins(self, storage: AudioStorage) -> None:
        outcomes = at_once(
            8, lambda number: put(storage, "ledger/x", b"owner %d" % number, IfAbsent())
        )
        self._assert_one_won(storage, "ledger/x", outcomes)

    def test_one_of_eight_threads_that_replace_a_version_wins(self, storage: AudioStorage) -> None:
        etag = put(storage, "ledger/x", b"nobody").etag
        outcomes = at_once(
            8, lambda number: put(storage, "ledger/x", b"owner %d" % number, IfMatch(etag))
        )
        self._assert_one_won(storage, "ledger/x", outcomes)

    def _assert_one_won(
        self, storage: AudioStorage, key: str, outcomes: list[ObjectStat | WaveFlowError]
    ) -> None:
        [winner] = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, ObjectStat)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, WaveFlowError)]
        assert [type(error) for error in lost] == [ObjectChanged] * 7
        assert content(storage, key) == b"owner %d" % winner
        assert storage.stat(key) == outcomes[winner]


class Deletion:
    def test_the_named_version_is_deleted(self, storage: AudioStorage) -> None:
        kept = put(storage, "users/kept.wav")
        deleted = put(storage, "users/deleted.wav")
        storage.delete("users/deleted.wav", if_match=deleted.etag)
        with pytest.raises(ObjectNotFound):
            storage.stat("users/deleted.wav")
        assert list(storage.list("")) == [kept]

    def test_another_version_is_kept(self, storage: AudioStorage) -> None:
        old = put(storage, "song.wav", b"old")
        new = put(storage, "song.wav", b"new")
        with pytest.raises(ObjectChanged):
            storage.delete("song.wav", if_match=old.etag)
        assert storage.stat("song.wav") == new

    def test_what_is_gone_cannot_be_deleted(self, storage: AudioStorage) -> None:
        old = put(storage, "song.wav")
        storage.delete("song.wav", if_match=old.etag)
        with pytest.raises(ObjectNotFound):
            storage.delete("song.wav", if_match=old.etag)

    def test_one_of_eight_threads_that_delete_succeeds(self, storage: AudioStorage) -> None:
        etag = put(storage, "song.wav").etag
        outcomes = at_once(8, lambda _: storage.delete("song.wav", if_match=etag))
        errors = [outcome for outcome in outcomes if outcome is not None]
        assert len(errors) == 7
        assert {type(error) for error in errors} <= {ObjectNotFound, ObjectChanged}
        assert keys(storage, "") == []
