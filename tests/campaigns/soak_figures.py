"""What a worker uses while it works, sample by sample, and whether that stays the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil
from attrs import frozen

FIFTHS = 5
_SLOTS, _SPARE, _CLIENTS = 8, 4, 3
MOST_CONNECTIONS = (_SLOTS + _SPARE) * _CLIENTS
"""What the pools of S3, of SQS and of the webhooks keep open at most."""
_MEMORY_GROWTH = 0.05
_MEMORY_GROWTH_MB = 12.0
"""Less is no growth: caches fill up to some MB, and a small process isn't to be blamed for it."""
_THROUGHPUT_LOSS = 0.10
_WINDOWS = 5
"""Memory is read at moments, and children come and go: so the median of the first fifth of the
samples is compared with that of the last."""


@frozen
class Sample:
    """One look at the worker.

    Attributes:
        done: messages that had come to their end.
        at_s: monotonic time.
        parent_mb: proportional set size of the main process, MB of 1024² bytes.
        resident_mb: its resident set.
        tree_mb: proportional set sizes of it and all of its children.
        descriptors: of the main process, without its connections and the one to each child that
            decodes: these come and go, and are few.
        connections: over TCP.
        threads: of the main process.
        worker_cpu_s: processor time of the worker and all of its children so far.
        server_cpu_s: the same of the S3 and SQS server.
    """

    done: int
    at_s: float
    parent_mb: float
    resident_mb: float
    tree_mb: float
    descriptors: int
    connections: int
    threads: int
    worker_cpu_s: float
    server_cpu_s: float

    def __str__(self) -> str:
        return (
            f"{self.done:>7} done  parent {self.parent_mb:6.1f} MB PSS"
            f" {self.resident_mb:6.1f} MB RSS  tree {self.tree_mb:6.1f} MB PSS"
            f"  {self.descriptors} + {self.connections:>2} descriptors {self.threads:>3} threads"
            f"  worker {self.worker_cpu_s:7.1f} s CPU  server {self.server_cpu_s:7.1f} s CPU"
        )


def take_sample(done: int, worker_pid: int, server_pid: int) -> Sample:
    """Look at the processes now."""
    worker = psutil.Process(worker_pid)
    children = worker.children(recursive=True)
    decoding = len(children) - len(worker.children())
    connections = len(worker.net_connections("tcp"))
    return Sample(
        done=done,
        at_s=time.monotonic(),
        parent_mb=_proportional_mb(worker_pid),
        resident_mb=worker.memory_info().rss / 1024**2,
        tree_mb=sum(_proportional_mb(process.pid) for process in (worker, *children)),
        descriptors=worker.num_fds() - connections - decoding,
        connections=connections,
        threads=worker.num_threads(),
        worker_cpu_s=sum(_cpu_s(process) for process in (worker, *children)),
        server_cpu_s=_cpu_s(psutil.Process(server_pid)),
    )


def _proportional_mb(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _cpu_s(process: psutil.Process) -> float:
    """Of the process, and of its children that have ended."""
    with suppress(psutil.Error):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0


@frozen
class Fifth:
    """A fifth of all messages.

    Attributes:
        per_s: messages per second.
        cpu_ms: processor time of the worker and its children, per message.
        server_cpu_ms: the same of the S3 and SQS server.
    """

    per_s: float
    cpu_ms: float
    server_cpu_ms: float

    def __str__(self) -> str:
        return (
            f"{self.per_s:6.1f} messages/s  worker {self.cpu_ms:5.1f} ms CPU"
            f"  server {self.server_cpu_ms:5.1f} ms CPU per message"
        )


@frozen
class Soaked:
    """What was seen of a run.

    Attributes:
        samples: under load, at equal distances.
        begun, ended: one sample for each fifth, before it and when its last message is done.
        resting: one sample after each fifth, when nothing has been done for a moment.
        settled: messages after which memory may not grow any more.
    """

    samples: Sequence[Sample]
    begun: Sequence[Sample]
    ended: Sequence[Sample]
    resting: Sequence[Sample]
    settled: int

    def fifths(self) -> list[Fifth]:
        """Speed and cost of each fifth."""
        return [_between(a, b) for a, b in zip(self.begun, self.ended, strict=True)]

    def growths(self) -> dict[str, float]:
        """By which share memory has grown since it should have settled."""
        return {name: growth for name, (growth, _) in self._all_growths().items()}

    def _all_growths(self) -> dict[str, tuple[float, float]]:
        """The same, with the growth in MB."""
        return {
            "the main process (PSS)": self._growth(lambda sample: sample.parent_mb),
            "the main process (RSS)": self._growth(lambda sample: sample.resident_mb),
            "all processes (PSS)": self._growth(lambda sample: sample.tree_mb),
        }

    def _growth(self, of: Callable[[Sample], float]) -> tuple[float, float]:
        settled = [of(sample) for sample in self.samples if sample.done >= self.settled]
        window = max(len(settled) // _WINDOWS, 1)
        first, last = median(settled[:window]), median(settled[-window:])
        return last / first - 1, last - first

    def counts(self) -> dict[str, list[int]]:
        """What has to be the same whenever the worker rests."""
        return {
            "descriptors": [sample.descriptors for sample in self.resting],
            "threads": [sample.threads for sample in self.resting],
        }

    def problems(self, *, judge_speed: bool = True) -> list[str]:
        """What doesn't stay the same, and should.

        Args:
            judge_speed: whether the machine is quiet enough to be timed.
        """
        found = [
            f"memory of {name} has grown by {growth:.1%}, {growth_mb:.1f} MB"
            for name, (growth, growth_mb) in self._all_growths().items()
            if growth >= _MEMORY_GROWTH and growth_mb >= _MEMORY_GROWTH_MB
        ]
        for name, counts in self.counts().items():
            # A thread, or a session with its descriptors, may be made when it is needed first.
            if len(set(counts[1:])) > 1:
                found.append(f"{name} at rest: {counts}")
        connections = [sample.connections for sample in self.resting]
        if max(connections) > MOST_CONNECTIONS:
            found.append(f"connections at rest: {connections}")
        _, second, *_, last = self.fifths()
        if judge_speed and 1 - last.per_s / second.per_s > _THROUGHPUT_LOSS:
            found.append(f"throughput: second fifth {second.per_s:.1f}/s, last {last.per_s:.1f}/s")
        return found


def _between(a: Sample, b: Sample) -> Fifth:
    done = b.done - a.done
    return Fifth(
        done / (b.at_s - a.at_s),
        (b.worker_cpu_s - a.worker_cpu_s) / done * 1000,
        (b.server_cpu_s - a.server_cpu_s) / done * 1000,
    )
