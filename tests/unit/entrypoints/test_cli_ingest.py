"""`waveflow ingest` and `waveflow resolve-duplicate` on local files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.unit.entrypoints.command_line import CommandLine, WriteSong
from waveflow.domain.content import ContentHash
from waveflow.domain.errors import DeletionRefused
from waveflow.entrypoints import local_files

LAST_COPY = "This is the only known copy of the recording, so the file is kept."
CHANGED = "The file no longer holds the recording that was called a duplicate, so it is kept."


@pytest.fixture
def files(folder: Path) -> Path:
    """take.wav, a copy of it, and another recording."""
    (folder / "take.wav").write_bytes(b"the recording")
    (folder / "take (1).wav").write_bytes(b"the recording")
    (folder / "other.wav").write_bytes(b"the recordinG")
    return folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestIngest:
    def test_it_prints_a_hash_per_file_and_notes_duplicates(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        outcome = waveflow("ingest", "take.wav", "other.wav", "take (1).wav")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.splitlines() == [
            f"{sha256(b'the recording')}  take.wav",
            f"{sha256(b'the recordinG')}  other.wav",
            f"{sha256(b'the recording')}  take (1).wav  (same as take.wav)",
        ]

    def test_with_json_it_prints_a_list(self, waveflow: CommandLine, files: Path) -> None:
        (files / "말.txt").write_bytes(b"la la la")
        outcome = waveflow("ingest", "--json", "말.txt", "take.wav", "take (1).wav")
        assert outcome.err == ""
        assert "말.txt" in outcome.out
        assert outcome.json == [
            {
                "filepath": "말.txt",
                "audio_hash": sha256(b"la la la"),
                "file_size": 8,
                "duplicate_of": None,
            },
            {
                "filepath": "take.wav",
                "audio_hash": sha256(b"the recording"),
                "file_size": 13,
                "duplicate_of": None,
            },
            {
                "filepath": "take (1).wav",
                "audio_hash": sha256(b"the recording"),
                "file_size": 13,
                "duplicate_of": "take.wav",
            },
        ]

    def test_a_file_of_several_blocks_is_hashed_whole(
        self, waveflow: CommandLine, folder: Path
    ) -> None:
        content = bytes(range(256)) * 12_289
        (folder / "big.wav").write_bytes(content)
        assert waveflow("ingest", "big.wav").out.startswith(sha256(content))

    def test_an_empty_file_is_refused_and_the_others_are_hashed(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        (files / "empty.wav").touch()
        outcome = waveflow("ingest", "empty.wav", "take.wav")
        assert outcome.code == 1
        assert outcome.out == f"{sha256(b'the recording')}  take.wav\n"
        assert outcome.err == "waveflow: empty.wav is empty (0 bytes). Please export it again.\n"
        rows = waveflow("ingest", "empty.wav", "take.wav", "--json").json
        assert [row.get("code") for row in rows] == ["empty_file", None]

    def test_missing_files_folders_and_pipes_are_wrong_usage(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        os.mkfifo(files / "pipe")
        assert waveflow.misused("ingest", "gone.wav").endswith("File 'gone.wav' does not exist.")
        assert waveflow.misused("ingest", "take.wav", files).endswith("is a directory.")
        assert waveflow.misused("ingest", "pipe").startswith("pipe is a pipe or a device")
        assert waveflow.misused("ingest") == "Missing argument 'SOURCES...'."


class TestResolveDuplicate:
    def test_a_copy_is_deleted_and_nothing_else(self, waveflow: CommandLine, files: Path) -> None:
        outcome = waveflow("resolve-duplicate", "take (1).wav", "--keep", "take.wav")
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.facts == {
            "deleted": "take (1).wav",
            "kept": "take.wav",
            "audio_hash": sha256(b"the recording"),
        }
        assert names(files) == ["other.wav", "take.wav"]

    def test_the_original_is_looked_at_last(
        self, files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_at: list[str] = []

        def hash_file(path: Path) -> ContentHash:
            looked_at.append(str(path))
            return ContentHash(sha256(path.read_bytes()))

        monkeypatch.setattr(local_files, "hash_file", hash_file)
        local_files.delete_duplicate(Path("take (1).wav"), Path("take.wav"))
        assert looked_at == ["take (1).wav", "take.wav"]

    def test_an_original_that_changes_meanwhile_keeps_the_copy(
        self, files: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hash_file(path: Path) -> ContentHash:
            content = path.read_bytes()
            if path.name == "take.wav":
                path.write_bytes(b"something else")
            return ContentHash(sha256(content))

        monkeypatch.setattr(local_files, "hash_file", hash_file)
        with pytest.raises(DeletionRefused) as caught:
            local_files.delete_duplicate(Path("take (1).wav"), Path("take.wav"))
        assert caught.value.code == "owner_lost"
        assert (files / "take (1).wav").exists()

    def test_with_json_there_is_nothing_but_json(self, waveflow: CommandLine, files: Path) -> None:
        outcome = waveflow("resolve-duplicate", "take (1).wav", "--keep", "take.wav", "--json")
        assert outcome.err == ""
        assert outcome.json == {
            "deleted": "take (1).wav",
            "kept": "take.wav",
            "audio_hash": sha256(b"the recording"),
        }

    def test_a_copy_that_is_not_there_is_a_typing_mistake(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        problem = waveflow.misused("resolve-duplicate", "typo.wav", "--keep", "take.wav")
        assert problem.endswith("File 'typo.wav' does not exist.")

    @pytest.mark.parametrize("copy", ["take.wav", "../here/take.wav", "hard.wav", "link.wav"])
    def test_a_file_is_no_duplicate_of_itself_under_whatever_name(
        self, waveflow: CommandLine, files: Path, copy: str
    ) -> None:
        os.link(files / "take.wav", files / "hard.wav")
        (files / "link.wav").symlink_to("take.wav")
        before = names(files)
        assert waveflow.refused("resolve-duplicate", copy, "--keep", "take.wav") == LAST_COPY
        assert waveflow.refused("resolve-duplicate", "take.wav", "--keep", copy) == LAST_COPY
        assert names(files) == before

    def test_the_refusal_has_a_code(self, waveflow: CommandLine, files: Path) -> None:
        outcome = waveflow("resolve-duplicate", "take.wav", "--keep", "take.wav", "--json")
        assert (outcome.code, outcome.out) == (1, "")
        assert json.loads(outcome.err) == {"error": LAST_COPY, "code": "last_copy"}

    def test_other_content_is_kept(self, waveflow: CommandLine, files: Path) -> None:
        outcome = waveflow("resolve-duplicate", "other.wav", "--keep", "take.wav", "--json")
        assert json.loads(outcome.err) == {"error": CHANGED, "code": "content_changed"}
        assert names(files) == ["other.wav", "take (1).wav", "take.wav"]

    def test_a_link_to_another_copy_goes_and_the_copy_stays(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        (files / "link.wav").symlink_to("take (1).wav")
        assert waveflow("resolve-duplicate", "link.wav", "--keep", "take.wav").code == 0
        assert names(files) == ["other.wav", "take (1).wav", "take.wav"]

    def test_without_an_original_nothing_is_deleted(
        self, waveflow: CommandLine, files: Path
    ) -> None:
        assert waveflow.misused("resolve-duplicate", "take.wav", "--keep", "gone.wav").endswith(
            "File 'gone.wav' does not exist."
        )
        assert waveflow.misused("resolve-duplicate", "take.wav") == (
            "Name the file that holds the same recording with --keep."
        )
        assert names(files) == ["other.wav", "take (1).wav", "take.wav"]

    @pytest.mark.parametrize(
        ("copy", "keep"), [("take.wav", "empty.wav"), ("empty.wav", "take.wav")]
    )
    def test_empty_files_are_no_recordings(
        self, waveflow: CommandLine, files: Path, copy: str, keep: str
    ) -> None:
        (files / "empty.wav").touch()
        (files / "empty (1).wav").touch()
        expected = "empty.wav is empty (0 bytes). Please export it again."
        assert waveflow.refused("resolve-duplicate", copy, "--keep", keep) == expected
        assert names(files) == [
            "empty (1).wav",
            "empty.wav",
            "other.wav",
            "take (1).wav",
            "take.wav",
        ]

    def test_a_folder_is_never_deleted(self, waveflow: CommandLine, files: Path) -> None:
        problem = waveflow.misused("resolve-duplicate", files, "--keep", "take.wav")
        assert problem.endswith("is a directory.")


def test_two_files_of_the_same_sound_but_other_bytes_are_not_duplicates(
    waveflow: CommandLine, song: WriteSong
) -> None:
    song("a.wav")
    song("b.flac", kind="flac-16")
    assert waveflow.refused("resolve-duplicate", "b.flac", "--keep", "a.wav") == CHANGED
