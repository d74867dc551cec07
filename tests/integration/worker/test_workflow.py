"""The whole workflow over real servers: 20 stems, two duplicates, five message forms, two mixes."""

from __future__ import annotations

import hashlib
import io
import json
import re
import signal
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import soundfile
from attrs import Factory, define, frozen
from standardwebhooks.webhooks import Webhook

from tests.support.audio_files import tone, write_audio
from tests.support.aws_servers import AwsServer
from tests.support.message_forms import (
    ANALYSIS,
    DUPLICATE,
    FORMS,
    FORMS_OF_A_HASH_REQUEST,
    HASH,
    MIX,
)
from tests.support.production import Production, production
from waveflow.domain.keys import removal_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
USER, TRACK, STAGE = "user-1", "track-1", "stage-1"
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"

# kind, rate, channels, seconds
RECORDINGS: list[tuple[str, int, int, float]] = [
    ("wav-16", 44_100, 2, 2.0),
    ("wav-24", 44_100, 2, 1.5),
    ("wav-32", 44_100, 1, 1.0),
    ("wav-float", 44_100, 2, 1.0),
    ("wav-u8", 22_050, 1, 1.0),
    ("wavex-24", 48_000, 2, 1.0),
    ("wavex-16", 48_000, 6, 1.0),
    ("rf64-16", 44_100, 2, 1.0),
    ("aiff-16", 44_100, 2, 1.0),
    ("aiff-24", 48_000, 1, 1.0),
    ("aiff-float", 44_100, 2, 1.0),
    ("aifc-sowt-16", 44_100, 2, 1.0),
    ("flac-16", 44_100, 2, 2.5),
    ("flac-24", 96_000, 2, 1.0),
    ("mp3", 44_100, 2, 1.0),
    ("mp3", 48_000, 1, 1.0),
    ("ogg-vorbis", 44_100, 2, 1.0),
    ("ogg-opus", 48_000, 2, 1.0),
]
COPIES = {18: 0, 19: 12}
"""Two more stems, and which recordings they hold again."""


@frozen
class Stem:
    """An upload, and what is known of it beforehand."""

    number: int
    content: bytes
    recording: tuple[str, int, int, float]
    copy_of: int | None

    @property
    def stem_id(self) -> str:
        return f"stem-{self.number}"

    @property
    def filename(self) -> str:
        return f"드럼 ({self.number}) 100%+α.{self.recording[0].partition('-')[0]}"

    @property
    def key(self) -> str:
        return f"users/{USER}/projects/{TRACK}/stems/2025-07-16T07-39-22_{self.filename}"

    @property
    def audio_hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def stems_in(folder: Path) -> list[Stem]:
    def content(number: int) -> bytes:
        kind, rate_hz, channels, seconds = RECORDINGS[number]
        samples = tone(int(seconds * rate_hz), channels, rate_hz, seed=number)
        return write_audio(folder / f"{number}", samples, rate_hz, kind=kind).read_bytes()

    recorded = [Stem(n, content(n), RECORDINGS[n], None) for n in range(len(RECORDINGS))]
    copies = [Stem(n, recorded[of].content, recorded[of].recording, of) for n, of in COPIES.items()]
    return recorded + copies


