"""How a worker ends that is told to: under full load, again and again, with things that hang."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.fault_proxy import Fault, Rule
from tests.support.http_exchange import Stall
from tests.support.processes import eventually
from tests.support.proxied import Proxied, proxied
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

SONG, OTHER = "users/u1/song.flac", "users/u1/other.flac"
LONG = {"WAVEFLOW_VISIBILITY_TIMEOUT_S": "600"}
"""What is not given back doesn't come back during a test."""
AT_ONCE_S = 5.0
"""Within a second on a machine that isn't busy."""


@frozen
class Rig(Proxied):
    """A deployment whose workers reach S3 and SQS through a proxy each."""

    def worker(self, **settings: str) -> WorkerProcess:
        return self.deployment.worker(**(LONG | self.proxies() | settings)).wait_until_ready()

    def task(self, name: str, stem_id: str, key: str = SONG) -> str:
        return self.deployment.task(name, stemId=stem_id, filepath=key)

    def analyse(self, stem_id: str, key: str = SONG) -> str:
        return self.task("process_audio_analysis", stem_id, key)

    def receives(self) -> list[float]:
        """When the worker asked for messages."""
        return [each.started_s for each in self.sqs.requests if "ReceiveMessage" in each.target]

    def stalled(self) -> int:
        """How many downloads don't go on."""
        return self.s3.faults[Fault.STALL]

    def somebody_else_gets(self, message_ids: set[str], within_s: float) -> bool:
        """Whether another consumer receives all of these in time. It keeps them."""
        missing = set(message_ids)

        def receive() -> bool:
            found = self.deployment.sqs.receive_message(
                QueueUrl=self.deployment.queues.url, MaxNumberOfMessages=10, VisibilityTimeout=600
            )
            missing.difference_update(each["MessageId"] for each in found.get("Messages", []))
            return not missing

        return eventually(receive, within_s=within_s)

    def done_by_the_next(self) -> list[Any]:
        """Let another worker do what is left; returns all webhooks."""
        worker = self.worker()
        self.deployment.wait_until_done()
        assert worker.stop() == 0
        assert self.deployment.dead_letters() == []
        return self.deployment.receiver.requests()


@pytest.fixture
def server() -> str:
    return "ministack"


