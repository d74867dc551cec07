"""kill -9 in the middle of each task, of the worker and of its children; signals to the group."""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.http_exchange import Stall
from tests.support.processes import eventually
from tests.support.production import VISIBILITY_TIMEOUT_S, Production, production

pytestmark = pytest.mark.slow

A, B = "users/u1/a.wav", "users/u1/b.wav"
FIELDS = {"stemId": "s1", "trackId": "t1", "userId": "u1"}


@frozen
class Task:
    """One of the four tasks, and what has to be true once it is done."""

    name: str
    fields: dict[str, Any]
    endpoint: str
    written: tuple[str, ...]
    removed: tuple[str, ...] = ()


@pytest.fixture
def audio(tmp_path: Path) -> bytes:
    return write_audio(tmp_path / "a.wav", tone(60 * 44_100), kind="flac-16").read_bytes()


@pytest.fixture
def long_audio(tmp_path: Path) -> bytes:
    """Long enough to be met in the middle of being decoded."""
    samples = np.tile(tone(60 * 44_100), (6, 1))
    return write_audio(tmp_path / "long.wav", samples, kind="flac-16").read_bytes()


def tasks(content: bytes) -> dict[str, Task]:
    audio_hash = hashlib.sha256(content).hexdigest()
    return {
        "hash": Task(
            "generate_hash_and_webhook",
            FIELDS | {"filepath": A},
            "/hash-check",
            (f"ledger/t1/{audio_hash}",),
        ),
        "duplicate": Task(
            "process_duplicate_file",
            FIELDS | {"filepath": B, "audio_hash": audio_hash},
            "/completion",
            (A,),
            (B,),
        ),
        "analysis": Task(
            "process_audio_analysis", FIELDS | {"filepath": A}, "/completion", ("waveforms/s1_",)
        ),
        "mix": Task(
            "mix_stems_and_upload",
            {"stageId": "g1", "stem_paths": [A, B]},
            "/mixing-complete",
            ("mixed/g1_", "waveforms/g1_"),
        ),
    }


NAMES = ["hash", "duplicate", "analysis", "mix"]


def prepare(deployment: Production, content: bytes, name: str) -> Task:
    """Both copies stored, and A the owner where that matters."""
    deployment.upload(A, content)
    deployment.upload(B, content)
    if name == "duplicate":
        first = deployment.worker().wait_until_ready()
        deployment.task("generate_hash_and_webhook", **FIELDS, filepath=A)
        deployment.receiver.wait_for(1, 30)
        deployment.wait_until_done()
        assert first.stop() == 0
    return tasks(content)[name]


def assert_done_right(deployment: Production, task: Task, message_id: str, before: int) -> None:
    requests = deployment.receiver.requests()[before:]
    assert requests
    assert {each.path for each in requests} == {task.endpoint}
    assert len({each.headers["webhook-id"] for each in requests}) == 1
    assert message_id in requests[0].headers["webhook-id"]
    if task.name != "process_duplicate_file":
        # A repeated event is the same, word for word; of a deletion the time may differ.
        assert all(each.body == requests[0].body for each in requests)
    assert requests[-1].json()["status"] in ("SUCCESS", "hash_generated")
    keys = deployment.stored()
    for beginning in task.written:
        assert len([key for key in keys if key.startswith(beginning)]) == 1
    assert not keys & set(task.removed)
    assert deployment.dead_letters() == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("moment", ["before it has read", "before it has told"])
def test_a_killed_worker_leaves_the_task_to_the_next(
    ministack: AwsServer, tmp_path: Path, audio: bytes, name: str, moment: str
) -> None:
    with (
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, tmp_path) as deployment,
    ):
        task = prepare(deployment, audio, name)
        before = len(deployment.receiver.requests())
        if moment == "before it has told":
            deployment.receiver.next(Stall())
        else:
            proxy.add(Rule(Fault.STALL, method="GET", path=r"/users/"))
        worker = deployment.worker(AWS_ENDPOINT_URL_S3=proxy.url).wait_until_ready()
        message_id = deployment.task(task.name, **task.fields)
        if moment == "before it has told":
            deployment.receiver.wait_for(before + 1, 30)
        else:
            proxy.wait_for(lambda seen: any(each.fault is Fault.STALL for each in seen), 30)
        worker.kill()
        proxy.clear()
        second = deployment.worker().wait_until_ready()
        deployment.receiver.wait_for(
            before + (2 if moment == "before it has told" else 1), 2 * VISIBILITY_TIMEOUT_S
        )
        deployment.wait_until_done()
        assert_done_right(deployment, task, message_id, before)
        assert second.stop() == 0


