"""The timer that ends a process in which nothing goes on, in processes of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from dependency_injector import providers

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, WorkerRig, in_thread
from tests.support.workshop import FakeClock
from waveflow.adapters.codec.isolated import CLOSE_GRACE_S
from waveflow.adapters.codec.memory import InMemoryAudioCodec
from waveflow.entrypoints.cli.worker import _LAST_LINES_S, longest_silence_s
from waveflow.entrypoints.container import container_for
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.last_resort import LastResort
from waveflow.entrypoints.worker.service import _LAST_RECEIVE_S, Ending

BEGIN = """
import ctypes, threading, time
from waveflow.entrypoints.worker.last_resort import LastResort
last_resort = LastResort({after_s})
last_resort.put_off()
"""
HANGING = {
    # Unlike time.sleep, it doesn't let go of the interpreter.
    "no thread gets its turn": "ctypes.PyDLL(None).sleep(100)",
    "the main thread waits for itself": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
}


def run(program: str, after_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN.format(after_s=after_s) + program],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("program", HANGING.values(), ids=HANGING)
def test_a_process_in_which_nothing_goes_on_ends_and_says_where_it_was(program: str) -> None:
    ended = run(program, after_s=0.2)
    assert ended.returncode == 1
    assert 'File "<string>"' in ended.stderr


def threads_of_the_system() -> set[str]:
    """Those of this process, also the ones that Python knows nothing of."""
    return {entry.name for entry in Path("/proc/self/task").iterdir()}


def test_whoever_cancels_it_lives_on() -> None:
    before = threads_of_the_system()
    last_resort = LastResort(3600.0)
    last_resort.put_off()
    [timer] = threads_of_the_system() - before
    last_resort.cancel()
    assert eventually(lambda: timer not in threads_of_the_system())


class Timer:
    """Stands for the system's timer: says when it would end the process."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.time = FakeClock()
        self.fires_s = math.inf
        self.troubles: list[Exception] = []
        self.armed = 0
        patch.setattr("faulthandler.dump_traceback_later", self._arm)
        patch.setattr("faulthandler.cancel_dump_traceback_later", self._cancel)

    def left_s(self) -> float:
        return self.fires_s - self.time.as_clock().monotonic_s()

    def _arm(self, timeout_s: float, *, exit: bool, file: int) -> None:  # noqa: A002 (its name)
        assert (exit, file) == (True, 2)
        self._cancel()  # as the real one does first
        if self.troubles:
            raise self.troubles.pop(0)
        self.fires_s = self.time.as_clock().monotonic_s() + timeout_s
        self.armed += 1

    def _cancel(self) -> None:
        self.fires_s = math.inf


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    return Timer(monkeypatch)


def test_from_every_put_off_it_leaves_all_of_the_time_and_little_more(timer: Timer) -> None:
    last_resort = LastResort(100.0, timer.time.as_clock())
    for _ in range(1000):
        last_resort.put_off()
        assert 100.0 <= timer.left_s() <= 105.0
        timer.time.advance(0.7)
    assert timer.armed < 160
    last_resort.cancel()
    assert timer.left_s() == math.inf


@pytest.mark.parametrize(
    "trouble", [RuntimeError("unable to start watchdog thread"), MemoryError()]
)
def test_without_room_for_its_thread_the_work_goes_on_and_it_is_tried_again(
    timer: Timer, trouble: Exception
) -> None:
    last_resort = LastResort(100.0, timer.time.as_clock())
    timer.troubles = [trouble]
    last_resort.put_off()
    assert timer.left_s() == math.inf
    last_resort.put_off()
    assert timer.left_s() >= 100.0
    timer.time.advance(6.0)
    timer.troubles = [trouble, trouble]
    for _ in range(2):
        last_resort.put_off()
        assert timer.left_s() == math.inf
    last_resort.put_off()
    assert timer.left_s() >= 100.0


@pytest.mark.parametrize("drain_s", [0.0, 90.0, 21_600.0, 604_800.0])
@pytest.mark.parametrize(("watchdog_s", "poll_s"), [(1.5, 1.0), (21.0, 20.0), (90.0, 20.0)])
def test_it_cuts_off_no_orderly_end(
    timer: Timer, drain_s: float, watchdog_s: float, poll_s: float
) -> None:
    settings = Settings(
        drain_timeout_s=drain_s,
        watchdog_s=watchdog_s,
        poll_wait_s=poll_s,
        queue="memory",
        storage="memory",
    )
    last_resort = LastResort(longest_silence_s(settings), timer.time.as_clock())
    last_resort.put_off()
    # The drain begins as late as it can without another put-off taking effect.
    timer.time.advance(last_resort.after_s / 20 - 0.1)
    last_resort.put_off()
    assert timer.armed == 1
    container = container_for(settings)
    container.codec.override(providers.Object(InMemoryAudioCodec()))  # No processes are needed.
    worker = container.worker()
    running_work_s = worker._drain_timeout_s
    last_receive_s = worker._poller.wait_s + _LAST_RECEIVE_S
    closing_s = 2 * CLOSE_GRACE_S + 10.0 + _LAST_LINES_S
    assert timer.left_s() > running_work_s + last_receive_s + worker._threads_end_s + closing_s


def test_a_worker_puts_it_off_once_more_when_it_begins_to_end() -> None:
    rig, ends = WorkerRig(), list[bool]()
    rig.worker.stop()  # Before its first look.
    assert rig.worker.run(lambda: ends.append(rig.poller.stop.is_set())) is Ending.ORDERLY
    assert ends == [False]


def test_a_worker_gives_a_sign_of_life_with_every_look_until_it_ends() -> None:
    rig, signs = WorkerRig(), list[int]()
    with in_thread(lambda: rig.worker.run(lambda: signs.append(1))) as ended:
        assert eventually(lambda: len(signs) > 3)
        rig.worker.stop()
        assert ended.result(SECONDS) is Ending.ORDERLY
    assert not rig.worker.is_busy
