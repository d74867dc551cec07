"""What a file is to a browser, by its first bytes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.audio_files import write_audio
from tests.support.m4a_files import write_m4a
from waveflow.entrypoints.studio.media import UNKNOWN, Media, media_of

SILENCE = np.zeros((4410, 2), np.float32)


@pytest.mark.parametrize(
    ("kind", "media_type", "is_played"),
    [
        ("wav-u8", "audio/wav", True),
        ("wav-16", "audio/wav", True),
        ("wav-24", "audio/wav", True),
        ("wavex-24", "audio/wav", True),
        ("wav-32", "audio/wav", False),
        ("wav-float", "audio/wav", False),
        ("wavex-float", "audio/wav", False),
        ("wav-double", "audio/wav", False),
        ("rf64-16", "audio/wav", False),
        ("aiff-16", "audio/aiff", False),
        ("aifc-sowt-16", "audio/aiff", False),
        ("flac-16", "audio/flac", True),
        ("mp3", "audio/mpeg", True),
        ("ogg-vorbis", "audio/ogg", True),
    ],
)
def test_audio_is_told_by_its_content(
    tmp_path: Path, kind: str, media_type: str, is_played: bool
) -> None:
    path = write_audio(tmp_path / "sound.bin", SILENCE, kind=kind)
    assert media_of(path) == Media(media_type, is_played)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"la la",
        b"<!doctype html><script>",
        b"RIFF\0\0\0\0WAV",
        b"RIFF\0\0\0\0AVI ",
        b"FORM\0\0\0\x008SVX",
    ],
)
def test_anything_else_is_just_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    assert media_of(path) == UNKNOWN


@pytest.mark.parametrize(
    "after",
    [
        b"",
        b"fmt \x10\0\0\0\1",
        b"JUNK\xff\xff\xff\xff",
        b"JUNK\0\0\0\0" * 100,
    ],
)
def test_a_wav_that_is_cut_off_or_full_of_chunks_is_not_played(
    tmp_path: Path, after: bytes
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + after)
    assert media_of(path) == Media("audio/wav", is_played=False)


def box(kind: bytes, content: bytes, size_bytes: int | None = None) -> bytes:
    return (
        struct.pack(">I4s", len(content) + 8 if size_bytes is None else size_bytes, kind) + content
    )


class TestMp4:
    HEAD = box(b"ftyp", b"M4A \0\0\0\0")

    def media(self, tmp_path: Path, *boxes: bytes) -> Media:
        path = tmp_path / "sound.m4a"
        path.write_bytes(self.HEAD + b"".join(boxes))
        return media_of(path)

    @pytest.mark.parametrize(("kind", "is_played"), [("aac", True), ("alac", False)])
    def test_real_ones_are_told_apart(self, tmp_path: Path, kind: str, is_played: bool) -> None:
        path = write_m4a(tmp_path / "sound.m4a", SILENCE, kind=kind)
        assert media_of(path) == Media("audio/mp4", is_played)

    def test_aac_is_played(self, tmp_path: Path) -> None:
        long_box = struct.pack(">I4sQ", 1, b"mdat", 16 + 4) + b"\0" * 4
        index = box(b"moov", b"....mp4a....")
        assert self.media(tmp_path, long_box, index) == Media("audio/mp4", is_played=True)

    def test_alac_is_not(self, tmp_path: Path) -> None:
        index = box(b"moov", b"....alac....")
        assert self.media(tmp_path, box(b"free", b""), index) == Media("audio/mp4", is_played=False)

    @pytest.mark.parametrize(
        "damage",
        [
            b"",
            box(b"mdat", b"", 0),
            box(b"mdat", b"", 7),
            struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1),
            box(b"free", b"") * 100,
        ],
    )
    def test_a_damaged_one_is_not(self, tmp_path: Path, damage: bytes) -> None:
        assert self.media(tmp_path, damage) == Media("audio/mp4", is_played=False)


@given(
    head=st.sampled_from([b"RIFF\0\0\0\0WAVE", b"\0\0\0\x10ftypM4A \0\0\0\0", b"FORM\0\0\0\0AIFF"]),
    rest=st.binary(max_size=200),
)
def test_whatever_a_file_holds_there_is_an_answer(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-media"
    path.write_bytes(head + rest)
    assert media_of(path).media_type.startswith("audio/")