@pytest.fixture
def rig(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Iterator[Rig]:
    with proxied(Rig, request.getfixturevalue(server), tmp_path) as rig:
        for seed, key in enumerate((SONG, OTHER)):
            song = write_audio(tmp_path / str(seed), tone(44_100, seed=seed), kind="flac-16")
            rig.deployment.upload(key, song)
        yield rig


@pytest.mark.parametrize("server", ["ministack", "moto"])
def test_under_full_load_nothing_new_is_taken_and_only_what_runs_is_finished(rig: Rig) -> None:
    """However often it is told, and by whichever signal."""
    running, waiting = 6, 24  # Two of the eight slots are for light work: it goes on receiving.
    worker = rig.worker(WAVEFLOW_POLL_WAIT_S="3")
    for number in range(6):  # It has just begun, and has to be trusted with more first.
        rig.task("generate_hash_and_webhook", f"h{number}")
    rig.deployment.receiver.wait_for(6, 30)
    rig.deployment.wait_until_done()
    rig.s3.add(Rule(Fault.STALL, method="GET", path="/users/", times=None))
    sent = {rig.analyse(f"s{number}") for number in range(running + waiting)}
    assert eventually(lambda: rig.deployment.depth() == (0, len(sent)))
    assert eventually(lambda: rig.stalled() == running)
    begun = {line["message_id"] for line in worker.logged("task_started")} & sent
    assert len(begun) == running

    processes = worker.processes()
    os.kill(worker.pid, signal.SIGTERM)
    assert rig.somebody_else_gets(sent - begun, within_s=AT_ONCE_S)
    given_back_s = time.monotonic()
    os.kill(worker.pid, signal.SIGTERM)
    os.kill(worker.pid, signal.SIGINT)
    os.killpg(worker.pid, signal.SIGTERM)
    # A poll that was under way may still bring it, and gives it back.
    late = rig.analyse("late")
    assert rig.somebody_else_gets({late}, within_s=3 + AT_ONCE_S)
    rig.s3.clear()
    assert worker.exit_code(processes) == 0

    assert max(rig.receives()) < given_back_s
    assert len(worker.logged("worker_stops")) == 1
    told = rig.deployment.bodies("/completion")
    assert len(told) == running
    assert {body["status"] for body in told} == {"SUCCESS"}
    ended = [line for line in worker.logged("task_ended") if line["message_id"] in sent]
    assert {line["message_id"] for line in ended} == begun
    assert {(line["attempt"], line["outcome"]) for line in ended} == {(1, "done")}
    assert rig.deployment.work_files() == []


def test_a_webhook_that_stalls_within_the_budget_is_kept_and_told_by_the_next_worker(
    rig: Rig,
) -> None:
    rig.deployment.receiver.next(Stall())
    worker = rig.worker(WAVEFLOW_WEBHOOK_TIMEOUT_S="2")
    rig.analyse("s1")
    rig.deployment.receiver.wait_for(1, 30)
    assert worker.stop() == 0
    [kept] = [key for key in rig.deployment.stored() if key.startswith("outcomes/")]
    # It backs off for a second; then it is told, without being worked on.
    rig.deployment.upload(SONG, b"nobody reads this")
    first, second = rig.done_by_the_next()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert kept not in rig.deployment.stored()


def test_a_webhook_that_stalls_past_the_budget_is_given_back_and_told_by_the_next_worker(
    rig: Rig,
) -> None:
    rig.deployment.receiver.next(Stall())
    worker = rig.worker(WAVEFLOW_WEBHOOK_TIMEOUT_S="60", WAVEFLOW_DRAIN_TIMEOUT_S="1")
    rig.analyse("s1")
    rig.deployment.receiver.wait_for(1, 30)
    assert worker.stop() == 4
    assert rig.deployment.depth() == (1, 0)
    first, second = rig.done_by_the_next()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_decoder_that_hangs_past_the_budget_is_killed_and_its_message_given_back(
    rig: Rig,
) -> None:
    worker = rig.worker(WAVEFLOW_DRAIN_TIMEOUT_S="2")
    rig.analyse("s1")
    rig.deployment.receiver.wait_for(1, 30)
    rig.deployment.wait_until_done()
    # The child that is to have the next task takes it and never answers.
    children = worker.compute_children()
    assert children
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    message_id = rig.analyse("s2")
    assert eventually(lambda: len(worker.logged("task_started")) == 2)
    assert eventually(lambda: len(rig.deployment.work_files()) > 1)
    assert worker.stop() == 4  # and nothing that it had started is left
    [line] = worker.logged("worker_out_of_time")
    assert line["running"] == 1
    assert rig.deployment.depth() == (1, 0)
    assert rig.deployment.work_files() == []
    _, told = rig.done_by_the_next()
    assert message_id in told.headers["webhook-id"]
    assert told.json()["status"] == "SUCCESS"


def test_a_slot_that_is_stuck_ends_the_worker_and_nothing_else_suffers(rig: Rig) -> None:
    """S3 sends a byte now and then: no time-out ever comes, and the lease is kept meanwhile."""
    rig.s3.add(Rule(Fault.TRICKLE, method="GET", path="other.flac", seconds=1.0, keep_bytes=1000))
    worker = rig.worker(
        WAVEFLOW_STUCK_AFTER_S="10", WAVEFLOW_TASK_TIMEOUT_S="9", WAVEFLOW_WEBHOOK_TIMEOUT_S="9"
    )
    stuck = rig.analyse("s1", OTHER)
    worker.wait_for_log("task_started")
    fine = rig.analyse("s2")
    rig.deployment.receiver.wait_for(1, 30)
    assert worker.exit_code(worker.processes(), within_s=40) == 6
    [line] = worker.logged("slot_is_stuck")
    assert line["message_id"] == stuck
    assert any("s3_reading.py" in call for call in line["calls"])
    assert rig.deployment.depth() == (1, 0)
    assert rig.deployment.work_files() == []
    requests = rig.done_by_the_next()
    assert fine in requests[0].headers["webhook-id"]
    assert stuck in requests[1].headers["webhook-id"]
    assert len(requests) == 2
