"""What a thousand stems cost, and which shared limit they come up against."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import islice

from attrs import frozen

from benchmarks.scaling.assumptions import Load
from benchmarks.scaling.load import Stem, Uploads
from benchmarks.scaling.requests import MIX_READS_PER_STEM, PER_MESSAGE, parts_of
from benchmarks.scaling.simulation import Outcome

SAMPLE = 20_000


@frozen
class Prices:
    """In US dollars: list prices of us-east-1 as remembered in November 2026; check them.

    Attributes:
        spot: an average over months; it moves.
        disk_h: 40 GB of gp3 with each instance, as the template has it.
        address_h: a public IPv4 address with each instance.
        monitoring_h: its seven figures by the minute, which the second policy needs.
        logs_gb: CloudWatch Logs, taken in.
        nat_gb: what a NAT gateway takes for each GB through it.
    """

    on_demand_h: float = 0.08925
    spot_h: float = 0.036
    disk_h: float = 40 * 0.08 / 730
    address_h: float = 0.005
    monitoring_h: float = 7 * 0.30 / 730
    s3_writes_1000: float = 0.005
    s3_reads_1000: float = 0.0004
    sqs_million: float = 0.40
    logs_gb: float = 0.50
    internet_gb: float = 0.09
    nat_gb: float = 0.045

    def instance_h(self, spot_share: float) -> float:
        """An hour of one instance, with its disk, its address and its figures."""
        machine = spot_share * self.spot_h + (1 - spot_share) * self.on_demand_h
        return machine + self.disk_h + self.address_h + self.monitoring_h


LOG_BYTES = 2_000
"""Of one message: three lines."""
WEBHOOK_BYTES = 2_000
"""Of one webhook, with headers and what TLS adds."""
SQS_PER_MESSAGE = 3.0
"""Sent, received, deleted; batches make it less, heartbeats of long work a little more."""
SQS_IDLE_H = 180.0
"""Long polls of one instance that has nothing to do."""


@frozen
class PerStem:
    """Requests that one stem causes on average, the mixes of its stages included.

    Attributes:
        bytes: of the upload.
        read_bytes: from S3, all its readings together.
        messages: on the queue.
        reads, writes: of S3, by the first part of the key.
    """

    bytes: float
    read_bytes: float
    messages: float
    reads: Mapping[str, float]
    writes: Mapping[str, float]

    @classmethod
    def of(cls, load: Load, seed: int = 1) -> PerStem:
        """The mean of many stems as `load` has them."""
        stems = list(islice(_stems(load, seed), SAMPLE))
        duplicates = load.duplicate_share
        mixed = load.burst_share * (1 - duplicates)
        mixes = load.burst_share / (sum(load.burst_stems) / 2)
        parts = sum(map(parts_of, stems)) / len(stems)
        size = sum(stem.bytes for stem in stems) / len(stems)
        readings = 1 + (1 - duplicates) + 2 * duplicates
        return cls(
            bytes=size,
            read_bytes=size * (readings + mixed),
            messages=2 + mixes,
            reads={
                # A duplicate's HEAD, and the HEADs of a mix, come on top of what is read.
                "users": parts * (readings + mixed) + duplicates + mixed * (MIX_READS_PER_STEM - 1),
                "waveforms": 1 - duplicates + mixes * PER_MESSAGE["mix"].reads,
                "ledger": duplicates,
                "removed": duplicates,
            },
            writes={
                "ledger": 1 + duplicates,
                "waveforms": 1 - duplicates + mixes,
                "mixed": mixes,
                "removed": duplicates,
                "users": duplicates,
            },
        )


def _stems(load: Load, seed: int) -> Iterator[Stem]:
    for _, stems in Uploads(load, random.Random(seed)).arrivals(load.peak_hour):
        yield from stems


@frozen
class Bill:
    """Dollars for a thousand stems."""

    instances: float
    s3: float
    sqs: float
    logs: float
    webhooks: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.instances + self.s3 + self.sqs + self.logs + self.webhooks


def bill(outcome: Outcome, each: PerStem, prices: Prices, spot_share: float = 0.0) -> Bill:
    """What the stems of a run cost, per thousand."""
    hours = outcome.instance_hours / max(outcome.stems, 1) * 1000
    requests = 1000 * each.messages * SQS_PER_MESSAGE + hours * SQS_IDLE_H
    gb = 1000 * each.messages / 1e9
    return Bill(
        instances=hours * prices.instance_h(spot_share),
        s3=sum(each.writes.values()) * prices.s3_writes_1000
        + sum(each.reads.values()) * prices.s3_reads_1000,
        sqs=requests / 1e6 * prices.sqs_million,
        logs=gb * LOG_BYTES * prices.logs_gb,
        webhooks=gb * WEBHOOK_BYTES * prices.internet_gb,
    )


S3_READS_PER_S, S3_WRITES_PER_S = 5_500, 3_500
"""For each prefix, what S3 gives at least."""
SQS_IN_FLIGHT = 120_000
"""Messages of a standard queue that may be lent at once."""
NODE_REQUESTS_PER_S = 100.0
"""What one process of a server such as the platform's takes, if each webhook is a transaction."""


def limits(outcome: Outcome, each: PerStem) -> dict[str, float]:
    """How much of each shared limit is used in the hours of the run: 1 is all of it.

    Webhooks are in processes of the server, as nobody has measured it.
    """
    stems_per_s = outcome.webhooks_per_s / each.messages
    return {
        "S3 reads, users/": stems_per_s * each.reads["users"] / S3_READS_PER_S,
        "S3 writes, ledger/": stems_per_s * each.writes["ledger"] / S3_WRITES_PER_S,
        "S3 writes, waveforms/": stems_per_s * each.writes["waveforms"] / S3_WRITES_PER_S,
        "SQS messages in flight": outcome.most_lent / SQS_IN_FLIGHT,
        "webhooks, one process": outcome.webhooks_per_s / NODE_REQUESTS_PER_S,
    }
