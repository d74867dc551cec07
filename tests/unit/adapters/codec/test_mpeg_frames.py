"""MP3 frames found without a library: which are given to ffmpeg, and what it makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import audio_files as files
from tests.support.decoding import by_libsndfile, read_all
from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.decoders import table

RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
AT_MOST_OFF = 1e-5


def decoder_of(path: Path) -> str:
    with path.open("rb") as file:
        return table.decoder_for(parse(file)).name


def same_either_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = read_all(path)
    expected = by_libsndfile(path, monkeypatch)
    assert len(samples) == len(expected) > 0
    np.testing.assert_allclose(samples, expected, rtol=0, atol=AT_MOST_OFF)


# --- the same from both libraries


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_both_libraries_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: int, channels: int
) -> None:
    source = files.tone(2 * rate_hz + 7, channels, rate_hz)
    path = files.write_audio(tmp_path / "a", source, rate_hz, kind="mp3")
    assert decoder_of(path) == "ffmpeg"
    assert len(read_all(path)) == len(source)
    same_either_way(path, monkeypatch)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
def test_so_they_do_at_every_bit_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: float, mode: str
) -> None:
    path = tmp_path / "a"
    # Clicks make for short blocks, and noise for frames that draw on those before them.
    source = files.tone(150_000) + np.random.default_rng(1).normal(0, 0.05, (150_000, 2))
    source[::7000] += 0.5
    with soundfile.SoundFile(
        path, "w", 44_100, 2, format="MP3", compression_level=level, bitrate_mode=mode
    ) as file:
        file.write(source.astype(np.float32))
    assert decoder_of(path) == "ffmpeg"
    same_either_way(path, monkeypatch)


@pytest.mark.parametrize("with_tag", [True, False])
def test_tags_and_garbage_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_tag: bool
) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    if not with_tag:
        files.mp3_without_xing(path)
    expected = read_all(path)
    content = path.read_bytes()
    middle, _ = files.mpeg_frames(path)[40]
    path.write_bytes(content[:middle] + bytes(3000) + content[middle:])
    files.prepend(path, files.id3v2_tag(2000) + files.id3v2_tag(3, footer=True))
    files.append(path, files.ape_tag() + files.id3v1_tag())
    assert decoder_of(path) == "ffmpeg"
    np.testing.assert_array_equal(read_all(path), expected)
    same_either_way(path, monkeypatch)


def test_samples_beyond_full_scale_stay_what_they_are(tmp_path: Path) -> None:
    # Loud masters are full of them: a decoder to 16 bits would cut them off.
    loud = np.sign(files.tone(100_000)) * np.float32(0.99)
    path = files.write_audio(tmp_path / "a", loud, kind="mp3")
    assert np.abs(read_all(path)).max() > 1.05


def test_without_ffmpeg_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    monkeypatch.setattr(table, "has_ffmpeg", lambda: False)
    assert decoder_of(path) == "libsndfile"
    assert len(read_all(path)) == 100_000


# --- frames that lack bits


def test_a_stream_that_begins_in_the_midst_is_left_to_libsndfile(tmp_path: Path) -> None:
    path = files.mp3_without_xing(
        files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    )
    assert decoder_of(path) == "ffmpeg"
    content = path.read_bytes()
    path.write_bytes(content[files.mpeg_frames(path)[10][0] :])
    assert decoder_of(path) == "libsndfile"
    assert len(read_all(path)) > 80_000


def test_so_is_one_that_lacks_a_frame_that_others_draw_on(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    content = path.read_bytes()
    # The first behind the tag: what it leaves is all that the next one has.
    start, length = files.mpeg_frames(path)[1]
    path.write_bytes(content[:start] + content[start + length :])
    assert decoder_of(path) == "libsndfile"


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (4, b"\xff\x80"),  # draws on more than there is
        (4 + 2, b"\x0f\xff"),  # its first part has more bits than the frame
        (4 + 4, b"\xff\xff"),  # more than 288 pairs of large values
    ],
)
def test_so_is_one_whose_side_information_cannot_be(
    tmp_path: Path, offset: int, value: bytes
) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    start, _ = files.mpeg_frames(path)[20]
    files.patch(path, start + offset, value)
    assert decoder_of(path) == "libsndfile"


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_so_is_one_that_changes_its_channels(tmp_path: Path, first: int, second: int) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000, first), kind="mp3")
    other = files.write_audio(tmp_path / "b", files.tone(50_000, second), kind="mp3")
    assert decoder_of(files.append(path, other.read_bytes())) == "libsndfile"
