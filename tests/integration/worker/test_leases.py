"""Leases, where stale receipts are refused (ministack) and where they are accepted (moto)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, Rule, Seen
from tests.support.http_exchange import Stall
from tests.support.processes import eventually
from tests.support.proxied import Proxied, proxied
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

SONG = "users/u1/song.flac"
STALLED_READ = Rule(Fault.STALL, method="GET", path="/users/")
VISIBILITY_TIMEOUT_S = 4.0
BEATS = 3
"""Extensions in a visibility timeout."""
NOTICED_PAUSE_S = 6.0
"""More than a worker puts down to a busy machine."""


@frozen
class Rig(Proxied):
    """A deployment whose workers reach S3 and SQS through a proxy each."""

    def worker(self, **settings: str) -> WorkerProcess:
        lease = {"WAVEFLOW_VISIBILITY_TIMEOUT_S": f"{VISIBILITY_TIMEOUT_S:g}"}
        return self.deployment.worker(**(lease | self.proxies() | settings)).wait_until_ready()

    def analyse(self, stem_id: str = "s1") -> str:
        """Ask for an analysis; returns the message's id."""
        return self.deployment.task("process_audio_analysis", stemId=stem_id, filepath=SONG)

    def wait_until_stalled(self) -> None:
        """Until a download has begun that doesn't go on."""
        self.s3.wait_for(lambda seen: any(each.fault is Fault.STALL for each in seen), 30)

    def extensions(self) -> list[Seen]:
        """Every request that changed a message's visibility."""
        return [each for each in self.sqs.requests if "ChangeMessageVisibility" in each.target]

    def somebody_else_receives(self) -> list[Any]:
        """What another consumer gets that asks now; it gives it back."""
        found = self.deployment.sqs.receive_message(
            QueueUrl=self.deployment.queues.url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return found.get("Messages", [])


@pytest.fixture
def rig(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Iterator[Rig]:
    with rig_on(request.getfixturevalue(server), tmp_path) as rig:
        yield rig


@contextmanager
def rig_on(server: AwsServer, folder: Path) -> Iterator[Rig]:
    with proxied(Rig, server, folder) as rig:
        rig.deployment.upload(SONG, write_audio(folder / "a", tone(44_100), kind="flac-16"))
        yield rig


@pytest.fixture(params=["ministack", "moto"])
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_work_longer_than_its_lease_is_not_delivered_twice_while_it_runs_or_drains(
    rig: Rig,
) -> None:
    """The heartbeat lives through the drain: nobody else gets the message in all that time."""
    rig.s3.add(STALLED_READ)
    worker = rig.worker()
    rig.analyse()
    rig.wait_until_stalled()
    assert not _for(VISIBILITY_TIMEOUT_S / 2, rig.somebody_else_receives)
    os.kill(worker.pid, signal.SIGTERM)
    worker.wait_for_log("worker_stops")
    before = len(rig.extensions())
    assert not _for(VISIBILITY_TIMEOUT_S + 1.0, rig.somebody_else_receives)
    assert len(rig.extensions()) - before >= BEATS - 1
    rig.s3.clear()
    assert worker.exit_code() == 0
    [told] = rig.deployment.receiver.requests()
    assert told.json()["status"] == "SUCCESS"
    assert rig.deployment.depth() == (0, 0)
    assert [line["attempt"] for line in worker.logged("task_started")] == [1]


def test_a_lost_lease_publishes_nothing(rig: Rig) -> None:
    """The heartbeat doesn't get through, and the first download outlasts the lease."""
    rig.sqs.add(Rule(Fault.STATUS, target="ChangeMessageVisibility", times=None, status=500))
    rig.s3.add(STALLED_READ)
    worker = rig.worker()
    message_id = rig.analyse()
    rig.wait_until_stalled()
    # The second delivery is told of. Until then the first has written nothing and said nothing.
    [told] = rig.deployment.receiver.wait_for(1, 3 * VISIBILITY_TIMEOUT_S)
    stored = rig.deployment.stored()
    rig.s3.clear()
    worker.wait_for_log("task_ended", times=2)
    outcomes = {line["attempt"]: line["outcome"] for line in worker.logged("task_ended")}
    assert outcomes == {1: "given_back", 2: "done"}
    assert len(worker.logged("lease_lost")) == 1
    assert message_id in told.headers["webhook-id"]
    rig.deployment.wait_until_done()
    assert worker.stop() == 0
    assert rig.deployment.receiver.requests() == [told]
    assert rig.deployment.stored() == stored
    assert len(stored) == 2  # the song, and its waveform


def test_a_back_off_is_not_overwritten_by_an_extension_that_is_under_way(rig: Rig) -> None:
    extension_s = 3.0
    slow = Rule(Fault.LATENCY, target="ChangeMessageVisibility", seconds=extension_s)
    rig.sqs.add(slow)
    rig.deployment.receiver.next(Stall())
    # An extension is asked for after 2 s and answered after 5; in between the webhook times out,
    # and its message backs off.
    worker = rig.worker(WAVEFLOW_VISIBILITY_TIMEOUT_S="6", WAVEFLOW_WEBHOOK_TIMEOUT_S="3")
    rig.analyse()
    worker.wait_for_log("task_ended", times=2)
    rig.deployment.wait_until_done()
    extension, back_off = rig.extensions()
    assert extension.fault is Fault.LATENCY
    assert back_off.started_s - extension.started_s >= extension_s
    first, second = worker.logged("task_ended")
    assert (first["outcome"], second["outcome"]) == ("undelivered", "done")
    assert len({each.headers["webhook-id"] for each in rig.deployment.receiver.requests()}) == 1
    assert worker.stop() == 0


def test_a_worker_that_was_suspended_says_nothing_of_what_others_have_done_since(
    rig: Rig,
) -> None:
    rig.s3.add(STALLED_READ)
    # Short enough to find the queue silent, if the time of the suspension counted.
    worker = rig.worker(WAVEFLOW_WATCHDOG_S="4", WAVEFLOW_STUCK_AFTER_S="0")
    message_id = rig.analyse()
    rig.wait_until_stalled()
    second = rig.worker()
    os.kill(worker.pid, signal.SIGSTOP)
    stopped_s = time.monotonic()
    try:
        [told] = rig.deployment.receiver.wait_for(1, 3 * VISIBILITY_TIMEOUT_S)
        rig.deployment.wait_until_done()
        assert second.stop() == 0
        stored = rig.deployment.stored()
        # A shorter pause may be a busy machine's: it counts.
        eventually(lambda: time.monotonic() - stopped_s > NOTICED_PAUSE_S, within_s=60)
    finally:
        os.kill(worker.pid, signal.SIGCONT)
    rig.s3.clear()
    worker.wait_for_log("task_ended")
    assert [line["outcome"] for line in worker.logged("task_ended")] == ["given_back"]
    assert message_id in told.headers["webhook-id"]
    assert rig.deployment.receiver.requests() == [told]
    assert rig.deployment.stored() == stored
    # It has stood still, and is as good as ever.
    worker.wait_for_log("worker_stood_still")
    rig.analyse("s2")
    rig.deployment.receiver.wait_for(2, 30)
    rig.deployment.wait_until_done()
    assert worker.stop() == 0


def _for(seconds: float, look: Any) -> list[Any]:
    """What `look` finds, again and again for so long."""
    found: list[Any] = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        found += look()
        eventually(lambda: False, within_s=0.2)
    return found
