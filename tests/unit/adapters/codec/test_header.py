"""What read_header makes of files: honest, lying, foreign, damaged and random ones."""

from __future__ import annotations

import contextlib
import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import audio_files as files
from waveflow.adapters.codec.containers.header import read_header
from waveflow.domain.audio import AudioHeader, Container, Encoding
from waveflow.domain.errors import InvalidAudio, NotAudio, PermanentError, UnsupportedAudio

WAV, AIFF, FLAC, OGG, MP3 = (
    Container.WAV,
    Container.AIFF,
    Container.FLAC,
    Container.OGG,
    Container.MP3,
)

FORMATS = {
    "wav-u8": (WAV, Encoding.PCM_8),
    "wav-16": (WAV, Encoding.PCM_16),
    "wav-24": (WAV, Encoding.PCM_24),
    "wav-32": (WAV, Encoding.PCM_32),
    "wav-float": (WAV, Encoding.FLOAT_32),
    "wav-double": (WAV, Encoding.FLOAT_64),
    "wavex-16": (WAV, Encoding.PCM_16),
    "wavex-24": (WAV, Encoding.PCM_24),
    "wavex-float": (WAV, Encoding.FLOAT_32),
    "rf64-16": (WAV, Encoding.PCM_16),
    "rf64-24": (WAV, Encoding.PCM_24),
    "aiff-s8": (AIFF, Encoding.PCM_8),
    "aiff-u8": (AIFF, Encoding.PCM_8),
    "aiff-16": (AIFF, Encoding.PCM_16),
    "aiff-24": (AIFF, Encoding.PCM_24),
    "aiff-32": (AIFF, Encoding.PCM_32),
    "aiff-float": (AIFF, Encoding.FLOAT_32),
    "aiff-double": (AIFF, Encoding.FLOAT_64),
    "aifc-sowt-16": (AIFF, Encoding.PCM_16),
    "aifc-sowt-24": (AIFF, Encoding.PCM_24),
    "flac-8": (FLAC, Encoding.FLAC),
    "flac-16": (FLAC, Encoding.FLAC),
    "flac-24": (FLAC, Encoding.FLAC),
    "mp3": (MP3, Encoding.MP3),
    "ogg-vorbis": (OGG, Encoding.VORBIS),
    "ogg-opus": (OGG, Encoding.OPUS),
}

SAMPLES = np.arange(2000, dtype=np.int16).reshape(1000, 2)


def header_of(path: Path) -> AudioHeader:
    with path.open("rb") as file:
        return read_header(file)


def header_in(content: bytes) -> AudioHeader:
    # A real file refuses to read less than nothing; `BytesIO` alone reads everything then.
    return read_header(io.BufferedReader(io.BytesIO(content)))


def counts(header: AudioHeader) -> tuple[int | None, int]:
    return header.announced_frames, header.likely_frames


@pytest.mark.parametrize("kind", files.KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_supported_kind_is_described(tmp_path: Path, kind: str, channels: int) -> None:
    path = files.write_audio(tmp_path / "file", files.tone(30_002, channels), 48_000, kind=kind)
    header = header_of(path)
    assert (header.format.container, header.format.encoding) == FORMATS[kind]
    assert (header.channels, header.sample_rate_hz) == (channels, 48_000)
    announced = None if kind.startswith("ogg") else 30_002
    assert counts(header) == (announced, 30_002)


# --- WAV


def test_chunks_before_the_format_are_skipped_whatever_their_size(tmp_path: Path) -> None:
    path = files.wav_of(
        tmp_path / "a",
        files.chunk(b"JUNK", bytes(3_000_001)),
        files.chunk(b"LIST", b"odd"),
        files.pcm_format(),
        files.chunk(b"fact", bytes(4)),
        files.chunk(b"data", SAMPLES.tobytes()),
        files.chunk(b"LIST", bytes(100)),
    )
    assert counts(header_of(path)) == (1000, 1000)


def test_the_format_may_come_after_the_data(tmp_path: Path) -> None:
    data = files.chunk(b"data", SAMPLES.tobytes())
    path = files.wav_of(tmp_path / "a", data, files.pcm_format())
    assert counts(header_of(path)) == (1000, 1000)


@pytest.mark.parametrize(
    "placeholder", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFFFDB, 0xFFFFFFDB, 0x7F000000]
)
def test_a_streamed_wav_announces_nothing(tmp_path: Path, placeholder: int) -> None:
    path = files.streamed_wav(tmp_path / "a", SAMPLES, placeholder)
    assert counts(header_of(path)) == (None, 1000)


