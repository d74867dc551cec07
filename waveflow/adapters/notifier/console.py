"""A notifier that writes each webhook as one line of JSON, for development."""

from __future__ import annotations

import json
from collections.abc import Callable

from waveflow.adapters.notifier.wire import (
    WebhookRequest,
    completion,
    hash_check,
    mixing_complete,
)
from waveflow.application.events import HashGenerated, StageMixed, StemCompleted
from waveflow.application.ports import Notifier
from waveflow.domain.errors import NotifierUnavailable


class ConsoleNotifier(Notifier):
    """Writes `{"endpoint", "webhook-id", "body"}`, a line per event."""

    def __init__(self, write_line: Callable[[str], None]) -> None:
        """Write lines (without their line break) with `write_line`."""
        self._write_line = write_line

    def hash_generated(self, event: HashGenerated) -> None:
        self._print(hash_check(event))

    def stem_completed(self, event: StemCompleted) -> None:
        self._print(completion(event))

    def stage_mixed(self, event: StageMixed) -> None:
        self._print(mixing_complete(event))

    def _print(self, request: WebhookRequest) -> None:
        line = json.dumps(
            {"endpoint": request.endpoint, "webhook-id": request.event_id, "body": request.body},
            ensure_ascii=False,
        )
        try:
            self._write_line(line)
        except OSError as error:
            raise NotifierUnavailable(f"The console can't be written: {error}") from error
