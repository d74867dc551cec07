"""What has to be true once the weather is good again and the queue is empty."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import Factory, define

from tests.campaigns.chaos_cast import Kind, Loose, Stage, Stem
from tests.campaigns.chaos_reference import Analysed, Failed, Mixed, Reference, without_times
from tests.campaigns.chaos_server import MainServer, Sent, Told
from tests.campaigns.worker_log import WorkerLog, explains_outcome
from waveflow.domain.keys import removal_key

_VARY = {"timestamp", "processing_time", "processed_at"}
"""Of a failure, and of a deletion, these are the attempt's; else they are the work's."""

_HASHED = "hash_generated"


@define
class Oracle:
    """Compares what is with what has to be. `violations` is the only thing that counts.

    Attributes:
        lives: what each worker has said, in order.
        parked: body and reason of what lay in the dead-letter queue.
        notes: what is allowed, but worth a line.
    """

    server: MainServer
    reference: Reference
    lives: Sequence[WorkerLog]
    parked: Sequence[tuple[str, str | None]]
    stored: set[str] = Factory(set)
    violations: list[str] = Factory(list)
    notes: Counter[str] = Factory(Counter)
    _expected_objects: set[str] = Factory(set)
    _ledger: dict[tuple[str, str], dict[str, Any]] = Factory(dict)

    def judge(self) -> None:
        """Look at everything."""
        self.stored = self.server.production.stored()
        events: dict[str, list[Told]] = defaultdict(list)
        for told in self.server.told:
            events[told.event_id].append(told)
        self._read_ledger()
        by_message: dict[str, dict[str, list[Told]]] = defaultdict(dict)
        for event_id, deliveries in events.items():
            message_id = event_id.removeprefix("msg_").rpartition(".")[0].rpartition(".")[0]
            by_message[message_id][event_id] = deliveries
        for message_id in by_message.keys() - self.server.sent.keys():
            self._broken(f"webhooks about {message_id}, which nobody sent")
        for sent in self.server.sent.values():
            self._judge_message(sent, by_message[sent.message_id])
        self._judge_recordings()
        self._judge_objects()
        self._judge_parked()
        self._judge_the_server()
        for life in self.lives:
            self.violations += life.defects()

    def _broken(self, text: str) -> None:
        self.violations.append(text)

    # What the server was told

    def _judge_message(self, sent: Sent, events: dict[str, list[Told]]) -> None:
        name = f"{sent.kind.name} {sent.message_id} ({_subject(sent)})"
        wanted = self._wanted(sent)
        if wanted is None:
            if events:
                self._broken(f"{name}: told of, and should not be: {sorted(events)}")
            return
        path, suffix = wanted
        event_id = f"msg_{sent.message_id}.{path.strip('/')}.{suffix}"
        if set(events) != {event_id}:
            codes = [told[-1].body.get("result") for told in events.values()]
            self._broken(f"{name}: {event_id} was due, and came {sorted(events)} {codes}")
            return
        deliveries = events[event_id]
        if not any(told.taken for told in deliveries):
            self._broken(f"{name}: the server never took it")
        if {told.path for told in deliveries} != {path}:
            self._broken(f"{name}: sent to {[told.path for told in deliveries]}")
        bodies = [told.body for told in deliveries]
        repeatable = suffix != "failed" and sent.kind is not Kind.DUPLICATE
        kept = [body if repeatable else _without(body, _VARY) for body in bodies]
        if any(body != kept[0] for body in kept):
            self._broken(f"{name}: told in several ways: {kept}")
        for problem in self._problems(sent, bodies[-1]):
            self._broken(f"{name}: {problem}")

    def _wanted(self, sent: Sent) -> tuple[str, str] | None:
        """Endpoint and result of the event that has to have come."""
        if sent.kind is Kind.UNREADABLE:
            return None
        if sent.kind is Kind.MIX:
            return "/mixing-complete", "failed" if self._code(sent) else "success"
        if sent.kind is Kind.HASH and not self._code(sent):
            return "/hash-check", _HASHED
        return "/completion", "failed" if self._code(sent) else "success"

    def _code(self, sent: Sent) -> str | None:
        """With which code the message has to fail, if it has to."""
        subject = sent.subject
        if isinstance(subject, Loose):
            return subject.code
        if isinstance(subject, Stage):
            return _code_of(self.reference.mix(subject))
        if sent.kind is Kind.HASH:
            if subject.content is None:
                return "object_not_found"
            return None if subject.content else "empty_file"
        if sent.kind is Kind.ANALYSIS:
            return _code_of(self.reference.analysis(subject))
        return "last_copy" if self._owner(subject) == subject.key else None

    def _problems(self, sent: Sent, body: dict[str, Any]) -> Iterator[str]:
        code = self._code(sent)
        if code is not None:
            if body["status"] != "FAILED" or body["result"]["code"] != code:
                yield f"{code} was due, and came {body['status']} {body['result']}"
            return
        if isinstance(sent.subject, Stage):
            yield from self._problems_of_mix(sent, sent.subject, body)
        elif isinstance(sent.subject, Stem):
            yield from self._problems_of_stem(sent, sent.subject, body)

    def _problems_of_stem(self, sent: Sent, stem: Stem, body: dict[str, Any]) -> Iterator[str]:
        fields = {name: body[name] for name in ("stemId", "userId", "trackId")}
        if fields.items() - stem.fields.items():
            yield f"about somebody else: {fields}"
        if sent.kind is Kind.HASH:
            owner = self._owner(stem)
            other = None if owner == stem.key else owner
            facts = (body["audio_hash"], body["duplicate_of"], body["owner"])
            if facts != (stem.audio_hash, other, "other" if other else "self"):
                yield f"wrong: {facts}, and the owner is {owner}"
        elif sent.kind is Kind.DUPLICATE:
            result = {"isDuplicate": True, "action": "duplicate_deleted"}
            if body["result"] != result | {"audio_data_hash": stem.audio_hash}:
                yield f"wrong: {body['result']}"
        else:
            yield from self._problems_of_waveform(stem, body)

    def _problems_of_waveform(self, stem: Stem, body: dict[str, Any]) -> Iterator[str]:
        key, wanted = body["audio_wave_path"], self.reference.analysis(stem)
        assert isinstance(wanted, Analysed)
        self._expected_objects.add(key)
        if not key.startswith(f"waveforms/{stem.stem_id}_waveform_"):
            yield f"the waveform is at {key}"
        elif key not in self.stored:
            yield f"{key} is not there"
        elif without_times(self._content(key)) != wanted.document:
            yield f"{key} is not the stem's waveform"
        elif (asked := json.loads(self._content(key))["request"])["filepath"] != stem.key:
            yield f"{key} was asked for another stem: {asked}"
        told = {name: body["result"][name] for name in _FACTS if name in body["result"]}
        if told != {name: wanted.document[name] for name in _FACTS}:
            yield f"told {told}"

    def _problems_of_mix(self, sent: Sent, stage: Stage, body: dict[str, Any]) -> Iterator[str]:
        wanted = self.reference.mix(stage)
        assert isinstance(wanted, Mixed)
        if (body["stageId"], body["task_id"]) != (stage.stage_id, sent.task_id):
            yield f"about somebody else: {body}"
        keys = body["mixed_file_path"], body["waveform_data_path"]
        self._expected_objects.update(keys)
        if missing := set(keys) - self.stored:
            yield f"{missing} are not there"
            return
        if self._content(keys[0]) != wanted.wav:
            yield f"{keys[0]} is another mix"
        if without_times(self._content(keys[1])) != wanted.document:
            yield f"{keys[1]} is another waveform"

    # What is stored

    def _read_ledger(self) -> None:
        for key in self.stored:
            if key.startswith("ledger/"):
                _, track_id, audio_hash = key.split("/")
                self._ledger[track_id, audio_hash] = json.loads(self._content(key))

    def _owner(self, stem: Stem) -> str | None:
        """The key that owns the stem's content in its track."""
        line = self._ledger.get((stem.track_id, stem.audio_hash))
        return line["path"] if line else None

    def _judge_recordings(self) -> None:
        """Each content in each track has its owner; what isn't a proper duplicate is there."""
        called = {
            sent.subject.key
            for sent in self.server.sent.values()
            if sent.kind is Kind.DUPLICATE and isinstance(sent.subject, Stem)
        }
        uploaded = [stem for stem in self.server.cast.stems.values() if stem.content is not None]
        for stem in uploaded:
            owner = self._owner(stem)
            if owner is None and stem.content:
                self._broken(f"{stem.stem_id}: no ledger line in {stem.track_id}")
            if stem.key in called and owner != stem.key:
                self.notes["duplicates deleted"] += 1
                self._expected_objects.add(removal_key(stem.stem_id, stem.key))
                continue
            if stem.key not in self.stored:
                self._broken(f"LOST: {stem.key}")
                continue
            self._expected_objects.add(stem.key)
            if hashlib.sha256(self._content(stem.key)).hexdigest() != stem.audio_hash:
                self._broken(f"DAMAGED: {stem.key}")
        self._expected_objects.update(
            f"ledger/{stem.track_id}/{stem.audio_hash}" for stem in uploaded if stem.content
        )

    def _judge_objects(self) -> None:
        outcomes = {key for key in self.stored if key.startswith("outcomes/")}
        for key in sorted(outcomes):
            message_id = key.removeprefix("outcomes/").removesuffix(".json")
            if explains_outcome(self.lives, message_id):
                self.notes["outcomes left by a death between settling and forgetting"] += 1
            else:
                self._broken(f"{key} is left, and nothing died over it")
        there = self.stored - outcomes
        for key in sorted(there - self._expected_objects):
            self._broken(f"orphan: {key}")
        for key in sorted(self._expected_objects - there):
            self._broken(f"missing: {key}")

    # What was parked

    def _judge_parked(self) -> None:
        """Parking is a send and a deletion: who dies in between parks twice, and loses nothing."""
        poison = {
            sent.body
            for sent in self.server.sent.values()
            if sent.kind in (Kind.UNREADABLE, Kind.MALFORMED)
        }
        copies = Counter(body for body, _ in self.parked)
        for body in poison - copies.keys():
            self._broken(f"poison that is not parked: {body}")
        for body, reason in self.parked:
            if body not in poison:
                self._broken(f"parked, and innocent ({reason}): {body}")
            elif not reason:
                self._broken(f"parked without a reason: {body}")
        self.notes["poison parked"] = len(poison & copies.keys())
        self.notes["parked once more after a fault or a death"] = sum(
            count - 1 for body, count in copies.items() if body in poison
        )

    def _judge_the_server(self) -> None:
        for event_id in self.server.forged:
            self._broken(f"{event_id} has a wrong signature")
        for defect in self.server.defects:
            self._broken(f"the main server's part failed: {defect}")

    def _content(self, key: str) -> bytes:
        return self.server.production.content(key)


_FACTS = ("audio_data_hash", "file_size", "duration", "sample_rate", "num_peaks")


def _subject(sent: Sent) -> str:
    subject = sent.subject
    if isinstance(subject, Stem):
        return f"{subject.stem_id}, {subject.role.value}"
    return subject.stage_id if isinstance(subject, Stage) else "loose"


def _code_of(found: Analysed | Mixed | Failed) -> str | None:
    return found.code if isinstance(found, Failed) else None


def _without(body: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}