def test_an_empty_wav_that_was_finished_holds_no_frames(tmp_path: Path) -> None:
    path = files.wav_of(
        tmp_path / "a", files.pcm_format(), files.chunk(b"data", b""), files.chunk(b"LIST", b"abcd")
    )
    assert counts(header_of(path)) == (0, 0)


def test_a_wav_whose_data_size_alone_was_never_filled_in_announces_nothing(
    tmp_path: Path,
) -> None:
    path = files.wav_claiming(tmp_path / "a", SAMPLES, 0)
    assert counts(header_of(path)) == (None, 1000)


@pytest.mark.parametrize("claimed", [400, 4_000, 8_000])
def test_a_wav_announces_what_it_claims_and_likely_has_what_is_there(
    tmp_path: Path, claimed: int
) -> None:
    path = files.wav_claiming(tmp_path / "a", SAMPLES, claimed)
    assert counts(header_of(path)) == (claimed // 4, min(claimed // 4, 1000))


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_the_size_of_a_long_wav_is_taken_from_its_ds64_chunk(tmp_path: Path, name: bytes) -> None:
    path = files.wav_of(
        tmp_path / "a",
        files.chunk(b"ds64", struct.pack("<QQQI", 0, 12_000_000_000, 3_000_000_000, 0)),
        files.pcm_format(),
        files.chunk(b"data", SAMPLES.tobytes(), claimed=0xFFFFFFFF),
        name=name,
        claimed=0xFFFFFFFF,
    )
    assert counts(header_of(path)) == (3_000_000_000, 1000)


@pytest.mark.parametrize(
    ("fmt", "words"),
    [
        (files.pcm_format(channels=0), "0 channels"),
        (files.pcm_format(sample_rate_hz=0), "0 Hz"),
        (files.pcm_format(frame_bytes=3), "can't hold"),
        (files.pcm_format(frame_bytes=0), "can't hold"),
        (files.pcm_format(bits=0, frame_bytes=4), "0 bits"),
        (files.chunk(b"fmt ", bytes(10)), "too short"),
        (files.chunk(b"fmt ", struct.pack("<HHIIHH", 0xFFFE, 2, 44_100, 0, 4, 16)), "too short"),
        (b"", "no fmt chunk"),
    ],
)
def test_a_wav_that_contradicts_itself_is_invalid(tmp_path: Path, fmt: bytes, words: str) -> None:
    path = files.wav_of(tmp_path / "a", fmt, files.chunk(b"data", SAMPLES.tobytes()))
    with pytest.raises(InvalidAudio, match=words) as caught:
        header_of(path)
    assert caught.value.code == "invalid_audio"


def test_a_wav_without_data_is_invalid(tmp_path: Path) -> None:
    path = files.wav_of(tmp_path / "a", files.pcm_format())
    with pytest.raises(InvalidAudio, match="no data chunk"):
        header_of(path)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (2, "Microsoft ADPCM"),
        (6, "A-law"),
        (7, "u-law"),
        (0x31, "GSM"),
        (0x55, "MP3"),
        (9, "0x0009"),
    ],
)
def test_other_encodings_in_a_wav_are_refused_by_name(tmp_path: Path, tag: int, name: str) -> None:
    fmt = files.pcm_format(tag=tag)
    path = files.wav_of(tmp_path / "a", fmt, files.chunk(b"data", SAMPLES.tobytes()))
    with pytest.raises(UnsupportedAudio, match=name) as caught:
        header_of(path)
    assert caught.value.code == "unsupported_encoding"


def test_adpcm_never_reaches_a_decoder(tmp_path: Path) -> None:
    path = files.wav_adpcm(tmp_path / "a", files.tone(5000))
    with pytest.raises(UnsupportedAudio, match="IMA ADPCM"):
        header_of(path)


