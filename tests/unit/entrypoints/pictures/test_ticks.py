"""The time axis, from a tenth of a second to ten hours."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waveflow.entrypoints.pictures.ticks import STEPS_S, label, tick_step_s, ticks


@pytest.mark.parametrize(
    ("duration_s", "width", "step_s", "labels"),
    [
        (0.1, 1200, 0.01, ["0:00.00", "0:00.01", "0:00.02"]),
        (1.0, 1200, 0.1, ["0:00.0", "0:00.1", "0:00.2"]),
        (10.0, 1200, 1.0, ["0:00", "0:01", "0:02"]),
        (24.0, 1200, 2.0, ["0:00", "0:02", "0:04"]),
        (24.0, 300, 5.0, ["0:00", "0:05", "0:10"]),
        (190.0, 1200, 10.0, ["0:00", "0:10", "0:20"]),
        (600.0, 800, 60.0, ["0:00", "1:00", "2:00"]),
        (3600.0, 1200, 300.0, ["0:00:00", "0:05:00", "0:10:00"]),
        (36_000.0, 1200, 3600.0, ["0:00:00", "1:00:00", "2:00:00"]),
    ],
)
def test_steps_are_times_that_people_count_in(
    duration_s: float, width: int, step_s: float, labels: list[str]
) -> None:
    assert tick_step_s(duration_s, width) == pytest.approx(step_s)
    assert [tick.label for tick in ticks(duration_s, width)[:3]] == labels


def test_a_tick_is_where_its_time_is() -> None:
    marks = ticks(2.5, 500)
    assert [(tick.label, round(tick.x, 6)) for tick in marks] == [
        ("0:00.0", 0.0),
        ("0:00.5", 100.0),
        ("0:01.0", 200.0),
        ("0:01.5", 300.0),
        ("0:02.0", 400.0),
        ("0:02.5", 500.0),
    ]


def test_silence_of_no_length_has_one_tick() -> None:
    assert [(tick.x, tick.label) for tick in ticks(0.0, 500)] == [(0.0, "0:00")]


@pytest.mark.parametrize(
    ("time_s", "step_s", "duration_s", "text"),
    [
        (59.9999999, 1.0, 100.0, "1:00"),
        (59.96, 0.05, 100.0, "0:59.96"),
        (3599.0, 1.0, 3599.9, "59:59"),
        (3599.0, 1.0, 3600.0, "0:59:59"),
        (36_000.0, 3600.0, 36_000.0, "10:00:00"),
        (0.000001, 0.000001, 0.00001, "0:00.000001"),
    ],
)
def test_a_label_is_as_exact_as_its_step(
    time_s: float, step_s: float, duration_s: float, text: str
) -> None:
    assert label(time_s, step_s, duration_s) == text


@given(duration_s=st.floats(1e-5, 36_000.0), width=st.integers(100, 20_000))
def test_labels_dont_crowd_and_stay_inside(duration_s: float, width: int) -> None:
    marks = ticks(duration_s, width)
    assert marks[0].x == 0
    assert all(0 <= mark.x <= width for mark in marks)
    assert len({mark.label for mark in marks}) == len(marks)
    longest_px = 6.5 * max(len(mark.label) for mark in marks)
    steps = [after.x - before.x for before, after in itertools.pairwise(marks)]
    assert all(step >= longest_px for step in steps)


@pytest.mark.parametrize("duration_s", [1e-300, 86_400.0, 1e7, 1e16, 1e300])
@pytest.mark.parametrize("width", [1, 100, 20_000])
def test_not_even_a_duration_that_no_audio_has_makes_more_ticks_than_fit(
    duration_s: float, width: int
) -> None:
    marks = ticks(duration_s, width)
    assert 1 <= len(marks) <= max(2, width // 50)
    assert all(0 <= mark.x <= width for mark in marks)


def test_steps_grow() -> None:
    assert list(STEPS_S) == sorted(set(STEPS_S))
