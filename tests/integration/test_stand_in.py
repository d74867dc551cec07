"""`waveflow stand-in` as people run it: bucket and queues made once, the whole system at work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.support.aws_servers import AwsServer, free_port
from tests.support.console_script import WAVEFLOW, run_waveflow
from tests.support.processes import eventually
from tests.support.worker_process import WorkerProcess

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def settings_of(server: AwsServer, name: str, region: str = "eu-west-1") -> dict[str, str]:
    return server.environment() | {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "S3_BUCKET_NAME": name,
        "SQS_QUEUE_URL": f"{server.endpoint_url}/000000000000/{name}",
        "WAVEFLOW_WEBHOOK_SECRET": SECRET,
    }


@pytest.mark.parametrize("region", ["eu-west-1", pytest.param("us-east-1", marks=pytest.mark.slow)])
def test_bucket_and_queues_are_made_once(ministack: AwsServer, tmp_path: Path, region: str) -> None:
    settings = settings_of(ministack, f"set-up-{region}", region)
    first, second = (
        run_waveflow(["stand-in", "set-up", "--json"], tmp_path, settings) for _ in range(2)
    )
    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout) == {"bucket": "made", "queues": "made"}
    assert json.loads(second.stdout) == {"bucket": "already there", "queues": "already there"}
    status = run_waveflow(["queue", "status", "--json"], tmp_path, settings)
    assert status.returncode == 0, status.stderr
    assert f"set-up-{region}-dead" in status.stdout


def test_without_a_bucket_or_a_queue_it_says_what_to_set(tmp_path: Path) -> None:
    done = run_waveflow(["stand-in", "serve"], tmp_path, {"S3_BUCKET_NAME": "stems"})
    assert done.returncode == 2
    assert "SQS_QUEUE_URL is not set" in done.stderr


@pytest.mark.slow
def test_a_server_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    settings = settings_of(AwsServer("none", f"http://127.0.0.1:{free_port()}"), "stems")
    done = run_waveflow(["stand-in", "set-up"], tmp_path, settings)
    assert done.returncode == 3
    assert done.stderr.startswith("waveflow: Bucket and queues can't be made: check the network")
    assert "Could not connect" in done.stderr


@pytest.mark.slow
def test_its_song_goes_all_the_way_through_a_worker(ministack: AwsServer, tmp_path: Path) -> None:
    settings = settings_of(ministack, "whole-system")
    assert run_waveflow(["stand-in", "set-up"], tmp_path, settings).returncode == 0
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    worker_settings = settings | {
        "WEBHOOK_URL": f"{address}/webhooks",
        "WAVEFLOW_POLL_WAIT_S": "1",
        "WAVEFLOW_WORK_DIR": str(tmp_path / "work"),
    }
    with (
        serving(settings, port, tmp_path) as server,
        WorkerProcess(worker_settings, tmp_path / "worker.log") as worker,
    ):
        worker.wait_until_ready()

        def mixed() -> object:
            with urlopen(f"{address}/stems", timeout=10) as answer:
                state = json.loads(answer.read())
            done = [stem for stem in state["stems"] if stem["status"] == "SUCCESS"]
            return len(done) == 6 and state["mix"]

        assert eventually(mixed, within_s=60), worker.text()
        mix = quote(str(mixed()))
        start = Request(f"{address}/objects/{mix}", headers={"Range": "bytes=0-3"})
        with urlopen(start, timeout=10) as answer:
            assert (answer.status, answer.read()) == (206, b"RIFF")
        assert worker.stop() == 0
        server.send_signal(signal.SIGTERM)
        told, _ = server.communicate(timeout=30)
    assert server.returncode == 0
    assert "drums.wav: new; asks for its waveform" in told
    assert "a duplicate; asks for its deletion" in told
    assert "mix: SUCCESS" in told


@contextmanager
def serving(settings: dict[str, str], port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [WAVEFLOW, "stand-in", "serve", "--port", str(port), "--demo"],
        env={"PATH": os.environ["PATH"]} | settings,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert "listening" in process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
