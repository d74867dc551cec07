"""The image's own worker, as its user, in a container: one whole workflow, and its end.

Not collected by itself: `make image-test` builds the image and names this file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, ministack_server
from tests.support.containers import (
    Image,
    Surroundings,
    container_command,
    executed,
    first_process,
    mounted_image,
    private_folder,
)
from tests.support.m4a_files import write_m4a
from tests.support.processes import descendants, eventually, running
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.entrypoints.demo.main_server import StandInServer

SURELY_READY_WITHIN_S = 8.0
"""On a busy machine. With nothing else to do it takes a second and a half; compiling takes 15."""
OLD_PROCESSOR = {"NUMBA_CPU_NAME": "ivybridge", "NUMBA_CPU_FEATURES": "+avx,+sse4.2"}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with mounted_image("waveflow") as image:
        yield image


@pytest.fixture(scope="module")
def ministack() -> Iterator[AwsServer]:
    with ministack_server() as server:
        yield server


@pytest.fixture
def deployment(ministack: AwsServer, tmp_path: Path) -> Iterator[Production]:
    with production(ministack, tmp_path) as deployment:
        yield deployment


@frozen
class Container:
    """The worker in its container."""

    image: Image
    process: WorkerProcess
    work: Path

    @property
    def first(self) -> int:
        """PID 1, as seen from here."""
        return first_process(self.process.pid)

    def health(self) -> subprocess.CompletedProcess[str]:
        """Run the image's own health check in it."""
        return executed(self.image, self.first, self.image.health_command)

    def processes(self) -> set[int]:
        return descendants(self.process.pid)

    def zombies(self) -> set[int]:
        """What has ended in it without being reaped."""
        found = set()
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = status.read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # It was reaped meanwhile.
            if state == "Z" and int(parent) in self.processes():
                found.add(int(status.parent.name))
        return found

    def stop(self) -> int:
        """As `docker stop` does it. Returns the exit code; nothing runs any more."""
        processes = self.processes()
        os.kill(self.first, signal.SIGTERM)
        return self.process.exit_code(processes)


@contextmanager
def worker_in(image: Image, deployment: Production, **settings: str) -> Iterator[Container]:
    work = private_folder(image, deployment.folder)
    environment = deployment.environment() | settings
    del environment["WAVEFLOW_WORK_DIR"]
    command = container_command(
        image,
        [*image.entrypoint, *image.config["Cmd"]],
        environment,
        Surroundings(work=work),
    )
    with WorkerProcess({}, deployment.folder / "container.log", command) as process:
        try:
            yield Container(image, process, work)
        finally:
            if process.poll() is None:
                os.kill(first_process(process.pid), signal.SIGKILL)
                process.exit_code()


def playing(deployment: Production) -> StandInServer:
    """The main server: every webhook is handled as it comes in, and the next message sent."""
    server = StandInServer(deployment.send, user_id="u1", track_id="t1", stage_id="g1")

    def decide(path: str, body: Any) -> tuple[int, Any]:
        answer = server.receive(WebhookRequest(path, json.dumps(body, sort_keys=True), body))
        return answer.status, answer.body

    deployment.receiver.decide(decide)
    return server


def stems_in(folder: Path) -> list[Path]:
    """A WAV, the same again, a FLAC and an M4A, of two seconds each."""
    folder.mkdir()
    drums = write_audio(folder / "drums.wav", tone(88_200, 2, seed=1), kind="wav-24")
    again = shutil.copyfile(drums, folder / "드럼 (최종).wav")
    bass = tone(96_000, 1, 48_000, seed=2)
    return [
        drums,
        Path(again),
        write_audio(folder / "bass.flac", bass, 48_000, kind="flac-16"),
        write_m4a(folder / "voice.m4a", bass, 48_000),
    ]