def test_an_unknown_extended_format_is_refused(tmp_path: Path) -> None:
    fields = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 44_100, 176_400, 4, 16, 22, 16, 3)
    fmt = files.chunk(b"fmt ", fields + bytes(range(16)))
    path = files.wav_of(tmp_path / "a", fmt, files.chunk(b"data", SAMPLES.tobytes()))
    with pytest.raises(UnsupportedAudio):
        header_of(path)


def test_millions_of_empty_chunks_are_invalid_and_take_no_time() -> None:
    content = b"RIFF" + bytes(4) + b"WAVE" + (b"JUNK" + bytes(4)) * 2_000_000
    started = time.perf_counter()
    with pytest.raises(InvalidAudio, match="10000 parts"):
        header_in(content)
    assert time.perf_counter() - started < 2


# --- AIFF


@pytest.mark.parametrize("kind", [b"ulaw", b"alaw", b"ima4", b"GSM ", b"MAC3"])
def test_compressed_aifc_is_refused_by_name(tmp_path: Path, kind: bytes) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100), kind="aifc-sowt-16")
    path.write_bytes(path.read_bytes().replace(b"sowt", kind, 1))
    with pytest.raises(UnsupportedAudio, match=kind.decode().strip()) as caught:
        header_of(path)
    assert caught.value.code == "unsupported_encoding"


def test_a_cut_aiff_announces_what_it_was(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(10_000), kind="aiff-16")
    announced, likely = counts(header_of(files.halve(path)))
    assert announced == 10_000
    assert 4_950 < likely < 5_000


@pytest.mark.parametrize("placeholder", [0, 0x7F000008, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_streamed_aiff_announces_nothing(tmp_path: Path, placeholder: int) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(10_000), kind="aiff-16")
    content = path.read_bytes()
    files.patch(path, content.find(b"SSND") + 4, struct.pack(">I", placeholder))
    files.patch(path, content.find(b"COMM") + 10, struct.pack(">I", placeholder // 4))
    assert counts(header_of(path)) == (None, 10_000)


def test_an_aiff_without_sound_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100), kind="aiff-16")
    path.write_bytes(path.read_bytes().replace(b"SSND", b"XXXX"))
    with pytest.raises(InvalidAudio, match="no SSND chunk"):
        header_of(path)


# --- FLAC


@pytest.mark.parametrize("claimed", [1, 15_000, 29_999, 30_001, 2**36 - 1])
def test_a_lying_flac_is_measured_by_its_last_frame(tmp_path: Path, claimed: int) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(30_000), kind="flac-16")
    assert counts(header_of(files.flac_claiming(path, claimed))) == (claimed, 30_000)


def test_a_flac_of_unknown_length_announces_nothing(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(30_000), kind="flac-24")
    assert counts(header_of(files.flac_claiming(path, 0))) == (None, 30_000)


def test_tags_around_a_flac_are_ignored(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(30_000), kind="flac-16")
    files.append(files.prepend(path, files.id3v2_tag(20_000)), files.ape_tag() + files.id3v1_tag())
    assert counts(header_of(path)) == (30_000, 30_000)


def test_flac_frames_in_blocks_of_odd_sizes_are_measured(tmp_path: Path) -> None:
    for frames in (17, 300, 4_096, 4_097, 70_000):
        path = files.write_audio(tmp_path / "a", files.tone(frames, 1), kind="flac-16")
        assert counts(header_of(files.flac_claiming(path, 0))) == (None, frames)


def test_a_flac_cut_within_its_header_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100), kind="flac-16")
    with pytest.raises(InvalidAudio, match="STREAMINFO"):
        header_in(path.read_bytes()[:30])


def test_flac_of_other_sample_sizes_is_refused(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100), kind="flac-16")
    content = bytearray(path.read_bytes())
    content[20] |= 1
    content[21] = content[21] & 0x0F | 0x30
    with pytest.raises(UnsupportedAudio, match="20-bit"):
        header_in(bytes(content))


# --- Ogg


@pytest.mark.parametrize(
    ("packet", "name"),
    [(b"\x7fFLAC", "FLAC"), (b"Speex   ", "Speex"), (b"\x80theora", "Theora"), (b"??", "unknown")],
)
def test_other_codecs_in_ogg_are_refused_by_name(packet: bytes, name: str) -> None:
    page = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 1, 0, 0, 1, 80) + packet.ljust(80, b"\0")
    with pytest.raises(UnsupportedAudio, match=name) as caught:
        header_in(page)
    assert caught.value.code == "unsupported_encoding"


