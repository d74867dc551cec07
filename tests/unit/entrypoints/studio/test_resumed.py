"""The next studio in the same folder: what is there, what is asked for again, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.entrypoints.studio.rig import MOST_BYTES, served, tone
from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.application.clock import Clock
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.demo.main_server import StandInServer
from waveflow.entrypoints.messages import ANALYSIS_TASK, HASH_TASK
from waveflow.entrypoints.studio.board import Board
from waveflow.entrypoints.studio.notes import Notes
from waveflow.entrypoints.studio.opening import opened
from waveflow.entrypoints.studio.records import MixRecord, StemRecord
from waveflow.entrypoints.studio.resumed import resume


def test_everything_is_there_again(tmp_path: Path) -> None:
    folder, content = tmp_path / "studio", tone(tmp_path, 0.2)
    with served(folder) as rig:
        stem_id = rig.added("노래.wav", content)
        rig.ended(stem_id)
        failed = rig.ended(rig.added("words.wav", b"la la"))
        mix_id = rig.page.post("/api/mixes", json={"stem_ids": [stem_id]}).json()["mix_id"]
        rig.mixed(mix_id)
        before = rig.page.get("/api/state").json()
    with served(folder) as rig:
        assert rig.page.get("/api/state").json() == before
        assert failed in before["stems"]
        assert rig.page.get(f"/api/stems/{stem_id}/audio").content == content
        assert rig.page.get(f"/api/mixes/{mix_id}/waveform").json()["duration"] == 0.5
        copy = rig.ended(rig.added("노래 (1).wav", content))
        assert copy["duplicate_of"] == {"stem_id": stem_id, "name": "노래.wav"}
        assert copy["stem_id"] == "stem-3"


def test_what_had_not_ended_is_asked_for_again(tmp_path: Path) -> None:
    folder, file = tmp_path / "studio", tmp_path / "tone.wav"
    file.write_bytes(tone(tmp_path, 0.2))
    with opened(folder, max_upload_bytes=MOST_BYTES) as studio:
        studio.worker.stop()
        studio.worker.join()
        waiting = studio.add_stem("waiting.wav", file)
        with studio.board.changing(keep=True):
            studio.board.mixes["mix-1"] = MixRecord("mix-1", [waiting])
    with served(folder) as rig:
        stem = rig.ended(waiting)
        assert (stem["step"], stem["history"][1]["sentence"]) == (
            "done",
            "The studio was started again: its message is sent anew.",
        )
        assert rig.mixed("mix-1")["step"] == "done"


class Earlier:
    """What an earlier run has left, and what is asked for again."""

    def __init__(self, tmp_path: Path, *stored: str) -> None:
        self.board = Board(tmp_path / "studio.json", 1)
        self.storage = InMemoryAudioStorage()
        for key in stored:
            self.storage.write(key, b"x", content_type="audio/wav")
        self.sent: list[dict[str, Any]] = []
        self.server = StandInServer(
            lambda body: self.sent.append(json.loads(body)), "u1", "t1", "g1", mixes_by_itself=False
        )

    def stem(self, stem_id: str = "stem-1", *steps: str, **known: Any) -> StemRecord:
        record = StemRecord(stem_id, "a.wav", f"stems/{stem_id}.wav", 1, 0.0, **known)
        for step in ("queued", *steps):
            record.take(step, "", 1.0)
        self.board.stems[stem_id] = record
        return record

    def resume(self) -> int:
        return resume(
            self.board, self.server, Notes(self.board, self.server, self.storage, Clock())
        )


def test_one_that_was_hashed_does_not_meet_its_own_hash(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path, "stems/stem-7.wav")
    stem = earlier.stem("stem-7", "hashing", "deciding", verdict="new", audio_hash="11" * 32)
    assert earlier.resume() == 7
    assert [message["task"] for message in earlier.sent] == [ANALYSIS_TASK]
    assert stem.step == "queued"


def test_of_one_that_had_failed_the_hash_is_no_longer_known(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path, "stems/stem-1.wav", "stems/stem-2.wav")
    earlier.stem("stem-1", "failed", verdict="new", audio_hash="11" * 32)
    earlier.resume()
    again = earlier.stem("stem-2")
    earlier.server.upload_finished(again.stem_id, again.key, again.name)
    body = {"stemId": "stem-2", "audio_hash": "11" * 32}
    earlier.server.receive(WebhookRequest("/hash-check", "e", body))
    assert earlier.server.stems["stem-2"].verdict == "new"


def test_one_that_was_not_is_hashed(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path, "stems/stem-1.wav")
    earlier.stem("stem-1", "hashing")
    earlier.resume()
    [message] = earlier.sent
    assert message.get("kwargs", message)["stemId"] == "stem-1"
    assert message.get("task", HASH_TASK) == HASH_TASK


@pytest.mark.parametrize(
    ("verdict", "step", "code"),
    [("duplicate", "duplicate", None), ("new", "failed", "object_not_found")],
)
def test_an_upload_that_has_gone_waits_for_nothing(
    tmp_path: Path, verdict: str, step: str, code: str | None
) -> None:
    earlier = Earlier(tmp_path)
    stem = earlier.stem("stem-1", "hashing", verdict=verdict, audio_hash="11" * 32)
    earlier.resume()
    assert earlier.sent == []
    assert (stem.step, stem.has_audio) == (step, False)
    assert (stem.error.code if stem.error else None) == code


def test_results_that_somebody_removed_are_not_offered(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path, "stems/stem-1.wav")
    stem = earlier.stem(
        "stem-1", "done", waveform_key="waveforms/1.json", dat_key="waveforms/1.dat"
    )
    mix = MixRecord("mix-1", ["stem-1"], "done", mix_key="mixed/1.wav", waveform_key="w.json")
    earlier.board.mixes["mix-1"] = mix
    earlier.resume()
    assert (stem.step, stem.has_audio, stem.waveform_key, stem.dat_key) == (
        "done",
        True,
        None,
        None,
    )
    assert (mix.mix_key, mix.waveform_key) == (None, None)
    assert earlier.sent == []


def test_a_mix_that_was_not_made_is_asked_for(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path, "stems/stem-1.wav")
    earlier.stem("stem-1", "done")
    earlier.board.mixes["mix-1"] = mix = MixRecord("mix-1", ["stem-1"], "mixing")
    earlier.resume()
    assert mix.step == "queued"
    assert earlier.sent[0]["kwargs"] == {"stageId": "mix-1", "stem_paths": ["stems/stem-1.wav"]}


STEM = {
    "stem_id": "stem-1",
    "name": "a.wav",
    "key": "a.wav",
    "size_bytes": 1,
    "uploaded_at_s": 1.0,
}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting"),
        ("[]", "not what the studio wrote"),
        ("{}", "not what the studio wrote"),
        ('{"version": 2}', "of version 2, not 1"),
        ('{"version": 1, "stems": [{}], "mixes": []}', "not what the studio wrote"),
        (
            json.dumps({"version": 1, "stems": [STEM | {"has_audio": 1}], "mixes": []}),
            "not what the studio wrote",
        ),
        (
            json.dumps({"version": 1, "stems": [STEM | {"stem_id": "../x"}], "mixes": []}),
            "not what the studio wrote",
        ),
        (
            '{"version": 1, "stems": [], "mixes": [{"mix_id": "mix-1", "stem_ids": ["stem-1"]}]}',
            "not what the studio wrote",
        ),
    ],
)
def test_a_board_that_is_none_is_refused_with_what_to_do(
    tmp_path: Path, content: str, why: str
) -> None:
    (tmp_path / "studio.json").write_text(content)
    with pytest.raises(PermanentError, match=why) as refused:
        Board(tmp_path / "studio.json", 1).read()
    assert "--folder" in str(refused.value)


def test_a_board_that_can_not_be_written_is_said_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(tmp_path / "gone" / "studio.json", 1)
    with board.changing(keep=True):
        pass
    assert board.version == 1
    assert "studio_not_written" in "".join(capsys.readouterr())


class TestFolders:
    def test_two_studios_do_not_share_one(self, tmp_path: Path) -> None:
        with (
            opened(tmp_path, max_upload_bytes=1),
            pytest.raises(PermanentError, match="Another studio is at work in"),
            opened(tmp_path, max_upload_bytes=1),
        ):
            pass

    def test_a_file_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(PermanentError, match=r"can't be made: .*--folder"),
            opened(tmp_path / "file" / "below", max_upload_bytes=1),
        ):
            pass

    def test_nor_is_one_that_can_not_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "studio.lock").mkdir()
        with (
            pytest.raises(PermanentError, match=r"Nothing can be written to .*--folder"),
            opened(tmp_path, max_upload_bytes=1),
        ):
            pass

    def test_what_a_killed_studio_left_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "incoming").mkdir()
        (tmp_path / "incoming" / ".upload-half").write_bytes(b"half")
        task = tmp_path / "work" / "waveflow-task-1"
        task.mkdir(parents=True)
        (task / "stem.wav").write_bytes(b"half")
        with opened(tmp_path, max_upload_bytes=1) as studio:
            assert list(studio.incoming.iterdir()) == []
            assert not task.exists()