@define
class PlayedServer:
    """The main server's part: asks for the next step when a webhook comes in."""

    production: Production
    stems: dict[str, Stem]
    known: dict[str, str] = Factory(dict)
    asked: int = 0
    lock: Lock = Factory(Lock)

    def decide(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        with self.lock:
            if path == "/hash-check":
                self._hash_check(body)
            return 201, {"success": True}

    def upload(self, stem: Stem) -> None:
        self.production.upload(stem.key, stem.content)
        fields = self._fields(stem) | {
            "stageId": STAGE,
            "timestamp": 1_752_651_562_000 + stem.number,
            "original_filename": stem.filename,
        }
        form = FORMS_OF_A_HASH_REQUEST[stem.number % 5]
        self.production.send(form(HASH, f"hash-{stem.stem_id}", fields))

    def mix(self, stage_id: str, stems: list[Stem], form: int) -> None:
        fields = {"stageId": stage_id, "stem_paths": [stem.key for stem in stems]}
        task_id = f"mixing-{stage_id}-1700000000000"
        self.production.send(FORMS[form](MIX, task_id, fields | {"upstreamId": "up-9"}))

    def _hash_check(self, body: dict[str, Any]) -> None:
        stem = self.stems[body["stemId"]]
        if self.known.setdefault(body["audio_hash"], stem.stem_id) != stem.stem_id:
            self._ask(DUPLICATE, stem, {"audio_hash": body["audio_hash"]})
        else:
            self._ask(ANALYSIS, stem, {"original_filename": stem.filename, "audio_hash": None})

    def _ask(self, task: str, stem: Stem, more: dict[str, Any]) -> None:
        self.asked += 1
        form = FORMS[self.asked % 4]
        self.production.send(form(task, f"task-{stem.stem_id}", self._fields(stem) | more))

    def _fields(self, stem: Stem) -> dict[str, Any]:
        return {"stemId": stem.stem_id, "userId": USER, "trackId": TRACK, "filepath": stem.key}


@define
class Outcome:
    """What came of the workflow."""

    production: Production
    stems: list[Stem]
    exit_code: int
    work_files: list[Path]

    def completions(self) -> dict[str, dict[str, Any]]:
        return {body["stemId"]: body for body in self.production.bodies("/completion")}

    def originals(self) -> list[Stem]:
        """The stems that are kept: of each recording, the one whose hash came in first."""
        deleted = {
            stem_id
            for stem_id, body in self.completions().items()
            if body["result"].get("isDuplicate")
        }
        return [stem for stem in self.stems if stem.stem_id not in deleted]


@pytest.fixture(scope="module", params=["ministack", pytest.param("moto", marks=pytest.mark.slow)])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    server: AwsServer = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("workflow")
    stems = stems_in(folder)
    with production(server, folder, WAVEFLOW_WEBHOOK_SECRET=SECRET) as deployment:
        played = PlayedServer(deployment, {stem.stem_id: stem for stem in stems})
        deployment.receiver.decide(played.decide)
        worker = deployment.worker()
        # The copies come later: which of two is the first is then certain.
        for stem in stems[:18]:
            played.upload(stem)
        deployment.receiver.wait_for(36, 60)
        for stem in stems[18:]:
            played.upload(stem)
        deployment.receiver.wait_for(40, 60)
        played.mix("stage-1", [stems[0], stems[1], stems[8], stems[12]], form=1)
        played.mix("stage-2", [stems[0], stems[5], stems[13], stems[14], stems[0]], form=3)
        deployment.receiver.wait_for(42, 60)
        deployment.wait_until_done()
        work_files = deployment.work_files()
        yield Outcome(deployment, stems, worker.stop(signal.SIGTERM), work_files)


def test_every_stem_is_hashed_once(outcome: Outcome) -> None:
    bodies = {body["stemId"]: body for body in outcome.production.bodies("/hash-check")}
    assert len(outcome.production.bodies("/hash-check")) == len(bodies) == 20
    for stem in outcome.stems:
        owner = None if stem.copy_of is None else outcome.stems[stem.copy_of].key
        assert bodies[stem.stem_id] == {
            "stemId": stem.stem_id,
            "userId": USER,
            "trackId": TRACK,
            "stageId": STAGE,
            "filepath": stem.key,
            "audio_hash": stem.audio_hash,
            "timestamp": 1_752_651_562_000 + stem.number,
            "original_filename": stem.filename,
            "status": "hash_generated",
            "owner": "self" if owner is None else "other",
            "duplicate_of": owner,
        }


def test_every_original_is_analysed(outcome: Outcome) -> None:
    assert len(outcome.production.bodies("/completion")) == 20
    for stem in outcome.stems[:18]:
        body = outcome.completions()[stem.stem_id]
        kind, rate_hz, _, seconds = stem.recording
        path = body["audio_wave_path"]
        assert re.fullmatch(rf"waveforms/{stem.stem_id}_waveform_{STAMP}\.json", path)
        duration = body["result"].pop("duration")
        assert duration == pytest.approx(seconds, abs=0.06 if kind == "mp3" else 1e-5)
        assert re.fullmatch(STAMP, body["timestamp"])
        assert 0 < body["processing_time"] < 60
        assert body == {
            "stemId": stem.stem_id,
            "userId": USER,
            "trackId": TRACK,
            "upstreamId": None,
            "status": "SUCCESS",
            "result": {
                "audio_data_hash": stem.audio_hash,
                "waveform_data_path": path,
                "file_size": len(stem.content),
                "sample_rate": rate_hz,
                "num_peaks": 4000,
            },
            "timestamp": body["timestamp"],
            "original_filename": stem.filename,
            "processing_time": body["processing_time"],
            "audio_wave_path": path,
        }
        document = json.loads(outcome.production.content(path))
        assert list(document)[:5] == [
            "peaks",
            "duration",
            "sample_rate",
            "num_peaks",
            "created_at",
        ]
        assert (document["duration"], document["sample_rate"]) == (duration, rate_hz)
        assert len(document["peaks"]) == document["num_peaks"] == 4000
        assert max(document["peaks"]) == 1.0


def test_the_duplicates_are_deleted_and_said_to_be(outcome: Outcome) -> None:
    for stem in outcome.stems[18:]:
        body = outcome.completions()[stem.stem_id]
        assert re.fullmatch(STAMP, body["timestamp"])
        assert body == {
            "stemId": stem.stem_id,
            "userId": USER,
            "trackId": TRACK,
            "upstreamId": None,
            "status": "SUCCESS",
            "result": {
                "isDuplicate": True,
                "action": "duplicate_deleted",
                "audio_data_hash": stem.audio_hash,
            },
            "timestamp": body["timestamp"],
            "original_filename": f"2025-07-16T07-39-22_{stem.filename}",
            "processing_time": body["processing_time"],
            "audio_wave_path": None,
        }


@pytest.mark.parametrize(
    ("stage_id", "numbers", "rate_hz", "seconds"),
    [
        ("stage-1", [0, 1, 8, 12], 44_100, 2.5),
        # 44.1 kHz thrice, 48 and 96 once each; an MP3 among them.
        ("stage-2", [0, 5, 13, 14, 0], 44_100, 2.0),
    ],
)
def test_the_stages_are_mixed(
    outcome: Outcome, stage_id: str, numbers: list[int], rate_hz: int, seconds: float
) -> None:
    [body] = [
        body
        for body in outcome.production.bodies("/mixing-complete")
        if body["stageId"] == stage_id
    ]
    mix, waveform = body["mixed_file_path"], body["waveform_data_path"]
    assert re.fullmatch(rf"mixed/{stage_id}_mixed_{STAMP}\.wav", mix)
    assert re.fullmatch(rf"waveforms/{stage_id}_mixed_waveform_{STAMP}\.json", waveform)
    assert re.fullmatch(STAMP, body["processed_at"])
    assert body == {
        "stageId": stage_id,
        "upstreamId": "up-9",
        "status": "SUCCESS",
        "task_id": f"mixing-{stage_id}-1700000000000",
        "mixed_file_path": mix,
        "waveform_data_path": waveform,
        "stem_count": len(numbers),
        "stem_paths": [outcome.stems[number].key for number in numbers],
        "processed_at": body["processed_at"],
    }
    audio = io.BytesIO(outcome.production.content(mix))
    info = soundfile.info(audio)
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    assert info.samplerate == rate_hz
    assert info.frames == pytest.approx(seconds * rate_hz, abs=0.06 * rate_hz)
    audio.seek(0)
    samples, _ = soundfile.read(audio)
    assert 0.05 < np.abs(samples).max() <= 0.9501
    document = json.loads(outcome.production.content(waveform))
    assert document["num_peaks"] == len(document["peaks"]) == 4000


def test_every_object_is_where_the_contract_says_and_there_is_no_other(outcome: Outcome) -> None:
    originals = outcome.originals()
    assert [stem.number for stem in originals] == list(range(18))
    mixes = outcome.production.bodies("/mixing-complete")
    assert outcome.production.stored() == {
        *(stem.key for stem in originals),
        *(f"ledger/{TRACK}/{stem.audio_hash}" for stem in originals),
        *(removal_key(stem.stem_id, stem.key) for stem in outcome.stems[18:]),
        *(outcome.completions()[stem.stem_id]["audio_wave_path"] for stem in originals),
        *(body["mixed_file_path"] for body in mixes),
        *(body["waveform_data_path"] for body in mixes),
    }
    for stem in originals:
        assert outcome.production.content(stem.key) == stem.content


def test_every_webhook_is_signed_and_has_an_id_of_its_own(outcome: Outcome) -> None:
    requests = outcome.production.receiver.requests()
    for request in requests:
        assert Webhook(SECRET).verify(request.body.decode(), dict(request.headers))
    assert len({request.headers["webhook-id"] for request in requests}) == len(requests) == 42


def test_nothing_is_left_and_the_end_is_orderly(outcome: Outcome) -> None:
    assert outcome.production.depth() == (0, 0)
    assert outcome.production.dead_letters() == []
    assert outcome.work_files == []
    assert outcome.exit_code == 0