def test_one_whole_workflow_and_an_orderly_end(image: Image, deployment: Production) -> None:
    server = playing(deployment)
    with worker_in(image, deployment) as container:
        container.process.wait_until_ready()
        for number, stem in enumerate(stems_in(deployment.folder / "stems")):
            key = f"users/u1/projects/t1/stems/{stem.name}"
            deployment.upload(key, stem)
            server.upload_finished(f"s{number}", key, stem.name)
        done = eventually(lambda: server.mix and server.mix["stem_count"] == 3, within_s=60)
        assert done, container.process.text()
        deployment.wait_until_done()
        verdicts = [stem.verdict for stem in server.stems.values()]
        assert sorted(map(str, verdicts)) == ["duplicate", "new", "new", "new"]
        assert server.mix is not None
        assert server.mix["status"] == "SUCCESS"
        assert deployment.content(server.mix["mixed_file_path"])[:4] == b"RIFF"
        assert deployment.dead_letters() == []

        alive = container.health()
        assert alive.returncode == 0, alive.stdout + alive.stderr
        assert container.process.logged("compute_processes_not_confined") == []
        assert [line for line in container.process.lines() if line["level"] == "error"] == []
        assert container.stop() == 0
        assert container.process.logged("worker_stopped")
        assert list(container.work.iterdir()) == []


def test_it_is_ready_at_once_and_never_loads_the_compiler(
    image: Image, deployment: Production
) -> None:
    with worker_in(image, deployment) as container:
        started_s = time.monotonic()
        container.process.wait_until_ready()
        ready_s = time.monotonic() - started_s
        sys.stderr.write(f"\nready after {ready_s:.2f} s\n")
        assert ready_s < SURELY_READY_WITHIN_S
        mapped = [Path(f"/proc/{pid}/maps").read_text() for pid in container.processes()]
        assert any("libllvmlite" in maps for maps in mapped), "the kernels are loaded"
        assert not any("site-packages/numba/" in maps for maps in mapped)
        assert container.stop() == 0


def test_orphans_of_a_killed_fork_server_are_reaped(image: Image, deployment: Production) -> None:
    with worker_in(image, deployment) as container:
        container.process.wait_until_ready()
        [worker] = children(container.first)
        [fork_server] = children(worker)
        below = children(fork_server)
        os.kill(fork_server, signal.SIGKILL)
        assert eventually(lambda: not running(below))
        playing(deployment)
        deployment.upload("users/u1/a.wav", stems_in(deployment.folder / "stems")[0])
        deployment.task("process_audio_analysis", stemId="a", filepath="users/u1/a.wav")
        assert eventually(lambda: deployment.bodies("/completion")), container.process.text()
        assert eventually(lambda: not container.zombies())
        assert container.stop() == 0


def test_on_an_old_processor_kernels_are_compiled_into_the_work_folder_once(
    image: Image, tmp_path: Path
) -> None:
    around = Surroundings(work=private_folder(image, tmp_path))
    warmup = container_command(image, ["waveflow", "warmup", "--json"], OLD_PROCESSOR, around)
    first, second = (
        json.loads(subprocess.run(warmup, capture_output=True, check=True, timeout=300).stdout)
        for _ in range(2)
    )
    assert first["processor"] == "ivybridge"
    assert first["compiled"] == first["kernels"]
    assert first["folder"].startswith("/work/.cache/waveflow/")
    assert second["compiled"] == 0
    assert second["folder"] == first["folder"]


def test_wrong_settings_are_told_before_anything_is_received(image: Image) -> None:
    command = container_command(
        image, [*image.entrypoint, *image.config["Cmd"]], {}, Surroundings()
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "SQS_QUEUE_URL" in done.stderr


def test_nothing_but_the_work_folder_can_be_written(image: Image) -> None:
    program = (
        "import os, sys\n"
        "found = []\n"
        "for folder, _, _ in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/dev', '/sys')): continue\n"
        "    try: open(os.path.join(folder, 'written'), 'w').close(); found.append(folder)\n"
        "    except OSError: pass\n"
        "print(os.getuid(), os.getgid(), found)"
    )
    command = container_command(image, ["python3.11", "-c", program], {}, Surroundings())
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "10001 10001 ['/work']"


def children(pid: int) -> set[int]:
    """The living processes that `pid` itself started."""
    below = descendants(pid)
    return below - {deeper for child in below for deeper in descendants(child)}
