"""The memory that is logged with each task."""

from __future__ import annotations

import errno
import subprocess
import sys

import psutil
import pytest

from tests.support.workshop import FakeClock
from waveflow.entrypoints.worker.memory import RecentMemory, service_memory, service_memory_mb


def test_it_is_that_of_this_process_and_its_children() -> None:
    own_mb = psutil.Process().memory_info().rss / 1024**2
    program = "hold = bytearray(200 * 1024**2); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with_child_mb = service_memory_mb()
        child.communicate(b"\n")
    without_child_mb = service_memory_mb()
    assert with_child_mb is not None
    assert without_child_mb is not None
    assert own_mb + 190 < with_child_mb
    assert without_child_mb < with_child_mb - 190


def test_it_is_measured_once_a_second_however_often_it_is_asked_for() -> None:
    time, figures_mb = FakeClock(), iter([1.0, 2.0, 3.0])
    memory_mb = RecentMemory(lambda: next(figures_mb), time.as_clock())
    seen_mb = []
    for _ in range(6):
        seen_mb.append(memory_mb())
        time.advance(0.4)
    assert seen_mb == [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]


def test_what_could_not_be_measured_is_not_known_and_tried_again() -> None:
    time, figures_mb = FakeClock(), iter([None, 5.0])
    memory_mb = RecentMemory(lambda: next(figures_mb), time.as_clock())
    assert memory_mb() is None
    time.advance(1.1)
    assert memory_mb() == 5.0


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), psutil.AccessDenied()]
)
def test_a_machine_that_does_not_tell_does_no_harm(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(psutil, "Process", refuse)
    assert service_memory() is None
    assert service_memory_mb() is None
