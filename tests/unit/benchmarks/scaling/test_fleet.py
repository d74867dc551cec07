from __future__ import annotations

import random

import pytest
import simpy
from attrs import define, evolve, field

from benchmarks.scaling.assumptions import Assumptions, Group
from benchmarks.scaling.fleet import Alarms, Fleet
from benchmarks.scaling.instance import Instance
from benchmarks.scaling.load import Uploads
from benchmarks.scaling.messages import Queue
from benchmarks.scaling.platform import Platform
from benchmarks.scaling.service import ServiceTimes

RULES = Group(backlog_target=100.0, launch_s=90.0, metric_s=60.0, metric_delay_s=60.0)


@define(eq=False)
class ToldDepth(Queue):
    """A queue with nothing on it that says otherwise."""

    depth: int = field(default=0, kw_only=True)

    def visible(self) -> int:
        return self.depth


@define
class Rig:
    """A group whose backlog is what the test says."""

    group: Group = RULES
    env: simpy.Environment = field(factory=simpy.Environment)
    queue: ToldDepth = field(init=False)
    fleet: Fleet = field(init=False)

    def __attrs_post_init__(self) -> None:
        assumed, draw = Assumptions(group=self.group), random.Random(1)
        self.queue = ToldDepth(self.env, 0.01)
        nothing = Queue(self.env, 0.01)
        uploads = Uploads(assumed.load, draw)
        platform, times = Platform(self.env, assumed, nothing, uploads, draw), ServiceTimes.read()

        def make(spot: bool) -> Instance:
            return Instance(self.env, assumed, times, nothing, platform, draw, spot)

        self.fleet = Fleet(self.env, assumed, self.queue, draw, make)

    def size_at(self, minute: float) -> int:
        self.env.run(minute * 60)
        return len(self.fleet.in_service())


def test_a_step_in_the_backlog_is_answered_after_three_points_a_delay_and_a_launch() -> None:
    rig = Rig()
    rig.queue.depth = 950
    # Points at 1, 2 and 3 minutes, the last is seen at 4, the launch takes one and a half.
    assert rig.size_at(5.4) == 1
    assert rig.size_at(5.6) == 10


def test_what_is_being_launched_is_not_launched_again() -> None:
    rig = Rig(evolve(RULES, launch_s=600.0))
    rig.queue.depth = 950
    assert rig.size_at(20) == 10


def test_a_group_never_grows_beyond_its_largest_size() -> None:
    rig = Rig(evolve(RULES, most=4))
    rig.queue.depth = 5_000
    assert rig.size_at(60) == 4


def test_a_short_peak_starts_nothing() -> None:
    rig = Rig()
    rig.queue.depth = 950
    rig.env.run(150)
    rig.queue.depth = 0
    assert rig.size_at(30) == 1


def test_instances_are_taken_away_after_fifteen_quiet_minutes_and_by_halves() -> None:
    rig = Rig(evolve(RULES, at_start=9))
    assert rig.size_at(15.9) == 9
    assert rig.size_at(16.1) == 4
    assert rig.size_at(120) == 1


def test_one_policy_that_needs_the_instances_keeps_them() -> None:
    # No backlog, and no traffic either: the second policy, too, could do with less.
    assert Rig(evolve(RULES, at_start=4, network_target=0.75)).size_at(60) == 1
    busy = Rig(evolve(RULES, at_start=4, network_target=0.75))
    for instance in busy.fleet.instances:
        instance.link.serve(1e15)
    assert busy.size_at(15.9) >= 4


def test_notice_of_an_interruption_starts_another_and_drains() -> None:
    group = evolve(RULES, spot_share=1.0, interruptions_per_hour=60.0, most=1)
    rig = Rig(group)
    rig.env.run(3600)
    assert rig.fleet.interrupted > 5
    assert all(each.ended_s is not None for each in rig.fleet.instances[:-2])


@pytest.mark.parametrize(
    ("ratios", "wanted"),
    [
        ([2.0, 2.0], None),
        ([2.0, 2.0, 2.0], 8),
        ([2.0, 1.0, 2.0], None),
        ([2.0, 1.5, 1.26], 6),
        ([0.0] * 14, None),
        ([0.0] * 15, 2),
        ([0.95] * 30, None),
    ],
)
def test_alarms_follow_target_tracking(ratios: list[float], wanted: int | None) -> None:
    alarms = Alarms(high_points=3, low_points=15)
    assert [alarms.wanted(ratio, 4) for ratio in ratios][-1] == wanted


def test_data_points_from_before_a_change_count_no_more() -> None:
    alarms = Alarms(high_points=3, low_points=15)
    assert [alarms.wanted(2.0, 4) for _ in range(3)][-1] == 8
    alarms.settle()
    assert alarms.wanted(2.0, 8) is None
