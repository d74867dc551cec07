"""MixStage: the mix and its waveform, and what the server hears of them."""

from __future__ import annotations

import json
import threading
import wave
from io import BytesIO
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest

from tests.support.storage_doubles import Step
from tests.support.workshop import Workshop, mix_message
from waveflow.application.disposition import Acknowledge, BackOff
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import ObjectNotFound, StorageUnavailable

MIX = "mixed/stage001_mixed_2024-01-01T10:00:00.123900Z.wav"
WAVEFORM = "waveforms/stage001_mixed_waveform_2024-01-01T10:00:00.123900Z.json"
DRUMS, BASS = "stems/드럼 (최종).wav", "stems/bass.wav"


@pytest.fixture
def workshop(workshop: Workshop) -> Workshop:
    """One with two stems of different length."""
    workshop.upload_audio(DRUMS, b"drums", [0.5, -0.5, 0.25])
    workshop.upload_audio(BASS, b"bass", [0.5])
    return workshop


def test_stems_are_mixed_and_reported(workshop: Workshop) -> None:
    assert workshop.deliver(mix_message(DRUMS, BASS, upstreamId="up1")) == Acknowledge()
    [request] = workshop.server.requests
    assert request.endpoint == "/mixing-complete"
    assert request.event_id == "msg_message-1.mixing-complete.success"
    assert request.body == {
        "stageId": "stage001",
        "upstreamId": "up1",
        "status": "SUCCESS",
        "task_id": "task-stage001",
        "mixed_file_path": MIX,
        "waveform_data_path": WAVEFORM,
        "stem_count": 2,
        "stem_paths": [DRUMS, BASS],
        "processed_at": "2024-01-01T10:05:00.123456Z",
    }
    assert set(workshop.objects()) == {DRUMS, BASS, MIX, WAVEFORM}


def test_the_mix_is_a_mono_wav_as_long_as_the_longest_stem(workshop: Workshop) -> None:
    workshop.deliver(mix_message(DRUMS, BASS))
    with wave.open(BytesIO(workshop.content(MIX))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 4000)
        samples = np.frombuffer(file.readframes(10), "<i2").tolist()
    # 16383.5 rounds half to even.
    assert samples == [16384, -8192, 4096]


def test_the_waveform_of_a_mix_names_no_stem(workshop: Workshop) -> None:
    """It reaches browsers, and the stems may be several people's."""
    workshop.deliver(mix_message(DRUMS, BASS))
    document = json.loads(workshop.content(WAVEFORM))
    assert document.keys() == {
        "peaks",
        "duration",
        "sample_rate",
        "num_peaks",
        "created_at",
        "waveform_version",
        "amplitude",
        "version",
        "channels",
        "samples_per_pixel",
        "bits",
        "length",
        "data",
        "stem_count",
        "gain",
    }


def test_the_waveform_of_a_mix_has_4000_peaks_and_tells_the_gain(workshop: Workshop) -> None:
    workshop.deliver(mix_message(DRUMS, BASS))
    document = json.loads(workshop.content(WAVEFORM))
    assert list(document)[:5] == ["peaks", "duration", "sample_rate", "num_peaks", "created_at"]
    assert len(document["peaks"]) == 4000
    assert [peak for peak in document["peaks"] if peak] == [1.0, 0.5, 0.25]
    facts = {
        "duration": 0.00075,
        "sample_rate": 4000,
        "num_peaks": 4000,
        "created_at": "2024-01-01T10:05:00.123456Z",
        "waveform_version": 1,
        "amplitude": 0.5,
        "stem_count": 2,
        "gain": 1.0,
    }
    assert {name: document[name] for name in facts} == facts


