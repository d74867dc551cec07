"""A stand-in for the platform's main server, with its habits, good and bad.

It puts the next message on the queue when a hash comes in, asks for mixes, answers 2xx also where
it could not handle a webhook, and is not idempotent: a repeated webhook is handled again, and
counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from attrs import Factory, define, field

from waveflow.adapters.notifier.answer import WebhookAnswer
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.domain.keys import require_key
from waveflow.entrypoints.messages import ANALYSIS_TASK, DUPLICATE_TASK, HASH_TASK, MIX_TASK


@define
class ServerStem:
    """What the server knows of one stem.

    Attributes:
        verdict: `new` or `duplicate`, once the hash is in.
        duplicate_of: id of the stem that has the same hash, and had it first.
        completion: the `/completion` body, once it is in.
    """

    stem_id: str
    filepath: str
    original_filename: str
    audio_hash: str | None = None
    verdict: str | None = None
    duplicate_of: str | None = None
    completion: dict[str, Any] | None = None

    @property
    def result(self) -> dict[str, Any]:
        """What the completion says came of the stem; empty before."""
        result: dict[str, Any] = (self.completion or {}).get("result", {})
        return result

    @property
    def playable(self) -> bool:
        """Whether there is a waveform, so that the stem goes into the mix."""
        return bool(self.completion and self.completion["audio_wave_path"])


@define
class ServerMix:
    """What the server knows of one mix that it asked for.

    Attributes:
        stem_paths: what it asked for last.
        outcome: the `/mixing-complete` body, once one is in.
    """

    stage_id: str
    stem_paths: list[str]
    outcome: dict[str, Any] | None = None


@define
class StandInServer:
    """Plays the main server for the stems of one track.

    Attributes:
        send: puts a message body on the queue.
        stage_id: the stage that the stems are uploaded to.
        tell: told in a sentence what the server does.
        mixes_by_itself: asks for the mix of `stage_id` as soon as all stems are done.
        mixes: by their stages, which are theirs alone.
        deliveries: how often each webhook id came in.
    """

    send: Callable[[str], object]
    user_id: str
    track_id: str
    stage_id: str
    tell: Callable[[str], None] = lambda sentence: None
    mixes_by_itself: bool = True
    stems: dict[str, ServerStem] = Factory(dict)
    mixes: dict[str, ServerMix] = Factory(dict)
    deliveries: dict[str, int] = Factory(dict)
    _hashes: dict[str, str] = field(factory=dict)
    _sent: int = 0

    @property
    def mix(self) -> dict[str, Any] | None:
        """What came of the latest mix of `stage_id`."""
        mix = self.mixes.get(self.stage_id)
        return mix.outcome if mix else None

    def key_for(self, stem_id: str, name: str, now_iso: str) -> str:
        """Where the upload of a stem goes that is called `name`. Raises `InvalidKey`."""
        stamp = now_iso[:19].replace(":", "-")
        folder = f"users/{self.user_id}/projects/{self.track_id}/stems"
        return require_key(f"{folder}/{stamp}_{stem_id}_{name}")

    def know(self, stem: ServerStem) -> None:
        """Remember a stem of an earlier run, with its hash."""
        self.stems[stem.stem_id] = stem
        if stem.audio_hash and stem.verdict == "new":
            self._hashes[stem.audio_hash] = stem.stem_id

    def forget_hash(self, audio_hash: str) -> None:
        """Let the next stem with that hash be a new one: of the first, nothing came."""
        self._hashes.pop(audio_hash, None)

    def ask_for_waveform(self, stem: ServerStem) -> None:
        """Have a stem analysed."""
        fields = self._fields(stem.stem_id, stem.filepath)
        self._send(ANALYSIS_TASK, stem.stem_id, fields | {"audio_hash": None, "num_peaks": 4000})

    def ask_for_mix(self, stage_id: str, stem_paths: Sequence[str]) -> None:
        """Have the stems at these keys mixed, as the one mix of that stage."""
        mix = self.mixes.setdefault(stage_id, ServerMix(stage_id, []))
        mix.stem_paths = list(stem_paths)
        self._send(MIX_TASK, stage_id, {"stageId": stage_id, "stem_paths": mix.stem_paths})

    def upload_finished(self, stem_id: str, filepath: str, original_filename: str) -> None:
        """A musician's upload is in the storage: have it hashed.

        The three message forms take turns: bare, flat and nested.
        """
        self.stems[stem_id] = ServerStem(stem_id, filepath, original_filename)
        fields = self._fields(stem_id, filepath) | {
            "stageId": self.stage_id,
            "timestamp": "2025-07-16T07:39:22.281Z",
            "original_filename": original_filename,
        }
        forms = (
            fields,
            {"task": HASH_TASK} | fields,
            self._nested(HASH_TASK, f"hash-{stem_id}", fields),
        )
        self.send(json.dumps(forms[len(self.stems) % 3], ensure_ascii=False))

    def receive(self, request: WebhookRequest) -> WebhookAnswer:
        """Handle one webhook. Always 2xx; the body tells when it could not be handled."""
        times = self.deliveries.get(request.event_id, 0) + 1
        self.deliveries[request.event_id] = times
        problem = self.endpoints[request.endpoint](request.body)
        if problem:
            return WebhookAnswer(200, json.dumps({"success": False, "error": problem}).encode())
        return WebhookAnswer(201, b'{"success":true}')

    @property
    def endpoints(self) -> dict[str, Callable[[dict[str, Any]], str | None]]:
        """What handles the body of which webhook, and says what it couldn't do."""
        return {
            "/hash-check": self._hash_check,
            "/completion": self._completion,
            "/mixing-complete": self._mixing_complete,
        }

    @property
    def repeated(self) -> int:
        """Webhooks that came in more than once."""
        return sum(times - 1 for times in self.deliveries.values())

    def _hash_check(self, body: dict[str, Any]) -> str | None:
        stem = self.stems.get(body["stemId"])
        if stem is None:
            return f"stem {body['stemId']} not found"
        stem.audio_hash = body["audio_hash"]
        # The server's own check, and its bug: a repeated webhook meets the stem's own hash.
        if body["audio_hash"] in self._hashes:
            stem.verdict = "duplicate"
            first = self._hashes[body["audio_hash"]]
            stem.duplicate_of = first if first != stem.stem_id else None
            self.tell(f"{stem.original_filename}: a duplicate; asks for its deletion")
            fields = self._fields(stem.stem_id, stem.filepath)
            self._send(DUPLICATE_TASK, stem.stem_id, fields | {"audio_hash": stem.audio_hash})
            return None
        self._hashes[body["audio_hash"]] = stem.stem_id
        stem.verdict = "new"
        self.tell(f"{stem.original_filename}: new; asks for its waveform")
        self.ask_for_waveform(stem)
        return None

    def _completion(self, body: dict[str, Any]) -> str | None:
        stem = self.stems.get(body["stemId"])
        if stem is None:
            return f"stem {body['stemId']} not found"
        stem.completion = body
        outcome = body["result"].get("error") or body["result"].get("action") or "waveform drawn"
        self.tell(f"{stem.original_filename}: {body['status']}, {outcome}")
        if self.mixes_by_itself and all(stem.completion for stem in self.stems.values()):
            self._mix_all()
        return None

    def _mix_all(self) -> None:
        paths = [stem.filepath for stem in self.stems.values() if stem.playable]
        if paths:
            self.tell(f"all stems are done; asks for the mix of {len(paths)}")
            self.ask_for_mix(self.stage_id, paths)

    def _mixing_complete(self, body: dict[str, Any]) -> str | None:
        mix = self.mixes.get(body["stageId"])
        if mix is None:
            return f"stage {body['stageId']} not found"
        # Of two mixes that are made at the same time the smaller one may be the later.
        if body.get("stem_paths", mix.stem_paths) != mix.stem_paths:
            self.tell(f"mix: {body['status']}, but of other stems than there are now")
            return None
        mix.outcome = body
        self.tell(f"mix: {body['status']}")
        return None

    def _fields(self, stem_id: str, filepath: str) -> dict[str, Any]:
        return {
            "stemId": stem_id,
            "userId": self.user_id,
            "trackId": self.track_id,
            "filepath": filepath,
        }

    def _send(self, task: str, subject: str, fields: dict[str, Any]) -> None:
        message = self._nested(task, f"{task.rsplit('.', 1)[-1]}-{subject}", fields)
        self.send(json.dumps(message, ensure_ascii=False))

    def _nested(self, task: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        self._sent += 1
        return {"task": task, "id": f"{name}-{self._sent}", "args": [], "kwargs": fields}
