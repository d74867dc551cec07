"""The two tasks that look after the service itself: health report and work-folder sweep."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import structlog
from attrs import field, frozen

from waveflow.application.disk_errors import translated
from waveflow.application.ports import AudioStorage
from waveflow.application.tally import Tally
from waveflow.application.work_folder import Sweep, WorkFolder
from waveflow.domain.errors import ObjectNotFound

_log = structlog.get_logger(__name__)

_PROBE_KEY = "ledger/_/health-probe"
"""Never written: asking for it shows whether the storage answers."""


@frozen
class Check:
    """One thing that has to work, and what is wrong when it doesn't."""

    name: str
    problem: str | None = None


@frozen
class HealthReport:
    """How the service is.

    Attributes:
        free_work_bytes: room left for work files; None when the folder can't be used.
        counts: what was counted since the start.
    """

    checks: tuple[Check, ...]
    free_work_bytes: int | None
    counts: dict[str, int]

    @property
    def healthy(self) -> bool:
        """Whether every check passed."""
        return all(check.problem is None for check in self.checks)


@frozen
class ReportHealth:
    """Looks at what the tasks depend on."""

    storage: AudioStorage
    work_folder: WorkFolder
    check_codec: Callable[[], object]
    tally: Tally = field(factory=Tally)

    def report(self) -> HealthReport:
        """Check storage, work folder and codec, one independent of the other, and log it."""
        report = HealthReport(
            checks=(
                _check("storage", self._ask_storage),
                _check("work_folder", self._try_work_folder),
                _check("codec", self.check_codec),
            ),
            free_work_bytes=self._free_work_bytes(),
            counts=self.tally.counts(),
        )
        _log.info(
            "health",
            healthy=report.healthy,
            **{check.name: check.problem or "ok" for check in report.checks},
            free_work_bytes=report.free_work_bytes,
            counts=report.counts,
        )
        return report

    def _ask_storage(self) -> None:
        try:
            self.storage.stat(_PROBE_KEY)
        except ObjectNotFound:
            return

    def _try_work_folder(self) -> None:
        with self.work_folder.task() as folder, translated(self.work_folder.root):
            (folder / "probe").write_bytes(b"probe")

    def _free_work_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.work_folder.root).free
        except OSError:
            return None


def _check(name: str, attempt: Callable[[], object]) -> Check:
    try:
        attempt()
    except Exception as error:  # whatever it is, the other checks are to be heard as well
        return Check(name, str(error) or repr(error))
    return Check(name)


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