def test_a_stem_that_is_named_twice_takes_part_twice_and_is_fetched_once(
    workshop: Workshop,
) -> None:
    workshop.deliver(mix_message(BASS, DRUMS, BASS))
    for asked in ("stat", "read"):
        assert workshop.storage.steps.count(Step(asked, BASS)) == 1
    assert workshop.codec.decodes == [b"bass", b"drums", b"bass"]
    [body] = workshop.server.bodies
    assert (body["stem_count"], body["stem_paths"]) == (3, [BASS, DRUMS, BASS])
    with wave.open(BytesIO(workshop.content(MIX))) as file:
        # (0.5 + 0.5 + 0.5) / 3, then -0.5 / 3, then 0.25 / 3
        assert np.frombuffer(file.readframes(10), "<i2").tolist() == [16384, -5461, 2731]


def test_a_message_without_an_id_is_named_by_the_queue(workshop: Workshop) -> None:
    flat = {"task": "app.tasks.mix_stems_and_upload", "stageId": "stage001", "stem_paths": [BASS]}
    workshop.deliver(json.dumps(flat))
    assert workshop.server.bodies[0]["task_id"] == "message-1"


@pytest.mark.parametrize(
    ("key", "content", "reason", "code"),
    [
        (
            "stems/missing.wav",
            None,
            "It is not in the storage; upload it again, or mix without it.",
            "object_not_found",
        ),
        (
            "stems/notes.wav",
            b"text",
            "The file is not audio that can be read here.",
            "not_audio",
        ),
        (
            "stems/empty.wav",
            b"",
            "The file is empty (0 bytes). Please export it and upload it again.",
            "empty_file",
        ),
    ],
)
def test_a_stem_that_cannot_be_read_fails_the_mix_and_is_named(
    workshop: Workshop, key: str, content: bytes | None, reason: str, code: str
) -> None:
    if content is not None:
        workshop.upload(key, content)
    # Twice the same stem first: the index of a stem is not that of its file.
    body = mix_message(DRUMS, DRUMS, key, upstreamId="up1")
    assert workshop.deliver(body) == Acknowledge()
    [request] = workshop.server.requests
    assert request.event_id == "msg_message-1.mixing-complete.failed"
    assert request.body == {
        "stageId": "stage001",
        "upstreamId": "up1",
        "status": "FAILED",
        "task_id": "task-stage001",
        "mixed_file_path": None,
        "waveform_data_path": None,
        "stem_count": 3,
        "stem_paths": [DRUMS, DRUMS, key],
        "processed_at": "2024-01-01T10:05:00.123456Z",
        "result": {"error": f"Stem 3 of 3, '{key[6:]}', can't be mixed. {reason}", "code": code},
    }
    assert not {MIX, WAVEFORM} & set(workshop.objects())
    assert list(workshop.work_folder.root.glob("*")) == []


def test_each_stem_may_have_the_largest_size_and_no_byte_more(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, AudioLimits(max_bytes=5))
    for key, content in (("a.wav", b"aaaaa"), ("b.wav", b"bbbbb"), ("c.wav", b"cccccc")):
        workshop.upload_audio(key, content, [0.5])
    workshop.deliver(mix_message("a.wav", "b.wav"))
    workshop.deliver(mix_message("a.wav", "c.wav"), message_id="message-2")
    assert workshop.server.bodies[0]["status"] == "SUCCESS"
    assert workshop.server.bodies[1]["result"]["code"] == "file_too_large"
    assert Step("chunk", "c.wav") not in workshop.storage.steps


@pytest.mark.parametrize("stage_id", ["../up", "a b"])
def test_a_stage_id_that_cannot_be_part_of_a_key_is_refused_unread(
    workshop: Workshop, stage_id: str
) -> None:
    workshop.deliver(mix_message(DRUMS, stageId=stage_id))
    assert workshop.server.bodies[0]["result"]["code"] == "invalid_id"
    assert workshop.storage.steps == []


