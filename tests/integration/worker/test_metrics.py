"""A worker's metrics and its log, compared with what really happened."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer, free_port
from tests.support.fault_proxy import Fault, Rule
from tests.support.processes import eventually
from tests.support.production import Production, production
from tests.support.proxied import Proxied, proxied
from tests.support.worker_process import WorkerProcess
from waveflow.entrypoints.metrics.table import METRICS

pytestmark = pytest.mark.slow

USER = "users/u1/projects/t1/stems"
RATE_HZ = 44_100


class Scraped:
    """One worker with a port, and what it says there."""

    def __init__(self, deployment: Production, **settings: str) -> None:
        self.port = free_port()
        self.worker: WorkerProcess = deployment.worker(
            WAVEFLOW_HTTP_PORT=str(self.port), WAVEFLOW_QUEUE_LOOK_S="1", **settings
        ).wait_until_ready()

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Everything that a scrape gives, by name without `waveflow_` and by labels."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = answer.read().decode()
        return {
            (sample.name.removeprefix("waveflow_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples of one metric that aren't 0, by the values of their labels in order."""
        [metric] = [each for each in METRICS if each.name == name]
        return {
            tuple(dict(labels)[label] for label in metric.labels): value
            for (sample, labels), value in self.samples().items()
            if sample == name and value
        }

    def ended(self) -> list[dict[str, Any]]:
        return self.worker.logged("task_ended")


@pytest.fixture(params=["ministack", "moto"])
def server(request: pytest.FixtureRequest) -> AwsServer:
    found: AwsServer = request.getfixturevalue(request.param)
    return found


def _stem(folder: Path, name: str, seconds: float) -> bytes:
    samples = tone(int(seconds * RATE_HZ), 2, RATE_HZ, seed=len(name))
    return write_audio(folder / name, samples, RATE_HZ, kind="wav-16").read_bytes()


def _answer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """The handler of a mix fails, the others don't."""
    return 201, {"success": path != "/mixing-complete"}


def test_the_numbers_are_those_of_what_happened(server: AwsServer, tmp_path: Path) -> None:
    stems = {"a": _stem(tmp_path, "a.wav", 2.0), "bb": _stem(tmp_path, "bb.wav", 3.0)}
    with production(server, tmp_path) as deployment:
        deployment.receiver.decide(_answer)
        for name, content in (stems | {"copy": stems["a"], "text": b"no audio at all"}).items():
            deployment.upload(f"{USER}/{name}", content)
        scraped = Scraped(
            deployment,
            WAVEFLOW_COMPUTE_PROCESSES="1",
            WAVEFLOW_COMPUTE_TASKS_PER_PROCESS="3",
        )

        # When two stems come in, and one of them again
        for name in ("a", "bb", "copy"):
            _ask(deployment, "generate_hash_and_webhook", name)
        hashes = {body["stemId"]: body["audio_hash"] for body in deployment.bodies("/hash-check")}
        assert hashes["copy"] == hashes["a"]
        _ask(deployment, "process_duplicate_file", "copy", audio_hash=hashes["copy"])
        _ask(deployment, "process_duplicate_file", "bb", audio_hash="0" * 64)
        # And they are drawn, while somebody kills a decoder
        _ask(deployment, "process_audio_analysis", "a")
        [child] = scraped.worker.compute_children()
        os.kill(child, signal.SIGSTOP)
        deployment.task("process_audio_analysis", "t-bb", stemId="bb", filepath=f"{USER}/bb")
        assert eventually(lambda: scraped.value("tasks_in_flight", lane="analysis") == 1)
        assert eventually(lambda: _is_decoding(deployment))
        os.kill(child, signal.SIGKILL)
        deployment.wait_until_done()
        _ask(deployment, "process_audio_analysis", "text")
        # And mixed, and something comes that nobody understands
        deployment.task(
            "mix_stems_and_upload", "m", stageId="g1", stem_paths=[f"{USER}/a", f"{USER}/bb"]
        )
        deployment.wait_until_done()
        deployment.send("nonsense")
        deployment.wait_until_done()
        assert eventually(lambda: len(scraped.ended()) == 10)

        # Then it is all there
        assert scraped.counted("tasks_total") == {
            ("hash", "done"): 3,
            ("duplicate", "done"): 1,
            ("duplicate", "failed"): 1,
            ("analysis", "done"): 2,
            ("analysis", "failed"): 1,
            ("mix", "done"): 1,
            ("unreadable", "parked"): 1,
        }
        assert scraped.counted("task_failures_total") == {
            ("duplicate", "unknown_content"): 1,
            ("analysis", "not_audio"): 1,
            ("unreadable", "unreadable_message"): 1,
        }
        size = {name: len(content) for name, content in stems.items()}
        assert scraped.counted("stem_bytes_total") == {
            ("hash",): 2 * size["a"] + size["bb"],
            ("duplicate",): 2 * size["a"],
            ("analysis",): size["a"] + size["bb"] + len(b"no audio at all"),
            ("mix",): size["a"] + size["bb"],
        }
        assert scraped.counted("audio_seconds_total") == {("analysis",): 5.0, ("mix",): 3.0}
        assert scraped.counted("duplicates_deleted_total") == {(): 1}
        assert scraped.counted("deletions_refused_total") == {("unknown_content",): 1}
        assert scraped.counted("compute_process_deaths_total") == {("killed",): 1}
        # The heir of the one that was killed had three tasks: the stem, the text, and the mix.
        assert scraped.counted("compute_process_recycles_total") == {(): 1}
        assert scraped.counted("webhooks_total") == {
            ("hash-check", "delivered"): 3,
            ("completion", "delivered"): 5,
            ("mixing-complete", "error_body"): 1,
        }
        assert scraped.counted("leases_lost_total") == {}
        assert scraped.counted("breaker_open") == {}
        assert eventually(lambda: scraped.value("dead_letters") == 1)
        assert eventually(lambda: scraped.value("queue_messages", state="in_flight") == 0)
        assert scraped.value("ready") == 1
        assert scraped.value("log_lines_lost_total") == 0
        for part in ("worker", "compute"):
            assert (scraped.value("memory_bytes", part=part) or 0) > 10 * 1024**2

        # And the log says the same, task by task
        _compare_with_log(scraped, deployment)
        assert scraped.worker.stop() == 0


