"""Compute processes work in any kind of program, and end when it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.hostile_codec import events, order
from tests.support.processes import descendants, eventually, running

ROOT = Path(__file__).parents[4]

PROGRAM = """
import os, signal, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.support.hostile_codec import HostileCodec
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.domain.audio import AudioLimits

def main(folder, stay_s=0.0):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with IsolatedCodec(HostileCodec(folder / "trace"), tasks_per_process=2) as codec:
        print("started", flush=True)
        sys.stdin.readline()
        with ThreadPoolExecutor(2) as threads:
            for analysis in threads.map(
                lambda path: codec.analyse(path, 1, AudioLimits()),
                sorted((folder / "orders").iterdir()),
            ):
                print(analysis.waveform.frames, flush=True)
        time.sleep(stay_s)
"""
HEAVY = """
from pathlib import Path
with Path({imported!r}).open("a") as file:
    file.write("once\\n")
"""


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    folder.mkdir()
    return folder


@contextmanager
def program(*arguments: str, cwd: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    """A Python program in a process group of its own, which is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class TestPrograms:
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["-c", "script", "-m"])
    def test_of_any_kind_get_answers_and_are_not_run_again_in_children(
        self, tmp_path: Path, orders: Path, kind: str
    ) -> None:
        for number in range(5):
            order(orders, f"answer {number}")
        source = (
            HEAVY.format(imported=str(tmp_path / "imported"))
            + PROGRAM
            + f"\nmain(Path({str(tmp_path)!r}))\n"
        )
        (tmp_path / "heavy").mkdir()
        (tmp_path / "heavy" / "__main__.py").write_text(source)
        arguments = {
            "-c": ["-c", source],
            "script": [str(tmp_path / "heavy" / "__main__.py")],
            "-m": ["-m", "heavy"],
        }[kind]
        with program(*arguments, cwd=tmp_path) as process:
            printed, errors = process.communicate("go\n", timeout=60)
        assert (printed, errors) == ("started\n0\n1\n2\n3\n4\n", "")
        assert (tmp_path / "imported").read_text() == "once\n"

    @pytest.mark.slow
    def test_that_are_told_to_end_together_with_their_group_can_finish_their_tasks(
        self, tmp_path: Path, orders: Path
    ) -> None:
        order(orders, "sleep 0.5")
        order(orders, "sleep 0.6")
        with program("-c", f"{PROGRAM}\nmain(Path({str(tmp_path)!r}))") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            _signal_group(process.pid)  # while the fork server loads
            process.stdin.write("go\n")
            process.stdin.flush()
            assert eventually(lambda: len(_begun(tmp_path / "trace")) == 2)
            _signal_group(process.pid)  # while the children work
            printed, errors = process.communicate(timeout=60)
        assert (printed, errors) == ("7\n7\n", "")
        assert [what for what, _ in events(tmp_path / "trace")] == ["begins"] * 2 + ["ends"] * 2

    @pytest.mark.slow
    @pytest.mark.parametrize("commands", [["pause", "spin"], ["answer 1", "answer 2"]])
    def test_that_are_killed_take_all_their_processes_along(
        self, tmp_path: Path, orders: Path, commands: list[str]
    ) -> None:
        for command in commands:
            order(orders, command)
        source = f"{PROGRAM}\nmain(Path({str(tmp_path)!r}), stay_s=3600.0)"
        with program("-c", source) as process:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            assert eventually(lambda: len(_begun(tmp_path / "trace")) == 2)
            processes = descendants(process.pid)
            assert len(processes) >= 2
            process.kill()
            assert eventually(lambda: not running(processes))


def _begun(trace: Path) -> list[str]:
    return [command for what, command in events(trace) if what == "begins"]


def _signal_group(pid: int) -> None:
    os.killpg(pid, signal.SIGTERM)
    os.killpg(pid, signal.SIGINT)
