"""From an upload to its waveform, its deletion or its failure, and from stems to a mix."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.entrypoints.studio.rig import Rig, tone
from waveflow.domain.errors import PermanentError, StorageUnavailable
from waveflow.entrypoints.studio.records import StemRecord


def steps(stem: dict[str, list[dict[str, object]]]) -> list[object]:
    return [entry["step"] for entry in stem["history"]]


def test_a_stem_goes_through_all_steps(rig: Rig, tmp_path: Path) -> None:
    content = tone(tmp_path, 0.11)
    stem = rig.ended(rig.added("노래 (1).wav", content))
    assert steps(stem) == ["queued", "hashing", "deciding", "analyzing", "done"]
    times = [entry["at_s"] for entry in stem["history"]]
    assert times == sorted(times)
    assert times[0] == 0.0
    assert (stem["name"], stem["size_bytes"]) == ("노래 (1).wav", len(content))
    assert (stem["duration_s"], stem["sample_rate_hz"], stem["num_peaks"]) == (0.5, 44_100, 4000)
    assert stem["processing_time_s"] > 0
    assert len(stem["audio_hash"]) == 64
    assert stem["levels"]["sample_peak_dbfs"] == pytest.approx(-19.17, abs=0.01)
    assert (stem["has_audio"], stem["has_waveform"]) == (True, True)
    assert (stem["error"], stem["duplicate_of"]) == (None, None)
    assert "0.50 s at 44,100 Hz" in stem["history"][-1]["sentence"]


def test_a_duplicate_is_deleted_and_names_the_stem_that_it_repeats(
    rig: Rig, tmp_path: Path
) -> None:
    content = tone(tmp_path, 0.12)
    first = rig.added("take.wav", content)
    assert rig.ended(first)["step"] == "done"
    stem = rig.ended(rig.added("take (1).wav", content))
    assert steps(stem) == ["queued", "hashing", "deciding", "removing", "duplicate"]
    assert stem["duplicate_of"] == {"stem_id": first, "name": "take.wav"}
    assert (stem["has_audio"], stem["has_waveform"]) == (False, False)
    assert stem["history"][-1]["sentence"] == "Deleted: take.wav holds the same recording."
    for kind in ("audio", "waveform", "dat"):
        answer = rig.page.get(f"/api/stems/{stem['stem_id']}/{kind}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_there")


def test_a_bad_file_fails_with_what_to_do_and_can_still_be_downloaded(rig: Rig) -> None:
    stem = rig.ended(rig.added("lyrics.wav", b"la la la"))
    assert steps(stem)[-2:] == ["analyzing", "failed"]
    assert stem["error"]["code"] == "not_audio"
    assert "Please upload a WAV" in stem["error"]["sentence"]
    assert stem["history"][-1]["sentence"] == stem["error"]["sentence"]
    assert (stem["has_audio"], stem["has_waveform"]) == (True, False)
    answer = rig.page.get(f"/api/stems/{stem['stem_id']}/audio")
    assert (answer.content, answer.headers["content-type"]) == (
        b"la la la",
        "application/octet-stream",
    )


def test_what_has_failed_can_be_uploaded_again_and_is_no_duplicate_of_that(
    rig: Rig, tmp_path: Path
) -> None:
    for _ in "ab":
        assert rig.ended(rig.added("noise.wav", b"ssss"))["error"]["code"] == "not_audio"
    content = tone(tmp_path, 0.21)
    first = rig.ended(rig.added("first.wav", content))
    rig.studio.path_of(rig.studio.board.stems[first["stem_id"]].key).unlink()
    kept = rig.ended(rig.added("second.wav", content))
    assert kept["error"]["code"] == "owner_lost"
    assert kept["error"]["sentence"].endswith("Upload it again.")
    assert rig.ended(rig.added("third.wav", content))["step"] == "done"


def test_chosen_stems_are_mixed_each_once(rig: Rig, tmp_path: Path) -> None:
    stems = [rig.added(f"{level}.wav", tone(tmp_path, level)) for level in (0.3, 0.5)]
    for stem_id in stems:
        assert rig.ended(stem_id)["step"] == "done"
    answer = rig.page.post("/api/mixes", json={"stem_ids": [*stems, stems[0]]})
    assert answer.status_code == 202
    mix = rig.mixed(answer.json()["mix_id"])
    assert (mix["step"], mix["stem_ids"], mix["error"]) == ("done", stems, None)
    assert (mix["duration_s"], mix["gain_db"]) == (0.5, 0.0)
    assert mix["levels"]["sample_peak_dbfs"] == pytest.approx(-7.96, abs=0.01)
    assert (mix["has_audio"], mix["has_waveform"]) == (True, True)


def test_several_mixes_stand_beside_each_other(rig: Rig, tmp_path: Path) -> None:
    stem_id = rig.added("loud.wav", tone(tmp_path, 0.9999))
    rig.ended(stem_id)
    ids = [rig.page.post("/api/mixes", json={"stem_ids": [stem_id]}).json()["mix_id"] for _ in "ab"]
    assert len(set(ids)) == 2
    mixes = [rig.mixed(mix_id) for mix_id in ids]
    assert [mix["gain_db"] for mix in mixes] == [-0.44, -0.44]


def test_a_mix_of_what_has_gone_fails_and_says_what_to_do(rig: Rig, tmp_path: Path) -> None:
    stem_id = rig.added("gone.wav", tone(tmp_path, 0.44))
    rig.ended(stem_id)
    key = rig.studio.board.stems[stem_id].key
    rig.studio.path_of(key).unlink()
    mix = rig.mixed(rig.page.post("/api/mixes", json={"stem_ids": [stem_id]}).json()["mix_id"])
    assert (mix["step"], mix["has_audio"]) == ("failed", False)
    assert mix["error"]["code"] == "object_not_found"
    assert "upload it again" in mix["error"]["sentence"].lower()
    answer = rig.page.get(f"/api/stems/{stem_id}/audio")
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


class TestRefusedMixes:
    def refused(self, rig: Rig, document: object) -> tuple[str, str]:
        answer = rig.page.post("/api/mixes", json=document)
        assert answer.status_code == 400
        error = answer.json()
        return error["code"], error["error"]

    def test_without_stems(self, rig: Rig) -> None:
        refusal = self.refused(rig, {"stem_ids": []})
        assert refusal == ("no_stems", "No stems are chosen; choose one or more.")

    def test_of_a_stem_that_nobody_knows(self, rig: Rig) -> None:
        assert self.refused(rig, {"stem_ids": ["stem-99999"]}) == (
            "unknown_stem",
            "There is no stem 'stem-99999'; reload the page.",
        )

    def test_of_a_failed_stem(self, rig: Rig) -> None:
        stem_id = rig.added("words.wav", b"no words")
        rig.ended(stem_id)
        code, sentence = self.refused(rig, {"stem_ids": [stem_id]})
        assert code == "not_mixable"
        assert sentence.startswith("words.wav has failed; upload it again")

    def test_of_a_duplicate(self, rig: Rig, tmp_path: Path) -> None:
        content = tone(tmp_path, 0.21)
        rig.ended(rig.added("one.wav", content))
        copy = rig.added("two.wav", content)
        rig.ended(copy)
        code, sentence = self.refused(rig, {"stem_ids": [copy]})
        assert code == "not_mixable"
        assert sentence.startswith("two.wav is a duplicate and was deleted")

    @pytest.mark.parametrize("document", [[], {}, {"stem_ids": "stem-1"}, {"stem_ids": [1]}, None])
    def test_that_are_none(self, rig: Rig, document: object) -> None:
        assert self.refused(rig, document)[0] == "invalid_json"

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"stem_ids": [NaN]}'])
    def test_that_are_no_json(self, rig: Rig, body: bytes) -> None:
        answer = rig.page.post("/api/mixes", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")

    def test_that_are_endless(self, rig: Rig) -> None:
        answer = rig.page.post("/api/mixes", content=b"[" * 100_000)
        assert answer.status_code == 413


def test_a_stem_that_is_not_done_yet_can_not_be_mixed(rig: Rig) -> None:
    stem = StemRecord("stem-777", "a.wav", "a.wav", 1, 0.0)
    stem.take("hashing", "", 1.0)
    with rig.studio.board.changing():
        rig.studio.board.stems["stem-777"] = stem
    try:
        answer = rig.page.post("/api/mixes", json={"stem_ids": ["stem-777"]})
        assert answer.json()["error"] == (
            "a.wav is not done yet; wait until its waveform is there."
        )
    finally:
        del rig.studio.board.stems["stem-777"]


class TestSong:
    def test_its_stems_come_with_one_that_broke_off(self, rig: Rig, tmp_path: Path) -> None:
        def make_song(folder: Path) -> list[Path]:
            (folder / "song.wav").write_bytes(tone(tmp_path, 0.61))
            return [folder / "song.wav"]

        rig.studio.make_song = make_song
        answer = rig.page.post("/api/song")
        assert answer.status_code == 202
        whole, broken = (rig.ended(stem_id) for stem_id in answer.json()["stem_ids"])
        assert (whole["name"], whole["step"]) == ("song.wav", "done")
        assert (broken["name"], broken["step"]) == ("song (broken off).wav", "failed")
        assert broken["error"]["code"] == "audio_truncated"
        assert list(rig.studio.incoming.iterdir()) == []

    def test_it_is_made_once_at_a_time(self, rig: Rig, tmp_path: Path) -> None:
        begun, may_end = threading.Event(), threading.Event()

        def make_song(folder: Path) -> list[Path]:
            begun.set()
            assert may_end.wait(20)
            (folder / "slow.wav").write_bytes(tone(tmp_path, 0.62))
            return [folder / "slow.wav"]

        rig.studio.make_song = make_song
        answers: list[int] = []
        first = threading.Thread(
            target=lambda: answers.append(rig.page.post("/api/song").status_code)
        )
        first.start()
        assert begun.wait(20)
        refused = rig.page.post("/api/song")
        assert (refused.status_code, refused.json()["code"]) == (400, "song_is_being_made")
        may_end.set()
        first.join(20)
        assert answers == [202]

    def test_without_what_makes_it_the_sentence_arrives(self, rig: Rig) -> None:
        def make_song(_: Path) -> list[Path]:
            raise PermanentError("The song needs SciPy.")

        rig.studio.make_song = make_song
        answer = rig.page.post("/api/song")
        assert (answer.status_code, answer.json()["error"]) == (400, "The song needs SciPy.")


def test_a_defect_is_said_to_be_one(rig: Rig) -> None:
    def make_song(_: Path) -> list[Path]:
        raise RuntimeError("broken")

    rig.studio.make_song = make_song
    with capture_logs() as lines:
        answer = rig.page.post("/api/song")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "studio_defect" in [line["event"] for line in lines]


def test_a_storage_that_does_not_answer_may_later(rig: Rig) -> None:
    def make_song(_: Path) -> list[Path]:
        raise StorageUnavailable("The disk is full.")

    rig.studio.make_song = make_song
    answer = rig.page.post("/api/song")
    assert (answer.status_code, answer.json()["error"]) == (503, "The disk is full. Try it again.")