def _ask(deployment: Production, task: str, name: str, **fields: Any) -> None:
    given = {"stemId": name, "filepath": f"{USER}/{name}", "trackId": "t1", "userId": "u1"}
    deployment.task(task, f"t-{name}", **given | fields)
    deployment.wait_until_done()


def _is_decoding(deployment: Production) -> bool:
    """Whether a stem is wholly fetched: then somebody waits for the decoder."""
    sizes = [path.stat().st_size for path in deployment.work_files() if path.name == "stem"]
    return any(size > 3 * RATE_HZ * 4 for size in sizes)


def _compare_with_log(scraped: Scraped, deployment: Production) -> None:
    ended = scraped.ended()
    for line in ended:
        others_s = sum(taken_s for stage, taken_s in line["stages"].items() if stage != "wait")
        assert others_s == pytest.approx(line["seconds"], abs=0.001 * len(line["stages"]))
        assert line["memory_mb_before"] > 0
        assert line["memory_mb"] > 0
        assert {"task", "task_id", "message_id", "attempt"} <= line.keys()
    by_task = {line["task_id"]: line for line in ended}
    assert {"download", "hash", "webhook", "settle"} <= by_task["m"]["stages"].keys()
    assert {"decode", "upload"} <= by_task["m"]["stages"].keys()
    assert by_task["m"]["stage_id"] == "g1"
    for metric, fact in (("stem_bytes_total", "bytes"), ("audio_seconds_total", "audio_s")):
        total = sum(scraped.counted(metric).values())
        assert sum(line[fact] for line in ended) == pytest.approx(total, abs=0.01)
    delivered = scraped.worker.logged("webhook_delivered")
    assert [(line["endpoint"], line["body"]) for line in delivered] == [
        (each.path, each.json()) for each in deployment.receiver.requests()
    ]
    assert [line["webhook_id"] for line in delivered] == [
        each.headers["webhook-id"] for each in deployment.receiver.requests()
    ]
    assert all(line["task_id"] for line in delivered)


def test_a_lost_lease_is_counted(ministack: AwsServer, tmp_path: Path) -> None:
    with proxied(Proxied, ministack, tmp_path) as rig:
        rig.deployment.upload(f"{USER}/a", _stem(tmp_path, "a.wav", 1.0))
        rig.sqs.add(Rule(Fault.STATUS, target="ChangeMessageVisibility", times=None, status=500))
        rig.s3.add(Rule(Fault.STALL, method="GET", path="/users/"))
        settings = rig.proxies() | {"WAVEFLOW_VISIBILITY_TIMEOUT_S": "4"}
        scraped = Scraped(rig.deployment, **settings)
        rig.deployment.task("process_audio_analysis", stemId="a", filepath=f"{USER}/a")
        # The second delivery is told of.
        rig.deployment.receiver.wait_for(1, 30)
        rig.s3.clear()
        scraped.worker.wait_for_log("task_ended", times=2)
        assert eventually(lambda: scraped.value("leases_lost_total") == 1)
        assert scraped.counted("tasks_total") == {
            ("analysis", "given_back"): 1,
            ("analysis", "done"): 1,
        }
        # Only the first delivery says how long messages wait.
        assert scraped.value("stage_duration_seconds_count", task="analysis", stage="wait") == 1
        assert scraped.worker.stop() == 0
