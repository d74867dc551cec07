"""The `worker` command: what it refuses, and how it ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.console_script import WAVEFLOW, coverage_settings, grandchildren
from tests.support.processes import descendants
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.entrypoints.worker.http_port import HttpPort

NAMES = ("SQS_QUEUE_URL", "S3_BUCKET_NAME", "WEBHOOK_URL", "AWS_REGION")
IN_MEMORY = {
    "WAVEFLOW_STORAGE": "memory",
    "WAVEFLOW_QUEUE": "memory",
    "WAVEFLOW_NOTIFIER": "memory",
    "WAVEFLOW_POLL_WAIT_S": "1",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, waveflow: CommandLine) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def refusals(waveflow: CommandLine, code: int = 2) -> list[str]:
    outcome = waveflow("worker")
    assert (outcome.code, outcome.out) == (code, "")
    lines = outcome.err.splitlines()
    assert all(line.startswith("waveflow: ") for line in lines)
    return [line.removeprefix("waveflow: ") for line in lines]


def test_without_settings_it_never_falls_back_to_parts_for_development(
    waveflow: CommandLine,
) -> None:
    assert refusals(waveflow) == [
        f"{variable} is not set. A worker needs it; to run one on other parts, set {choice}."
        for variable, choice in [
            ("S3_BUCKET_NAME", "WAVEFLOW_STORAGE"),
            ("SQS_QUEUE_URL", "WAVEFLOW_QUEUE"),
            ("WEBHOOK_URL", "WAVEFLOW_NOTIFIER"),
        ]
    ]


def test_wrong_and_missing_settings_are_told_together(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAVEFLOW_SLOTS", "0")
    monkeypatch.setenv("WAVEFLOW_SOLTS", "8")
    monkeypatch.setenv("SQS_QUEUE_URL", "stems")
    monkeypatch.setenv("WAVEFLOW_NOTIFIER", "webhook")
    problems = refusals(waveflow)
    assert [problem.split()[0] for problem in problems] == [
        "WAVEFLOW_SOLTS",
        "SQS_QUEUE_URL",
        "WAVEFLOW_SLOTS",
        "WAVEFLOW_NOTIFIER",
        "S3_BUCKET_NAME",
    ]


def test_what_does_not_work_is_told_together_before_anything_is_received(
    waveflow: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("in the way")
    for name, value in IN_MEMORY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOG_LEVEL", "critical")
    monkeypatch.setenv("WAVEFLOW_WORK_DIR", str(folder / "file"))
    before = grandchildren(os.getpid())
    problems = refusals(waveflow, 3)
    assert [problem.partition(":")[0] for problem in problems] == ["work_folder", "codec"]
    assert grandchildren(os.getpid()) - before == set()


@pytest.mark.parametrize(
    ("host", "code", "why"),
    [("127.0.0.1", 3, "something else listens there"), ("192.0.2.1", 2, "no such address")],
)
def test_a_port_that_can_not_be_had_is_told_before_anything_is_looked_at(
    waveflow: CommandLine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    code: int,
    why: str,
) -> None:
    before = grandchildren(os.getpid())
    with HttpPort("127.0.0.1", 0, {}) as taken:
        settings = {"WAVEFLOW_HTTP_PORT": str(taken.port), "WAVEFLOW_HTTP_HOST": host}
        for name, value in (IN_MEMORY | settings | {"LOG_LEVEL": "critical"}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WAVEFLOW_WORK_DIR", str(folder / "work"))
        [problem] = refusals(waveflow, code)
    assert problem.startswith(
        f"WAVEFLOW_HTTP_PORT is {taken.port}, and WAVEFLOW_HTTP_HOST {host!r}"
    )
    assert why in problem
    assert not (folder / "work").exists()
    assert grandchildren(os.getpid()) == before


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_in_order(folder: Path, number: int) -> None:
    environment = {"PATH": os.environ["PATH"], "WAVEFLOW_WORK_DIR": str(folder / "work")}
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    with subprocess.Popen(
        [WAVEFLOW, "worker"],
        cwd=folder,
        env=environment | coverage | IN_MEMORY | {"LOG_FORMAT": "json"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "worker_started" in line:
                break
        below = descendants(process.pid)
        assert below
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "worker_stopped" in errors
    assert "Traceback" not in errors
    assert not below & descendants(os.getpid())
    assert list((folder / "work").glob("*/*")) == []


@contextmanager
def worker_with_a_small_pipe(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A worker that has begun to poll, and both ends of the pipe that it logs to."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    settings = {"PATH": os.environ["PATH"], "WAVEFLOW_WORK_DIR": str(folder / "work")}
    # Lines in plenty: a sweep each second, and everything that is told at the end.
    logging = {"LOG_FORMAT": "json", "LOG_LEVEL": "debug", "WAVEFLOW_SWEEP_INTERVAL_S": "1"}
    process = subprocess.Popen(
        [WAVEFLOW, "worker"],
        cwd=folder,
        env=settings | coverage_settings() | IN_MEMORY | logging,
        stderr=writing,
    )
    try:
        seen = b""
        while b"worker_started" not in seen:
            seen += (read := os.read(reading, 4096))
            assert read
        yield process, reading, writing
    finally:
        process.kill()
        process.wait()
        os.close(writing)
        with suppress(OSError):
            os.close(reading)


@pytest.mark.slow
def test_a_worker_whose_log_nobody_can_read_any_more_ends_in_order(folder: Path) -> None:
    with worker_with_a_small_pipe(folder) as (process, reading, _):
        os.close(reading)
        # It logs into nothing before it is told to stop, too.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert list((folder / "work").glob("*/*")) == []


@pytest.mark.slow
def test_a_worker_whose_log_is_stuck_ends_in_order(folder: Path) -> None:
    with worker_with_a_small_pipe(folder) as (process, _, writing):
        fill(writing)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert list((folder / "work").glob("*/*")) == []


def fill(writing: int) -> None:
    """Write into a pipe until it takes no more."""
    # Opened anew: what the worker writes to must go on waiting for room.
    filling = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(filling, b"x")
    os.close(filling)
