"""The memory that is logged with each task."""

from __future__ import annotations

import subprocess
import sys

import psutil

from waveflow.entrypoints.worker.memory import service_memory_mb


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
    assert own_mb + 190 < with_child_mb
    assert service_memory_mb() < with_child_mb - 190
