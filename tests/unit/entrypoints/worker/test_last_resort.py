"""The timer that ends a process in which nothing goes on, in processes of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, WorkerRig, in_thread
from waveflow.entrypoints.worker.service import Ending

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


def test_whoever_puts_it_off_and_then_cancels_it_lives_on() -> None:
    program = """
until_s = time.monotonic() + 1.0
while time.monotonic() < until_s:
    time.sleep(0.01)
    last_resort.put_off()
last_resort.cancel()
time.sleep(0.8)
"""
    ended = run(program, after_s=0.6)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_worker_gives_a_sign_of_life_with_every_look_until_it_ends() -> None:
    rig, signs = WorkerRig(), list[int]()
    with in_thread(lambda: rig.worker.run(lambda: signs.append(1))) as ended:
        assert eventually(lambda: len(signs) > 3)
        rig.worker.stop()
        assert ended.result(SECONDS) is Ending.ORDERLY
    assert not rig.worker.is_busy
