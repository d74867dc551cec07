"""The application as a deployment wires it, fed with one message after the other.

`live_bench` has the same over real servers.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, frozen

from tests.support.audio_files import write_audio
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.application.drain import drain
from waveflow.entrypoints.container import Container, container_for
from waveflow.entrypoints.settings import Settings

ANALYSIS = "app.tasks.process_audio_analysis"
HASH = "app.tasks.generate_hash_and_webhook"
DUPLICATE = "app.tasks.process_duplicate_file"
MIX = "app.tasks.mix_stems_and_upload"
GOOD = "users/u1/good.wav"


@frozen
class Answer:
    """What the server was told of one message, and why it was parked if it was."""

    webhooks: list[tuple[str, dict[str, Any]]]
    parked: list[str]

    @property
    def result(self) -> dict[str, Any]:
        """The result of a stem that was analysed."""
        [(endpoint, body)] = self.webhooks
        assert (endpoint, body["status"], self.parked) == ("/completion", "SUCCESS", [])
        result: dict[str, Any] = body["result"]
        return result

    def failure(self, endpoint: str = "/completion") -> tuple[str, str]:
        """Code and sentence of the one failure that the server was told of."""
        [(told, body)] = self.webhooks
        assert (told, body["status"]) == (endpoint, "FAILED")
        assert set(body["result"]) == {"error", "code"}
        error: str = body["result"]["error"]
        assert error.endswith(".")
        assert "Error" not in error
        return body["result"]["code"], error


class Bench(ABC):
    """A deployment that is fed with one message after the other.

    Attributes:
        storage: a folder; what lies in it is stored.
    """

    storage: Path

    @abstractmethod
    def message(self, body: str) -> Answer:
        """Send a message and have it handled, once."""

    @abstractmethod
    def objects(self) -> dict[str, Any]:
        """Every stored object with something that changes when it does."""

    @abstractmethod
    def work_files(self) -> list[Path]:
        """What lies in the work folder."""

    def path(self, key: str) -> Path:
        """Where the object of a key lies, its folder made."""
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def analysis(self, key: str, **more: object) -> Answer:
        """Have a stem analysed, by a nested message."""
        return self.task(ANALYSIS, {"stemId": "s1", "trackId": "t1", "filepath": key} | more)

    def mix(self, *keys: str) -> Answer:
        """Have stems mixed."""
        return self.task(MIX, {"stageId": "g1", "stem_paths": list(keys)})

    def task(self, name: str, fields: object) -> Answer:
        """Send a nested message and have it handled."""
        return self.message(json.dumps({"task": name, "id": "x", "args": [], "kwargs": fields}))

    @contextmanager
    def nothing_left_behind(self) -> Iterator[None]:
        """Whatever happens in the block leaves no trace, and the next good task is unaffected."""
        before = self.objects()
        yield
        assert self.objects() == before
        assert self.work_files() == []
        result = self.analysis(GOOD).result
        assert (result["duration"], result["sample_rate"]) == (0.25, 8000)
        assert self.work_files() == []


@define
class EmbeddedBench(Bench):
    """Real folder storage, isolated decoder, in-process queue, notifier in memory."""

    container: Container
    storage: Path
    work: Path
    queue: InProcessQueue
    notifier: InMemoryNotifier

    def message(self, body: str) -> Answer:
        told, parked = len(self.notifier.delivered()), len(self.queue.dead_letters())
        self.queue.send(body)
        assert drain(self.queue, self.container.handler()) == 1
        assert len(self.queue) == 0
        return Answer(
            [(request.endpoint, request.body) for request in self.notifier.delivered()[told:]],
            [letter.reason for letter in self.queue.dead_letters()[parked:]],
        )

    def objects(self) -> dict[str, Any]:
        return {
            str(path.relative_to(self.storage)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.storage.rglob("*")
            if path.is_file() and path.name != "lock"
        }

    def work_files(self) -> list[Path]:
        return list(self.work.glob("*"))


def write_good_stem(path: Path) -> None:
    """A quarter of a second that is as it should be."""
    write_audio(path, np.full((2000, 1), 0.5, np.float32), 8000)


@contextmanager
def embedded_bench(folder: Path) -> Iterator[Bench]:
    """A bench in `folder`, with one good stem stored."""
    settings = Settings(
        storage="folder",
        storage_folder=folder / "storage",
        work_dir=folder / "work",
        notifier="memory",
        compute_processes=1,
    )
    container = container_for(settings)
    queue, notifier = container.queue(), container.bare_notifier()
    assert isinstance(queue, InProcessQueue)
    assert isinstance(notifier, InMemoryNotifier)
    bench = EmbeddedBench(container, folder / "storage", folder / "work", queue, notifier)
    write_good_stem(bench.path(GOOD))
    try:
        yield bench
    finally:
        container.shutdown_resources()
