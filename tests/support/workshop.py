"""The whole application on in-memory parts: what the tests of the application work with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve

from tests.support.storage_doubles import WatchedStorage
from waveflow.adapters.codec.memory import InMemoryAudioCodec
from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.memory import InMemoryNotifier
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.adapters.queue.memory import InProcessQueue
from waveflow.application.analyze_stem import AnalyzeStem
from waveflow.application.breaker import Excuses, machine_breaker, storage_breakers
from waveflow.application.clock import Clock
from waveflow.application.current_lease import LeasedStorage
from waveflow.application.delivery import MessageHandler
from waveflow.application.dispatch import Dispatcher
from waveflow.application.disposition import Disposition, RetryPolicy
from waveflow.application.failures import FailureReporter
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.ledger import ContentLedger
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.mix_stage import MixStage
from waveflow.application.outage import Outage
from waveflow.application.outbox import Outbox
from waveflow.application.patient_notifier import PatientNotifier
from waveflow.application.ports import Notifier, ReceivedMessage
from waveflow.application.resolve_duplicate import ResolveDuplicate
from waveflow.application.tally import Tally
from waveflow.application.waveform_options import NOTHING_MORE, WaveformOptions
from waveflow.application.work_folder import WorkFolder
from waveflow.domain.audio import AudioLimits
from waveflow.entrypoints.messages import MessageParser

SENT_AT_MS = 1_704_103_200_123
"""2024-01-01T10:00:00.123Z"""


class FakeClock:
    """A clock that stands still until it is told otherwise; it begins at NOW."""

    NOW = "2024-01-01T10:05:00.123456Z"

    def __init__(self) -> None:
        self._unix_s = 1_704_103_500.123456
        self._monotonic_s = 1_000.0

    def advance(self, seconds: float) -> None:
        self._unix_s += seconds
        self._monotonic_s += seconds

    def as_clock(self) -> Clock:
        return Clock(unix_s=lambda: self._unix_s, monotonic_s=lambda: self._monotonic_s)


class FakeOutage(Outage):
    """One in which waiting takes no time: a fake clock is told instead. No pause has jitter.

    Attributes:
        pauses_s: how long was waited, each time.
        meanwhile: called during each wait.
    """

    def __init__(self, time: FakeClock | None = None) -> None:
        self.time = time or FakeClock()
        super().__init__(clock=self.time.as_clock(), draw=lambda: 0.5)
        self.pauses_s: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def wait(self, seconds: float, *, until_back: bool = False) -> None:
        self.pauses_s.append(seconds)
        self.time.advance(seconds)
        self.meanwhile()


class MainServer:
    """Plays the main server: keeps every request that reaches it, and answers as told."""

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []
        self.status = 200
        self.body = b""
        self.retry_after_s: float | None = None
        self._error: Exception | None = None

    def fail_with(self, error: Exception) -> None:
        """Raise that where a notifier is expected to answer: a defect of its adapter."""
        self._error = error

    def __call__(self, request: WebhookRequest) -> WebhookAnswer:
        if self._error:
            raise self._error
        # As JSON, which is what really arrives.
        body = json.loads(json.dumps(request.body, allow_nan=False))
        self.requests.append(evolve(request, body=body))
        return WebhookAnswer(self.status, self.body, self.retry_after_s)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request.body for request in self.requests]


def _counted_ids() -> Iterator[str]:
    return (f"message-{number}" for number in count(1))


class Workshop:
    """Use cases and message handler, wired on a watched storage and an empty work folder.

    The retry policy draws 0.5 each time: back-offs have no jitter. What a test itself puts in
    the storage or looks up there is no step of the storage.
    """

    def __init__(
        self,
        root: Path,
        limits: AudioLimits | None = None,
        *,
        outage: FakeOutage | None = None,
        options: WaveformOptions = NOTHING_MORE,
    ) -> None:
        """Wire one. With an `outage` its notifier is patient; without, it gives up at once."""
        self.time = outage.time if outage else FakeClock()
        self.server = MainServer()
        self.tally = tally = Tally()
        self.codec = InMemoryAudioCodec()
        self.storage = WatchedStorage()
        limits = limits or AudioLimits()
        clock = self.time.as_clock()
        self.excuses = Excuses(storage_breakers(tally, clock), machine_breaker(tally, clock))
        storage = LeasedStorage(self.storage, breakers=self.excuses.storage)
        notifier: Notifier = InMemoryNotifier(self.server, self.tally)
        if outage is not None:
            notifier = PatientNotifier(notifier, outage, clock=clock)
        self.queue = InProcessQueue(clock=clock, new_id=_counted_ids().__next__)
        self.work_folder = WorkFolder(root, clock)
        self.ledger = ContentLedger(storage)
        self.outcomes = WatchedStorage()
        self.outbox = Outbox(LeasedStorage(self.outcomes, breakers=self.excuses.storage))
        self.ingest_stem = IngestStem(storage, self.ledger, notifier)
        self.resolve_duplicate = ResolveDuplicate(storage, self.ledger, notifier, clock)
        self.analyze_stem = AnalyzeStem(
            storage, self.codec, notifier, self.work_folder, limits, clock, tally, options
        )
        self.mix_stage = MixStage(
            storage, self.codec, notifier, self.work_folder, limits, clock, options
        )
        self.dispatcher = Dispatcher(
            self.ingest_stem,
            self.resolve_duplicate,
            self.analyze_stem,
            self.mix_stage,
            ReportHealth((), self.work_folder, lambda: None, tally),
            CleanWorkFolder(self.work_folder),
        )
        self.handler = MessageHandler(
            parse=MessageParser(default_num_peaks=4).parse,
            perform=self.dispatcher.perform,
            failures=FailureReporter(notifier, clock),
            outbox=self.outbox,
            retries=RetryPolicy(draw=lambda: 0.5),
            excuses=self.excuses,
            clock=clock,
            tally=tally,
        )

    def upload(self, key: str, content: bytes) -> str:
        """Store a stem as a musician does; returns its hash."""
        self.storage.inner.write(key, content, content_type="audio/wav")
        return hashlib.sha256(content).hexdigest()

    def upload_audio(
        self, key: str, content: bytes, samples: list[float], rate_hz: int = 4000
    ) -> str:
        """Store a stem that decodes to these mono samples; returns its hash."""
        self.codec.script(content, np.array(samples, np.float32)[:, np.newaxis], rate_hz)
        return self.upload(key, content)

    def remove(self, key: str) -> None:
        """Delete an object, whatever it holds."""
        self.storage.inner.delete(key, if_match=self.storage.inner.stat(key).etag)

    def objects(self) -> dict[str, bytes]:
        """Everything that is stored."""
        return {stat.key: self.content(stat.key) for stat in self.storage.inner.list("")}

    def content(self, key: str) -> bytes:
        """One object's bytes."""
        with self.storage.inner.read(key) as stream:
            return b"".join(stream)

    def owner(self, track_id: str, content_hash: str) -> str:
        """Key of the copy that owns a content in a track."""
        owner: str = json.loads(self.content(f"ledger/{track_id}/{content_hash}"))["path"]
        return owner

    def deliver(
        self,
        body: str,
        *,
        message_id: str = "message-1",
        receive_count: int = 1,
        sent_at_ms: int = SENT_AT_MS,
    ) -> Disposition:
        """Hand one delivery of a message to the handler; returns what it decides."""
        receipt = f"{message_id}/{receive_count}"
        return self.handler.handle(
            ReceivedMessage(message_id, body, receipt, receive_count, sent_at_ms)
        )


def message(task: str, /, **fields: Any) -> str:
    """A message as the main server sends it, with the fields under their names on the wire."""
    subject = fields.get("stageId") or fields.get("stemId")
    return json.dumps(
        {"task": f"app.tasks.{task}", "id": f"task-{subject}", "args": [], "kwargs": fields}
    )


def hash_message(filepath: str, **fields: Any) -> str:
    """Hash this upload of track456."""
    given = {"stemId": "stem789", "filepath": filepath, "trackId": "track456"}
    return message("generate_hash_and_webhook", **given | fields)


def duplicate_message(filepath: str, audio_hash: str, **fields: Any) -> str:
    """Delete this copy in track456."""
    given = {"stemId": "stem789", "filepath": filepath, "trackId": "track456"}
    return message("process_duplicate_file", **given | {"audio_hash": audio_hash} | fields)


def analysis_message(filepath: str, **fields: Any) -> str:
    """Draw this stem."""
    given = {"stemId": "stem789", "filepath": filepath}
    return message("process_audio_analysis", **given | fields)


def mix_message(*stem_paths: str, **fields: Any) -> str:
    """Mix these stems."""
    given = {"stageId": "stage001", "stem_paths": list(stem_paths)}
    return message("mix_stems_and_upload", **given | fields)
