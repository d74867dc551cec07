"""Reading audio: every frame, exactly once, whatever the header claims."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support import audio_files as files
from tests.support import twins
from waveflow.adapters.codec.reader import open_reader
from waveflow.domain.audio import AudioHeader, AudioLimits, require_complete
from waveflow.domain.errors import (
    InvalidAudio,
    NotAudio,
    PermanentError,
    TruncatedAudio,
    UnsupportedAudio,
)

LOSSY = ("mp3", "ogg-vorbis", "ogg-opus")
SAMPLE_TYPES = {
    "wav-u8": "int16",
    "aiff-s8": "int16",
    "aiff-u8": "int16",
    "flac-8": "int16",
    "wav-16": "int16",
    "wav-24": "int32",
    "wav-32": "int32",
    "flac-16": "int16",
    "flac-24": "int32",
    "wav-float": "float32",
    "aiff-double": "float64",
    "mp3": "float32",
    "ogg-vorbis": "float32",
    "ogg-opus": "float32",
}


def read_all(path: Path, block_frames: int = 4_096) -> tuple[AudioHeader, NDArray[Any]]:
    with open_reader(path) as reader:
        # A block holds until the next one is read.
        blocks = [reader.read(0).copy()]
        while len(block := reader.read(block_frames)):
            assert block.flags.c_contiguous or block.T.flags.c_contiguous
            assert len(block) <= block_frames
            blocks.append(block.copy())
        assert len(reader.read(block_frames)) == 0
        samples = np.concatenate(blocks)
        assert reader.frames_read == len(samples)
        if samples.ndim == 3:  # packed
            samples = (twins.from_packed(samples) * 256).astype(np.int32)
        return reader.header, samples


def correlation(left: NDArray[Any], right: NDArray[Any]) -> float:
    return float(np.corrcoef(left[:, 0], right[:, 0])[0, 1])


@pytest.mark.parametrize("kind", files.KINDS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_kind_gives_all_frames_as_the_library_does(
    tmp_path: Path, kind: str, channels: int
) -> None:
    if kind == "mp3" and channels == 6:
        pytest.skip("MP3 has two channels at most")
    path = files.write_audio(tmp_path / "a", files.tone(20_002, channels), 48_000, kind=kind)
    _, samples = read_all(path)
    expected, _ = soundfile.read(path, dtype=samples.dtype.name, always_2d=True)
    if kind.startswith("ogg") and channels == 6:
        expected = expected[:, [0, 2, 1, 5, 3, 4]]  # libsndfile leaves them as Vorbis orders them
    assert samples.shape == (20_002, channels)
    off = {"mp3": 1e-5, "ogg-vorbis": 1e-4, "ogg-opus": 2e-3}.get(kind, 0)
    np.testing.assert_allclose(samples, expected, rtol=0, atol=off)


@pytest.mark.parametrize(("kind", "name"), SAMPLE_TYPES.items())
def test_samples_have_the_type_of_the_file(tmp_path: Path, kind: str, name: str) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(1000), 48_000, kind=kind)
    assert read_all(path)[1].dtype == np.dtype(name)


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("wav-u8", 8),
        ("wav-16", 16),
        ("wav-24", 24),
        ("wav-32", 32),
        ("wavex-24", 24),
        ("rf64-24", 24),
        ("aiff-s8", 8),
        ("aiff-u8", 8),
        ("aiff-16", 16),
        ("aiff-24", 24),
        ("aiff-32", 32),
        ("aifc-sowt-16", 16),
        ("aifc-sowt-24", 24),
        ("flac-8", 8),
        ("flac-16", 16),
        ("flac-24", 24),
    ],
)
def test_lossless_files_give_the_very_samples(tmp_path: Path, kind: str, bits: int) -> None:
    source = files.noise(20_001, 2) >> (32 - bits) << (32 - bits)
    _, samples = read_all(files.write_audio(tmp_path / "a", source, kind=kind))
    np.testing.assert_array_equal(samples.astype(np.int64) << (32 - samples.itemsize * 8), source)


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_files_give_the_length_and_nearly_the_samples(tmp_path: Path, kind: str) -> None:
    source = files.tone(100_000, 2, 48_000)
    _, samples = read_all(files.write_audio(tmp_path / "a", source, 48_000, kind=kind))
    assert samples.shape == (100_000, 2)
    assert correlation(samples, source) > 0.99


@pytest.mark.parametrize("kind", ["wav-24", "flac-16", "mp3", "ogg-vorbis", "ogg-opus"])
def test_the_size_of_the_blocks_does_not_matter(tmp_path: Path, kind: str) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(20_000), 48_000, kind=kind)
    _, expected = read_all(path, 1_000_000)
    for block_frames in (1, 7, 1152, 5000):
        np.testing.assert_array_equal(read_all(path, block_frames)[1], expected)


@pytest.mark.parametrize("kind", ["wav-float", "wav-double", "aiff-float", "aiff-double"])
def test_floats_arrive_untouched(tmp_path: Path, kind: str) -> None:
    source = np.array([[0.5], [np.nan], [np.inf], [-np.inf], [1e-40], [3.0]])
    dtype = np.float64 if kind.endswith("double") else np.float32
    path = files.write_audio(tmp_path / "a", source.astype(dtype), kind=kind)
    np.testing.assert_array_equal(read_all(path)[1], source.astype(dtype))


def test_an_empty_file_of_audio_has_no_frames(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(0), kind="wav-16")
    assert read_all(path)[1].shape == (0, 2)


# --- WAV whose header lies


@pytest.mark.parametrize("placeholder", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFFFDB])
def test_a_streamed_wav_gives_every_frame(tmp_path: Path, placeholder: int) -> None:
    source = np.arange(20_000, dtype=np.int16).reshape(10_000, 2)
    header, samples = read_all(files.streamed_wav(tmp_path / "a", source, placeholder))
    assert header.announced_frames is None
    np.testing.assert_array_equal(samples, source)


def test_a_wav_ends_where_its_data_do(tmp_path: Path) -> None:
    source = np.arange(2_000, dtype=np.int16).reshape(1_000, 2)
    path = files.wav_of(
        tmp_path / "a",
        files.pcm_format(),
        files.chunk(b"data", source.tobytes()),
        files.chunk(b"LIST", b"\xff" * 1000),
    )
    np.testing.assert_array_equal(read_all(path)[1], source)


@pytest.mark.parametrize("kind", ["wav-16", "wav-24", "aiff-24", "rf64-16"])
def test_half_a_frame_at_the_end_is_left_out(tmp_path: Path, kind: str) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(1_000), kind=kind)
    _, whole = read_all(path)
    path.write_bytes(path.read_bytes()[:-7])
    _, samples = read_all(path)
    assert len(samples) in (997, 998)
    np.testing.assert_array_equal(samples, whole[: len(samples)])


# --- FLAC whose header lies


@pytest.mark.parametrize("claimed", [0, 1, 50_000, 99_999, 100_001, 2**36 - 1])
@pytest.mark.parametrize("kind", ["flac-16", "flac-24"])
def test_a_lying_flac_gives_every_frame(tmp_path: Path, kind: str, claimed: int) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind=kind)
    _, honest = read_all(path)
    header, samples = read_all(files.flac_claiming(path, claimed))
    assert len(samples) == 100_000
    assert header.announced_frames == (claimed or None)
    np.testing.assert_array_equal(samples, honest)


@pytest.mark.parametrize("claimed", [0, 30_000, 60_000])
@pytest.mark.parametrize(
    "tail", [files.id3v1_tag(), files.ape_tag(), bytes(3000), b"\xff\xf8garbage" * 20]
)
def test_what_follows_a_flac_is_no_damage(tmp_path: Path, claimed: int, tail: bytes) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(60_000), kind="flac-16")
    files.prepend(files.append(files.flac_claiming(path, claimed), tail), files.id3v2_tag(3000))
    assert len(read_all(path)[1]) == 60_000


# --- MP3 whose header lies, or that has none


def test_an_mp3_without_xing_gives_every_frame(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(200_000), kind="mp3")
    _, tagged = read_all(path)
    count = len(files.mpeg_frames(path)) - 1
    header, samples = read_all(files.mp3_without_xing(path))
    assert header.announced_frames is None
    assert len(samples) == header.likely_frames == count * 1152
    # Without the tag nobody knows the encoder's delay: 576, and 529 of the decoder.
    np.testing.assert_allclose(samples[1105:][:200_000], tagged, atol=1e-5)


def test_a_vbr_mp3_without_xing_gives_every_frame(tmp_path: Path) -> None:
    # The quiet start has low bit rates, from which a decoder would guess far too few frames.
    quiet_then_loud = files.tone(200_000) * np.linspace(0, 1, 200_000)[:, np.newaxis] ** 8
    path = files.write_vbr_mp3(tmp_path / "a", quiet_then_loud.astype(np.float32))
    count = len(files.mpeg_frames(path)) - 1
    assert len({length for _, length in files.mpeg_frames(path)}) > 3
    _, samples = read_all(files.mp3_without_xing(path))
    assert len(samples) == count * 1152


@pytest.mark.parametrize("claimed", [0, 1, 50, 1000, 2**32 - 1])
def test_an_mp3_with_a_lying_xing_gives_every_frame(tmp_path: Path, claimed: int) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(200_000), kind="mp3")
    _, honest = read_all(path)
    header, samples = read_all(files.mp3_claiming(path, claimed))
    assert len(samples) == header.likely_frames
    assert 0 <= len(samples) - 200_000 < 1152
    np.testing.assert_array_equal(samples[:200_000], honest)


def test_an_mp3_between_tags_and_garbage_gives_the_same_frames(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    _, expected = read_all(path)
    files.prepend(path, files.id3v2_tag(100_000) + files.id3v2_tag(5) + bytes(80_000))
    files.append(path, files.ape_tag() + files.id3v1_tag())
    np.testing.assert_array_equal(read_all(path)[1], expected)


def test_two_mp3_files_in_one_are_both_read(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    _, samples = read_all(files.append(path, path.read_bytes()))
    assert 200_000 <= len(samples) <= 200_000 + 4 * 1152


def test_garbage_within_an_mp3_loses_nothing_else(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    _, expected = read_all(path)
    content = path.read_bytes()
    middle, _ = files.mpeg_frames(path)[40]
    path.write_bytes(content[:middle] + np.random.default_rng(2).bytes(20_000) + content[middle:])
    np.testing.assert_array_equal(read_all(path)[1], expected)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a.wav", files.tone(10_000), kind="mp3")
    assert len(read_all(path)[1]) == 10_000


# --- cut and damaged files


@pytest.mark.parametrize("kind", [kind for kind in files.KINDS if not kind.startswith("ogg")])
def test_a_file_cut_in_half_ends_early_with_right_samples(tmp_path: Path, kind: str) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind=kind)
    _, whole = read_all(path)
    header, samples = read_all(files.halve(path))
    assert 0 < len(samples) < 60_000
    np.testing.assert_array_equal(samples[:-2000], whole[: len(samples) - 2000])
    with pytest.raises(TruncatedAudio):
        require_complete(header, len(samples))


@pytest.mark.parametrize("kind", ["flac-16", "mp3", "ogg-vorbis", "ogg-opus"])
def test_wherever_a_file_is_cut_nothing_stale_is_returned(tmp_path: Path, kind: str) -> None:
    # Several seconds: Opus has a page for each, and without one nothing can be decoded.
    path = files.write_audio(tmp_path / "a", files.tone(400_000), 48_000, kind=kind)
    _, whole = read_all(path)
    content = path.read_bytes()
    for cut in np.random.default_rng(4).integers(len(content) // 4, len(content), 40):
        path.write_bytes(content[:cut])
        header, samples = read_all(path)
        # The overlap of an MP3's last frame with one that isn't there is cut short.
        exact = max(0, min(len(samples), 400_000) - (1152 if kind == "mp3" else 0))
        # A whole Ogg file and one that is cut are decoded by different libraries.
        off = 1e-6 if kind.startswith("ogg") else 0
        np.testing.assert_allclose(samples[:exact], whole[:exact], rtol=0, atol=off)
        assert len(samples) <= header.likely_frames + 1152


@pytest.mark.parametrize("kind", ["flac-16", "flac-24", "ogg-vorbis", "ogg-opus"])
def test_damage_in_the_middle_is_told(tmp_path: Path, kind: str) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(300_000), 48_000, kind=kind)
    with pytest.raises(InvalidAudio, match="damaged"):
        read_all(files.damage(path))


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_an_mp3_that_changes_its_channels_is_invalid(
    tmp_path: Path, first: int, second: int
) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000, first), kind="mp3")
    other = files.write_audio(tmp_path / "b", files.tone(50_000, second), kind="mp3")
    with pytest.raises(InvalidAudio, match="damaged"):
        read_all(files.append(path, other.read_bytes()))


def test_a_header_that_the_decoder_contradicts_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(10_000), kind="flac-16")
    content = bytearray(path.read_bytes())
    content[20] |= 0x0E
    path.write_bytes(content)
    with pytest.raises(InvalidAudio):
        read_all(path)


@pytest.mark.parametrize("content", [b"", b"not audio", bytes(100_000)])
def test_what_is_not_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(NotAudio), open_reader(tmp_path / "a"):
        pass


def test_adpcm_is_refused(tmp_path: Path) -> None:
    path = files.wav_adpcm(tmp_path / "a", files.tone(5000))
    with pytest.raises(UnsupportedAudio), open_reader(path):
        pass


# --- limits


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(1000, 4))
    with pytest.raises(InvalidAudio), open_reader(path, AudioLimits(max_channels=3)):
        pass


def test_a_container_that_is_not_accepted_is_refused(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(1000))
    limits = AudioLimits(mime_types=frozenset({"audio/flac"}))
    with pytest.raises(UnsupportedAudio) as caught, open_reader(path, limits):
        pass
    assert str(caught.value) == "WAV files are not accepted here; please upload FLAC."


# --- mutated files: frames, or WaveFlow's own error


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    return {
        kind: files.write_audio(folder / kind, files.tone(6_000), 48_000, kind=kind).read_bytes()
        for kind in files.KINDS
    }


@given(data=st.data())
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_mutated_files_give_frames_or_a_clear_error(
    originals: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(originals[data.draw(st.sampled_from(sorted(originals)))])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a"
    path.write_bytes(content)
    with contextlib.suppress(PermanentError), open_reader(path) as reader:
        while len(reader.read(4096)) and reader.frames_read < 1_000_000:
            pass
