"""The auto-scaling group: a metric each minute, alarms, launches, spot interruptions."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable

import simpy
from attrs import define, field

from benchmarks.scaling.assumptions import Assumptions, Group
from benchmarks.scaling.instance import Instance
from benchmarks.scaling.messages import Queue, Steps

_LOW = 0.9
"""Target tracking scales in once the metric has been this share of the target for long."""


@define(eq=False)
class Alarms:
    """Target tracking for one metric: how many instances it wants, if it wants a change."""

    high_points: int
    low_points: int
    _points: deque[float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._points = deque(maxlen=max(self.high_points, self.low_points))

    def wanted(self, ratio: float, instances: int) -> int | None:
        """With one more data point: metric / target. None while no alarm is raised."""
        self._points.append(ratio)
        points = list(self._points)
        if len(points) >= self.high_points and min(points[-self.high_points :]) > 1.0:
            return math.ceil(instances * ratio - 1e-9)
        if len(points) >= self.low_points and max(points[-self.low_points :]) < _LOW:
            # It takes away less than it could: half of what would be too many.
            return math.floor((instances + instances * ratio) / 2)
        return None

    def settle(self) -> None:
        """Something was changed: data points from before say nothing any more."""
        self._points.clear()


@define(eq=False)
class Fleet:
    """Instances as the group's rules start and end them.

    Attributes:
        instances: all that ever ran.
        sizes: how many ran, at each data point.
        depths: visible messages, at each data point.
    """

    env: simpy.Environment
    assumed: Assumptions
    queue: Queue
    draw: random.Random
    make: Callable[[bool], Instance]
    instances: list[Instance] = field(factory=list)
    sizes: list[int] = field(factory=list)
    depths: list[int] = field(factory=list)
    interrupted: int = 0
    _launching: int = 0
    _carried: dict[Instance, float] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        for _ in range(self.group.at_start):
            self._start()
        self.env.process(self._scale())

    @property
    def group(self) -> Group:
        """Its rules."""
        return self.assumed.group

    def in_service(self) -> list[Instance]:
        """Those that take messages."""
        return [each for each in self.instances if not each.leaving]

    def _start(self) -> None:
        instance = self.make(self.draw.random() < self.group.spot_share)
        self.instances.append(instance)
        if instance.spot and self.group.interruptions_per_hour > 0:
            self.env.process(self._interrupt(instance))

    def _launch(self) -> Steps:
        self._launching += 1
        yield self.env.timeout(self.group.launch_s)
        self._launching -= 1
        self._start()

    def _interrupt(self, instance: Instance) -> Steps:
        yield self.env.timeout(self.draw.expovariate(self.group.interruptions_per_hour / 3600))
        if instance.leaving:
            return
        self.interrupted += 1
        # AWS starts another when it gives notice of this one's end (capacity rebalancing).
        self.env.process(self._launch())
        if self.group.notice_s > 0:
            self.env.process(instance.drain())
            yield self.env.timeout(self.group.notice_s)
        instance.kill()

    def _scale(self) -> Steps:
        group = self.group
        backlog = Alarms(group.high_points, group.low_points)
        network = Alarms(group.high_points, group.low_points)
        while True:
            yield self.env.timeout(group.metric_s)
            running = len(self.in_service())
            self.sizes.append(running)
            self.depths.append(self.queue.visible())
            ratios = [(backlog, self.queue.visible() / (group.backlog_target * max(running, 1)))]
            if group.network_target is not None:
                ratios.append((network, self._network_share() / group.network_target))
            self.env.process(self._act(ratios))

    def _network_share(self) -> float:
        """Of the baseline, since the last data point, on average."""
        share = 0.0
        running = self.in_service()
        for instance in running:
            carried = instance.link.done
            since = carried - self._carried.get(instance, 0.0)
            self._carried[instance] = carried
            share += since / (self.assumed.machine.network * self.group.metric_s)
        return share / max(len(running), 1)

    def _act(self, ratios: list[tuple[Alarms, float]]) -> Steps:
        yield self.env.timeout(self.group.metric_delay_s)
        running = len(self.in_service())
        wishes = [alarms.wanted(ratio, running) for alarms, ratio in ratios]
        now = running + self._launching
        wanted = max((wish for wish in wishes if wish is not None), default=now)
        # Any policy may add instances; taking away needs the consent of all.
        if wanted < now and (self._launching or None in wishes):
            return
        wanted = min(max(wanted, self.group.least), self.group.most)
        for _ in range(wanted - now):
            self.env.process(self._launch())
        for instance in self.in_service()[: max(now - wanted, 0)]:
            self.env.process(instance.drain())
        if wanted != now:
            for alarms, _ in ratios:
                alarms.settle()
