"""A notifier that delivers in memory, to a receiver that plays the main server."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from waveflow.adapters.notifier.answer import WebhookAnswer, require_delivered
from waveflow.adapters.notifier.wire import (
    WebhookRequest,
    completion,
    hash_check,
    mixing_complete,
)
from waveflow.application.events import HashGenerated, StageMixed, StemCompleted
from waveflow.application.ports import Notifier
from waveflow.application.tally import Tally

Receiver = Callable[[WebhookRequest], WebhookAnswer]


def _accept(_: WebhookRequest) -> WebhookAnswer:
    return WebhookAnswer(200)


class InMemoryNotifier(Notifier):
    """Hands each webhook to a callable and keeps the delivered ones."""

    def __init__(self, receiver: Receiver = _accept, tally: Tally | None = None) -> None:
        """Deliver to `receiver`; by default everything is taken in."""
        self._receiver = receiver
        self._tally = tally or Tally()
        self._delivered: list[WebhookRequest] = []
        self._lock = Lock()

    def hash_generated(self, event: HashGenerated) -> None:
        self._deliver(hash_check(event))

    def stem_completed(self, event: StemCompleted) -> None:
        self._deliver(completion(event))

    def stage_mixed(self, event: StageMixed) -> None:
        self._deliver(mixing_complete(event))

    def delivered(self) -> list[WebhookRequest]:
        """All requests that were answered with 2xx, in order."""
        with self._lock:
            return list(self._delivered)

    def _deliver(self, request: WebhookRequest) -> None:
        require_delivered(request, self._receiver(request), self._tally)
        with self._lock:
            self._delivered.append(request)
