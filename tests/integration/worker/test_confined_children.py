"""What the compute processes of a running worker hold, as the kernel tells it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="as /proc tells it"),
]

SECRET = "whsec_" + "QUJD" * 8


def descriptors(pid: int) -> dict[int, str]:
    """What each open descriptor of a process is."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        found[int(link.name)] = str(link.readlink())
    return found


def sockets(pid: int) -> set[str]:
    """Its sockets, by inode; pipes between processes are among them."""
    return {what for what in descriptors(pid).values() if what.startswith("socket:")}


def limit(pid: int, name: str) -> tuple[str, str]:
    """Soft and hard."""
    found = re.search(rf"^{name} +(\S+) +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.M)
    assert found is not None
    return found[1], found[2]


def status(pid: int, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return found[1]


def at_work(deployment: Production, folder: Path) -> tuple[WorkerProcess, int, set[int]]:
    """A worker that has both its children, the fork server, and these children."""
    stem = write_audio(folder / "stem", tone(44_100), kind="flac-16")
    worker = deployment.worker().wait_until_ready()
    sent = 0
    while len(worker.compute_children()) < 2 and sent < 200:
        for _ in range(4):
            deployment.upload(f"users/u1/{sent}.flac", stem)
            deployment.task(
                "process_audio_analysis", stemId=f"s{sent}", filepath=f"users/u1/{sent}.flac"
            )
            sent += 1
        deployment.receiver.wait_for(sent, 60)
    deployment.wait_until_done()
    (server,) = worker.processes() - {worker.pid} - worker.compute_children()
    return worker, server, worker.compute_children()


def test_children_hold_none_of_the_workers_sockets_and_no_credentials(
    ministack: AwsServer, tmp_path: Path
) -> None:
    settings = {"WAVEFLOW_WEBHOOK_SECRET": SECRET, "AWS_SESSION_TOKEN": "a-session-token"}
    with production(ministack, tmp_path, **settings) as deployment:
        worker, server, children = at_work(deployment, tmp_path)
        assert len(children) == 2
        assert eventually(lambda: len(sockets(worker.pid)) >= 3)

        for pid in children:
            held = descriptors(pid)
            # What a decoder prints, or whoever took it over, is no line of the worker's log.
            assert {held.pop(number) for number in range(3)} == {"/dev/null"}
            assert len(held) == 1, held  # what tasks come through
        assert len(sockets(server)) == 1  # what requests to fork come through
        below = [sockets(pid) for pid in (server, *children)]
        assert not set.union(*below) & sockets(worker.pid)
        assert len(set.union(*below)) == 3

        credentials = deployment.environment()["AWS_SECRET_ACCESS_KEY"]
        for pid in (server, *children):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"PATH=" in environment
            for forbidden in ("AWS_", "SECRET", SECRET, credentials, "a-session-token", "WEBHOOK"):
                assert forbidden.encode() not in environment
            command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert SECRET.encode() not in command_line
            # A program of its own: nothing of the worker's memory was copied into it.
            assert b"fork_server_main" in command_line
        assert worker.stop() == 0


def test_children_are_limited_and_confined(ministack: AwsServer, tmp_path: Path) -> None:
    settings = {"WAVEFLOW_COMPUTE_MEMORY_MB": "800", "WAVEFLOW_TASK_TIMEOUT_S": "100"}
    with production(ministack, tmp_path, **settings) as deployment:
        worker, _, children = at_work(deployment, tmp_path)
        for pid in children:
            assert limit(pid, "Max address space") == (str(800 * 1024**2),) * 2
            assert limit(pid, "Max file size") == (str(1 << 20), str(1 << 33))
            assert limit(pid, "Max core file size") == ("0", "0")
            assert 100 <= int(limit(pid, "Max cpu time")[0]) <= 103
            assert status(pid, "NoNewPrivs") == "1"
            assert status(pid, "Seccomp") == "2"
        assert worker.logged("compute_processes_not_confined") == []
        assert worker.stop() == 0
