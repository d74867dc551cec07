"""What the meter counts: this process, those below it, threads that have ended, new peaks only."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from time import process_time

import numpy as np
import pytest

from benchmarks.meter import Meter

_MIB = 1024**2
_BURN_S = 0.05
_WORKS_WHEN_TOLD = f"""
import time
for line in iter(input, "end"):
    until = time.process_time() + {_BURN_S}
    while time.process_time() < until:
        pass
    print(line, flush=True)
"""


def burn() -> None:
    until = process_time() + _BURN_S
    while process_time() < until:
        pass


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-S", "-c", _WORKS_WHEN_TOLD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        tell(process, "end")


def tell(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()


def test_processor_time_of_a_child_counts(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    tell(child, "start up")
    child.stdout.readline()

    with Meter() as meter:
        tell(child, "work")
        child.stdout.readline()

    assert meter.cpu_s >= _BURN_S
    assert meter.wall_s >= _BURN_S


def test_processor_time_before_and_after_does_not_count(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    tell(child, "work")
    child.stdout.readline()

    with Meter() as meter:
        pass
    burn()

    assert meter.cpu_s < _BURN_S


def test_threads_that_have_ended_count() -> None:
    with Meter() as meter:
        thread = Thread(target=burn)
        thread.start()
        thread.join()

    assert meter.cpu_s >= _BURN_S


def test_a_peak_counts_that_was_met_while_looking() -> None:
    with Meter() as large:
        np.ones(200 * _MIB, np.uint8)
    with Meter() as small:
        np.ones(_MIB, np.uint8)

    assert large.peak_mb > small.peak_mb + 150


def test_the_process_that_started_no_other_is_the_one_that_computes() -> None:
    # In a process of its own: other tests' servers are below this one.
    program = (
        "import subprocess, sys\n"
        "from benchmarks.meter import youngest_process\n"
        "with subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=-1) as child:\n"
        "    print(youngest_process() == child.pid)\n"
        "    child.communicate(b'end\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"True\n"
