"""The main server's part in the chaos: a table that survives everything, behind a bad connection.

It decides for itself what is a duplicate, asks for the next step when a webhook comes in, tells
deliveries of one event apart from events by `webhook-id`, and now and then answers with an error,
or late, before or after it has acted.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from threading import Lock
from time import sleep
from typing import Any

from attrs import Factory, define, frozen
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.campaigns.chaos_cast import Cast, Kind, Loose, Stage, Stem
from tests.support.http_exchange import Answer, ReceivedRequest
from tests.support.message_forms import (
    ANALYSIS,
    DUPLICATE,
    FORMS,
    FORMS_OF_A_HASH_REQUEST,
    FORMS_WITH_ID,
    HASH,
    MIX,
)
from tests.support.production import Production

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

_SLOW_S = 0.5


@frozen
class Sent:
    """A message that was put on the queue, and what it is about."""

    message_id: str
    kind: Kind
    body: str
    subject: Stem | Stage | Loose
    task_id: str = ""


@frozen
class Told:
    """A webhook that came in, and whether the server answered that it has taken it."""

    event_id: str
    path: str
    body: dict[str, Any]
    taken: bool


@define
class MainServer:
    """Takes webhooks, and sends messages for what has to be done next.

    Attributes:
        faults: what went wrong on its side, by kind; nothing does once `healthy` is set.
        forged: webhooks whose signature was wrong.
    """

    production: Production
    cast: Cast
    chance: random.Random
    healthy: bool = False
    sent: dict[str, Sent] = Factory(dict)
    told: list[Told] = Factory(list)
    faults: Counter[str] = Factory(Counter)
    forged: list[str] = Factory(list)
    defects: list[str] = Factory(list)
    _stems: dict[str, Stem] = Factory(dict)
    _acted_on: set[str] = Factory(set)
    _first: dict[tuple[str, str], str] = Factory(dict)
    _finished: set[str] = Factory(set)
    _mixed: set[str] = Factory(set)
    _forms: dict[Kind, int] = Factory(lambda: defaultdict(int))
    _lock: Lock = Factory(Lock)

    def __attrs_post_init__(self) -> None:
        self._stems = self.cast.stems

    # What comes from outside

    def upload(self, stem: Stem) -> None:
        """A musician uploads a stem; the hash of it is asked for, of some twice."""
        if stem.content is not None:
            self.production.upload(stem.key, stem.content)
        with self._lock:
            for _ in range(2 if stem.messages == 4 else 1):
                self._ask(Kind.HASH, HASH, stem, stem.fields | {"stageId": "stage-1"})

    def send(self, loose: Loose) -> None:
        """A message out of the blue."""
        with self._lock:
            message_id = self.production.send(loose.body)
            self.sent[message_id] = Sent(message_id, loose.kind, loose.body, loose)

    # What comes from the worker

    def reply(self, request: ReceivedRequest) -> Answer:
        """Take a webhook, or let it go wrong."""
        with self._lock:
            fault = "" if self.healthy else self._draw()
            if fault:
                self.faults[fault] += 1
            answer = self._answer(request, fault)
        if fault == "slow":
            sleep(_SLOW_S)
        return answer

    def _draw(self) -> str:
        faults = ["500 before acting", "500 after acting", "429", "slow"]
        return self.chance.choices(["", *faults], [0.9, 0.03, 0.02, 0.02, 0.03])[0]

    def _answer(self, request: ReceivedRequest, fault: str) -> Answer:
        event_id, body = request.headers["webhook-id"], request.json()
        try:
            Webhook(SECRET).verify(request.body.decode(), dict(request.headers))
        except WebhookVerificationError:
            self.forged.append(event_id)
        taken = fault in ("", "slow")
        self.told.append(Told(event_id, request.path, body, taken))
        if fault == "429":
            return Answer(429, headers={"Retry-After": "1"})
        if fault == "500 before acting":
            return Answer(500)
        if event_id not in self._acted_on:
            self._acted_on.add(event_id)
            try:
                self._act(request.path, body)
            except Exception as error:
                self.defects.append(repr(error))
                raise
        return Answer(201, b'{"success": true}') if taken else Answer(500)

    def _act(self, path: str, body: dict[str, Any]) -> None:
        if path == "/hash-check":
            self._hash_came(self._stems[body["stemId"]], body["audio_hash"])
        elif path == "/completion":
            self._finished.add(body["stemId"])
            self._ask_for_mixes()

    def _hash_came(self, stem: Stem, audio_hash: str) -> None:
        place = (stem.track_id, audio_hash)
        if place in self._first:
            # Also when it is the stem's own hash, told by a second message: so do real servers.
            self._ask(Kind.DUPLICATE, DUPLICATE, stem, stem.fields | {"audio_hash": audio_hash})
            return
        self._first[place] = stem.stem_id
        self._ask(Kind.ANALYSIS, ANALYSIS, stem, stem.fields | {"audio_hash": audio_hash})

    def _ask_for_mixes(self) -> None:
        for stage in self.cast.stages:
            if stage.stage_id in self._mixed:
                continue
            if {stem.stem_id for stem in stage.stems} <= self._finished:
                self._mixed.add(stage.stage_id)
                paths = [stem.key for stem in stage.stems]
                fields = {"stageId": stage.stage_id, "stem_paths": paths, "upstreamId": "up-1"}
                self._ask(Kind.MIX, MIX, stage, fields)

    def _ask(self, kind: Kind, task: str, subject: Stem | Stage, fields: dict[str, Any]) -> None:
        forms = {Kind.HASH: FORMS_OF_A_HASH_REQUEST, Kind.MIX: FORMS_WITH_ID}.get(kind, FORMS)
        self._forms[kind] += 1
        number = self._forms[kind]
        task_id = f"{kind.value}-{number}"
        body = forms[number % len(forms)](task, task_id, fields)
        message_id = self.production.send(body)
        self.sent[message_id] = Sent(message_id, kind, body, subject, task_id)
