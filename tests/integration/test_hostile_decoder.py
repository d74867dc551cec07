"""Eight messages in flight, and one of them does away with its decoder: the others don't notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from dependency_injector import providers

from tests.integration.bad_input_bench import ANALYSIS, MIX
from tests.support.hostile_codec import HostileCodec, order
from tests.support.processes import eventually, running
from tests.support.worker_rig import in_thread
from tests.support.workshop import MainServer
from waveflow.adapters.codec.compute_process import ProcessLimits
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.domain.audio import AudioLimits
from waveflow.entrypoints.container import container_for, deliver_to
from waveflow.entrypoints.settings import Settings
from waveflow.entrypoints.worker.desk import Desk
from waveflow.entrypoints.worker.service import Ending

pytestmark = pytest.mark.slow

IN_FLIGHT = 8
BAD = 3
PROCESSES = 2
WHOLE_AGAIN_S = 2.0
LIMITS = ProcessLimits(task_cpu_s=1.0, file_bytes=1 << 22)
TASK_TIMEOUT_S = 4.0


@define
class Site:
    """A worker at work on stored stems that command the decoder."""

    codec: IsolatedCodec
    queue: InProcessQueue
    server: MainServer
    storage: Path
    desk: Desk

    def stem(self, key: str, command: str) -> str:
        """Store a stem that commands the decoder."""
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(command)
        return key

    def analyse(self, stem_id: str, command: str) -> None:
        """Store such a stem, and ask for its analysis."""
        key = self.stem(f"stems/{stem_id}.wav", command)
        self._send(ANALYSIS, {"stemId": stem_id, "filepath": key})

    def mix(self, stage_id: str, *commands: str) -> None:
        """Store such stems, and ask for their mix."""
        keys = [self.stem(f"{stage_id}/{i}.wav", command) for i, command in enumerate(commands)]
        self._send(MIX, {"stageId": stage_id, "stem_paths": keys})

    def _send(self, task: str, fields: dict[str, Any]) -> None:
        self.queue.send(json.dumps({"task": task, "id": "x", "args": [], "kwargs": fields}))

    def told(self, count: int) -> dict[str, dict[str, Any]]:
        """What the server was told about each stem or stage, once there are so many."""
        assert eventually(lambda: len(self.server.bodies) >= count, within_s=60.0)
        assert eventually(lambda: len(self.queue) == 0)
        bodies = self.server.bodies
        assert len(bodies) == count
        self.server.requests.clear()
        return {body.get("stemId") or body["stageId"]: body for body in bodies}

    def processes_that_meet(self, folder: Path) -> set[int]:
        """As many processes as there are seats, all of which run a task at the same time."""
        folder.mkdir()
        paths = [order(folder, f"meet {PROCESSES}") for _ in range(PROCESSES)]
        with ThreadPoolExecutor(PROCESSES) as threads:
            found = threads.map(lambda path: self.codec.analyse(path, 1, AudioLimits()), paths)
            return {analysis.waveform.frames for analysis in found}


@contextmanager
def working(folder: Path) -> Iterator[Site]:
    """A worker in this process: real handler, slots and compute processes, hostile decoder."""
    settings = Settings(
        storage="folder",
        storage_folder=folder / "storage",
        work_dir=folder / "work",
        notifier="memory",
        queue="memory",
        slots=16,
        retry_delay_s=1.0,
        poll_wait_s=1.0,
    )
    container = container_for(settings)
    codec = IsolatedCodec(
        HostileCodec(), processes=PROCESSES, task_timeout_s=TASK_TIMEOUT_S, limits=LIMITS
    )
    server = MainServer()
    with ExitStack() as stack:
        stack.callback(container.shutdown_resources)
        stack.enter_context(codec)
        container.codec.override(providers.Object(codec))
        desk = Desk(container.lanes(), waiting_messages=64, trusted=True)
        container.desk.override(providers.Object(desk))
        deliver_to(container, server)
        queue = container.queue()
        assert isinstance(queue, InProcessQueue)
        site = Site(codec, queue, server, settings.storage_folder, desk)
        site.processes_that_meet(folder / "warm")  # The fork server has loaded everything now.
        worker = container.worker()
        run = stack.enter_context(in_thread(worker.run))
        stack.callback(worker.stop)
        yield site
        worker.stop()
        assert run.result(timeout=60.0) is Ending.ORDERLY
        assert list(settings.work_dir.glob("*")) == []


ENDS = {
    "segfault": "decoder_crashed",
    "abort": "decoder_crashed",
    "leave 3": "decoder_crashed",
    "leave 0": "decoder_crashed",
    "exit 1": "decoder_crashed",
    "interrupt": "decoder_crashed",
    "huge": "decoder_crashed",
    "write-endlessly": "decoder_crashed",
    "pause": "decoder_timeout",
    "stop": "decoder_timeout",
    "spin": "decoder_timeout",
    "eat": "decoder_out_of_memory",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with working(tmp_path_factory.mktemp("site")) as site:
        yield site


def others(told: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Status and duration of the good ones, by the number of the stem."""
    return {
        stem_id: (body["status"], body["result"].get("duration"))
        for stem_id, body in told.items()
        if stem_id != f"s{BAD}"
    }


