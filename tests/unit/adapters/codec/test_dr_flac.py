"""FLAC through dr_flac: the same samples as through libsndfile, and the same refusals."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from _miniaudio import lib
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import audio_files as files
from tests.support.audio_units import flac_crc8, flac_crc16
from tests.support.decoding import by_libsndfile, read_all
from tests.support.flac_subframes import random_flac
from tests.support.flac_writer import Frame, constant, flac, metadata, stream_info
from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.containers.parsed import FlacFrames
from waveflow.adapters.codec.decoders import dr_flac, table
from waveflow.adapters.codec.reader import open_reader
from waveflow.domain.errors import InvalidAudio

LEFT = Frame(0, (16_384, 0))
SIZE = len(LEFT.encoded())
TOTAL = 6 * 4096
PICTURE = b"\0\0\0\3" + b"\0\0\0\x09image/png" + b"\0\0\0\0" + bytes(16) + (400).to_bytes(4, "big")


def frames_of(content: bytes) -> FlacFrames | None:
    return parse(io.BytesIO(content)).flac_frames


def decoder_of(content: bytes) -> str:
    return table.decoder_for(parse(io.BytesIO(content))).name


def six(*blocks: bytes, sizes: tuple[int, int] = (SIZE, SIZE), total: int = TOTAL) -> bytes:
    """Six frames of a constant, in good order."""
    info = stream_info(total, frame_bytes=sizes, last=not blocks)
    return flac(info, constant(6, LEFT), *blocks)


def numbered(*numbers: int) -> bytes:
    return b"".join(evolve(LEFT, number=number).encoded() for number in numbers)


# --- the same samples


@given(
    seed=st.integers(0, 2**32),
    block_frames=st.sampled_from([16, 17, 192, 576, 1000, 1024]),
    channels=st.integers(1, 8),
    bits=st.sampled_from([8, 16, 24]),
)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_kind_of_subframe_gives_the_same_samples(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    block_frames: int,
    channels: int,
    bits: int,
) -> None:
    path = tmp_path / "a"
    path.write_bytes(random_flac(seed, block_frames=block_frames, channels=channels, bits=bits))
    assert decoder_of(path.read_bytes()) == "dr_flac"
    np.testing.assert_array_equal(read_all(path), by_libsndfile(path, monkeypatch))


@given(
    seed=st.integers(0, 2**32),
    subtype=st.sampled_from(["PCM_S8", "PCM_16", "PCM_24"]),
    channels=st.integers(1, 8),
    level=st.sampled_from([0.0, 0.5, 1.0]),
    frames=st.integers(1, 30_000),
    loudness_bits=st.integers(0, 31),
)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_an_encoder_wrote_is_what_is_read(
    tmp_path: Path,
    seed: int,
    subtype: str,
    channels: int,
    level: float,
    frames: int,
    loudness_bits: int,
) -> None:
    bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}[subtype]
    source = files.noise(frames, channels, seed=seed) >> loudness_bits
    source = np.where(seed % 3 == 0, source, np.cumsum(source // 64, axis=0, dtype=np.int32))
    source = source.astype(np.int32) >> (32 - bits) << (32 - bits)
    path = tmp_path / "a"
    soundfile.write(path, source, 48_000, subtype, format="FLAC", compression_level=level)
    assert decoder_of(path.read_bytes()) == "dr_flac"
    samples = read_all(path)
    expected = source if bits == 24 else source >> 16
    np.testing.assert_array_equal(samples, expected)


def test_the_size_of_the_blocks_does_not_matter(tmp_path: Path) -> None:
    # Two megabytes: several pieces, whose borders blocks straddle.
    source = files.noise(400_000, 2)
    path = files.write_audio(tmp_path / "a", source, kind="flac-24")
    for block_frames in (999, 4096, 65_536, 1_000_000):
        np.testing.assert_array_equal(read_all(path, block_frames), source >> 8 << 8)


def test_what_looks_like_a_frame_within_a_frame_is_none(tmp_path: Path) -> None:
    frames = [evolve(LEFT, number=number).encoded() for number in range(6)]
    for hidden in (frames[4], frames[2]):
        content = flac(
            stream_info(TOTAL, frame_bytes=(SIZE, 4 * 4096 + 20)),
            [frames[0], frames[1], _verbatim(2, hidden), *frames[3:]],
        )
        path = tmp_path / "a"
        path.write_bytes(content)
        assert decoder_of(content) == "dr_flac"
        samples = read_all(path)
        assert len(samples) == TOTAL
        assert samples[2 * 4096 : 2 * 4096 + 3, 0].astype(">i2").tobytes() == hidden[:6]


def _verbatim(number: int, hidden: bytes) -> bytes:
    """A frame whose first channel begins with bytes of another frame."""
    head = bytes([0xFF, 0xF8, 0xC9, 0x18, number])
    head += bytes([flac_crc8(head)])
    first = (hidden[: len(hidden) // 2 * 2]).ljust(2 * 4096, b"\0")
    content = head + b"\x02" + first + b"\x00\x00\x00"
    return content + flac_crc16(content).to_bytes(2, "big")


# --- what it is trusted with


@pytest.mark.parametrize(
    "content",
    [
        six(),
        six(metadata(1, bytes(5000), last=True)),
        six(metadata(3, bytes(36)), metadata(2, b"abcd"), metadata(1, b"", last=True)),
        six(metadata(4, b"\x02\0\0\0me\x01\0\0\0\x03\0\0\0A=B", last=True)),
        six(metadata(6, PICTURE + bytes(400), last=True)),
        files.id3v2_tag(300) + six(),
        six() + files.id3v1_tag(),
        six() + bytes(3000),
    ],
)
def test_a_stream_in_good_order_is_its_own(tmp_path: Path, content: bytes) -> None:
    assert decoder_of(content) == "dr_flac"
    (tmp_path / "a").write_bytes(content)
    assert len(read_all(tmp_path / "a")) == TOTAL


@pytest.mark.parametrize(
    "content",
    {
        "an unknown total": six(total=0),
        "half the total": six(total=TOTAL // 2),
        "twice the total": six(total=2 * TOTAL),
        "a cut end": six()[:-2],
        "a tail of garbage": six() + b"garbage",
        "frames of unknown sizes": six(sizes=(0, 0)),
        "frames smaller than announced": six(sizes=(SIZE + 1, SIZE + 9)),
        "frames larger than announced": six(sizes=(1, SIZE - 1)),
        "a frame missing": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)), numbered(0, 1, 3, 4, 5)
        ),
        "a frame twice": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)), numbered(0, 1, 1, 2, 3, 4)
        ),
        "frames in disorder": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)), numbered(0, 2, 1, 3, 4, 5)
        ),
        "garbage between frames": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)),
            numbered(0, 1, 2) + b"garbage" + numbered(3, 4, 5),
        ),
        "garbage before frames": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)), b"garbage" + numbered(0, 1, 2, 3, 4, 5)
        ),
        "another sample size on the way": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE + 9)),
            numbered(0, 1) + evolve(LEFT, number=2, bits=24).encoded() + numbered(3, 4, 5),
        ),
        "another rate on the way": flac(
            stream_info(TOTAL, frame_bytes=(SIZE, SIZE)),
            numbered(0, 1) + evolve(LEFT, number=2, sample_rate_hz=8_000).encoded() + numbered(3),
        ),
        "comments that are cut off": six(metadata(4, b"\xff\xff\xff\xff", last=True)),
        "half a seek point": six(metadata(3, bytes(17), last=True)),
        "a picture smaller than its block": six(metadata(6, PICTURE + bytes(401), last=True)),
        "a picture larger than its block": six(metadata(6, b"\xff" * 32, last=True)),
        "a second STREAMINFO": six(metadata(0, bytes(34), last=True)),
        "a cue sheet": six(metadata(5, bytes(396), last=True)),
        "no last block": six(metadata(1, b"")),
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_not_in_order_is_left_to_the_library_that_judges_it(
    content: tuple[str, bytes],
) -> None:
    assert decoder_of(content[1]) == "libsndfile"


def test_sync_words_without_end_are_not_followed() -> None:
    content = six() + b"\xff\xf8" * 1_000_000
    assert decoder_of(content) == "libsndfile"


# --- damage


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("place", ["its audio", "its checksum"])
def test_damage_in_any_frame_but_the_last_is_told(tmp_path: Path, number: int, place: str) -> None:
    content = bytearray(six())
    start = len(content) - (6 - number) * SIZE
    content[start + (SIZE - 3 if place == "its audio" else SIZE - 1)] ^= 0x55
    (tmp_path / "a").write_bytes(content)
    assert decoder_of(bytes(content)) == "dr_flac"
    with pytest.raises(InvalidAudio, match=r"The audio is damaged after 0\.0 s"):
        read_all(tmp_path / "a")


def test_damage_is_told_where_it_is(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.noise(480_000), 48_000, kind="flac-16")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidAudio, match=r"damaged after [45]\.\d s"):
        read_all(path, 4096)


# --- memory


class CountingLibrary:
    """The library, with a note of what was opened and closed."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._real = lib

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._real, name)


@pytest.mark.parametrize("end", ["whole", "early", "damaged"])
def test_whatever_happens_all_memory_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    library = CountingLibrary()
    monkeypatch.setattr(dr_flac, "lib", library)
    path = files.write_audio(tmp_path / "a", files.noise(1_000_000), kind="flac-16")
    if end == "damaged":
        files.damage(path)
    if end == "early":
        with open_reader(path) as reader:
            reader.read(10)
    elif end == "damaged":
        with pytest.raises(InvalidAudio):
            read_all(path)
    else:
        assert len(read_all(path)) == 1_000_000
    assert library.calls["ma_dr_flac_open_memory"] >= (1 if end == "early" else 3)
    assert library.calls["ma_dr_flac_close"] == library.calls["ma_dr_flac_open_memory"]
