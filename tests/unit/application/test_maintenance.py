"""The health report and the cleaning of the work folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.worker_rig import SECONDS, Gate, in_thread
from tests.support.workshop import Workshop
from waveflow.application import maintenance
from waveflow.application.health_checks import Check, DependencyCheck
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.work_folder import Sweep, WorkFolder
from waveflow.domain.errors import DecoderFailed, StorageUnavailable


def works() -> None:
    return


def away() -> None:
    raise StorageUnavailable("The bucket doesn't answer.")


def crash() -> None:
    raise DecoderFailed("The decoder crashed.")


def reporter(
    workshop: Workshop,
    *,
    storage: Callable[[], object] = works,
    check_codec: Callable[[], object] = works,
    work_folder: WorkFolder | None = None,
    away: tuple[str, ...] = (),
) -> ReportHealth:
    return ReportHealth(
        (DependencyCheck("queue", works), DependencyCheck("storage", storage)),
        work_folder or workshop.work_folder,
        check_codec,
        workshop.tally,
        lambda: away,
        lambda: 101.5,
    )


def test_everything_works(workshop: Workshop) -> None:
    workshop.tally.add("webhook_undelivered")
    workshop.work_folder.root.mkdir(mode=0o700)
    report = reporter(workshop).report()
    assert report.healthy
    assert report.checks == (Check("queue"), Check("storage"), Check("codec"))
    assert report.counts == {"webhook_undelivered": 1}
    assert report.free_work_bytes
    assert (report.away, report.memory_mb) == ((), 101.5)


def test_a_dependency_that_does_not_answer(workshop: Workshop) -> None:
    report = reporter(workshop, storage=away).report()
    assert not report.healthy
    problem = "The bucket doesn't answer."
    assert report.checks == (Check("queue"), Check("storage", problem), Check("codec"))


def test_a_dependency_that_hangs_is_waited_for_no_longer_than_others(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_LIMIT_S", 0.01)
    gate = Gate()
    report = reporter(workshop, storage=gate).report()
    gate.open()
    assert report.checks[1] == Check("storage", "No answer within 0.01 s.")
    assert report.checks[2] == Check("codec")


def test_dependencies_are_tried_while_the_decoder_is_busy(workshop: Workshop) -> None:
    asked, busy = Gate(), Gate()
    with in_thread(reporter(workshop, storage=asked, check_codec=busy).report) as report:
        busy.wait_until_reached()
        asked.wait_until_reached()
        asked.open()
        busy.open()
        assert report.result(SECONDS).healthy


def test_what_is_away_for_messages_is_not_healthy_though_it_answers(workshop: Workshop) -> None:
    report = reporter(workshop, away=("server",)).report()
    assert not report.healthy
    assert not any(check.problem for check in report.checks)


def test_a_work_folder_that_nobody_can_measure(workshop: Workshop, tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "missing")
    assert reporter(workshop, work_folder=folder).report().free_work_bytes is None


def test_a_codec_that_does_not_decode(workshop: Workshop) -> None:
    report = reporter(workshop, check_codec=crash).report()
    assert report.checks[2] == Check("codec", "The decoder crashed.")
    assert not report.healthy


def test_the_report_is_logged(workshop: Workshop) -> None:
    with capture_logs() as logs:
        report = reporter(workshop, check_codec=crash, away=("machine",)).report()
    assert logs == [
        {
            "event": "health",
            "log_level": "info",
            "healthy": False,
            "queue": "ok",
            "storage": "ok",
            "codec": "The decoder crashed.",
            "away": ["machine"],
            "free_work_bytes": report.free_work_bytes,
            "memory_mb": 101.5,
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
