"""What lies behind the stand-in main server's HTTP: uploads, webhooks, what came of them."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.signing import SigningSecret, signatures
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.application.clock import Clock
from waveflow.application.ports import AudioStorage
from waveflow.entrypoints.demo.main_server import ServerStem, StandInServer

TOLERANCE_S = 300
"""How far a webhook's time may be from ours, as Standard Webhooks has it."""


@define
class Site:
    """The stand-in main server for any number of threads, with a storage to upload to.

    Attributes:
        secrets: one of them has to have signed each webhook; without any, none need be signed.
    """

    server: StandInServer
    storage: AudioStorage
    secrets: Sequence[SigningSecret] = ()
    clock: Clock = field(factory=Clock)
    _lock: threading.Lock = field(factory=threading.Lock)
    _uploads: int = 0

    def upload(self, name: str, file: Path) -> str:
        """Store a stem called `name` and have it hashed; returns its id.

        Raises:
            InvalidKey: for a name that no stem can have.
            StorageUnavailable, QueueUnavailable: when they don't answer.
        """
        [stem_id] = self.upload_all({name: file})
        return stem_id

    def upload_all(self, files: Mapping[str, Path]) -> list[str]:
        """Store several stems, and have them hashed once all are there: one mix comes of them."""
        stored = []
        for name, file in files.items():
            with self._lock:
                self._uploads += 1
                stem_id = f"stem-{self._uploads}"
            key = self.server.key_for(stem_id, name, self.clock.now_iso())
            stat = self.storage.write(key, file, content_type="application/octet-stream")
            self.server.tell(f"{name}: {stat.size_bytes:,} bytes uploaded")
            stored.append((stem_id, key, name))
        with self._lock:
            for stem in stored:
                self.server.upload_finished(*stem)
        return [stem_id for stem_id, _, _ in stored]

    def receive(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Handle one webhook; None when there is no such endpoint."""
        if request.endpoint not in self.server.endpoints:
            return None
        with self._lock:
            return self.server.receive(request)

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the webhook comes from who has one of the secrets, and was made just now.

        Args:
            headers: their names in lower case.
        """
        if not self.secrets:
            return True
        made_at = headers.get("webhook-timestamp", "")
        if not made_at.isdecimal() or abs(self.clock.unix_s() - int(made_at)) > TOLERANCE_S:
            return False
        ours = signatures(self.secrets, headers.get("webhook-id", ""), int(made_at), body).split()
        theirs = headers.get("webhook-signature", "").split()
        return any(
            hmac.compare_digest(one.encode(), other.encode()) for one in ours for other in theirs
        )

    def state(self) -> dict[str, Any]:
        """All stems and the latest mix, as JSON has it."""
        with self._lock:
            mix = self.server.mix or {}
            return {
                "stems": [_facts(stem) for stem in self.server.stems.values()],
                "mix": mix.get("mixed_file_path"),
                "mix_waveform": mix.get("waveform_data_path"),
                "mix_error": mix.get("result", {}).get("error"),
                "repeated_webhooks": self.server.repeated,
            }


def _facts(stem: ServerStem) -> dict[str, Any]:
    return {
        "stem_id": stem.stem_id,
        "name": stem.original_filename,
        "audio_hash": stem.audio_hash,
        "verdict": stem.verdict,
        "status": (stem.completion or {}).get("status"),
        "duration": stem.result.get("duration"),
        "waveform": (stem.completion or {}).get("audio_wave_path"),
        "error": stem.result.get("error"),
    }
