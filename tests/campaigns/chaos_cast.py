"""Who takes part in the chaos: uploads of every kind, stages, and messages that are no good."""

from __future__ import annotations

import hashlib
import json
import random
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from attrs import Factory, define, frozen

from tests.campaigns.chaos_codec import CRASHING
from tests.support.audio_files import tone, wav_adpcm, write_audio
from tests.support.message_forms import ANALYSIS, HASH

USER = "user-1"

_KINDS = ("wav-16", "wav-24", "wav-float", "flac-16", "flac-24", "mp3", "ogg-vorbis", "aiff-16")
_RATES_HZ = (22_050, 44_100, 48_000)


class Role(Enum):
    """What is the matter with an upload."""

    RECORDING = "recording"
    COPY = "copy in its track"
    ELSEWHERE = "copy in another track"
    TOLD_TWICE = "told twice, called its own duplicate"
    BAD = "bad audio"
    CRASHING = "crashes the decoder"
    EMPTY = "empty file"
    MISSING = "not there"


class Kind(Enum):
    """What kind of message it is."""

    HASH = "hash"
    ANALYSIS = "analysis"
    DUPLICATE = "duplicate"
    MIX = "mix"
    REFUSED = "refused, answered"
    MALFORMED = "malformed, answered, parked"
    UNREADABLE = "unreadable, parked"


@frozen
class Stem:
    """An upload; `content` is None for one that never arrived."""

    stem_id: str
    track_id: str
    role: Role
    key: str
    content: bytes | None = None

    @property
    def audio_hash(self) -> str:
        """SHA-256 of what was uploaded, in hex."""
        return hashlib.sha256(self.content or b"").hexdigest()

    @property
    def fields(self) -> dict[str, Any]:
        """What every message about it says."""
        return {
            "stemId": self.stem_id,
            "userId": USER,
            "trackId": self.track_id,
            "filepath": self.key,
        }

    @property
    def messages(self) -> int:
        """How many messages come of it in the end."""
        return {Role.EMPTY: 1, Role.MISSING: 1, Role.TOLD_TWICE: 4}.get(self.role, 2)


@frozen
class Stage:
    """Stems to be mixed, once all of them have been told of."""

    stage_id: str
    stems: tuple[Stem, ...]


@frozen
class Loose:
    """A message that doesn't come of the workflow.

    Attributes:
        code: with which it has to fail; None for what nobody can be told of.
    """

    kind: Kind
    body: str
    code: str | None = None


Step = Stem | Loose


@define
class Cast:
    """Everything that happens from outside, in the order in which it does."""

    steps: list[Step] = Factory(list)
    stages: list[Stage] = Factory(list)

    @property
    def messages(self) -> int:
        """How many messages all of it comes to."""
        stems = [step for step in self.steps if isinstance(step, Stem)]
        return (
            sum(stem.messages for stem in stems) + len(self.steps) - len(stems) + len(self.stages)
        )

    @property
    def stems(self) -> dict[str, Stem]:
        """All uploads by their id."""
        return {step.stem_id: step for step in self.steps if isinstance(step, Stem)}


def make_cast(messages: int, chance: random.Random, folder: Path) -> Cast:
    """As many tracks as it takes to come to so many messages or a few more."""
    studio = _Studio(chance, folder)
    while studio.cast.messages < messages:
        studio.record_track()
    # Tracks overlap, as several musicians' do.
    places = {id(step): number for number, step in enumerate(studio.cast.steps)}
    studio.cast.steps.sort(key=lambda step: places[id(step)] + chance.uniform(0, 20))
    return studio.cast


@define
class _Studio:
    chance: random.Random
    folder: Path
    cast: Cast = Factory(Cast)
    tracks: int = 0
    stems: int = 0
    previous: Stem | None = None

    def record_track(self) -> None:
        self.tracks += 1
        stems = [self._stem(Role.RECORDING, self._recording()) for _ in range(3)]
        original = self._stem(Role.RECORDING, self._recording())
        self._stem(Role.COPY, original.content)
        if self.tracks % 3 == 1:
            self._stem(Role.COPY, original.content)
        if self.previous is not None:
            self._stem(Role.ELSEWHERE, self.previous.content)
        self.previous = original
        if self.tracks % 2:
            self._stem(Role.TOLD_TWICE, self._recording())
        odd = self._odd_one()
        self._stage(*stems)
        if self.tracks % 2 and odd is not None and odd.messages == 2:
            self._stage(stems[0], odd)
        if self.tracks % 3 == 2:
            self._stage(*stems, stems[0])
        self._loose()

    def _odd_one(self) -> Stem | None:
        match self.tracks % 5:
            case 1:
                return self._stem(Role.BAD, self._bad())
            case 2:
                return self._stem(Role.CRASHING, self._recording("wav-16") + CRASHING)
            case 3:
                return self._stem(Role.EMPTY, b"")
            case 4:
                return self._stem(Role.MISSING, None)
        return self._stem(Role.BAD, self._bad())

    def _loose(self) -> None:
        number = self.tracks
        stem = {"stemId": f"loose-{number}", "filepath": f"users/{USER}/nothing-{number}.wav"}
        choices = [
            Loose(Kind.UNREADABLE, f'{{"task": "nobody.knows.{number}", "kwargs": {{}}}}'),
            Loose(Kind.MALFORMED, _body(HASH, stem | {"filepath": number}), "invalid_message"),
            Loose(Kind.REFUSED, _body(ANALYSIS, stem), "object_not_found"),
            Loose(Kind.UNREADABLE, f"poison number {number} {{"),
            Loose(Kind.REFUSED, _body(ANALYSIS, stem | {"num_peaks": 4001}), "invalid_num_peaks"),
            Loose(Kind.REFUSED, _body(HASH, stem | {"stemId": f"a/{number}"}), "invalid_id"),
        ]
        self.cast.steps.append(choices[number % len(choices)])

    def _stage(self, *stems: Stem) -> None:
        stages = self.cast.stages
        stages.append(Stage(f"stage-{len(stages) + 1}", stems))

    def _stem(self, role: Role, content: bytes | None) -> Stem:
        self.stems += 1
        track = f"track-{self.tracks}"
        key = f"users/{USER}/projects/{track}/stems/2025-07-16_Δ {self.stems} (100%+).wav"
        stem = Stem(f"stem-{self.stems}", track, role, key, content)
        self.cast.steps.append(stem)
        return stem

    def _recording(self, kind: str | None = None) -> bytes:
        """A second or less of audio that no other file has."""
        rate_hz = self.chance.choice(_RATES_HZ)
        frames = int(self.chance.uniform(0.2, 0.8) * rate_hz)
        seed = self.chance.getrandbits(32)
        samples = tone(frames, self.chance.choice((1, 2)), rate_hz, seed=seed)
        kind = kind or self.chance.choice(_KINDS)
        return write_audio(self.folder / "recording", samples, rate_hz, kind=kind).read_bytes()

    def _bad(self) -> bytes:
        path, salt = self.folder / "bad", self.chance.randbytes(8)
        match self.tracks % 3:
            case 0:
                return b"This is a letter to the band, and no audio. " + salt.hex().encode()
            case 1:
                samples = tone(20_000, seed=self.chance.getrandbits(32))
                return wav_adpcm(path, samples).read_bytes()
        samples = tone(10_000, seed=self.chance.getrandbits(32))
        samples[5_000] = np.nan
        return write_audio(path, samples, kind="wav-float").read_bytes()


def _body(task: str, fields: dict[str, Any]) -> str:
    return json.dumps({"task": task, "id": "loose", "args": [], "kwargs": fields})
