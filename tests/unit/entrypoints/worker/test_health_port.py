"""The pages of a worker, from before it begins until it ends."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.processes import eventually
from tests.support.worker_rig import SECONDS, Gate, WorkerRig, in_thread
from tests.support.workshop import hash_message
from waveflow.application.clock import Clock
from waveflow.application.commands import HashRequest
from waveflow.application.health_checks import DependencyCheck, what_is_away
from waveflow.domain.errors import QueueUnavailable
from waveflow.entrypoints.worker import pages
from waveflow.entrypoints.worker.health_port import HealthPort

SECRET = "secret-of-the-server"


class Rig:
    """A worker on doubles, with a port, and a queue that works as told."""

    def __init__(self) -> None:
        self.worker = WorkerRig()
        self.problem: str | None = None
        self.render: Callable[[], tuple[str, bytes]] = lambda: ("text/plain", b"metrics\n")
        self.port = HealthPort(
            "127.0.0.1",
            0,
            dependencies=[DependencyCheck("queue", self._ask)],
            away=lambda: what_is_away(self.worker.outage, self.worker.excuses),
            render_metrics=lambda: self.render(),
            silent_after_s=SECONDS,
            longest_end_s=SECONDS,
            clock=Clock(),
        )
        self.port.readiness.again_s = 0.01

    def _ask(self) -> None:
        if self.problem:
            raise QueueUnavailable(self.problem)

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port.port, timeout=SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            is_json = response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(body) if is_json else body
        finally:
            connection.close()

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def begin(self) -> None:
        self.port.begin(self.worker.worker)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("WEBHOOK_URL", f"https://user:{SECRET}@api.example.com/")
    rig = Rig()
    with rig.port:
        yield rig


def test_before_the_worker_begins_it_lives_and_is_not_ready(rig: Rig) -> None:
    assert rig.get("/livez") == (200, {"alive": True, "state": "starting", "problem": None})
    status, document = rig.get("/readyz")
    assert (status, document["ready"], document["state"]) == (503, False, "starting")
    assert set(document["checks"]) == {"queue", "codec", "receiving"}


def test_a_worker_that_works_is_ready_and_one_that_ends_lives_to_the_last(rig: Rig) -> None:
    rig.begin()
    rig.worker.work.hold(HashRequest)
    rig.worker.send(hash_message("a.wav"))
    with in_thread(lambda: rig.worker.worker.run(rig.port.look)) as run:
        assert eventually(lambda: rig.status("/readyz") == 200)
        rig.worker.work.wait_until_begun(1)
        rig.worker.worker.stop()
        status, document = rig.get("/readyz")
        assert (status, document["state"]) == (503, "draining")
        assert set(document["checks"].values()) == {"ok"}
        assert rig.get("/livez")[1]["alive"] is True
        rig.worker.work.let_go()
        run.result(SECONDS)
    assert rig.status("/livez") == 200


def test_what_is_wrong_is_said_without_secrets(rig: Rig) -> None:
    rig.problem = f"SQS says: {SECRET} is wrong."
    rig.begin()
    with rig.worker.running():
        assert eventually(
            lambda: rig.get("/readyz")[1]["checks"]["queue"] == "SQS says: [secret] is wrong."
        )
        assert rig.status("/readyz") == 503
        assert rig.status("/livez") == 200
        rig.problem = None
        assert eventually(lambda: rig.status("/readyz") == 200)


def test_an_open_breaker_is_not_ready(rig: Rig) -> None:
    rig.begin()
    with rig.worker.running():
        assert eventually(lambda: rig.status("/readyz") == 200)
        for number in range(3):
            rig.worker.outage.failed(str(number))
        status, document = rig.get("/readyz")
        assert status == 503
        assert document["checks"]["receiving"] == (
            "No messages are received: several webhooks in a row were not delivered (server)."
        )
        rig.worker.outage.worked()
        assert rig.status("/readyz") == 200


def test_a_worker_ends_when_its_port_is_gone(rig: Rig) -> None:
    rig.begin()
    with rig.worker.running() as run:
        assert eventually(lambda: rig.status("/readyz") == 200)
        rig.port._port.close()
        run.result(SECONDS)


def test_metrics_are_answered_as_they_are_rendered(rig: Rig) -> None:
    assert rig.get("/metrics") == (200, b"metrics\n")


def test_metrics_that_hang_keep_one_thread_and_nothing_else(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_RENDERING_S", 0.01)
    gate = Gate()

    def hang() -> tuple[str, bytes]:
        gate()
        return "text/plain", b"at last"

    rig.render = hang
    with in_thread(lambda: rig.get("/metrics")) as first:
        gate.wait_until_reached()
        assert rig.get("/metrics") == (503, {"error": "Still being measured."})
        assert rig.status("/livez") == 200
        gate.open()
        assert first.result(SECONDS) == (200, b"at last")
    assert rig.status("/metrics") == 200
