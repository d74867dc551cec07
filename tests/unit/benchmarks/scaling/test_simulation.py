from __future__ import annotations

import pytest
from attrs import evolve

from benchmarks.scaling.assumptions import Assumptions, Group, Load
from benchmarks.scaling.service import ServiceTimes
from benchmarks.scaling.simulation import Outcome, percentile, simulate

SMALL = Assumptions(load=Load(stems_per_hour=600.0), hours=0.5, from_hour=19.75)
TIMES = ServiceTimes.read()


def run(assumed: Assumptions) -> Outcome:
    return simulate(assumed, TIMES)


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    assert run(SMALL) == run(SMALL)
    assert run(SMALL) != run(evolve(SMALL, seed=2))


def test_nothing_is_lost_and_nothing_done_twice() -> None:
    outcome = run(SMALL)
    assert outcome.stems > 200
    assert (outcome.unfinished, outcome.redone, outcome.told_twice) == (0, 0, 0)
    # Each stem has one hash, and then either an analysis or the end of a duplicate.
    assert outcome.told["hash"] == outcome.told["analysis"] + outcome.told["duplicate"]


@pytest.mark.parametrize("notice_s", [0.0, 120.0])
def test_nothing_is_lost_when_instances_are_interrupted(notice_s: float) -> None:
    group = Group(
        at_start=3, least=3, spot_share=1.0, interruptions_per_hour=20.0, notice_s=notice_s
    )
    outcome = run(evolve(SMALL, load=Load(stems_per_hour=3_000.0), group=group))
    assert outcome.interruptions > 10
    assert outcome.unfinished == 0
    assert (outcome.redone > 0) is (notice_s == 0.0)


def test_a_kill_makes_some_wait_for_their_leases() -> None:
    group = Group(at_start=6, least=6, spot_share=1.0, interruptions_per_hour=6.0)
    busy = evolve(SMALL, load=Load(stems_per_hour=6_000.0))
    drained = run(evolve(busy, group=group))
    killed = run(evolve(busy, group=evolve(group, notice_s=0.0)))
    assert killed.longest_s > 40.0 > drained.longest_s


def test_more_than_the_group_can_do_makes_everybody_wait() -> None:
    busy = evolve(SMALL, load=Load(stems_per_hour=10_000.0), hours=0.4)
    one, many = (run(evolve(busy, group=Group(most=most, at_start=most))) for most in (1, 6))
    assert one.p99_s > 60.0 > many.p99_s
    assert one.most_visible > 200
    assert one.unfinished == 0


def test_a_part_stands_for_the_whole() -> None:
    cell = evolve(SMALL, cell=10)
    part, whole = run(cell), run(SMALL)
    assert part.p99_s == whole.p99_s
    assert part.stems == 10 * whole.stems
    assert part.instance_hours == pytest.approx(10 * whole.instance_hours)


def test_an_instance_that_is_there_costs_its_time() -> None:
    outcome = run(evolve(SMALL, group=Group(least=2, at_start=2)))
    assert outcome.instance_hours == pytest.approx(1.0)
    assert outcome.instances == 2.0


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([1.0, 2.0, 3.0, 4.0], 0.5, 2.0), ([1.0, 2.0, 3.0], 0.99, 3.0), ([5.0], 0.01, 5.0)],
)
def test_percentiles_are_values_that_occurred(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected
