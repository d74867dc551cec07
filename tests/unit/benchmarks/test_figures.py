"""The statistics of the bench: medians, spreads, ratios within rounds."""

from __future__ import annotations

from statistics import StatisticsError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cases.base import Target
from benchmarks.figures import Sample, Spread, ratio, spreads


def walls(*seconds: float) -> dict[int, Sample]:
    return {number: Sample(wall_s, wall_s, 1.0) for number, wall_s in enumerate(seconds)}


def test_a_spread_holds_median_extremes_and_number_of_runs() -> None:
    assert Spread.of([3.0, 1.0, 2.0, 9.0]) == Spread(2.5, 1.0, 9.0, 4)


def test_no_runs_have_no_spread() -> None:
    with pytest.raises(StatisticsError):
        Spread.of([])


def test_each_metric_has_a_spread_of_its_own() -> None:
    rounds = {0: Sample(1.0, 2.0, 30.0), 1: Sample(3.0, 2.0, 10.0)}

    found = spreads(rounds)

    assert [found[name].median for name in ("wall_s", "cpu_s", "peak_mb")] == [2.0, 2.0, 20.0]


def test_a_ratio_is_the_median_of_the_rounds_and_not_the_ratio_of_medians() -> None:
    ours, other = walls(1.0, 2.0, 30.0), walls(10.0, 2.0, 15.0)

    assert ratio(ours, [other], "wall_s") == 1.0
    assert spreads(ours)["wall_s"].median / spreads(other)["wall_s"].median == 0.2


@given(st.floats(0.1, 10), st.lists(st.floats(0.5, 100), min_size=1, max_size=9))
def test_a_machine_that_drifts_leaves_the_ratio_alone(true: float, speeds: list[float]) -> None:
    ours, other = walls(*(true * speed for speed in speeds)), walls(*speeds)

    assert ratio(ours, [other], "wall_s") == pytest.approx(true)


def test_the_fastest_of_each_round_is_what_counts() -> None:
    assert ratio(walls(6.0, 6.0), [walls(2.0, 3.0), walls(3.0, 2.0)], "wall_s") == 3.0


def test_a_round_that_the_other_sat_out_is_left_out() -> None:
    assert ratio(walls(2.0, 100.0, 100.0), [walls(1.0)], "wall_s") == 2.0


def test_there_is_no_ratio_to_somebody_who_never_ran() -> None:
    assert ratio(walls(1.0), [{}], "wall_s") is None
    assert ratio(walls(1.0), [], "wall_s") is None


class TestTargets:
    def test_a_time_has_to_be_at_most_so_many_of_the_other(self) -> None:
        target = Target("≤ 2 × it", 2.0, ["it"])
        measured = target.measured({"waveflow": walls(4.0), "it": walls(2.0)})

        assert measured == 2.0
        assert target.met_by(measured)
        assert not target.met_by(2.01)

    def test_a_throughput_has_to_be_at_least_so_much_of_the_other(self) -> None:
        target = Target("≥ 0.8 × it", 0.8, ["it"], throughput=True)
        measured = target.measured({"waveflow": walls(2.0), "it": walls(1.0)})

        assert measured == 0.5
        assert not target.met_by(measured)
        assert target.met_by(0.8)

    def test_without_another_the_figure_itself_is_limited(self) -> None:
        target = Target("≤ 14 ms", 0.014, (), "cpu_s", "message")

        assert target.measured({"message": walls(0.010, 0.012, 0.020)}) == 0.012

    def test_what_is_not_there_is_passed_over(self) -> None:
        target = Target("≤ 1 × the faster", 1.0, ["here", "not here"])

        assert target.measured({"waveflow": walls(1.0), "here": walls(2.0)}) == 0.5

    def test_nothing_to_compare_with_is_no_measurement(self) -> None:
        target = Target("≤ 1 × it", 1.0, ["it"])

        assert target.measured({"waveflow": walls(1.0)}) is None
        assert target.measured({"it": walls(1.0)}) is None
