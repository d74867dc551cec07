"""The part of the contract of `AudioStorage` that is about keys which want to be somewhere else.

Each is refused by every method, or names an object of its own: nothing is folded, decoded, cut or
resolved on the way.
"""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.contracts.storage_actions import content, is_refused, keys, put
from waveflow.application.ports import AudioStorage

SEGMENT_LIMIT = 255
HOSTILE_KEYS = [
    # Upwards, and to the root.
    "../canary", "a/../../canary", "a/..", "..", ".", "./a", "/canary", "//canary", "a//b", "a/",
    "C:\\canary", "C:/canary", "\\\\server\\share", "..\\canary", "a\\..\\..\\canary",
    "file:///etc/passwd", "s3://other-bucket/key", "~/canary", "~root", "$HOME/x", "`id`", "-rf",
    # What would be one of these if anybody decoded it.
    "%2e%2e%2fcanary", "%2e%2e/canary", "..%2fcanary", "%252e%252e%252fcanary", "a%00b", "%c0%ae",
    "\uff0e\uff0e\uff0fcanary", "\uff0e\uff0e/canary", "\u2025/canary", "\u2024\u2024/canary",
    "..\u2215canary", "..\u2044canary", "..\u29f8canary", "\u3002\u3002/canary",
    # What can't be seen, or turns the text round.
    "a\u200bb", "ab\u200b", "a\u00adb", "a\ufeffb", "a\u202egpj.wav", "a\u2066b\u2069", "a\u2060b",
    "a\u00a0b", "a\u3000b", "a\u2028b", "a\u2029b", "..\u200b/canary", "\u200b../canary",
    # Controls.
    "a\0b", "a\0", "a\nb", "a\r\nb", "a\tb", "a\x1b[2Jb", "a\x7fb", "a\x85b", "a\x9bb",
    # No Unicode.
    "a\ud800b", "\udc80", "a\udfff/b",
    # Names that mean something to some system.
    "CON", "nul.wav", "aux/x", "a:stream", "a.wav::$DATA", "LPT1", "x.", "x ", " x", "x. .",
    ".. /canary", ". ./canary", ".../canary",
    # Names of our own, in spellings that a storage might fold.
    ".waveflow-tmp/lock", ".waveflow-tmp", ".WAVEFLOW-TMP/lock", ".waveflow\u2010tmp/x",
    ".waveflow-tmp\u200b/lock", "LEDGER/t/x", "Ledger/t/y", "\u24db\u24d4dger/x", "le\u00addger/x",
    "led\u0261er/x",
    # Alike, and different.
    "caf\u00e9", "cafe\u0301", "CAF\u00c9", "\u212bngstr\u00f6m", "\u00c5ngstr\u00f6m",
    "A\u030angstro\u0308m",
    "\ufb01le", "file", "FILE", "\u017ftem", "stem", "\u0130", "i\u0307", "\u1e9e", "\u00df", "ss",
    "a+b", "a b", "a%20b", "a&b", "a=b", "a;b", "a?b", "a#b", "a@b", "a,b", "a'b\"", "a<b>", "a|b*",
    # Long: by characters, by bytes, and by the parts of a name.
    "x" * SEGMENT_LIMIT, "x" * (SEGMENT_LIMIT + 1), "\u00e9" * 127 + "x", "\u00e9" * 128,
    "\U0001f3b8" * 64, "y/" * 511 + "zz", "z/" * 512 + "y", "w" * 1024, "w" * 1025, "\u00e9" * 513,
]  # fmt: skip
_pieces = st.sampled_from([
    "..", ".", "/", "\\", "%2e", "%2f", "\uff0f", "\uff0e", "\u200b", "\u202e", "\0", "\n", "a",
    "A", "\u00e9", "e\u0301", " ", "~", ":", "ledger", ".waveflow-tmp", "\ud800", "b" * 130,
])  # fmt: skip
hostile_keys = st.lists(_pieces, max_size=9).map("".join)


class HostileKeys:
    hostile_examples: ClassVar[int] = 100

    def test_hostile_keys_are_refused_or_kept_apart(self, storage: AudioStorage) -> None:
        assert len(set(HOSTILE_KEYS)) == len(HOSTILE_KEYS)
        accepted = [key for key in HOSTILE_KEYS if not is_refused(storage, key)]
        written = {key: put(storage, key, key.encode()) for key in accepted}
        assert keys(storage, "") == sorted(accepted, key=str.encode)
        for key in accepted:
            assert content(storage, key) == key.encode()
        for key in accepted:
            storage.delete(key, if_match=written[key].etag)
        assert keys(storage, "") == []

    def test_what_is_put_together_of_hostile_parts_is_refused_or_used_as_it_is(
        self, storage: AudioStorage
    ) -> None:
        @settings(
            max_examples=self.hostile_examples, deadline=None, derandomize=True, database=None
        )
        @given(key=hostile_keys)
        def refused_or_used(key: str) -> None:
            if is_refused(storage, key):
                return
            written = put(storage, key, b"sound")
            assert keys(storage, "") == [key]
            storage.delete(key, if_match=written.etag)

        refused_or_used()
