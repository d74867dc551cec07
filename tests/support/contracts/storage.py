"""What every `AudioStorage` does: subclass it where a fixture named `storage` gives the adapter."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from tests.support.contracts.storage_actions import content, put
from tests.support.contracts.storage_hostile_keys import HostileKeys
from tests.support.contracts.storage_keys import Keys, Listing
from tests.support.contracts.storage_versions import ConditionalWrites, Deletion
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import ObjectChanged, ObjectNotFound

MIB = 1024 * 1024
SEVERAL_MB = bytes(range(256)) * (5 * MIB // 256) + b"the last, odd piece"
LARGE = np.arange(17 * MIB // 4, dtype=">u4").tobytes() + b"the last, odd piece"
"""Some storages read such a one in parts."""


class RoundTrips:
    @pytest.mark.parametrize(
        "body", [b"", b"\0", SEVERAL_MB], ids=["empty", "one byte", "several MB"]
    )
    def test_what_was_written_is_read(self, storage: AudioStorage, body: bytes) -> None:
        written = put(storage, "song.wav", body)
        assert content(storage, "song.wav") == body
        assert storage.stat("song.wav") == written
        assert (written.key, written.size_bytes) == ("song.wav", len(body))

    @pytest.mark.parametrize(
        "body", [b"", b"\0", SEVERAL_MB], ids=["empty", "one byte", "several MB"]
    )
    def test_what_was_written_from_a_file_is_read(
        self, storage: AudioStorage, body: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        source = tmp_path_factory.mktemp("source") / "a file (1).wav"
        source.write_bytes(body)
        written = put(storage, "song.wav", source)
        assert content(storage, "song.wav") == body
        assert storage.stat("song.wav") == written
        assert source.read_bytes() == body

    def test_a_local_file_that_cannot_be_read_leaves_the_object_as_it_was(
        self, storage: AudioStorage, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        before = put(storage, "song.wav", b"old")
        with pytest.raises(FileNotFoundError):
            put(storage, "song.wav", tmp_path_factory.mktemp("source") / "missing.wav")
        assert storage.stat("song.wav") == before

    def test_overwriting_changes_the_etag(self, storage: AudioStorage) -> None:
        first = put(storage, "song.wav", b"one")
        second = put(storage, "song.wav", b"two")
        assert first.etag != second.etag
        assert storage.stat("song.wav") == second

    def test_the_same_bytes_may_be_written_again(self, storage: AudioStorage) -> None:
        put(storage, "song.wav", b"same")
        again = put(storage, "song.wav", b"same")
        assert storage.stat("song.wav") == again
        assert content(storage, "song.wav") == b"same"

    def test_nothing_is_found_under_a_key_that_was_never_written(
        self, storage: AudioStorage
    ) -> None:
        put(storage, "users/song.wav")
        with pytest.raises(ObjectNotFound):
            storage.stat("users/other.wav")
        with pytest.raises(ObjectNotFound):
            storage.stat("folder/that/is/missing.wav")
        with pytest.raises(ObjectNotFound):
            content(storage, "users/other.wav")


class Reading:
    largest_chunk_bytes: ClassVar[int] = MIB

    def test_chunks_are_bounded(self, storage: AudioStorage) -> None:
        put(storage, "song.wav", SEVERAL_MB)
        with storage.read("song.wav") as stream:
            sizes = [len(chunk) for chunk in stream]
        assert 0 < max(sizes) <= self.largest_chunk_bytes
        assert sum(sizes) == len(SEVERAL_MB)

    def test_a_large_object_is_read_in_order(self, storage: AudioStorage) -> None:
        put(storage, "song.wav", LARGE)
        with storage.read("song.wav") as stream:
            chunks = list(stream)
        assert b"".join(chunks) == LARGE
        assert 0 < max(map(len, chunks)) <= self.largest_chunk_bytes

    def test_a_large_object_may_be_left_in_the_middle(self, storage: AudioStorage) -> None:
        written = put(storage, "song.wav", LARGE)
        for _ in range(2):
            with storage.read("song.wav", if_match=written.etag) as stream:
                assert LARGE.startswith(next(iter(stream)))
        assert content(storage, "song.wav") == LARGE

    def test_a_stream_says_which_version_it_reads(self, storage: AudioStorage) -> None:
        written = put(storage, "song.wav", b"sound")
        with storage.read("song.wav") as stream:
            assert stream.stat == written

    def test_the_named_version_is_read(self, storage: AudioStorage) -> None:
        written = put(storage, "song.wav", b"sound")
        assert content(storage, "song.wav", if_match=written.etag) == b"sound"

    def test_a_version_that_was_replaced_is_not_read(self, storage: AudioStorage) -> None:
        old = put(storage, "song.wav", b"old")
        put(storage, "song.wav", b"new")
        with pytest.raises(ObjectChanged):
            content(storage, "song.wav", if_match=old.etag)

    def test_a_version_that_was_deleted_is_not_found(self, storage: AudioStorage) -> None:
        old = put(storage, "song.wav")
        storage.delete("song.wav", if_match=old.etag)
        with pytest.raises(ObjectNotFound):
            content(storage, "song.wav", if_match=old.etag)

    @pytest.mark.parametrize("body", [SEVERAL_MB, LARGE], ids=["several MB", "large"])
    @pytest.mark.parametrize("event", ["replaced", "deleted"])
    def test_a_reader_never_sees_a_mixture_of_versions(
        self, storage: AudioStorage, event: str, body: bytes
    ) -> None:
        old = put(storage, "song.wav", body)
        read = b""
        try:
            with storage.read("song.wav") as stream:
                chunks = iter(stream)
                read += next(chunks)
                if event == "replaced":
                    put(storage, "song.wav", body[::-1])
                else:
                    storage.delete("song.wav", if_match=old.etag)
                for chunk in chunks:
                    read += chunk
        except ObjectChanged:
            assert body.startswith(read)
        else:
            assert read == body


class AudioStorageContract(
    RoundTrips, Reading, ConditionalWrites, Deletion, Listing, Keys, HostileKeys
):
    """The whole suite. `storage` is empty at the start of each test."""
