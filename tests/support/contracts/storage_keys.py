"""The part of the contract of `AudioStorage` that is about keys: which, and in what order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.contracts.storage_actions import content, is_refused, keys, put
from waveflow.application.ports import AudioStorage
from waveflow.domain.errors import ObjectNotFound

INVALID_KEYS = [
    pytest.param("", id="empty"),
    pytest.param("..", id="parent folder"),
    pytest.param("../secret.wav", id="above the root"),
    pytest.param("users/../../secret.wav", id="traversal in the middle"),
    pytest.param("users/..", id="traversal at the end"),
    pytest.param("./song.wav", id="dot segment"),
    pytest.param("/etc/passwd", id="absolute"),
    pytest.param("users//song.wav", id="empty segment"),
    pytest.param("users/", id="slash at the end"),
    pytest.param("song\0.wav", id="NUL"),
    pytest.param("song\n.wav", id="line feed"),
    pytest.param("song\ud800.wav", id="lone surrogate"),
    pytest.param("/".join(["a" * 204] * 5) + "b", id="1025 bytes"),
    pytest.param("/".join(["é" * 102] * 5) + "b", id="1025 bytes in 515 characters"),
]
CURIOUS_KEYS = [
    "users/u 1/My song (final mix) [2].wav",
    "users/u1/Ünïcödé/音声/🎸 solo.wav",
    "a%2Fb.wav",
    "a+b.wav",
    "a b.wav",
    "%41.wav",
    "q?x=1&y=2#z.wav",
    "back\\slash.wav",
    "-rf *",
    "...",
    ".hidden",
    "quote'\".wav",
]

_segments = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=25
).filter(lambda segment: segment not in (".", ".."))
valid_keys = st.lists(_segments, min_size=1, max_size=5).map("/".join)


class Listing:
    def test_an_empty_storage_lists_nothing(self, storage: AudioStorage) -> None:
        assert keys(storage, "") == []

    def test_all_objects_are_listed_as_they_are(self, storage: AudioStorage) -> None:
        written = [put(storage, "a/one.wav", b"1"), put(storage, "b/two.wav", b"22")]
        assert list(storage.list("")) == written

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("users/u1/", ["users/u1/clip.wav", "users/u1/pro/a.wav", "users/u1/project.wav"]),
            ("users/u1/pro", ["users/u1/pro/a.wav", "users/u1/project.wav"]),
            ("users/u1/pro/", ["users/u1/pro/a.wav"]),
            ("users/u1/project.wav", ["users/u1/project.wav"]),
            ("users/u1/project.wav/", []),
            ("users/u10", ["users/u10/b.wav"]),
            ("use", [
                "users/u1/clip.wav",
                "users/u1/pro/a.wav",
                "users/u1/project.wav",
                "users/u10/b.wav",
            ]),
            ("missing/", []),
        ],
    )  # fmt: skip
    def test_any_beginning_of_a_key_is_a_prefix(
        self, storage: AudioStorage, prefix: str, found: list[str]
    ) -> None:
        for key in (
            "users/u10/b.wav",
            "users/u1/project.wav",
            "users/u1/pro/a.wav",
            "users/u1/clip.wav",
            "other.wav",
        ):
            put(storage, key)
        assert keys(storage, prefix) == found

    def test_keys_come_in_the_order_of_their_bytes(self, storage: AudioStorage) -> None:
        in_order = [
            "B.wav",
            "a-b.wav",
            "a.wav",
            "a/b.wav",
            "a/z/c.wav",
            "a0.wav",
            "b (1).wav",
            "é.wav",
            "\uff5e.wav",
            "🎸.wav",
        ]
        for key in reversed(in_order):
            put(storage, key)
        assert keys(storage, "") == in_order

    @pytest.mark.parametrize(
        "prefix", ["/", "../", "..", "a//", "./", "/etc/pass", "a\0", "a\ud800", "a" * 1025]
    )
    def test_nothing_is_listed_where_no_key_can_be(
        self, storage: AudioStorage, prefix: str
    ) -> None:
        put(storage, "a/b.wav")
        assert keys(storage, prefix) == []


class Keys:
    @pytest.mark.parametrize("key", INVALID_KEYS)
    def test_an_invalid_key_is_refused_by_every_method(
        self, storage: AudioStorage, key: str
    ) -> None:
        assert is_refused(storage, key)
        assert keys(storage, "") == []

    @pytest.mark.parametrize("key", CURIOUS_KEYS)
    def test_a_key_is_used_as_it_is(self, storage: AudioStorage, key: str) -> None:
        written = put(storage, key, b"sound")
        assert written.key == key
        assert content(storage, key) == b"sound"
        assert list(storage.list(key)) == [written]
        storage.delete(key, if_match=written.etag)
        assert keys(storage, "") == []

    def test_keys_that_decode_alike_name_different_objects(self, storage: AudioStorage) -> None:
        alike = ["a b.wav", "a%20b.wav", "a+b.wav", "a/b.wav", "a%2Fb.wav"]
        for key in alike:
            put(storage, key, key.encode())
        assert [content(storage, key) for key in alike] == [key.encode() for key in alike]
        assert keys(storage, "") == ["a b.wav", "a%20b.wav", "a%2Fb.wav", "a+b.wav", "a/b.wav"]

    def test_composed_and_decomposed_letters_name_different_objects(
        self, storage: AudioStorage
    ) -> None:
        put(storage, "caf\u00e9.wav", b"composed")
        put(storage, "cafe\u0301.wav", b"decomposed")
        assert content(storage, "caf\u00e9.wav") == b"composed"
        assert content(storage, "cafe\u0301.wav") == b"decomposed"
        assert keys(storage, "caf") == ["cafe\u0301.wav", "caf\u00e9.wav"]

    def test_a_key_of_1024_bytes_is_possible(self, storage: AudioStorage) -> None:
        key = "/".join(["é" * 102] * 5)
        written = put(storage, key, b"sound")
        assert content(storage, key) == b"sound"
        assert list(storage.list("é")) == [written]

    def test_any_valid_key_can_be_written_read_and_deleted(self, storage: AudioStorage) -> None:
        # A function of its own, since a fixture is made once and not for each example.
        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(key=valid_keys, body=st.binary(max_size=20))
        def come_and_go(key: str, body: bytes) -> None:
            written = put(storage, key, body)
            assert storage.stat(key) == written
            assert content(storage, key, if_match=written.etag) == body
            storage.delete(key, if_match=written.etag)
            with pytest.raises(ObjectNotFound):
                storage.stat(key)

        come_and_go()
