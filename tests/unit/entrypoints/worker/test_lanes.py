"""Lanes: which work may hold how many slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.workshop import (
    analysis_message,
    duplicate_message,
    hash_message,
    message,
    mix_message,
)
from waveflow.application.parsed_message import ParsedMessage
from waveflow.entrypoints.messages import MessageParser
from waveflow.entrypoints.worker.lanes import Lane, LaneLimits, lane_of, subject_of_log

parse = MessageParser(default_num_peaks=4).parse


@pytest.mark.parametrize(
    ("slots", "heavy", "mixes"),
    [
        (1, 1, 1),
        (2, 1, 1),
        (3, 2, 1),
        (4, 3, 1),
        (5, 4, 2),
        (7, 6, 3),
        (8, 6, 3),
        (16, 12, 6),
        (128, 96, 48),
    ],
)
def test_the_limits_of_some_numbers_of_slots(slots: int, heavy: int, mixes: int) -> None:
    assert LaneLimits.of(slots) == LaneLimits(slots, heavy, mixes)


@given(slots=st.integers(2, 128))
def test_a_quarter_of_the_slots_is_for_light_work_and_half_of_the_rest_for_analyses(
    slots: int,
) -> None:
    limits = LaneLimits.of(slots)
    assert slots - limits.heavy == max(slots // 4, 1)
    assert 1 <= limits.mixes <= max(limits.heavy / 2, 1)


@pytest.mark.parametrize("lane", Lane)
def test_a_single_slot_does_everything_one_after_the_other(lane: Lane) -> None:
    limits = LaneLimits.of(1)
    assert limits.admits(lane, [])
    assert not any(limits.admits(lane, [other]) for other in Lane)


@given(slots=st.integers(2, 40), work=st.lists(st.sampled_from(Lane), max_size=120))
def test_light_work_is_kept_waiting_by_other_light_work_only(slots: int, work: list[Lane]) -> None:
    """However work was admitted: when light work isn't, light work holds what heavy may not."""
    limits = LaneLimits.of(slots)
    running: list[Lane] = []
    for lane in work:
        if limits.admits(lane, running):
            running.append(lane)
        heavy = [other for other in running if other is not Lane.LIGHT]
        assert len(running) <= slots
        assert len(heavy) <= limits.heavy < slots
        assert heavy.count(Lane.MIX) <= limits.mixes
        if not limits.admits(Lane.LIGHT, running):
            assert running.count(Lane.LIGHT) >= slots - limits.heavy


@given(slots=st.integers(4, 40))
def test_mixes_alone_do_not_keep_analyses_waiting(slots: int) -> None:
    limits = LaneLimits.of(slots)
    running = [Lane.MIX] * limits.mixes
    assert not limits.admits(Lane.MIX, running)
    assert limits.admits(Lane.ANALYSIS, running)


@pytest.mark.parametrize(
    ("body", "lane"),
    [
        (hash_message("a.wav"), Lane.LIGHT),
        ('{"stemId": "s", "filepath": "a.wav"}', Lane.LIGHT),
        (duplicate_message("a.wav", "0" * 64), Lane.LIGHT),
        (analysis_message("a.wav"), Lane.ANALYSIS),
        (mix_message("a.wav", "b.wav"), Lane.MIX),
        (message("health_check"), Lane.LIGHT),
        (message("cleanup_temp_files"), Lane.LIGHT),
        (mix_message(), Lane.LIGHT),
        (analysis_message("a.wav", num_peaks="many"), Lane.LIGHT),
        (message("unknown"), Lane.LIGHT),
        ("not JSON", Lane.LIGHT),
        ("", Lane.LIGHT),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_lane_of_a_message_is_that_of_its_task(body: str, lane: Lane) -> None:
    assert lane_of(body, parse) is lane


def test_a_parser_that_fails_is_met_again_in_the_slot() -> None:
    def fail(body: str) -> ParsedMessage:
        raise RecursionError(body)

    assert lane_of("{}", fail) is Lane.LIGHT


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        (
            '{"stemId": "s1", "filepath": "a.wav", "trackId": "t1", "stageId": "g1"}',
            {"task": "hash", "stem_id": "s1", "track_id": "t1", "stage_id": "g1"},
        ),
        (
            '{"task": "app.tasks.mix_stems_and_upload", "stageId": "g1", "stem_paths": ["a.wav"]}',
            {"task": "mix", "stage_id": "g1"},
        ),
        ('{"task": "health_check"}', {"task": "health"}),
        (
            (
                '{"task": "app.tasks.mix_stems_and_upload", "id": "mix-1", "args": [],'
                ' "kwargs": {"stageId": "g1", "stem_paths": ["a.wav"]}}'
            ),
            {"task": "mix", "task_id": "mix-1", "stage_id": "g1"},
        ),
        ('{"stemId": "s1", "filepath": 7}', {"task": "hash", "stem_id": "s1"}),
        (
            (
                '{"task": "app.tasks.process_audio_analysis", "id": "a-1", "args": [7],'
                ' "kwargs": {"stemId": "s1", "filepath": "a.wav", "trackId": "t1"}}'
            ),
            {"task": "analysis", "task_id": "a-1", "stem_id": "s1", "track_id": "t1"},
        ),
        ("nonsense", {"task": "unreadable"}),
    ],
)
def test_log_lines_say_what_a_message_is_about(body: str, subject: dict[str, str]) -> None:
    assert subject_of_log(body, MessageParser(default_num_peaks=4).parse) == subject
