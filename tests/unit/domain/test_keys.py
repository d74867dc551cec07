"""Storage keys: which are valid, and what the objects that WaveFlow writes are called."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from waveflow.domain.content import ContentHash
from waveflow.domain.errors import InvalidKey
from waveflow.domain.keys import (
    OWN_PREFIXES,
    MessageStamp,
    basename,
    dat_key,
    ledger_key,
    mix_key,
    mix_waveform_key,
    outcome_key,
    removal_key,
    require_id,
    require_key,
    require_stem_key,
    stem_waveform_key,
)

SENT_AT_MS = 1_752_651_562_281
STAMP = MessageStamp("2025-07-16T07:39:22.281940Z")
HASH = ContentHash("ab" * 32)
STEM_IDS = st.text(alphabet="ab_.-", min_size=1, max_size=3)
TRACK_IDS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="%25EF._/~- \\:é\x00", max_size=12),
)


class TestMessageStamp:
    @pytest.mark.parametrize(
        ("sent_at_ms", "message_id", "text"),
        [
            (SENT_AT_MS, "msg-1", "2025-07-16T07:39:22.281399Z"),
            (SENT_AT_MS, "msg-2", "2025-07-16T07:39:22.281774Z"),
            (SENT_AT_MS - 274, "msg-1", "2025-07-16T07:39:22.007399Z"),
            (
                SENT_AT_MS,
                "059f36b4-87a3-44ab-83d2-661975830a7d",
                "2025-07-16T07:39:22.281812Z",
            ),
            (0, "a", "1970-01-01T00:00:00.000250Z"),
            (951_782_399_999, "msg-1", "2000-02-28T23:59:59.999399Z"),
        ],
    )
    def test_it_is_the_send_time_and_three_digits_of_the_id(
        self, sent_at_ms: int, message_id: str, text: str
    ) -> None:
        assert MessageStamp.of(sent_at_ms, message_id).text == text

    def test_two_messages_of_one_millisecond_differ(self) -> None:
        assert MessageStamp.of(SENT_AT_MS, "msg-1") != MessageStamp.of(SENT_AT_MS, "msg-2")

    @given(sent_at_ms=st.integers(0, 4_102_444_800_000), message_id=st.text(max_size=40))
    def test_it_is_stable_and_keeps_the_order_of_send_times(
        self, sent_at_ms: int, message_id: str
    ) -> None:
        stamp = MessageStamp.of(sent_at_ms, message_id)
        assert stamp == MessageStamp.of(sent_at_ms, message_id)
        assert len(stamp.text) == len("2025-07-16T07:39:22.281940Z")
        assert stamp.text < MessageStamp.of(sent_at_ms + 1, message_id).text


class TestOutputs:
    def test_outputs_are_called_as_the_main_server_expects(self) -> None:
        assert stem_waveform_key("stem789", STAMP) == (
            "waveforms/stem789_waveform_2025-07-16T07:39:22.281940Z.json"
        )
        assert mix_key("stage001", STAMP) == "mixed/stage001_mixed_2025-07-16T07:39:22.281940Z.wav"
        assert mix_waveform_key("stage001", STAMP) == (
            "waveforms/stage001_mixed_waveform_2025-07-16T07:39:22.281940Z.json"
        )

    @pytest.mark.parametrize(
        ("make_key", "name"),
        [(stem_waveform_key, "stemId"), (mix_key, "stageId"), (mix_waveform_key, "stageId")],
    )
    @pytest.mark.parametrize("value", ["", "../x", "a/b", "드럼"])
    def test_an_id_that_is_no_part_of_a_key_makes_none(
        self, make_key: object, name: str, value: str
    ) -> None:
        assert callable(make_key)
        with pytest.raises(InvalidKey, match=name):
            make_key(value, STAMP)


class TestIds:
    @pytest.mark.parametrize(
        "value",
        ["a", "stem789", "7f0c0f2e-2c5f-4a0e-9c3e-3a1d5f1b2c4d", "A.b_c-9", "..", "x" * 128],
    )
    def test_letters_digits_dots_underscores_and_hyphens_pass(self, value: str) -> None:
        assert require_id("stemId", value) == value

    @pytest.mark.parametrize(
        "value",
        ["", "x" * 129, "a/b", "a b", "a\n", "\na", "a\x00", "é", "٣", "드럼", "a%2F", "\ud800"],
    )
    def test_anything_else_is_refused(self, value: str) -> None:
        with pytest.raises(InvalidKey, match="stageId") as caught:
            require_id("stageId", value)
        assert caught.value.code == "invalid_id"


class TestKeys:
    @pytest.mark.parametrize(
        "key",
        [
            "users/u1/projects/t1/stems/2025-07-16T07-39-22_드럼 (최종).wav",
            "a",
            " leading and trailing ",
            "100%25 + & = ? #.wav",
            "a/..b/c../...d",
            "back\\slash",
            "emoji 🥁.wav",
            "e\u0301 decomposed",
            "x" * 1024,
            "드" * 341,
            "a/" * 500 + "b",
        ],
    )
    def test_a_key_is_used_as_it_is(self, key: str) -> None:
        assert require_key(key) == key

    @pytest.mark.parametrize(
        ("key", "problem"),
        [
            ("", "is empty"),
            ("x" * 1025, "longer than 1024 bytes"),
            ("드" * 342, "longer than 1024 bytes"),
            ("a\x00b", "control characters"),
            ("a\nb", "control characters"),
            ("a\x7f", "control characters"),
            ("a\x85", "control characters"),
            ("\ud800", "not valid Unicode"),
            ("a/\udfff.wav", "not valid Unicode"),
            ("/etc/passwd", "begins or ends with a slash"),
            ("stems/", "begins or ends with a slash"),
            ("a//b", "begins or ends with a slash"),
            ("/", "begins or ends with a slash"),
            ("..", "'..' segment"),
            ("../x", "'..' segment"),
            ("a/../../etc/passwd", "'..' segment"),
            ("a/..", "'..' segment"),
            (".", "'.' or '..' segment"),
            ("a/./b", "'.' or '..' segment"),
        ],
    )
    def test_a_key_that_leads_elsewhere_is_refused(self, key: str, problem: str) -> None:
        with pytest.raises(InvalidKey, match=problem) as caught:
            require_key(key)
        assert caught.value.code == "invalid_key"
        assert len(str(caught.value)) < 700

    def test_a_stem_may_be_deleted(self) -> None:
        assert require_stem_key("users/u1/드럼.wav") == "users/u1/드럼.wav"
        assert require_stem_key("mixed.wav") == "mixed.wav"

    @pytest.mark.parametrize("prefix", ["ledger/", "waveforms/", "mixed/", "outcomes/", "removed/"])
    def test_what_waveflow_writes_may_not_be_deleted(self, prefix: str) -> None:
        assert prefix in OWN_PREFIXES
        assert len(OWN_PREFIXES) == 5
        with pytest.raises(InvalidKey, match="not an uploaded stem") as caught:
            require_stem_key(f"{prefix}x")
        assert caught.value.code == "protected_key"

    @pytest.mark.parametrize("key", ["a/../mixed/x", "", "/mixed/x"])
    def test_an_invalid_key_may_not_be_deleted(self, key: str) -> None:
        with pytest.raises(InvalidKey):
            require_stem_key(key)

    @pytest.mark.parametrize(
        ("key", "name"),
        [("a/b/드럼 (최종).wav", "드럼 (최종).wav"), ("sample.wav", "sample.wav")],
    )
    def test_the_basename_is_the_last_part(self, key: str, name: str) -> None:
        assert basename(key) == name


class TestLedgerKeys:
    @pytest.mark.parametrize(
        ("track_id", "segment"),
        [
            (None, "_"),
            ("t1", "t1"),
            ("7f0c0f2e-2c5f", "7f0c0f2e-2c5f"),
            ("_", "%5F"),
            ("", "%"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "%2E%2E%2E"),
            ("a/b", "a%2Fb"),
            ("../x", "..%2Fx"),
            ("%2E", "%252E"),
            ("a b", "a%20b"),
            ("A", "A"),
            ("곡", "%EA%B3%A1"),
            ("\x00", "%00"),
        ],
    )
    def test_a_track_id_becomes_one_segment(self, track_id: str | None, segment: str) -> None:
        assert ledger_key(track_id, HASH) == f"ledger/{segment}/{HASH}"

    @given(first=TRACK_IDS, second=TRACK_IDS)
    @example(first=".", second="%2E")
    @example(first="", second="%")
    @example(first="", second="%25")
    @example(first="_.", second="%5F.")
    @example(first="e\u0301", second="é")
    def test_different_track_ids_have_different_keys(self, first: str, second: str) -> None:
        assert (ledger_key(first, HASH) == ledger_key(second, HASH)) == (first == second)

    @given(track_id=TRACK_IDS)
    def test_every_track_id_makes_one_segment_of_its_own(self, track_id: str) -> None:
        key = ledger_key(track_id, HASH)
        prefix, segment, name = key.split("/")
        assert (prefix, name) == ("ledger", HASH.hex)
        assert segment not in ("", ".", "..", "_")
        assert segment.isascii()
        assert require_key(key) == key
        assert key != ledger_key(None, HASH)

    @pytest.mark.parametrize("track_id", ["x" * 1000, "곡" * 110])
    def test_a_long_track_id_is_hashed(self, track_id: str) -> None:
        key = ledger_key(track_id, HASH)
        assert re.fullmatch(rf"ledger/%hash-[0-9a-f]{{64}}/{HASH}", key)
        assert ledger_key(track_id + "x", HASH) != key
        assert require_key(key) == key


def test_a_track_id_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InvalidKey, match="not valid Unicode"):
        ledger_key("\ud800", ContentHash("ab" * 32))


class TestOutcomeKeys:
    @pytest.mark.parametrize(
        ("message_id", "key"),
        [
            (
                "059f36b4-87a3-44ab-83d2-661975830a7d",
                "outcomes/059f36b4-87a3-44ab-83d2-661975830a7d.json",
            ),
            ("..", "outcomes/...json"),
            ("x" * 128, f"outcomes/{'x' * 128}.json"),
        ],
    )
    def test_an_id_of_plain_letters_is_part_of_the_key(self, message_id: str, key: str) -> None:
        assert outcome_key(message_id) == key

    @pytest.mark.parametrize("message_id", ["", "a/b", "../x", "a b", "드럼", "\ud800", "x" * 300])
    def test_any_other_id_is_hashed(self, message_id: str) -> None:
        assert re.fullmatch(r"outcomes/hash-[0-9a-f]{64}\.json", outcome_key(message_id))

    @given(first=st.text(max_size=20), second=st.text(max_size=20))
    @example(first="", second="hash-")
    @example(first="a/b", second="a_b")
    @example(first="\ud800", second="\udfff")
    def test_every_message_has_a_key_of_its_own(self, first: str, second: str) -> None:
        assert require_key(outcome_key(first)) == outcome_key(first)
        assert (outcome_key(first) == outcome_key(second)) == (first == second)


class TestRemovalKeys:
    def test_it_begins_with_the_stem_that_was_removed(self) -> None:
        path = "users/u1/projects/t1/stems/드럼 (최종).wav"
        digest = hashlib.sha256(path.encode()).hexdigest()
        assert removal_key("stem789", path) == f"removed/stem789_{digest}.json"

    @pytest.mark.parametrize("stem_id", ["..", ".", "_", "x" * 128])
    def test_every_stem_id_makes_a_key(self, stem_id: str) -> None:
        assert require_key(removal_key(stem_id, "a.wav")) == removal_key(stem_id, "a.wav")

    @given(
        stems=st.tuples(STEM_IDS, STEM_IDS),
        paths=st.tuples(st.sampled_from(["a", "b", "a_b"]), st.sampled_from(["a", "b", "a_b"])),
    )
    def test_every_stem_and_path_has_a_key_of_its_own(
        self, stems: tuple[str, str], paths: tuple[str, str]
    ) -> None:
        first, second = (removal_key(*each) for each in zip(stems, paths, strict=True))
        assert (first == second) == (stems[0] == stems[1] and paths[0] == paths[1])

    @pytest.mark.parametrize(("stem_id", "path"), [("a/b", "a.wav"), ("", "a"), ("s", "../a")])
    def test_what_can_be_no_stem_has_none(self, stem_id: str, path: str) -> None:
        with pytest.raises(InvalidKey):
            removal_key(stem_id, path)


def test_a_dat_is_called_as_its_waveform_is() -> None:
    stamp = MessageStamp("2024-01-01T10:05:00.123456Z")
    assert dat_key(stem_waveform_key("s1", stamp)) == (
        "waveforms/s1_waveform_2024-01-01T10:05:00.123456Z.dat"
    )
    assert dat_key(mix_waveform_key("g1", stamp)) == (
        "waveforms/g1_mixed_waveform_2024-01-01T10:05:00.123456Z.dat"
    )
