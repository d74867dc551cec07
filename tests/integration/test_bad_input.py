"""Messages and keys that can't be worked with: a coded failure, no trace, and on it goes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.integration.bad_input_bench import (
    ANALYSIS,
    DUPLICATE,
    GOOD,
    HASH,
    MIX,
    Bench,
)
from tests.support.audio_files import write_audio


class TestMessages:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("hello", "The message is not JSON: Expecting value"),
            ("", "The message is not JSON: Expecting value"),
            ("[]", "The message is JSON, but list and not an object."),
            ("7", "The message is JSON, but int and not an object."),
            ("null", "The message is JSON, but NoneType and not an object."),
            ("{}", "The message names no task, and is no bare hash request either"),
            ('{"task": "app.tasks.sing"}', "The message names no known task: 'app.tasks.sing'."),
            ('{"task": "app.tasks.mix_stems_and_upload"}', "stageId is missing"),
            ("[" * 100_000, "The message is not JSON: "),
        ],
        ids=lambda text: text[:20],
    )
    def test_what_is_no_request_is_parked_with_the_reason(
        self, bench: Bench, body: str, reason: str
    ) -> None:
        with bench.nothing_left_behind():
            answer = bench.message(body)
            assert answer.webhooks == []
            [parked] = answer.parked
            assert reason in parked

    @pytest.mark.parametrize("task", [HASH, ANALYSIS, DUPLICATE])
    def test_a_malformed_stem_request_is_reported_and_parked(self, bench: Bench, task: str) -> None:
        with bench.nothing_left_behind():
            answer = bench.task(task, {"stemId": "s1", "filepath": ["a.wav"]})
            code, error = answer.failure()
            assert code == "invalid_message"
            assert error.startswith(f"{task}: filepath must be text, but is a list")
            assert answer.parked == [error]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"stem_paths": []}, "stem_paths must name at least one stem, but is empty"),
            ({}, "stem_paths is missing"),
            ({"stem_paths": None}, "stem_paths is missing"),
            ({"stem_paths": [GOOD, 7]}, "stem_paths item 1 must be text, but is a number"),
        ],
    )
    def test_a_mix_of_nothing_is_reported_and_parked(
        self, bench: Bench, fields: dict[str, object], error: str
    ) -> None:
        with bench.nothing_left_behind():
            answer = bench.task(MIX, {"stageId": "g1"} | fields)
            assert answer.failure("/mixing-complete") == ("invalid_message", f"{MIX}: {error}.")
            assert answer.parked == [f"{MIX}: {error}."]

    @pytest.mark.parametrize("num_peaks", [0, -1, 4001, 10**30])
    def test_a_number_of_peaks_out_of_range(self, bench: Bench, num_peaks: int) -> None:
        with bench.nothing_left_behind():
            answer = bench.analysis(GOOD, num_peaks=num_peaks)
            expected = f"num_peaks is {num_peaks}; 1 to 4000 are possible."
            assert answer.failure() == ("invalid_num_peaks", expected)
            assert answer.parked == []

    def test_a_number_of_peaks_that_is_none(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            answer = bench.analysis(GOOD, num_peaks="many")
            expected = f"{ANALYSIS}: num_peaks must be a whole number, but is text."
            assert answer.failure() == ("invalid_message", expected)


class TestIds:
    @pytest.mark.parametrize("stem_id", ["", "a/b", "../s1", "a b", "스템", "a\n", "x" * 129])
    @pytest.mark.parametrize("task", [HASH, ANALYSIS, DUPLICATE])
    def test_a_stem_id_that_can_not_be_part_of_a_key(
        self, bench: Bench, task: str, stem_id: str
    ) -> None:
        with bench.nothing_left_behind():
            fields = {"stemId": stem_id, "filepath": GOOD, "audio_hash": "0" * 64}
            answer = bench.task(task, fields)
            code, error = answer.failure()
            assert code == "invalid_id"
            assert error.startswith("stemId ")
            assert error.endswith("1 to 128 letters, digits, '.', '_' and '-' are possible.")

    def test_a_stage_id_that_can_not_be_part_of_a_key(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            answer = bench.task(MIX, {"stageId": "g/1", "stem_paths": [GOOD]})
            assert answer.failure("/mixing-complete")[0] == "invalid_id"

    def test_a_hash_that_is_none(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            fields = {"stemId": "s1", "filepath": GOOD, "audio_hash": "abc"}
            assert bench.task(DUPLICATE, fields).failure()[0] == "invalid_hash"


class TestKeys:
    @pytest.mark.parametrize(
        "key",
        ["../secret", "users/../../secret", "users/./a.wav", "/etc/passwd", "a//b", "a/", "a\x00b"],
    )
    def test_a_key_that_leads_elsewhere(self, bench: Bench, key: str) -> None:
        (bench.storage.parent / "secret").write_bytes(b"secret")
        for task in (HASH, ANALYSIS, DUPLICATE):
            with bench.nothing_left_behind():
                fields = {"stemId": "s1", "filepath": key, "audio_hash": "0" * 64}
                assert bench.task(task, fields).failure()[0] == "invalid_key"
        with bench.nothing_left_behind():
            assert bench.mix(GOOD, key).failure("/mixing-complete")[0] == "invalid_key"

    def test_an_empty_key(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            assert bench.analysis("").failure() == (
                "invalid_key",
                "The storage key '' is empty.",
            )

    def test_a_missing_object(self, bench: Bench) -> None:
        for task in (HASH, ANALYSIS):
            with bench.nothing_left_behind():
                assert bench.task(task, {"stemId": "s1", "filepath": "gone.wav"}).failure() == (
                    "object_not_found",
                    "Nothing is stored under 'gone.wav'; check the key, or upload the file again.",
                )

    def test_a_duplicate_of_nothing_known(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            fields = {"stemId": "s1", "filepath": GOOD, "audio_hash": "0" * 64}
            assert bench.task(DUPLICATE, fields).failure()[0] == "unknown_content"

    @pytest.mark.parametrize(
        "key", ["users/u1/드럼 (최종) 100%20.wav", "users/u1/a+b&c=d#e.wav", "노래", "..wav"]
    )
    def test_a_key_with_spaces_korean_and_signs_works(self, bench: Bench, key: str) -> None:
        write_audio(bench.path(key), np.full((800, 1), 0.5, np.float32), 8000)
        answer = bench.analysis(key)
        assert answer.result["duration"] == 0.1
        assert answer.webhooks[0][1]["original_filename"] == key.rsplit("/", 1)[-1]
        assert [endpoint for endpoint, _ in bench.mix(key).webhooks] == ["/mixing-complete"]


class TestMixes:
    def test_a_missing_stem_is_named(self, bench: Bench) -> None:
        with bench.nothing_left_behind():
            code, error = bench.mix(GOOD, "gone.wav").failure("/mixing-complete")
            assert code == "object_not_found"
            assert error.startswith("Stem 2 of 2, 'gone.wav', can't be mixed. It is not in the")

    def test_a_stem_that_is_no_audio_is_named(self, bench: Bench) -> None:
        bench.path("가사.wav").write_text("la la la")
        with bench.nothing_left_behind():
            answer = bench.mix(GOOD, "가사.wav", GOOD)
            code, error = answer.failure("/mixing-complete")
            assert code == "not_audio"
            assert error.startswith("Stem 2 of 3, '가사.wav', can't be mixed. The file holds no")
            [(_, body)] = answer.webhooks
            assert body["mixed_file_path"] is None
            assert body["waveform_data_path"] is None
            assert json.dumps(body)

    def test_an_empty_stem_is_named(self, bench: Bench) -> None:
        bench.path("empty.wav").touch()
        with bench.nothing_left_behind():
            code, error = bench.mix("empty.wav", GOOD).failure("/mixing-complete")
            assert code == "empty_file"
            assert error.startswith("Stem 1 of 2, 'empty.wav', can't be mixed. The file is empty")