def test_a_storage_that_fails_between_the_two_objects_is_tried_again(workshop: Workshop) -> None:
    def fail(step: Step) -> None:
        if step == Step("write", WAVEFORM):
            raise StorageUnavailable("away")

    workshop.storage.before = fail
    assert workshop.deliver(mix_message(DRUMS, BASS)) == BackOff(60.0)
    assert workshop.server.requests == []
    assert list(workshop.work_folder.root.glob("*")) == []
    mixed = workshop.content(MIX)
    workshop.storage.leave_alone()
    assert workshop.deliver(mix_message(DRUMS, BASS), receive_count=2) == Acknowledge()
    assert set(workshop.objects()) == {DRUMS, BASS, MIX, WAVEFORM}
    assert workshop.content(MIX) == mixed


class TestStemsAtOnce:
    """Stems come side by side; what the server hears is as if they came one after the other."""

    KEYS = tuple(f"stems/{number}.wav" for number in range(6))

    @pytest.fixture
    def workshop(self, tmp_path: Path) -> Workshop:
        workshop = Workshop(tmp_path)
        for number, key in enumerate(self.KEYS):
            workshop.upload_audio(key, b"stem %d" % number, [0.5])
        return workshop

    @pytest.mark.parametrize("method", ["stat", "read"])
    def test_four_are_asked_for_at_once(self, workshop: Workshop, method: str) -> None:
        together = Barrier(4)

        def meet(step: Step) -> None:
            if step.method == method and step.key in self.KEYS[:4]:
                together.wait(20)

        workshop.storage.before = meet
        assert workshop.deliver(mix_message(*self.KEYS)) == Acknowledge()
        assert workshop.server.bodies[0]["status"] == "SUCCESS"
        assert workshop.codec.decodes == [b"stem %d" % number for number in range(6)]

    @pytest.mark.parametrize("method", ["stat", "read", "chunk"])
    def test_the_first_that_is_missing_is_named_although_another_was_missed_before(
        self, workshop: Workshop, method: str
    ) -> None:
        third_is_missed = Event()

        def miss(step: Step) -> None:
            if step == Step(method, self.KEYS[2]):
                third_is_missed.set()
                raise ObjectNotFound("third")
            if step == Step(method, self.KEYS[1]):
                assert third_is_missed.wait(20)
                raise ObjectNotFound("second")

        workshop.storage.before = miss
        assert workshop.deliver(mix_message(*self.KEYS)) == Acknowledge()
        [body] = workshop.server.bodies
        assert body["result"]["error"].startswith("Stem 2 of 6, '1.wav', can't be mixed.")
        assert list(workshop.work_folder.root.glob("*")) == []

    def test_a_storage_that_fails_in_the_middle_leaves_neither_files_nor_threads(
        self, workshop: Workshop
    ) -> None:
        fourth_is_read = Event()

        def fail(step: Step) -> None:
            if step == Step("chunk", self.KEYS[3]):
                fourth_is_read.set()
            if step == Step("chunk", self.KEYS[0]):
                assert fourth_is_read.wait(20)
                raise StorageUnavailable("away")

        workshop.storage.before = fail
        assert workshop.deliver(mix_message(*self.KEYS)) == BackOff(60.0)
        assert workshop.server.requests == []
        assert list(workshop.work_folder.root.glob("*")) == []
        assert not [one for one in threading.enumerate() if one.name == "side-by-side"]

    @pytest.mark.parametrize("method", ["stat", "read"])
    def test_a_mix_counts_as_one_failure_of_the_storage_however_many_stems_fail(
        self, workshop: Workshop, method: str
    ) -> None:
        together = Barrier(4)

        def fail(step: Step) -> None:
            if step.method == method and step.key in self.KEYS:
                together.wait(20)
                raise StorageUnavailable("its key is disabled")

        workshop.storage.before = fail
        reading = workshop.excuses.storage.reading
        opened = []
        for number in range(8):
            mix = mix_message(*self.KEYS, stageId=f"stage{number}")
            assert isinstance(workshop.deliver(mix), BackOff)
            opened.append(reading.is_open)
            assert isinstance(workshop.deliver(mix, receive_count=2), BackOff)
        assert opened == [False] * 7 + [True]
