"""The health report and the cleaning of the work folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop
from waveflow.application.maintenance import Check, CleanWorkFolder, ReportHealth
from waveflow.application.work_folder import Sweep, WorkFolder
from waveflow.domain.errors import DecoderFailed, StorageUnavailable


def reporter(
    workshop: Workshop,
    *,
    work_folder: WorkFolder | None = None,
    check_codec: Callable[[], object] = lambda: None,
) -> ReportHealth:
    return ReportHealth(
        workshop.storage, work_folder or workshop.work_folder, check_codec, workshop.tally
    )


@pytest.fixture
def broken_folder(tmp_path: Path) -> WorkFolder:
    """A work folder whose place is taken by a file."""
    (tmp_path / "file").write_bytes(b"in the way")
    return WorkFolder(tmp_path / "file" / "work")


def away(step: Step) -> None:
    raise StorageUnavailable("The bucket doesn't answer.")


def crash() -> None:
    raise DecoderFailed("The decoder crashed.")


def test_everything_works(workshop: Workshop) -> None:
    workshop.tally.add("webhook_undelivered")
    report = reporter(workshop).report()
    assert report.healthy
    assert report.checks == (Check("storage"), Check("work_folder"), Check("codec"))
    assert report.counts == {"webhook_undelivered": 1}
    assert report.free_work_bytes
    assert list(workshop.work_folder.root.glob("*")) == []


def test_the_storage_is_asked_and_not_written(workshop: Workshop) -> None:
    reporter(workshop).report()
    assert [step.method for step in workshop.storage.steps] == ["stat"]
    assert workshop.objects() == {}


def test_a_storage_that_holds_what_is_asked_for_answers_too(workshop: Workshop) -> None:
    workshop.upload("ledger/_/health-probe", b"?")
    assert reporter(workshop).report().healthy


def test_a_storage_that_does_not_answer(workshop: Workshop) -> None:
    workshop.storage.before = away
    report = reporter(workshop).report()
    assert not report.healthy
    assert report.checks == (
        Check("storage", "The bucket doesn't answer."),
        Check("work_folder"),
        Check("codec"),
    )


def test_a_work_folder_that_cannot_be_used(workshop: Workshop, broken_folder: WorkFolder) -> None:
    report = reporter(workshop, work_folder=broken_folder).report()
    storage, work_folder, codec = report.checks
    assert (storage, codec) == (Check("storage"), Check("codec"))
    assert work_folder.problem
    assert "WAVEFLOW_WORK_DIR" in work_folder.problem
    assert not report.healthy
    assert report.free_work_bytes is None


def test_a_codec_that_does_not_decode(workshop: Workshop) -> None:
    report = reporter(workshop, check_codec=crash).report()
    assert report.checks[2] == Check("codec", "The decoder crashed.")
    assert not report.healthy


def test_all_parts_may_be_broken_at_once(workshop: Workshop, broken_folder: WorkFolder) -> None:
    workshop.storage.before = away
    report = reporter(workshop, work_folder=broken_folder, check_codec=crash).report()
    assert all(check.problem for check in report.checks)


def test_the_report_is_logged(workshop: Workshop) -> None:
    with capture_logs() as logs:
        report = reporter(workshop, check_codec=crash).report()
    assert logs == [
        {
            "event": "health",
            "log_level": "info",
            "healthy": False,
            "storage": "ok",
            "work_folder": "ok",
            "codec": "The decoder crashed.",
            "free_work_bytes": report.free_work_bytes,
            "counts": {},
        }
    ]


def test_cleaning_sweeps_and_logs(workshop: Workshop) -> None:
    workshop.work_folder.root.mkdir(mode=0o700)
    left = workshop.work_folder.root / "waveflow-task-left"
    left.mkdir()
    (left / "stem").write_bytes(b"drums")
    hour_ago_s = workshop.time.as_clock().unix_s() - 3600.0
    for path in (left / "stem", left):
        os.utime(path, (hour_ago_s, hour_ago_s))
    with capture_logs() as logs:
        assert CleanWorkFolder(workshop.work_folder).clean() == Sweep(1, 5)
    assert logs == [
        {
            "event": "work_folder_swept",
            "log_level": "info",
            "removed_folders": 1,
            "freed_bytes": 5,
        }
    ]
    assert not left.exists()
