"""S3 or SQS down, slow, throttling or silent: back-off, recovery, nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.fault_proxy import Fault, Rule
from tests.support.processes import eventually
from tests.support.proxied import Proxied, proxied

pytestmark = pytest.mark.slow

A, B = "users/u1/a.wav", "users/u1/b.wav"
COUNT = 4
"""One of each task."""


@frozen
class Rig(Proxied):
    """A deployment whose worker reaches S3 and SQS through a proxy each."""

    def send_all(self) -> None:
        """One hash request, one analysis, one mix, and one hash of something else."""
        fields = {"stemId": "s1", "trackId": "t1", "filepath": A}
        self.deployment.task("generate_hash_and_webhook", **fields)
        self.deployment.task("process_audio_analysis", **fields)
        self.deployment.task("mix_stems_and_upload", stageId="g1", stem_paths=[A, B])
        self.deployment.task("generate_hash_and_webhook", stemId="s2", trackId="t1", filepath=B)

    def assert_all_done_once(self) -> None:
        """Each message was told of once, and all objects are there."""
        self.deployment.wait_until_done()
        requests = self.deployment.receiver.requests()
        ids = [each.headers["webhook-id"] for each in requests]
        assert sorted(each.path for each in requests) == [
            "/completion",
            "/hash-check",
            "/hash-check",
            "/mixing-complete",
        ]
        assert len(set(ids)) == COUNT
        assert {each.json()["status"] for each in requests} == {"SUCCESS", "hash_generated"}
        # What was put by while a message could not be settled is removed a moment later.
        assert eventually(lambda: "outcomes" not in self._folders())
        assert self._folders() == {"users", "ledger", "waveforms", "mixed"}
        assert len(self.deployment.stored()) == 7
        assert self.deployment.dead_letters() == []

    def _folders(self) -> set[str]:
        return {key.partition("/")[0] for key in self.deployment.stored()}


@contextmanager
def rig_on(server: AwsServer, folder: Path, **settings: str) -> Iterator[Rig]:
    with proxied(Rig, server, folder, **settings) as rig:
        for seed, key in enumerate((A, B)):
            path = write_audio(folder / f"{seed}.wav", tone(44_100, seed=seed))
            rig.deployment.upload(key, path)
        yield rig


@pytest.fixture(params=["ministack", "moto"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    # Three retries have to outlast the outage.
    with rig_on(request.getfixturevalue(request.param), tmp_path, RETRY_DELAY="4") as rig:
        yield rig


def test_s3_goes_away_and_comes_back(rig: Rig) -> None:
    worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
    rig.s3.go_away()
    rig.send_all()
    worker.wait_for_log("task_interrupted", times=COUNT, within_s=60)
    assert rig.deployment.receiver.requests() == []
    rig.s3.come_back()
    rig.deployment.receiver.wait_for(COUNT, 60)
    rig.assert_all_done_once()
    assert worker.stop() == 0


def test_sqs_goes_away_and_comes_back(rig: Rig) -> None:
    worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
    rig.sqs.go_away()
    rig.send_all()
    worker.wait_for_log("queue_unavailable", times=3, within_s=60)
    pauses_s = [line["pause_s"] for line in worker.logged("queue_unavailable")]
    assert pauses_s[:3] == [1.0, 2.0, 4.0]
    rig.sqs.come_back()
    rig.deployment.receiver.wait_for(COUNT, 60)
    rig.assert_all_done_once()
    assert worker.stop() == 0


def test_sqs_goes_away_between_the_webhook_and_the_deletion(rig: Rig) -> None:
    # Longer than the visibility timeout: every message comes again.
    worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
    rig.sqs.add(Rule(Fault.RESET_BEFORE, target="DeleteMessage", times=None))
    rig.sqs.add(Rule(Fault.RESET_BEFORE, target="ChangeMessageVisibility", times=None))
    rig.send_all()
    worker.wait_for_log("message_not_settled", times=COUNT, within_s=60)
    rig.sqs.clear()
    assert eventually(lambda: worker.logged("task_ended")[COUNT:])
    rig.assert_all_done_once()
    assert worker.stop() == 0


def test_both_are_slow_and_throttle(rig: Rig) -> None:
    for proxy in (rig.s3, rig.sqs):
        proxy.add(Rule(Fault.SLOW_DOWN, times=None, share=0.3))
        proxy.add(Rule(Fault.LATENCY, times=None, share=0.5, seconds=0.2))
    worker = rig.deployment.worker(**rig.proxies())
    rig.send_all()
    rig.deployment.receiver.wait_for(COUNT, 90)
    rig.assert_all_done_once()
    assert rig.s3.faults[Fault.SLOW_DOWN]
    assert rig.sqs.faults[Fault.SLOW_DOWN]
    rig.s3.clear()
    rig.sqs.clear()
    assert worker.stop() == 0


def test_bodies_that_break_off_are_read_to_their_end(rig: Rig) -> None:
    rig.s3.add(Rule(Fault.TRUNCATE, method="GET", path="/users/", times=None, share=0.5))
    worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
    rig.send_all()
    rig.deployment.receiver.wait_for(COUNT, 60)
    rig.assert_all_done_once()
    assert rig.s3.faults[Fault.TRUNCATE]
    assert worker.stop() == 0


def test_replies_that_are_lost_change_nothing(rig: Rig) -> None:
    rig.s3.add(Rule(Fault.RESET_AFTER, method="PUT", times=None, share=0.5))
    rig.sqs.add(Rule(Fault.RESET_AFTER, target="DeleteMessage", times=2))
    worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
    rig.send_all()
    rig.deployment.receiver.wait_for(COUNT, 60)
    rig.assert_all_done_once()
    assert rig.s3.faults[Fault.RESET_AFTER]
    assert worker.stop() == 0


def test_a_worker_whose_queue_stays_silent_ends_so_that_it_is_started_again(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with rig_on(ministack, tmp_path, WAVEFLOW_WATCHDOG_S="4") as rig:
        worker = rig.deployment.worker(**rig.proxies()).wait_until_ready()
        rig.sqs.add(Rule(Fault.STALL, target="ReceiveMessage", times=None))
        processes = worker.processes()
        assert worker.exit_code(processes, within_s=30) == 5
        [line] = worker.logged("queue_is_silent")
        assert line["silent_s"] >= 4
        rig.sqs.clear()
        rig.send_all()
        second = rig.deployment.worker().wait_until_ready()
        rig.deployment.receiver.wait_for(COUNT, 60)
        rig.assert_all_done_once()
        assert second.stop() == 0
