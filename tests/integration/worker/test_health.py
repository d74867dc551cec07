"""A worker on its HTTP port: what it says of itself while something is away, full or ending."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, free_port
from tests.support.console_script import run_waveflow
from tests.support.fault_proxy import Fault, FaultProxy, Rule
from tests.support.http_exchange import Stall
from tests.support.iam_policy import Policy
from tests.support.policy_gate import Names, PolicyGate
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[3]
WITHIN_S = 60.0
KEY = "users/u1/projects/t1/stems/drums.wav"


def asked(port: int, path: str = "/readyz") -> tuple[int, Any]:
    """Status and document; 0 while nobody listens. An answer takes a second at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return response.status, body if path == "/metrics" else json.loads(body)
    except ConnectionError:
        return 0, {}
    finally:
        connection.close()


def problems(port: int) -> set[str]:
    _, document = asked(port)
    return {name for name, said in document.get("checks", {}).items() if said != "ok"}


def alive(port: int) -> bool:
    return asked(port, "/livez")[0] == 200


def worker_on(deployment: Production, port: int, **settings: str) -> WorkerProcess:
    return deployment.worker(WAVEFLOW_HTTP_PORT=str(port), **settings)


def test_from_the_first_moment_to_the_last(ministack: AwsServer, tmp_path: Path) -> None:
    with production(ministack, tmp_path) as deployment:
        deployment.receiver.behave(Stall())
        port = free_port()
        worker = worker_on(deployment, port)
        # The port answers before anything is looked at.
        assert eventually(lambda: asked(port)[0] == 503, within_s=WITHIN_S)
        assert asked(port)[1]["state"] == "starting"
        assert alive(port)
        assert eventually(lambda: asked(port)[0] == 200, within_s=WITHIN_S)
        assert asked(port)[1] == {
            "ready": True,
            "state": "working",
            "checks": dict.fromkeys(
                ("queue", "storage", "server", "work_folder", "codec", "receiving"), "ok"
            ),
        }
        assert b"waveflow_ready 1.0" in asked(port, "/metrics")[1]
        # A webhook that isn't answered keeps it from its end for a while.
        audio = write_audio(tmp_path / "a.wav", tone(4_000), kind="wav-16")
        deployment.upload(KEY, audio)
        deployment.task("generate_hash_and_webhook", stemId="s1", filepath=KEY)
        deployment.receiver.wait_for(1, WITHIN_S)
        os.kill(worker.pid, signal.SIGTERM)
        assert eventually(lambda: asked(port)[0] == 503)
        assert asked(port)[1]["state"] == "draining"
        assert asked(port, "/livez") == (
            200,
            {"alive": True, "state": "draining", "problem": None},
        )
        metrics = asked(port, "/metrics")[1]
        assert b"waveflow_ready 0.0" in metrics
        assert b"waveflow_draining 1.0" in metrics
        deployment.receiver.release()
        assert worker.exit_code() == 0
        assert asked(port)[0] == 0


def test_the_command_asks_the_worker(ministack: AwsServer, tmp_path: Path) -> None:
    with production(ministack, tmp_path) as deployment:
        port = free_port()
        settings = deployment.environment() | {"WAVEFLOW_HTTP_PORT": str(port)}

        def health(*options: str) -> tuple[int, str]:
            done = run_waveflow(["health", "--worker", *options], tmp_path, settings)
            return done.returncode, done.stdout + done.stderr

        code, said = health()
        assert code == 3
        assert "No worker answers" in said
        worker_on(deployment, port).wait_until_ready()
        assert eventually(lambda: health()[0] == 0)
        deployment.receiver.go_away()
        assert eventually(lambda: health()[0] == 1, within_s=WITHIN_S)
        code, said = health("--json")
        assert "the connection was refused" in json.loads(said)["checks"]["server"]
        assert health("--live")[0] == 0
        # The same, by the command's own looking.
        done = run_waveflow(["health", "--json"], tmp_path, deployment.environment())
        report = json.loads(done.stdout)
        assert done.returncode == 1
        assert [each["name"] for each in report["checks"] if each["problem"]] == ["server"]


