"""WaveFlow and a real Celery worker on one queue: who does what, and what becomes of the rest."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, Queues
from tests.support.celery_client import STAND_IN
from tests.support.message_forms import (
    ANALYSIS,
    HASH,
    Form,
    bare,
    celery_1,
    celery_2,
    flat,
    nested,
)
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SONG = "users/u1/projects/t1/stems/song.flac"
MESSAGES = 40
UNKNOWN = "Received and deleted unknown message"


@contextmanager
def stage(server: AwsServer, folder: Path, queues: Queues) -> Iterator[Production]:
    """A deployment with a song, on these queues."""
    with production(server, folder) as deployment:
        deployment.queues = queues
        deployment.upload(SONG, write_audio(folder / "song", tone(44_100), kind="flac-16"))
        yield deployment


@pytest.fixture
def deployment(ministack: AwsServer, tmp_path: Path) -> Iterator[Production]:
    with stage(ministack, tmp_path, ministack.new_queues(visibility_timeout_s=6)) as deployment:
        yield deployment


def celery_worker(deployment: Production, **settings: str) -> WorkerProcess:
    """A stand-in for the worker that WaveFlow replaces, which receives by now."""
    log = deployment.folder / "celery.log"
    command = [sys.executable, "-m", "celery", "-A", "tests.support.celery_stand_in", "worker"]
    options = ["--concurrency", "1", "--loglevel", "info", "--without-gossip", "--without-mingle"]
    environment = deployment.environment() | {"PYTHONPATH": str(ROOT), "HOME": str(log.parent)}
    worker = WorkerProcess(environment | settings, log, [*command, *options])
    deployment.stack.enter_context(worker)
    assert eventually(lambda: " ready." in worker.text() or worker.poll() is not None)
    assert worker.poll() is None, worker.text()
    return worker


def fields_of(stem_id: str) -> dict[str, str]:
    return {"stemId": stem_id, "filepath": SONG, "trackId": f"t-{stem_id}"}


def send_as_celery(deployment: Production, count: int) -> list[str]:
    """Hash and analysis requests in both protocols; returns the stems."""
    stems = [f"s{number}" for number in range(count)]
    for number, stem in enumerate(stems):
        form = celery_1 if number % 2 else celery_2
        task = HASH if number % 3 else ANALYSIS
        deployment.send(form(task, f"id-{stem}", fields_of(stem)))
    return stems


def told_by(deployment: Production) -> dict[str, list[str]]:
    """Which stems the main server was told of, by whom."""
    found: dict[str, list[str]] = {"celery": [], "waveflow": []}
    for request in deployment.receiver.requests():
        is_celery = request.headers["user-agent"] == STAND_IN
        found["celery" if is_celery else "waveflow"].append(request.json()["stemId"])
    return found


def test_each_message_is_done_by_one_of_the_two(deployment: Production) -> None:
    celery = celery_worker(deployment)
    worker = deployment.worker().wait_until_ready()
    stems = send_as_celery(deployment, MESSAGES)
    deployment.receiver.wait_for(len(stems), 90)
    deployment.wait_until_done()
    told = told_by(deployment)
    assert sorted(told["celery"] + told["waveflow"]) == sorted(stems)
    assert told["celery"]
    assert told["waveflow"]
    assert not deployment.dead_letters()
    assert celery.stop() == 0
    assert worker.stop() == 0


def test_waveflow_takes_over_what_celery_leaves_when_it_is_stopped(deployment: Production) -> None:
    stems = send_as_celery(deployment, MESSAGES)
    celery = celery_worker(deployment)
    deployment.receiver.wait_for(MESSAGES // 4, 60)
    assert celery.stop() == 0
    deployment.worker().wait_until_ready()
    deployment.wait_until_done(90)
    told = told_by(deployment)
    assert sorted(told["celery"] + told["waveflow"]) == sorted(stems)
    assert told["waveflow"]


def test_celery_takes_over_again_what_waveflow_leaves(deployment: Production) -> None:
    stems = send_as_celery(deployment, MESSAGES)
    worker = deployment.worker(WAVEFLOW_SLOTS="1").wait_until_ready()
    deployment.receiver.wait_for(MESSAGES // 4, 60)
    assert worker.stop() == 0
    assert len(deployment.receiver.requests()) < MESSAGES
    celery_worker(deployment)
    deployment.wait_until_done(90)
    told = told_by(deployment)
    assert sorted(told["celery"] + told["waveflow"]) == sorted(stems)
    assert told["celery"]


@pytest.mark.parametrize("form", [bare, flat, nested])
def test_celery_leaves_what_has_no_envelope_to_waveflow_if_there_is_a_redrive_policy(
    deployment: Production, form: Form
) -> None:
    celery = celery_worker(deployment)
    deployment.send(form(HASH, "id-1", fields_of("s1")))
    assert eventually(lambda: UNKNOWN in celery.text()), celery.text()
    assert deployment.depth() == (0, 1)
    assert celery.stop() == 0
    deployment.worker().wait_until_ready()
    deployment.receiver.wait_for(1)
    deployment.wait_until_done()
    assert told_by(deployment) == {"celery": [], "waveflow": ["s1"]}


@pytest.mark.parametrize("form", [bare, flat, nested])
def test_celery_deletes_what_has_no_envelope_if_there_is_no_redrive_policy(
    ministack: AwsServer, tmp_path: Path, form: Form
) -> None:
    url = ministack.sqs().create_queue(QueueName=f"plain-{form.__name__}")["QueueUrl"]
    with stage(ministack, tmp_path, Queues(url, ministack.new_queues().url)) as deployment:
        celery = celery_worker(deployment)
        deployment.send(form(HASH, "id-1", fields_of("s1")))
        assert eventually(lambda: UNKNOWN in celery.text()), celery.text()
        deployment.wait_until_done()
        assert not deployment.receiver.requests()
        assert not deployment.dead_letters()


def test_a_message_whose_visibility_timeout_is_shorter_than_celerys_work_is_done_by_both(
    ministack: AwsServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with stage(ministack, tmp_path, ministack.new_queues(visibility_timeout_s=2)) as deployment:
        celery_worker(deployment, GATE=str(gate), ACKS_LATE="1")
        deployment.send(celery_2(HASH, "id-1", fields_of("s1")))
        assert eventually(Path(f"{gate}.begun").exists)
        deployment.worker().wait_until_ready()
        deployment.receiver.wait_for(1)
        gate.touch()
        deployment.receiver.wait_for(2)
        assert told_by(deployment) == {"celery": ["s1"], "waveflow": ["s1"]}


@pytest.mark.parametrize("acks_late", [False, True])
def test_what_a_killed_celery_worker_held_is_left_for_waveflow_with_acks_late_only(
    deployment: Production, acks_late: bool, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    celery = celery_worker(deployment, GATE=str(gate), ACKS_LATE=str(int(acks_late)))
    deployment.send(celery_2(HASH, "id-1", fields_of("s1")))
    assert eventually(Path(f"{gate}.begun").exists)
    assert eventually(lambda: deployment.depth() == (0, int(acks_late)))
    os.killpg(celery.pid, signal.SIGKILL)
    celery.kill()
    deployment.worker().wait_until_ready()
    if acks_late:
        deployment.receiver.wait_for(1)
    deployment.wait_until_done()
    assert told_by(deployment) == {"celery": [], "waveflow": ["s1"] * acks_late}
