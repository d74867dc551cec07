"""Sound and waveforms as files: whole and in parts, unchanged, under their names, playable."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
import soundfile
from attrs import frozen

from tests.unit.entrypoints.studio.rig import Rig, served, tone
from waveflow.adapters.storage.memory import InMemoryAudioStorage
from waveflow.entrypoints.studio.archive import Member, zipped


@frozen
class Song:
    """A stem that is done, and a mix of it."""

    content: bytes
    stem: str
    mix: str


@pytest.fixture(scope="module")
def song(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Song:
    content = tone(tmp_path_factory.mktemp("song"), 0.31)
    stem_id = rig.added("노래 (1).wav", content)
    rig.ended(stem_id)
    mix_id = rig.page.post("/api/mixes", json={"stem_ids": [stem_id]}).json()["mix_id"]
    rig.mixed(mix_id)
    return Song(content, f"/api/stems/{stem_id}", f"/api/mixes/{mix_id}")


def test_a_stem_comes_back_as_it_was(rig: Rig, song: Song) -> None:
    answer = rig.page.get(f"{song.stem}/audio")
    assert (answer.status_code, answer.content) == (200, song.content)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-disposition" not in answer.headers


def test_a_waveform_is_json_and_a_dat_is_not(rig: Rig, song: Song) -> None:
    for path in (song.stem, song.mix):
        waveform = rig.page.get(f"{path}/waveform")
        assert waveform.headers["content-type"] == "application/json"
        assert (waveform.json()["duration"], len(waveform.json()["peaks"])) == (0.5, 4000)
        dat = rig.page.get(f"{path}/dat")
        assert dat.headers["content-type"] == "application/octet-stream"
        assert int.from_bytes(dat.content[:4], "little") == 1


def test_a_mix_is_a_wav(rig: Rig, song: Song) -> None:
    answer = rig.page.get(f"{song.mix}/audio?play=1")
    assert answer.headers["content-type"] == "audio/wav"
    assert soundfile.info(io.BytesIO(answer.content)).frames == 22_050


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-20", slice(-20, None)),
        ("bytes=44-99999999", slice(44, None)),
    ],
)
def test_parts_can_be_had(rig: Rig, song: Song, wanted: str, part: slice) -> None:
    answer = rig.page.get(f"{song.stem}/audio", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, song.content[part])
    size_bytes = len(song.content)
    start, stop, _ = part.indices(size_bytes)
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size_bytes}"


def test_several_parts_come_in_one_answer(rig: Rig, song: Song) -> None:
    answer = rig.page.get(f"{song.stem}/audio", headers={"Range": "bytes=0-3, 8-11"})
    assert answer.status_code == 206
    assert answer.headers["content-type"].startswith("multipart/byteranges")
    assert b"RIFF" in answer.content
    assert b"WAVE" in answer.content


def test_a_part_behind_the_end_is_refused_with_the_size(rig: Rig, song: Song) -> None:
    size_bytes = len(song.content)
    answer = rig.page.get(f"{song.stem}/audio", headers={"Range": f"bytes={size_bytes}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size_bytes}")


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=-", "bytes=9-2", "seconds=0-1", "bytes=a-b"])
def test_a_range_that_says_nothing_is_ignored(rig: Rig, song: Song, wanted: str) -> None:
    answer = rig.page.get(f"{song.stem}/audio", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, song.content)


def test_head_tells_without_sending(rig: Rig, song: Song) -> None:
    answer = rig.page.head(f"{song.stem}/audio")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(song.content))


def test_what_the_browser_has_is_not_sent_again(rig: Rig, song: Song) -> None:
    etag = rig.page.get(f"{song.stem}/audio").headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = rig.page.get(f"{song.stem}/audio", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert rig.page.get(f"{song.stem}/audio", headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_part_is_of_the_same_version_or_it_is_the_whole(rig: Rig, song: Song) -> None:
    etag = rig.page.get(f"{song.stem}/audio").headers["etag"]
    for known, status in ((etag, 206), ('"older"', 200)):
        headers = {"Range": "bytes=0-9", "If-Range": known}
        assert rig.page.get(f"{song.stem}/audio", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("audio", "%EB%85%B8%EB%9E%98%20%281%29.wav"),
        ("waveform", "%EB%85%B8%EB%9E%98%20%281%29.json"),
        ("dat", "%EB%85%B8%EB%9E%98%20%281%29.dat"),
    ],
)
def test_a_download_has_its_name(rig: Rig, song: Song, kind: str, name: str) -> None:
    answer = rig.page.get(f"{song.stem}/{kind}?download=1")
    assert answer.headers["content-disposition"] == f"attachment; filename*=utf-8''{name}"


def test_so_has_that_of_a_mix(rig: Rig, song: Song) -> None:
    answer = rig.page.get(f"{song.mix}/audio?download=1")
    name = song.mix.rpartition("/")[2]
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.wav"'


@pytest.mark.parametrize(
    "path", ["/api/stems/stem-999/audio", "/api/songs/stem-1/audio", "/api/stems/stem-1/secrets"]
)
def test_what_is_not_there_is_not_found(rig: Rig, song: Song, path: str) -> None:
    assert rig.page.get(path).status_code == 404


class TestPlaying:
    @pytest.mark.parametrize("kind", ["aiff-16", "wav-float"])
    def test_what_browsers_do_not_play_is_made_playable_once(
        self, rig: Rig, tmp_path: Path, kind: str
    ) -> None:
        content = tone(tmp_path, 0.4, kind=kind, channels=2)
        stem_id = rig.added(f"{kind}.aiff", content)
        rig.ended(stem_id)
        assert rig.page.get(f"/api/stems/{stem_id}/audio").content == content
        answer = rig.page.get(f"/api/stems/{stem_id}/audio?play=1")
        assert answer.headers["content-type"] == "audio/wav"
        samples, _ = soundfile.read(io.BytesIO(answer.content), dtype="int16")
        assert samples.shape == (22_050,)
        assert samples[0] == 13_107
        again = rig.page.get(
            f"/api/stems/{stem_id}/audio?play=1", headers={"If-None-Match": answer.headers["etag"]}
        )
        assert again.status_code == 304

    def test_a_new_upload_is_not_played_as_an_older_one_of_the_same_number(
        self, rig: Rig, tmp_path: Path
    ) -> None:
        # Ids begin anew where somebody has removed studio.json.
        stem_id = rig.added("new.aiff", tone(tmp_path, 0.41, kind="aiff-16"))
        older = rig.studio.previews.folder / f"{stem_id}.wav"
        older.parent.mkdir(exist_ok=True)
        older.write_bytes(b"older")
        os.utime(older, (0, 0))
        answer = rig.page.get(f"/api/stems/{stem_id}/audio?play=1")
        assert answer.content.startswith(b"RIFF")

    def test_what_they_play_is_left_as_it_is(self, rig: Rig, song: Song) -> None:
        assert rig.page.get(f"{song.stem}/audio?play=1").content == song.content

    def test_what_is_no_audio_says_so(self, rig: Rig) -> None:
        stem_id = rig.added("score.wav", b"la la")
        answer = rig.page.get(f"/api/stems/{stem_id}/audio?play=1")
        assert (answer.status_code, answer.json()["code"]) == (422, "not_audio")
        assert answer.json()["error"].startswith("score.wav can't be played. ")

    def test_a_folder_without_room_says_so(self, tmp_path: Path) -> None:
        with served(tmp_path / "studio") as rig:
            stem_id = rig.added("a.aiff", tone(tmp_path, kind="aiff-16"))
            rig.ended(stem_id)
            (rig.studio.folder / "previews").write_text("in the way")
            answer = rig.page.get(f"/api/stems/{stem_id}/audio?play=1")
            assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")


class TestEverything:
    def test_all_of_it_comes_under_names_of_its_own(self, tmp_path: Path) -> None:
        with served(tmp_path / "studio") as rig:
            assert rig.page.get("/api/everything.zip").status_code == 404
            first, second = tone(tmp_path, 0.1), tone(tmp_path, 0.2)
            for content in (first, second, second):
                last = rig.added("노래.wav", content)
                rig.ended(last)
            gone = rig.added("gone.wav", b"gone")
            rig.ended(gone)
            rig.studio.path_of(rig.studio.board.stems[gone].key).unlink()
            answer = rig.page.get("/api/everything.zip")
        assert answer.headers["content-disposition"].endswith('filename="waveflow-studio.zip"')
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == [
                "stems/노래.wav",
                "waveforms/노래.json",
                "waveforms/노래.dat",
                "stems/노래 (2).wav",
                "waveforms/노래 (2).json",
                "waveforms/노래 (2).dat",
            ]
            assert archive.read("stems/노래.wav") == first
            assert archive.read("stems/노래 (2).wav") == second
            assert json.loads(archive.read("waveforms/노래.json"))["num_peaks"] == 4000
            assert all(info.flag_bits & 0x800 for info in archive.infolist())
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}

    def test_a_download_that_is_broken_off_closes_what_it_reads(self) -> None:
        storage = InMemoryAudioStorage()
        storage.write("a.wav", b"x" * 1000, content_type="audio/wav")
        members = [Member("stems/a.wav", "a.wav"), Member("stems/gone.wav", "gone.wav")]
        blocks = zipped(members, storage)
        assert next(blocks).startswith(b"PK")
        blocks.close()
        with zipfile.ZipFile(io.BytesIO(b"".join(zipped(members, storage)))) as archive:
            assert archive.namelist() == ["stems/a.wav"]
