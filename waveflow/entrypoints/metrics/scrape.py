"""The answer to a scrape: everything that is known, in the words of Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from waveflow.application.clock import Clock
from waveflow.entrypoints.metrics.figures import Readings, TaskFigures
from waveflow.entrypoints.metrics.sources import WorkerParts
from waveflow.entrypoints.metrics.surroundings import Surroundings


class Metrics:
    """All metrics of one worker. Thread-safe; no scrape asks anything outside of the process."""

    def __init__(
        self,
        figures: TaskFigures,
        parts: WorkerParts,
        surroundings: Surroundings,
        clock: Clock | None = None,
    ) -> None:
        """Metrics of a worker that has just been started, in a registry of their own."""
        from waveflow.entrypoints.metrics.exposition import Exposition

        self._sources = (figures.readings, parts.readings, surroundings.readings)
        self._started_s = (clock or Clock()).unix_s()
        self._lost_lines: Callable[[], int] | None = None
        self._is_ready: Callable[[], bool] | None = None
        self._exposition = Exposition(self.readings)

    def set_log(self, lost_lines: Callable[[], int]) -> None:
        """Ask there how many log lines were lost."""
        self._lost_lines = lost_lines

    def set_ready(self, is_ready: Callable[[], bool]) -> None:
        """Ask there whether the worker is ready; it has to know at once."""
        self._is_ready = is_ready

    def readings(self) -> Readings:
        """Every metric that has a value now."""
        readings: Readings = {
            "info": {(version("waveflow"),): 1},
            "start_time_seconds": {(): self._started_s},
        }
        for read in self._sources:
            readings |= read()
        if self._lost_lines is not None:
            readings["log_lines_lost_total"] = {(): self._lost_lines()}
        if self._is_ready is not None:
            readings["ready"] = {(): float(self._is_ready())}
        return readings

    def render(self) -> tuple[str, bytes]:
        """Content type and body of the answer."""
        return self._exposition.render()
