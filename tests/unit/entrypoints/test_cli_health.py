"""`waveflow health`: what works here, and how a worker says that it is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine
from waveflow.entrypoints.worker.http_port import HttpPort, Page

CHECKS = ("queue", "storage", "server", "work_folder", "codec")
READY = {"ready": True, "state": "working", "checks": {"queue": "ok", "codec": "ok"}}
UNREADY = {"ready": False, "state": "draining", "checks": {"queue": "SQS can't be reached."}}
ALIVE = {"alive": True, "state": "working", "problem": None}


@pytest.fixture
def storage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    storage = folder / "storage"
    storage.mkdir()
    monkeypatch.setenv("WAVEFLOW_STORAGE_FOLDER", str(storage))
    return storage


class TestHere:
    def test_all_is_well(
        self, waveflow: CommandLine, storage: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOG_LEVEL", "warning")
        outcome = waveflow("health", "--json")
        assert (outcome.code, outcome.err) == (0, "")
        report = outcome.json
        assert report.pop("free_work_bytes") > 0
        assert report.pop("memory_mb") > 0
        assert report == {
            "healthy": True,
            "checks": [{"name": name, "problem": None} for name in CHECKS],
            "away": [],
            "counts": {},
        }

    def test_the_log_line_goes_to_standard_error(
        self, waveflow: CommandLine, storage: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOG_FORMAT", "json")
        monkeypatch.setenv("LOG_LEVEL", "info")
        outcome = waveflow("health")
        assert outcome.facts["healthy"] == "yes"
        assert outcome.facts["codec"] == "ok"
        line = json.loads(outcome.err)
        assert (line["event"], line["level"], line["healthy"]) == ("health", "info", True)

    @pytest.mark.parametrize("name", ["file", "missing", "x" * 300])
    def test_a_storage_folder_that_is_none_is_a_mistake(
        self, waveflow: CommandLine, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        (folder / "file").touch()
        monkeypatch.setenv("WAVEFLOW_STORAGE_FOLDER", str(folder / name))
        outcome = waveflow("health")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            f"waveflow: WAVEFLOW_STORAGE_FOLDER is '{folder / name}';"
            " it must be a folder that exists; make it first.\n"
        )
        assert not (folder / "missing").exists()

    def test_a_storage_that_can_not_be_read_is_reported_beside_what_works(
        self, waveflow: CommandLine, storage: Path
    ) -> None:
        (storage / "ledger").write_text("in the way")
        outcome = waveflow("health", "--json")
        assert outcome.code == 1
        problems = {check["name"]: check["problem"] for check in outcome.json["checks"]}
        assert problems.pop("storage").startswith("'ledger' is a file or a symbolic link")
        assert set(problems.values()) == {None}

    def test_a_broken_work_folder_is_reported(
        self, waveflow: CommandLine, storage: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (storage / "file").touch()
        monkeypatch.setenv("WAVEFLOW_WORK_DIR", str(storage / "file"))
        outcome = waveflow("health")
        assert outcome.code == 1
        assert "point WAVEFLOW_WORK_DIR at a folder" in outcome.facts["work_folder"]
        assert outcome.facts["storage"] == "ok"

    def test_a_server_and_a_queue_that_can_not_be_reached_are_reported_with_what_to_do(
        self, waveflow: CommandLine, storage: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:1/webhooks?token=secret-token")
        monkeypatch.setenv("SQS_QUEUE_URL", "http://127.0.0.1:1/123456789012/stems")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        outcome = waveflow("health")
        assert outcome.code == 1
        assert outcome.facts["server"].startswith(
            "http://127.0.0.1:1/webhooks can't be reached: the connection was refused; check that"
        )
        assert "check the network and AWS_ENDPOINT_URL" in outcome.facts["queue"]
        assert outcome.facts["storage"] == "ok"
        assert "secret-token" not in outcome.out


@contextmanager
def answering(pages: dict[str, object], status: int = 200) -> Iterator[str]:
    def page(document: object) -> Callable[[], Page]:
        return lambda: Page.of(status, document)

    made = {path: page(document) for path, document in pages.items()}
    with HttpPort("127.0.0.1", 0, made) as port:
        yield f"http://127.0.0.1:{port.port}"


class TestAWorker:
    def test_one_that_is_ready(self, waveflow: CommandLine) -> None:
        with answering({"/readyz": READY}) as url:
            outcome = waveflow("health", "--worker", url)
            assert (outcome.code, outcome.err) == (0, "")
            assert outcome.facts == {
                "ready": "yes",
                "state": "working",
                "queue": "ok",
                "codec": "ok",
            }
            assert waveflow("health", "--worker", url, "--json").json == READY

    def test_one_that_is_not_ready_says_why(self, waveflow: CommandLine) -> None:
        with answering({"/readyz": UNREADY}, 503) as url:
            outcome = waveflow("health", "--worker", url)
            assert outcome.code == 1
            assert outcome.facts["ready"] == "no"
            assert outcome.facts["queue"] == "SQS can't be reached."
            assert waveflow("health", "--worker", url, "--json").code == 1

    def test_whether_it_lives_is_another_question(self, waveflow: CommandLine) -> None:
        with answering({"/livez": ALIVE}) as url:
            outcome = waveflow("health", "--live", "--worker", url)
            assert outcome.code == 0
            assert outcome.facts == {"alive": "yes", "state": "working", "problem": "–"}

    @pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0"])
    def test_without_an_address_it_is_the_one_of_these_settings(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, host: str | None
    ) -> None:
        if host:
            monkeypatch.setenv("WAVEFLOW_HTTP_HOST", host)
        with answering({"/readyz": READY}) as url:
            monkeypatch.setenv("WAVEFLOW_HTTP_PORT", url.rpartition(":")[2])
            assert waveflow("health", "--worker").facts["ready"] == "yes"
            assert waveflow("health", "--worker", "--json").json == READY

    @pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
    @pytest.mark.parametrize("host", ["::1", "::"])
    def test_it_may_listen_on_ipv6(
        self, waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        pages = {"/readyz": lambda: Page.of(200, READY)}
        with HttpPort(host, 0, pages) as port:
            monkeypatch.setenv("WAVEFLOW_HTTP_HOST", host)
            monkeypatch.setenv("WAVEFLOW_HTTP_PORT", str(port.port))
            assert waveflow("health", "--worker").facts["ready"] == "yes"

    def test_none_that_answers_can_not_be_told_anything_of(self, waveflow: CommandLine) -> None:
        with answering({}) as url:
            pass
        complaint = waveflow.complaint(3, "health", "--worker", url)
        assert complaint.startswith(f"No worker answers at {url}")
        assert "WAVEFLOW_HTTP_PORT" in complaint
        assert json.loads(waveflow("health", "--worker", url, "--json").err)["code"] == "try_later"

    @pytest.mark.parametrize(
        ("pages", "status"),
        [({"/": {}}, 200), ({"/readyz": {}}, 418), ({"/readyz": ["a", "list"]}, 200)],
    )
    def test_what_is_no_worker_is_not_taken_for_one(
        self, waveflow: CommandLine, pages: dict[str, object], status: int
    ) -> None:
        with answering(pages, status) as url:
            complaint = waveflow.complaint(3, "health", "--worker", url)
        assert complaint.startswith(f"What answers at {url} is no worker")

    @pytest.mark.parametrize(
        "url",
        ["9464", "127.0.0.1:9464", "https://127.0.0.1:9464", "http://[", "http://x:y", "http://x"],
    )
    def test_what_is_no_address_is_wrong_usage(self, waveflow: CommandLine, url: str) -> None:
        assert "is no address of a worker, as http://127.0.0.1:9464 is" in waveflow.misused(
            "health", "--worker", url
        )

    def test_a_port_that_is_off_can_not_be_asked(self, waveflow: CommandLine) -> None:
        assert "WAVEFLOW_HTTP_PORT is not set" in waveflow.misused("health", "--worker")
        assert "use it with --worker" in waveflow.misused("health", "--live")

    def test_asking_imports_nothing_that_takes_long(self) -> None:
        asking = (
            "import sys; from waveflow.entrypoints.cli.main import run;"
            "assert run(['health', '--worker', 'http://127.0.0.1:9']) == 3;"
            "print(*sys.modules, sep='\\n')"
        )
        done = subprocess.run(
            [sys.executable, "-c", asking], capture_output=True, text=True, check=True, timeout=60
        )
        loaded = set(done.stdout.split())
        assert "http.client" in loaded
        heavy = {"boto3", "numpy", "httpx", "structlog", "rich", "cattrs", "dependency_injector"}
        assert heavy & loaded == set()