def test_several_streams_in_one_ogg_are_refused(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(30_000), kind="ogg-vorbis")
    with pytest.raises(UnsupportedAudio, match="several streams"):
        header_of(files.append(path, path.read_bytes()))


def test_an_ogg_whose_last_page_ends_before_an_earlier_one_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(200_000), kind="ogg-vorbis")
    last_page = path.read_bytes().rfind(b"OggS")
    files.patch(path, last_page + 6, struct.pack("<q", 100))
    with pytest.raises(InvalidAudio, match="last page"):
        header_of(path)


# --- MP3


def test_an_mp3_without_a_tag_is_counted_frame_by_frame(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(100_000), kind="mp3")
    count = len(files.mpeg_frames(path)) - 1
    assert counts(header_of(files.mp3_without_xing(path))) == (None, count * 1152)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_of_every_rate_is_counted(tmp_path: Path, rate: int, channels: int) -> None:
    samples = files.tone(20_000, channels, rate)
    header = header_of(files.write_audio(tmp_path / "a", samples, rate, kind="mp3"))
    assert (header.sample_rate_hz, header.channels, header.likely_frames) == (
        rate,
        channels,
        20_000,
    )


def test_tags_and_garbage_around_an_mp3_are_ignored(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000), kind="mp3")
    files.prepend(path, np.random.default_rng(3).bytes(9_000))
    files.prepend(path, files.id3v2_tag(2_000_000) + files.id3v2_tag(10, footer=True))
    files.append(path, files.ape_tag() + files.id3v1_tag())
    assert counts(header_of(path)) == (50_000, 50_000)


def test_garbage_within_an_mp3_is_left_out(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000), kind="mp3")
    content = path.read_bytes()
    middle, _ = files.mpeg_frames(path)[20]
    garbage = np.random.default_rng(3).bytes(30_000)
    assert counts(header_in(content[:middle] + garbage + content[middle:])) == (50_000, 50_000)


def test_an_mp3_in_hundreds_of_pieces_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(10_000), kind="mp3")
    with pytest.raises(InvalidAudio, match="100 places"):
        header_in((path.read_bytes() + b"garbage") * 150)


def test_the_frames_that_a_vbri_tag_claims_are_announced(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000), kind="mp3")
    length = files.mpeg_frames(path)[0][1]
    content = path.read_bytes()
    tag = (content[:4] + bytes(32) + b"VBRI" + bytes(10) + struct.pack(">I", 44)).ljust(length)
    assert counts(header_in(tag + content[length:])) == (44 * 1152, 45 * 1152)


def test_lyrics_behind_an_mp3_are_ignored(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000), kind="mp3")
    lyrics = b"LYRICSBEGIN" + b"la " * 50
    files.append(path, lyrics + f"{len(lyrics):06}".encode() + b"LYRICS200" + files.id3v1_tag())
    assert counts(header_of(path)) == (50_000, 50_000)


def test_an_mp3_that_changes_its_sample_rate_is_invalid(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "a", files.tone(50_000), 44_100, kind="mp3")
    other = files.write_audio(tmp_path / "b", files.tone(50_000), 48_000, kind="mp3")
    with pytest.raises(InvalidAudio, match="sample rate changes"):
        header_of(files.append(path, other.read_bytes()))


@pytest.mark.parametrize(("second", "layer"), [(0xFD, "Layer II"), (0xFF, "Layer I")])
def test_other_mpeg_layers_are_refused(second: int, layer: str) -> None:
    raw = bytes([0xFF, second, 0x90, 0xC0])
    length = 522 if second == 0xFD else 312
    with pytest.raises(UnsupportedAudio, match=f"{layer} ") as caught:
        header_in((raw + bytes(length - 4)) * 10)
    assert caught.value.code == "unsupported_encoding"


def test_a_few_bytes_like_mpeg_headers_make_no_mp3() -> None:
    noise = bytearray(np.random.default_rng(8).bytes(100_000))
    noise[1000:1004] = noise[1417:1421] = b"\xff\xfb\x90\x64"
    with pytest.raises(NotAudio):
        header_in(bytes(noise))