GOOD = {f"s{i}": ("SUCCESS", float(i)) for i in range(IN_FLIGHT) if i != BAD}


def send_eight(site: Site, bad: str) -> None:
    """One bad message among good ones, each of which decodes to as many seconds as its number."""
    for i in range(IN_FLIGHT):
        site.analyse(f"s{i}", bad if i == BAD else f"answer-slowly {8_000 * i}")


@pytest.mark.parametrize("end", ENDS)
def test_only_its_own_message_fails_and_says_which_way(
    site: Site, tmp_path: Path, end: str
) -> None:
    send_eight(site, end)
    told = site.told(IN_FLIGHT)
    ended_s = time.monotonic()
    pids = site.processes_that_meet(tmp_path / "after")
    whole_after_s = time.monotonic() - ended_s
    bad = told[f"s{BAD}"]
    assert (bad["status"], bad["result"]["code"]) == ("FAILED", ENDS[end])
    assert others(told) == GOOD
    assert len(pids) == PROCESSES
    assert running(pids) == pids
    assert whole_after_s < WHOLE_AGAIN_S
    assert site.queue.dead_letters() == []


def test_a_fork_server_that_dies_costs_nobody_anything(site: Site, tmp_path: Path) -> None:
    send_eight(site, f"kill-fork-server-once {8_000 * BAD}")
    told = site.told(IN_FLIGHT)
    assert others(told) == GOOD
    assert (told[f"s{BAD}"]["status"], told[f"s{BAD}"]["result"]["duration"]) == ("SUCCESS", BAD)
    started_s = time.monotonic()
    assert len(site.processes_that_meet(tmp_path / "after")) == PROCESSES
    assert time.monotonic() - started_s < WHOLE_AGAIN_S


@pytest.mark.parametrize("end", ["segfault", "pause", "eat", "write-endlessly"])
def test_a_mix_fails_alone_too_and_names_the_stem(site: Site, tmp_path: Path, end: str) -> None:
    site.mix("g1", "answer 8000", end, "answer 16000")
    site.mix("g2", "answer-slowly 8000", "answer-slowly 16000")
    for i in range(4):
        site.analyse(f"s{i}", f"answer-slowly {8_000 * i}")
    told = site.told(6)
    bad = told["g1"]
    assert (bad["status"], bad["result"]["code"]) == ("FAILED", ENDS[end])
    assert "Stem 2 of 3" in bad["result"]["error"]
    good = {name: body["status"] for name, body in told.items() if name != "g1"}
    assert good == dict.fromkeys(("g2", "s0", "s1", "s2", "s3"), "SUCCESS")
    started_s = time.monotonic()
    assert len(site.processes_that_meet(tmp_path / "after")) == PROCESSES
    assert time.monotonic() - started_s < WHOLE_AGAIN_S


def test_all_of_them_at_once_fail_each_its_own_way(site: Site, tmp_path: Path) -> None:
    for i, end in enumerate(ENDS):
        site.analyse(f"bad{i}", end)
        site.analyse(f"s{i}", f"answer-slowly {8_000 * i}")
    told = site.told(2 * len(ENDS))
    codes = {end: told[f"bad{i}"]["result"].get("code") for i, end in enumerate(ENDS)}
    assert codes == ENDS
    durations = [told[f"s{i}"]["result"].get("duration") for i in range(len(ENDS))]
    assert durations == [float(i) for i in range(len(ENDS))]
    started_s = time.monotonic()
    assert len(site.processes_that_meet(tmp_path / "after")) == PROCESSES
    assert time.monotonic() - started_s < WHOLE_AGAIN_S