@pytest.mark.parametrize("name", ["analysis", "mix"])
def test_a_killed_child_costs_one_more_attempt_within_the_same_delivery(
    ministack: AwsServer, tmp_path: Path, long_audio: bytes, name: str
) -> None:
    with production(ministack, tmp_path) as deployment:
        task = prepare(deployment, long_audio, name)
        worker = deployment.worker().wait_until_ready()
        message_id = deployment.task(task.name, **task.fields)
        assert eventually(lambda: _kill_one(_busy(worker.compute_children())))
        deployment.receiver.wait_for(1, 30)
        deployment.wait_until_done()
        assert_done_right(deployment, task, message_id, 0)
        assert len(worker.logged("compute_process_died")) == 1
        assert worker.stop() == 0


@pytest.mark.parametrize("name", ["hash", "duplicate"])
def test_a_killed_child_is_nothing_to_a_task_that_decodes_nothing(
    ministack: AwsServer, tmp_path: Path, audio: bytes, name: str
) -> None:
    with production(ministack, tmp_path) as deployment:
        task = prepare(deployment, audio, name)
        before = len(deployment.receiver.requests())
        worker = deployment.worker().wait_until_ready()
        deployment.receiver.next(Stall())
        message_id = deployment.task(task.name, **task.fields)
        deployment.receiver.wait_for(before + 1, 30)
        for pid in worker.processes() - {worker.pid}:
            _kill_one({pid})
        deployment.receiver.release()
        deployment.wait_until_done()
        assert_done_right(deployment, task, message_id, before)
        assert worker.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_lets_running_work_finish(
    ministack: AwsServer, tmp_path: Path, audio: bytes, number: signal.Signals
) -> None:
    with production(ministack, tmp_path) as deployment:
        task = prepare(deployment, audio, "mix")
        worker = deployment.worker().wait_until_ready()
        message_id = deployment.task(task.name, **task.fields)
        assert eventually(lambda: _busy(worker.compute_children()))
        assert worker.stop(number, group=True) == 0
        assert_done_right(deployment, task, message_id, 0)
        assert deployment.depth() == (0, 0)
        assert deployment.work_files() == []


def test_work_that_outlasts_the_drain_is_given_back_at_once(
    ministack: AwsServer, tmp_path: Path, audio: bytes
) -> None:
    settings = {"WAVEFLOW_DRAIN_TIMEOUT_S": "1", "WAVEFLOW_VISIBILITY_TIMEOUT_S": "600"}
    with (
        FaultProxy(ministack.endpoint_url) as proxy,
        production(ministack, tmp_path, **settings) as deployment,
    ):
        task = prepare(deployment, audio, "analysis")
        proxy.add(Rule(Fault.STALL, method="GET", path=r"/users/"))
        worker = deployment.worker(AWS_ENDPOINT_URL_S3=proxy.url).wait_until_ready()
        message_id = deployment.task(task.name, **task.fields)
        proxy.wait_for(lambda seen: any(each.fault is Fault.STALL for each in seen), 30)
        assert worker.stop() == 4
        assert deployment.depth() == (1, 0)
        assert deployment.work_files() == []
        second = deployment.worker().wait_until_ready()
        deployment.wait_until_done()
        assert_done_right(deployment, task, message_id, 0)
        assert second.stop() == 0


def _busy(pids: set[int]) -> set[int]:
    """Those that have used more than a little processor time since they were forked."""
    return {pid for pid in pids if _cpu_ticks(pid) >= 3}


def _cpu_ticks(pid: int) -> int:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0


def _kill_one(pids: set[int]) -> bool:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
    return False