@pytest.mark.parametrize("pattern", [b"\xff", b"\xff\xfb\x90", b"\xff\xfb\x90\x00\x00", b"\x00"])
def test_files_made_to_look_like_mpeg_everywhere_take_bounded_time(pattern: bytes) -> None:
    content = (pattern * 20_000_000)[:20_000_000]
    started = time.perf_counter()
    with contextlib.suppress(PermanentError):
        header_in(content)
    assert time.perf_counter() - started < 5


# --- anything else


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x20ftypM4A ", "M4A"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "WMA"),
        (b"caff\x00\x01\x00\x00desc", "CAF"),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6", "W64"),
        (b".snd\x00\x00\x00\x18", "AU"),
        (b"\x1a\x45\xdf\xa3\x01", "WebM"),
        (b"MThd\x00\x00\x00\x06", "MIDI"),
        (b"#!AMR\n", "AMR"),
        (b"wvpk", "WavPack"),
        (b"RIFX\x00\x00\x00\x00WAVE", "RIFX"),
        (b"RIFF\x00\x00\x00\x00AVI ", "AVI"),
        ((b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * 4, "AAC"),
    ],
)
def test_known_foreign_files_are_refused_by_name(head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedAudio, match=name) as caught:
        header_in(head.ljust(200, b"\0"))
    assert caught.value.code == "unsupported_format"


@pytest.mark.parametrize(
    "content",
    [b"", b"R", b"RIFF", b"ID3", b"Lyrics, not music.\n" * 500, bytes(5000), b"\x89PNG\r\n\x1a\n"],
)
def test_what_is_not_audio_is_not_audio(content: bytes) -> None:
    with pytest.raises(NotAudio) as caught:
        header_in(content)
    assert caught.value.code == "not_audio"


def test_noise_is_not_audio() -> None:
    for seed in range(20):
        with pytest.raises(NotAudio):
            header_in(np.random.default_rng(seed).bytes(300_000))


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    path = files.write_audio(tmp_path / "song.wav", files.tone(10_000), kind="mp3")
    assert header_of(path).format.container is Container.MP3


# --- random and mutated bytes: a header, or WaveFlow's own error


def survives(content: bytes) -> None:
    with contextlib.suppress(PermanentError):
        header = header_in(content)
        assert header.likely_frames >= 0
        assert header.announced_frames is None or header.announced_frames >= 0


MAGICS = [
    b"RIFF\x00\x00\x00\x00WAVE",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"FORM\x00\x00\x00\x00AIFF",
    b"FORM\x00\x00\x00\x00AIFCCOMM",
    b"fLaC\x00\x00\x00\x22",
    b"OggS\x00\x02",
    b"ID3\x04\x00\x00",
    b"\xff\xfb\x90\x64",
    b"\xff\xf1",
    b"",
]


@given(st.sampled_from(MAGICS), st.binary(max_size=300))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_random_bytes_give_a_header_or_a_clear_error(magic: bytes, content: bytes) -> None:
    survives(magic + content)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    return {
        kind: files.write_audio(folder / kind, files.tone(3_000), kind=kind).read_bytes()
        for kind in files.KINDS
        if kind != "ogg-opus"
    }


@given(data=st.data())
@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_mutated_files_give_a_header_or_a_clear_error(
    originals: dict[str, bytes], data: st.DataObject
) -> None:
    content = bytearray(originals[data.draw(st.sampled_from(sorted(originals)))])
    for _ in range(data.draw(st.integers(1, 8))):
        near_start = st.integers(0, min(len(content), 120) - 1)
        anywhere = st.integers(0, len(content) - 1)
        content[data.draw(near_start | anywhere)] = data.draw(st.integers(0, 255))
    survives(bytes(content[: data.draw(st.integers(1, len(content)))]))


@given(data=st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_cut_headers_give_a_clear_error_or_a_header(
    originals: dict[str, bytes], data: st.DataObject
) -> None:
    content = originals[data.draw(st.sampled_from(sorted(originals)))]
    survives(content[: data.draw(st.integers(0, 200))])


@pytest.mark.parametrize("content", [b"APETAGEX\0\0\0\0", b"APETAGEX", b"TAG", b"LYRICS200"])
def test_a_file_of_nothing_but_the_start_of_a_tag_is_not_audio(content: bytes) -> None:
    with pytest.raises(NotAudio):
        read_header(io.BytesIO(content))
