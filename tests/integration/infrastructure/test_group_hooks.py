"""deploy/cloudformation/group-hooks, between a metadata service and an AWS that are played."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from attrs import define, field

from tests.support.processes import eventually

SCRIPT = Path(__file__).parents[3] / "deploy" / "cloudformation" / "group-hooks"
WITHIN_S = 20.0
INSTANCE = "i-0123456789abcdef0"
STATE = "/latest/meta-data/autoscaling/target-lifecycle-state"
SPOT = "/latest/meta-data/spot/instance-action"
READY = "/readyz"


@define
class Machine:
    """A machine's metadata, its worker's port, and what was done about either."""

    pages: dict[str, str]
    folder: Path
    url: str = ""
    without_token: list[str] = field(factory=list)

    def done(self) -> list[str]:
        """The commands that the script has run, in order."""
        return (self.folder / "done").read_text().splitlines()

    def wait_for(self, *commands: str) -> None:
        """Until just these commands were run."""
        assert eventually(lambda: self.done() == list(commands), within_s=WITHIN_S), self.done()

    def start(self) -> subprocess.Popen[bytes]:
        """Run the script."""
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "METADATA_URL": self.url,
            "READY_URLS": f"{self.url}{READY}",
            "WORKER_UNITS": "worker@*.service",
            "LEAVING": str(self.folder / "leaving"),
            "PAUSE_S": "0.05",
        }
        return subprocess.Popen(
            [SCRIPT, "waveflow-workers"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def completed(hook: str) -> str:
    return (
        "eu-west-1: aws autoscaling complete-lifecycle-action"
        " --auto-scaling-group-name waveflow-workers"
        f" --lifecycle-hook-name {hook} --instance-id {INSTANCE}"
        " --lifecycle-action-result CONTINUE"
    )


STOPPED = "systemctl stop worker@*.service"


@contextmanager
def running(
    folder: Path, pages: dict[str, str], *, refusals: int = 0
) -> Iterator[tuple[Machine, subprocess.Popen[bytes]]]:
    facts = {
        "/latest/meta-data/instance-id": INSTANCE,
        "/latest/meta-data/placement/region": "eu-west-1",
    }
    machine = Machine(facts | pages, folder)
    log = folder / "done"
    log.touch()
    commands = {
        "systemctl": f'echo "systemctl $*" >> "{log}"',
        "aws": f"""
            echo "$AWS_DEFAULT_REGION: aws $*" >> "{log}"
            [ "$(wc -l < "{log}")" -gt {refusals} ]
        """,
    }
    for name, body in commands.items():
        command = folder / name
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer(200, "token")

        def do_GET(self) -> None:
            if self.path != READY and self.headers["X-aws-ec2-metadata-token"] != "token":
                machine.without_token.append(self.path)
            page = machine.pages.get(self.path)
            self._answer(404 if page is None else 200, page or "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    machine.url = f"http://127.0.0.1:{server.server_address[1]}"
    process = machine.start()
    try:
        yield machine, process
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_instance_is_announced_once_when_its_worker_is_ready(tmp_path: Path) -> None:
    with running(tmp_path, {STATE: "InService"}) as (machine, _):
        machine.pages[READY] = "{}"
        machine.wait_for(completed("launch"))
        assert not (tmp_path / "leaving").exists()
        machine.pages[STATE] = "Terminated"
        machine.wait_for(completed("launch"), STOPPED, completed("terminate"))
    assert machine.without_token == []


def test_the_worker_drains_before_the_group_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, {STATE: "Terminated"}) as (machine, process):
        machine.wait_for(STOPPED, completed("terminate"))
        assert process.wait(WITHIN_S) == 0
    # A deployment that is under way here has no say any more.
    assert (tmp_path / "leaving").exists()


def test_a_spot_notice_drains_at_once_and_announces_nothing(tmp_path: Path) -> None:
    notice = '{"action": "terminate", "time": "2026-11-22T00:00:00Z"}'
    with running(tmp_path, {STATE: "InService", SPOT: notice}) as (machine, _):
        machine.wait_for(STOPPED)
        machine.pages[READY] = "{}"
        machine.pages[STATE] = "Terminated"
        machine.wait_for(STOPPED, STOPPED, completed("terminate"))


def test_a_worker_that_is_not_ready_is_not_announced(tmp_path: Path) -> None:
    with running(tmp_path, {STATE: "InService"}) as (machine, _):
        machine.pages[STATE] = "Terminated"
        machine.wait_for(STOPPED, completed("terminate"))


def test_an_announcement_that_fails_is_made_again(tmp_path: Path) -> None:
    with running(tmp_path, {STATE: "InService", READY: "{}"}, refusals=2) as (machine, _):
        machine.wait_for(*[completed("launch")] * 3)
        machine.pages[STATE] = "Terminated"
        machine.wait_for(*[completed("launch")] * 3, STOPPED, completed("terminate"))


def test_a_machine_that_starts_again_stops_announcing_itself(tmp_path: Path) -> None:
    with running(tmp_path, {STATE: "InService", READY: "{}"}, refusals=5) as (machine, _):
        machine.wait_for(*[completed("launch")] * 5)
        machine.pages[STATE] = "Terminated"
        machine.wait_for(*[completed("launch")] * 5, STOPPED, completed("terminate"))
