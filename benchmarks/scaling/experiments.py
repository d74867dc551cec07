"""The runs of which the document's tables are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from benchmarks.scaling.assumptions import GBIT, Assumptions, Group, Load, Machine, Services

SIZES = (1, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Stems an hour, in the busiest."""
DAYS = (1_000, 10_000)
"""Of these a whole day: below, a day is run anyway; above, all grows in proportion."""
CELL_STEMS = 10_000
"""More an hour than this are simulated as a part of them, with a part of the instances."""
STEMS_PER_INSTANCE = 3_000
"""Where the second policy keeps an instance; to begin with a group of the right size."""
RULES = Group(backlog_target=100.0, network_target=0.75)
"""What is recommended."""

EVENING = Assumptions(
    load=Load(stems_per_hour=10_000.0),
    group=evolve(RULES, at_start=3),
    hours=2.0,
    from_hour=18.5,
)
"""Two hours round the peak, at 10,000 stems an hour: what the other tables vary."""


@frozen
class Experiment:
    """Runs to compare, by what is different about them.

    Attributes:
        name: of the table.
        runs: in the table's order.
    """

    name: str
    runs: Mapping[str, Assumptions]


def experiments() -> list[Experiment]:
    """All of them."""
    return [
        Experiment("sizes", {f"{size:,}": of_size(size) for size in SIZES}),
        Experiment("days", {f"{size:,}": whole_day(size) for size in DAYS}),
        Experiment("one", {"one instance, never enough": saturated()}),
        Experiment("rules", _rules()),
        Experiment("spikes", _spikes()),
        Experiment("spot", _spot()),
        Experiment("server", _server()),
        Experiment("sensitivity", _sensitivity()),
    ]


def of_size(stems_per_hour: int) -> Assumptions:
    """The recommended group at a size, for long enough to see some stems."""
    cell = max(stems_per_hour // CELL_STEMS, 1)
    hours = {1: 1_000.0, 100: 24.0, 1_000: 6.0}.get(stems_per_hour, EVENING.hours)
    in_cell = stems_per_hour / cell
    return evolve(
        EVENING,
        load=Load(stems_per_hour=in_cell),
        group=evolve(RULES, at_start=max(math.ceil(in_cell / STEMS_PER_INSTANCE), 1)),
        hours=hours,
        from_hour=16.0 if hours > EVENING.hours else EVENING.from_hour,
        cell=cell,
    )


def whole_day(stems_per_hour: int) -> Assumptions:
    """The same group from one morning to the next: what it costs also at night."""
    return evolve(of_size(stems_per_hour), hours=24.0, from_hour=8.0)


def saturated() -> Assumptions:
    """One instance without credits that is asked for three times what it can do."""
    return evolve(
        EVENING,
        load=Load(stems_per_hour=15_000.0),
        machine=Machine(burst_credit_s=0.0),
        group=Group(most=1),
        hours=1.0,
        from_hour=19.5,
    )


def _rules() -> dict[str, Assumptions]:
    alone = {
        f"backlog {target} alone": evolve(RULES, backlog_target=float(target), network_target=None)
        for target in (25, 50, 100, 200)
    }
    both = {
        f"backlog 100, network {target:.0%}": evolve(RULES, network_target=target)
        for target in (0.9, 0.75, 0.6)
    }
    return {
        name: evolve(EVENING, group=evolve(group, at_start=3))
        for name, group in (alone | both).items()
    }


def _spikes() -> dict[str, Assumptions]:
    spike = evolve(EVENING.load, spike_factor=10.0, spike_from_h=19.0)
    at_10k = evolve(EVENING, load=spike)
    small = evolve(of_size(1_000), hours=EVENING.hours, from_hour=EVENING.from_hour)
    small = evolve(small, load=evolve(spike, stems_per_hour=1_000.0))
    return {
        "1,000/h, launch 90 s": small,
        "10,000/h, launch 30 s": evolve(at_10k, group=evolve(at_10k.group, launch_s=30.0)),
        "10,000/h, launch 90 s": at_10k,
        "10,000/h, launch 90 s, backlog alone": evolve(
            at_10k, group=evolve(at_10k.group, network_target=None)
        ),
        "10,000/h, launch 300 s": evolve(at_10k, group=evolve(at_10k.group, launch_s=300.0)),
        "10,000/h, at least 10 instances": evolve(
            at_10k, group=evolve(at_10k.group, least=10, at_start=10)
        ),
        "10,000/h, at most 8 instances": evolve(at_10k, group=evolve(at_10k.group, most=8)),
    }


def _spot() -> dict[str, Assumptions]:
    def spot(per_hour: float, notice_s: float = 120.0) -> Assumptions:
        group = evolve(
            EVENING.group, spot_share=1.0, interruptions_per_hour=per_hour, notice_s=notice_s
        )
        return evolve(EVENING, group=group)

    return {
        "on demand": EVENING,
        "spot, 0.01 an hour": spot(0.01),
        "spot, one an hour": spot(1.0),
        "one an hour, killed without notice": spot(1.0, notice_s=0.0),
    }


def _server() -> dict[str, Assumptions]:
    return {
        f"{1 / seconds:.0f} webhooks/s": evolve(
            EVENING, services=Services(webhook_workers=1, webhook_s=seconds)
        )
        for seconds in (0.05, 0.1, 0.125, 0.2)
    }


def _sensitivity() -> dict[str, Assumptions]:
    load, machine, services = EVENING.load, EVENING.machine, EVENING.services
    group = EVENING.group

    def with_machine(**changes: Any) -> Assumptions:
        return evolve(EVENING, machine=evolve(machine, **changes))

    slow_s3 = evolve(services, s3_read_s=0.075, s3_write_s=0.12)
    return {
        "as assumed": EVENING,
        "stems twice as long": evolve(EVENING, load=evolve(load, audio_s=2 * load.audio_s)),
        "bursts of 40 to 80 stems": evolve(EVENING, load=evolve(load, burst_stems=(40, 80))),
        "processors half as fast": with_machine(cpu_factor=2.0),
        "the second hyper-thread adds nothing": with_machine(second_thread=0.0),
        "TLS costs five times as much": with_machine(tls_s_per_byte=5e-9),
        "no network credits": with_machine(burst_credit_s=0.0),
        "network credits for five minutes": with_machine(burst_credit_s=300.0),
        "four times the network (c6in.large)": with_machine(
            network=3.125 * GBIT, network_burst=25 * GBIT
        ),
        "S3 three times as slow": evolve(EVENING, services=slow_s3),
        "webhooks take 0.5 s": evolve(EVENING, services=evolve(services, webhook_s=0.5)),
        "metrics come 2 minutes later": evolve(EVENING, group=evolve(group, metric_delay_s=180.0)),
        "another seed": evolve(EVENING, seed=2),
    }
