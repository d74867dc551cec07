"""One run: uploads, queue, main server and instances, and what came of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import simpy
from attrs import frozen

from benchmarks.scaling.assumptions import Assumptions
from benchmarks.scaling.fleet import Fleet
from benchmarks.scaling.instance import Instance, utilisation
from benchmarks.scaling.load import Uploads
from benchmarks.scaling.messages import Queue
from benchmarks.scaling.platform import Platform
from benchmarks.scaling.service import ServiceTimes

LONGEST_TAIL_S = 12 * 3600.0
"""What hasn't come to its end so long after the last upload never will."""


@frozen
class Outcome:
    """What a run came to. Counts are of the real thing, not of the cell.

    Attributes:
        stems: uploaded.
        p50_s, p99_s: time-to-waveform, from the stem's first message to `/completion`.
        longest_s: the longest of these.
        mix_p50_s, mix_p99_s: from a mix's message to `/mixing-complete`.
        unfinished: stems that never came to their end.
        redone: messages whose work an end of an instance broke off.
        told_twice: webhooks sent a second time.
        instances, most_instances: mean and largest number in service.
        instance_hours, spot_hours: of all; spot_hours is the part on spot instances.
        most_visible, most_lent: messages on the queue, and with workers.
        messages_per_s, webhooks_per_s: in the uploads' hours, on average.
        used: share of what the instances had: cpu, network (1 is the baseline), slots.
        bytes_read: from S3.
        told: webhooks by task.
        interruptions: of spot instances.
        recovery_s: from the end of the spike until the queue was empty; None if it never was.
    """

    stems: int
    p50_s: float
    p99_s: float
    longest_s: float
    mix_p50_s: float
    mix_p99_s: float
    unfinished: int
    redone: int
    told_twice: int
    instances: float
    most_instances: int
    instance_hours: float
    spot_hours: float
    most_visible: int
    most_lent: int
    messages_per_s: float
    webhooks_per_s: float
    used: dict[str, float]
    bytes_read: float
    told: dict[str, int]
    interruptions: int
    recovery_s: float | None


def simulate(assumed: Assumptions, times: ServiceTimes) -> Outcome:
    """One run; the same for the same assumptions."""
    env = simpy.Environment()

    # Each has its own, so that the same stems come whatever else is changed.
    def draws(name: str) -> random.Random:
        return random.Random(f"{assumed.seed}/{name}")

    queue = Queue(env, assumed.services.sqs_s)
    uploads = Uploads(assumed.load, draws("uploads"))
    platform = Platform(env, assumed, queue, uploads, draws("server"))
    work = draws("work")

    def make(spot: bool) -> Instance:
        return Instance(env, assumed, times, queue, platform, work, spot)

    fleet = Fleet(env, assumed, queue, draws("group"), make)
    until_s = assumed.hours * 3600
    env.process(platform.take_uploads(until_s))
    env.run(until_s)
    uploading = _Counts.of(platform, fleet, env.now)
    while _open(platform, queue) and env.now < until_s + LONGEST_TAIL_S:
        env.run(env.now + 60)
    return _outcome(assumed, platform, queue, fleet, uploading)


def _open(platform: Platform, queue: Queue) -> bool:
    # Bursts that are still coming in have no message yet.
    return bool(platform.unfinished or queue.visible() or queue.lent)


@frozen
class _Counts:
    """What is counted while uploads come: the tail, in which everything ends, isn't typical."""

    sent: int
    told: int
    instance_s: float
    spot_s: float
    samples: int
    used: dict[str, float]
    stems: int
    bytes_read: float

    @classmethod
    def of(cls, platform: Platform, fleet: Fleet, now_s: float) -> _Counts:
        instances = fleet.instances
        return cls(
            sent=sum(platform.sent.values()),
            told=sum(platform.told.values()),
            instance_s=_lived_s(instances, now_s),
            spot_s=_lived_s([each for each in instances if each.spot], now_s),
            samples=len(fleet.sizes),
            used=utilisation(instances, now_s),
            stems=platform.stems,
            bytes_read=sum(each.link.done for each in instances),
        )


def _lived_s(instances: Sequence[Instance], now_s: float) -> float:
    ends = ((each.ended_s if each.ended_s is not None else now_s) for each in instances)
    return sum(end - each.started_s for end, each in zip(ends, instances, strict=True))


def _outcome(
    assumed: Assumptions, platform: Platform, queue: Queue, fleet: Fleet, counts: _Counts
) -> Outcome:
    cell, seconds = assumed.cell, assumed.hours * 3600
    waits = sorted(platform.waits_s)
    mixes = sorted(platform.mix_waits_s)
    sizes = fleet.sizes[: counts.samples]
    return Outcome(
        stems=counts.stems * cell,
        p50_s=percentile(waits, 0.5),
        p99_s=percentile(waits, 0.99),
        longest_s=percentile(waits, 1.0),
        mix_p50_s=percentile(mixes, 0.5),
        mix_p99_s=percentile(mixes, 0.99),
        unfinished=len(platform.unfinished) * cell,
        redone=sum(each.redone for each in fleet.instances) * cell,
        told_twice=(sum(platform.told.values()) - sum(platform.sent.values())) * cell,
        instances=sum(sizes) / max(len(sizes), 1) * cell,
        most_instances=max(sizes, default=0) * cell,
        instance_hours=counts.instance_s / 3600 * cell,
        spot_hours=counts.spot_s / 3600 * cell,
        most_visible=max(fleet.depths, default=0) * cell,
        most_lent=queue.most_lent * cell,
        messages_per_s=counts.sent / seconds * cell,
        webhooks_per_s=counts.told / seconds * cell,
        used=dict(sorted(counts.used.items())),
        bytes_read=counts.bytes_read * cell,
        told={task: told * cell for task, told in platform.told.items()},
        interruptions=fleet.interrupted * cell,
        recovery_s=_recovery_s(assumed, fleet.depths),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in order: the smallest that is not under `share` of them; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1]


def _recovery_s(assumed: Assumptions, depths: Sequence[int]) -> float | None:
    load, group = assumed.load, assumed.group
    if load.spike_factor == 1.0:
        return None
    ends_s = (load.spike_from_h + load.spike_h - assumed.from_hour) * 3600
    for number, depth in enumerate(depths):
        at_s = (number + 1) * group.metric_s
        if at_s >= ends_s and depth == 0:
            return at_s - ends_s
    return None
