"""An endless day of small messages of every kind, fed at the pace at which they are done.

What the worker stores is removed once it has been told of, so that the S3 server, which keeps
everything in memory, is the same at the end as at the beginning.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np
from attrs import Factory, define

from tests.support.audio_files import tone, write_audio
from tests.support.http_exchange import Answer, ReceivedRequest
from tests.support.message_forms import ANALYSIS, DUPLICATE, HASH, MIX, nested
from tests.support.production import Production
from waveflow.domain.keys import removal_key

_KINDS = ("wav-16", "wav-24", "flac-16", "mp3", "ogg-vorbis")
_FOLDER = "users/u1/stems"
_MISSING = f"{_FOLDER}/missing.wav"
_BAD = f"{_FOLDER}/bad.wav"
_BATCH = 10

_SHARES = {
    "hash": 0.35,
    "analysis": 0.30,
    "hash and duplicate": 0.10,
    "mix": 0.08,
    "missing": 0.05,
    "bad audio": 0.05,
    "refused": 0.05,
    "no peaks": 0.02,
}
_FAILING = {"missing", "bad audio", "refused", "no peaks"}


@define
class Feeder:
    """Sends messages, counts what was told, and clears away.

    Attributes:
        sent: how many messages were sent.
        done: ids of all events that were told.
        wrong: what should have failed and didn't, or the other way round, or was told twice.
        finished_s: stem or stage → when its result was told, by `time.monotonic`.
    """

    production: Production
    chance: random.Random
    sent: int = 0
    done: set[str] = Factory(set)
    wrong: list[str] = Factory(list)
    kinds: Counter[str] = Factory(Counter)
    finished_s: dict[str, float] = Factory(dict)
    _stems: list[tuple[str, bytes]] = Factory(list)
    _bodies: list[str] = Factory(list)
    _litter: list[str] = Factory(list)
    _expects: dict[str, bool] = Factory(dict)
    _lock: Lock = Factory(Lock)

    @property
    def failing(self) -> int:
        """How many of the messages can only fail."""
        return sum(self.kinds[kind] for kind in _FAILING)

    def prepare(self, folder: Path) -> None:
        """Upload the few stems that all messages are about."""
        for number in range(10):
            samples = tone(8_000, 1 + number % 2, 32_000, seed=number)
            kind = _KINDS[number % len(_KINDS)]
            content = write_audio(folder / "stem", samples, 32_000, kind=kind).read_bytes()
            key = f"{_FOLDER}/{number}.wav"
            self.production.upload(key, content)
            self._stems.append((key, content))
        self.production.upload(_BAD, b"no audio at all " * 100)

    # Sending

    def feed(self, backlog: int, messages: int) -> None:
        """Send until so many are on their way, but no more than `messages` in all."""
        while self.sent < messages and self.sent - len(self.done) < backlog:
            self._plan(messages)
            self._flush()

    def _plan(self, messages: int) -> None:
        with self._lock:
            while len(self._bodies) < _BATCH and self.sent + len(self._bodies) < messages:
                (kind,) = self.chance.choices(list(_SHARES), list(_SHARES.values()))
                self.kinds[kind] += 1
                number = sum(self.kinds.values())
                self._expects[f"{kind.split()[0]}-{number}"] = kind not in _FAILING
                self._bodies.append(self._message(kind, number))

    def _message(self, kind: str, number: int) -> str:
        key, _ = self._stems[number % len(self._stems)]
        name = f"{kind.split()[0]}-{number}"
        fields: dict[str, Any] = {
            "stemId": name,
            "trackId": f"t{number}",
            "userId": "u1",
            "filepath": {"missing": _MISSING, "bad audio": _BAD}.get(kind, key),
        }
        match kind:
            case "hash" | "hash and duplicate":
                return nested(HASH, name, fields | {"stageId": kind})
            case "mix":
                paths = [key, self._stems[(number + 3) % len(self._stems)][0]]
                return nested(MIX, name, {"stageId": name, "stem_paths": paths})
            case "refused":
                # The stem's own content isn't on record in that track.
                return nested(DUPLICATE, name, fields | {"audio_hash": "0" * 64})
            case "no peaks":
                return nested(ANALYSIS, name, fields | {"num_peaks": 0})
        return nested(ANALYSIS, name, fields)

    def _flush(self) -> None:
        with self._lock:
            bodies, self._bodies = self._bodies[:_BATCH], self._bodies[_BATCH:]
        if bodies:
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
            self.production.sqs.send_message_batch(
                QueueUrl=self.production.queues.url,
                Entries=entries,  # type: ignore[arg-type]
            )
            self.sent += len(bodies)

    # Being told

    def reply(self, request: ReceivedRequest) -> Answer:
        """Take a webhook."""
        body = request.json()
        with self._lock:
            event_id = request.headers["webhook-id"]
            if event_id in self.done:
                self.wrong.append(f"told twice: {event_id}")
            else:
                self._take(request.path, body)
                self.done.add(event_id)
        return Answer(201)

    def _take(self, path: str, body: dict[str, Any]) -> None:
        name = body.get("stemId") or body["stageId"]
        if (body["status"] != "FAILED") is not self._expects.get(name, True):
            self.wrong.append(f"{name}: {body}")
        if path != "/hash-check":
            self.finished_s[name] = monotonic()
        if path == "/hash-check":
            self._hash_came(body)
        elif path == "/mixing-complete":
            self._litter += [body["mixed_file_path"], body["waveform_data_path"]]
        elif body["audio_wave_path"]:
            self._litter.append(body["audio_wave_path"])
        elif body["result"].get("isDuplicate"):
            track, audio_hash = body["trackId"], body["result"]["audio_data_hash"]
            self._litter.append(f"ledger/{track}/{audio_hash}")
            self._litter.append(removal_key(name, f"{_FOLDER}/copies/{track}"))

    def _hash_came(self, body: dict[str, Any]) -> None:
        track, audio_hash = body["trackId"], body["audio_hash"]
        if body["stageId"] == "burst":
            fields = {name: body[name] for name in ("stemId", "trackId", "userId", "filepath")}
            self._bodies.append(nested(ANALYSIS, body["stemId"], fields))
        elif body["stageId"] == "hash":
            self._litter.append(f"ledger/{track}/{audio_hash}")
        else:
            content = dict(self._stems)[body["filepath"]]
            copy = f"{_FOLDER}/copies/{track}"
            self.production.upload(copy, content)
            self._bodies.append(
                nested(
                    DUPLICATE,
                    f"duplicate-{track}",
                    {
                        "stemId": f"copy-{track}",
                        "trackId": track,
                        "userId": "u1",
                        "filepath": copy,
                        "audio_hash": audio_hash,
                    },
                )
            )

    # Clearing away

    def clear_away(self) -> None:
        """Remove what was told of from the bucket, and its memory from here."""
        with self._lock:
            litter, self._litter = self._litter[:500], self._litter[500:]
        if litter:
            self.production.s3.delete_objects(
                Bucket=self.production.bucket,
                Delete={"Objects": [{"Key": key} for key in litter], "Quiet": True},
            )

    # A burst

    def burst(self, count: int) -> dict[str, float]:
        """Upload so many stems at once, and ask for their hashes: id → when it was uploaded."""
        uploaded_s = {}
        for number in range(count):
            name, key = f"burst-{number}", f"{_FOLDER}/burst/{number}.wav"
            # Every one of them is new, as uploads are.
            samples = tone(32_000, 2, 32_000, seed=number) + np.float32(1e-4 * (number + 1))
            content = write_audio(self.production.folder / "burst", samples, 32_000).read_bytes()
            self.production.upload(key, content)
            uploaded_s[name] = monotonic()
            fields = {"stemId": name, "trackId": "burst", "userId": "u1", "filepath": key}
            with self._lock:
                self._bodies.append(nested(HASH, name, fields | {"stageId": "burst"}))
            self.pass_on(least=_BATCH)
        self.pass_on()
        return uploaded_s

    def pass_on(self, least: int = 1) -> None:
        """Send what waits to be sent, if it is at least so much."""
        while len(self._bodies) >= least:
            self._flush()


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile."""
    return {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}
