"""What is counted when a task ends."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import product
from threading import Lock

from attrs import define, field, frozen

from waveflow.application.disposition import OUTCOME_NAMES
from waveflow.entrypoints.metrics.table import BUCKETS_S, REFUSALS, code_label
from waveflow.entrypoints.worker.lanes import TASKS
from waveflow.entrypoints.worker.summary import TaskSummary

Labels = tuple[str, ...]


@frozen
class HistogramReading:
    """How many durations were at most as long as each bound of `BUCKETS_S`, and how long all."""

    cumulated: tuple[int, ...]
    count: int
    total_s: float


Reading = float | HistogramReading
Readings = dict[str, dict[Labels, Reading]]
"""By name of the metric without its prefix, and by the values of its labels."""


@define
class _Histogram:
    counts: list[int] = field(factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds

    def reading(self) -> HistogramReading:
        so_far, cumulated = 0, []
        for count in self.counts[:-1]:
            so_far += count
            cumulated.append(so_far)
        return HistogramReading(tuple(cumulated), sum(self.counts), self.total_s)


class TaskFigures:
    """Counters and histograms of tasks. Thread-safe; numbers never go back."""

    def __init__(self) -> None:
        """All at 0: what appears with its first count has no rate before."""
        self._lock = Lock()
        self._outcomes: Counter[Labels] = Counter(dict.fromkeys(product(TASKS, OUTCOME_NAMES), 0))
        self._failures: Counter[Labels] = Counter()
        self._refusals: Counter[Labels] = Counter({(code,): 0 for code in REFUSALS})
        self._size_bytes = dict.fromkeys(TASKS, 0)
        self._audio_s = dict.fromkeys(TASKS, 0.0)
        self._durations: defaultdict[Labels, _Histogram] = defaultdict(_Histogram)
        self._stages: defaultdict[Labels, _Histogram] = defaultdict(_Histogram)

    def observe(self, summary: TaskSummary) -> None:
        """A task has ended."""
        task = summary.task
        with self._lock:
            self._outcomes[task, summary.outcome] += 1
            if summary.code is not None:
                self._failures[task, code_label(summary.code)] += 1
                if task == "duplicate" and summary.code in REFUSALS:
                    self._refusals[summary.code,] += 1
            self._size_bytes[task] += summary.size_bytes
            self._audio_s[task] += summary.audio_s
            self._durations[task,].observe(summary.seconds)
            for stage, seconds in summary.stages.items():
                self._stages[task, stage].observe(seconds)
            if summary.is_first:
                self._stages[task, "wait"].observe(summary.wait_s)

    def readings(self) -> Readings:
        """Everything so far, as of one moment."""
        with self._lock:
            return {
                "tasks_total": {**self._outcomes},
                "task_failures_total": {**self._failures},
                "retries_total": {(task,): self._outcomes[task, "retried"] for task in TASKS},
                "task_duration_seconds": _read(self._durations),
                "stage_duration_seconds": _read(self._stages),
                "stem_bytes_total": {(task,): count for task, count in self._size_bytes.items()},
                "audio_seconds_total": {(task,): taken for task, taken in self._audio_s.items()},
                "deletions_refused_total": {**self._refusals},
            }


def _read(histograms: Mapping[Labels, _Histogram]) -> dict[Labels, Reading]:
    return {labels: histogram.reading() for labels, histogram in histograms.items()}
