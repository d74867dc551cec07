"""The two tasks that look after the service itself: health report and work-folder sweep."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

import structlog
from attrs import field, frozen

from waveflow.application.health_checks import Check, DependencyCheck, tried
from waveflow.application.tally import Tally
from waveflow.application.work_folder import Sweep, WorkFolder

_log = structlog.get_logger(__name__)

_LIMIT_S = 10.0
"""For what is asked of others. A decoder may be busy, and is waited for."""


def _nobody_measures() -> float | None:
    return None


@frozen
class HealthReport:
    """How the service is.

    Attributes:
        away: for what breakers are open, so that nothing is received.
        free_work_bytes: room left for work files; None when the folder can't be used.
        memory_mb: what all processes use, in MB of 1024² bytes; None when nobody measures it.
        counts: what was counted since the start.
    """

    checks: tuple[Check, ...]
    free_work_bytes: int | None
    counts: dict[str, int]
    away: tuple[str, ...] = ()
    memory_mb: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether every check passed, and nothing is away."""
        return not self.away and all(check.problem is None for check in self.checks)


@frozen
class ReportHealth:
    """Looks at what the tasks depend on.

    Attributes:
        dependencies: what is tried, side by side, for a limited time.
        check_codec: raises when nothing can be decoded.
        away: for what breakers are open.
        memory_mb: how much memory the service uses.
    """

    dependencies: Sequence[DependencyCheck]
    work_folder: WorkFolder
    check_codec: Callable[[], object]
    tally: Tally = field(factory=Tally)
    away: Callable[[], Sequence[str]] = tuple
    memory_mb: Callable[[], float | None] = _nobody_measures

    def report(self) -> HealthReport:
        """Check everything, one independent of the other, and log it."""
        for dependency in self.dependencies:
            dependency.begin()
        codec = tried("codec", self.check_codec)
        found = (dependency.wait(_LIMIT_S) for dependency in self.dependencies)
        report = HealthReport(
            checks=(*found, codec),
            free_work_bytes=self._free_work_bytes(),
            counts=self.tally.counts(),
            away=tuple(self.away()),
            memory_mb=self.memory_mb(),
        )
        _log.info(
            "health",
            healthy=report.healthy,
            **{check.name: check.problem or "ok" for check in report.checks},
            away=list(report.away),
            free_work_bytes=report.free_work_bytes,
            memory_mb=report.memory_mb,
            counts=report.counts,
        )
        return report

    def _free_work_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.work_folder.root).free
        except OSError:
            return None


@frozen
class CleanWorkFolder:
    """Removes what crashed tasks left behind."""

    work_folder: WorkFolder

    def clean(self) -> Sweep:
        """Sweep the work folder and log what was removed."""
        sweep = self.work_folder.sweep()
        _log.info(
            "work_folder_swept",
            removed_folders=sweep.removed_folders,
            freed_bytes=sweep.freed_bytes,
        )
        return sweep