def test_a_worker_starts_while_the_server_is_away_and_is_not_ready(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment:
        deployment.receiver.go_away()
        port = free_port()
        worker = worker_on(deployment, port).wait_until_ready()
        assert worker.logged("server_is_not_reachable")
        assert eventually(lambda: problems(port) == {"server"})
        assert asked(port)[0] == 503
        deployment.receiver.come_back()
        assert eventually(lambda: asked(port)[0] == 200)


def test_a_storage_that_hangs_is_told_in_three_seconds_and_answers_come_at_once(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment, FaultProxy(ministack.endpoint_url) as proxy:
        port = free_port()
        settings = {"AWS_ENDPOINT_URL_S3": proxy.url}
        worker_on(deployment, port, **settings).wait_until_ready()
        assert eventually(lambda: asked(port)[0] == 200)
        proxy.add(Rule(Fault.STALL))
        assert eventually(lambda: problems(port) == {"storage"}, within_s=WITHIN_S)
        assert asked(port)[1]["checks"]["storage"] == "No answer within 3 s."
        assert alive(port)
        assert b"waveflow_ready 0.0" in asked(port, "/metrics")[1]


def test_with_every_slot_busy_it_still_says_that_it_lives(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment:
        deployment.receiver.behave(Stall())
        port = free_port()
        worker_on(deployment, port, WAVEFLOW_SLOTS="2").wait_until_ready()
        audio = write_audio(tmp_path / "a.wav", tone(4_000), kind="wav-16")
        for number in range(4):
            deployment.upload(f"{KEY}.{number}", audio)
            deployment.task(
                "generate_hash_and_webhook", stemId=f"s{number}", filepath=f"{KEY}.{number}"
            )
        deployment.receiver.wait_for(2, WITHIN_S)
        assert alive(port)
        # It has what it needs, and takes the next message when there is room.
        assert eventually(lambda: asked(port)[0] == 200)
        deployment.receiver.release()


def test_a_worker_that_was_stopped_for_long_is_not_called_dead(
    ministack: AwsServer, tmp_path: Path
) -> None:
    with production(ministack, tmp_path) as deployment:
        port = free_port()
        settings = {"WAVEFLOW_WATCHDOG_S": "3"}
        worker = worker_on(deployment, port, **settings).wait_until_ready()
        assert eventually(lambda: alive(port))
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            for _ in range(7):  # A second each.
                with pytest.raises(TimeoutError):
                    asked(port, "/livez")
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        assert alive(port)
        worker.wait_for_log("worker_stood_still")
        assert alive(port)


def test_two_workers_on_one_port_are_one_too_many(ministack: AwsServer, tmp_path: Path) -> None:
    with production(ministack, tmp_path) as deployment:
        port = free_port()
        first = worker_on(deployment, port).wait_until_ready()
        second = worker_on(deployment, port)
        assert second.exit_code() == 3
        assert f"WAVEFLOW_HTTP_PORT is {port}" in second.text()
        assert "something else listens there" in second.text()
        assert second.logged("worker_started") == []
        # Killed, it leaves the port to the next, whatever its children do.
        first.kill()
        worker_on(deployment, port).wait_until_ready()
        assert eventually(lambda: asked(port)[0] == 200)


def test_a_port_that_is_off_costs_nothing(ministack: AwsServer, tmp_path: Path) -> None:
    with production(ministack, tmp_path) as deployment:
        worker = deployment.worker(PYTHONPROFILEIMPORTTIME="1").wait_until_ready()
        imported = {line.rpartition("|")[2].strip() for line in worker.text().splitlines()}
        assert "waveflow.entrypoints.worker.service" in imported
        for module in ("prometheus_client", "waveflow.entrypoints.worker.http_port"):
            assert module not in imported


def test_the_role_of_a_worker_suffices(ministack: AwsServer, tmp_path: Path) -> None:
    document = json.loads((REPOSITORY / "docs" / "iam" / "worker.json").read_text())
    with production(ministack, tmp_path) as deployment:
        names = Names(
            deployment.bucket,
            deployment.queues.url.rpartition("/")[2],
            deployment.queues.dead_letter_url.rpartition("/")[2],
        )
        port = free_port()
        with PolicyGate(ministack.endpoint_url, Policy.of(document), names) as gate:
            # The metrics ask CloudWatch, which is no part of the role, nor of the gate.
            settings = {
                "AWS_ENDPOINT_URL": gate.url,
                "AWS_ENDPOINT_URL_CLOUDWATCH": ministack.endpoint_url,
            }
            worker_on(deployment, port, **settings).wait_until_ready()
            assert eventually(lambda: asked(port)[0] == 200)
            # Both only look whether something is there, and a refusal shows that it is.
            assert {call.action for call in gate.denied} <= {
                "s3:ListBucket",
                "sqs:GetQueueAttributes",
            }
            asked_for = {call.action for call in gate.allowed}
            assert asked_for >= {"s3:GetObject", "sqs:GetQueueAttributes"}


def test_the_task_reports_the_same_checks(ministack: AwsServer, tmp_path: Path) -> None:
    with production(ministack, tmp_path) as deployment:
        worker = deployment.worker().wait_until_ready()
        deployment.task("health_check")
        worker.wait_for_log("health", times=2)
        line = worker.logged("health")[-1]
        assert line["task"] == "health"
        assert line["healthy"] is True
        assert line["away"] == []
        assert line["memory_mb"] > 0
        assert line["free_work_bytes"] > 0
        for check in ("queue", "storage", "server", "work_folder", "codec"):
            assert line[check] == "ok"
        assert deployment.receiver.requests() == []
