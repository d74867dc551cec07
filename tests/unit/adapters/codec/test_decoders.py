"""Which decoder a file gets, and what is checked of what any of them gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support import audio_files as files
from tests.support.m4a_files import louder, write_m4a
from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.decoders import ffmpeg
from waveflow.adapters.codec.decoders.decoder import DecodedBlocks, OpenDecoder
from waveflow.adapters.codec.decoders.table import FFMPEG, LIBSNDFILE, decoder_for
from waveflow.adapters.codec.reader import open_reader
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding
from waveflow.domain.errors import InvalidAudio

RATE_HZ = 44_100
BOUNDED = [
    AudioFormat(Container.MP3, Encoding.MP3),
    AudioFormat(Container.M4A, Encoding.AAC),
    AudioFormat(Container.OGG, Encoding.VORBIS),
]
OPUS = AudioFormat(Container.OGG, Encoding.OPUS)


class Given(OpenDecoder):
    """Gives the same block again and again, with one sample changed in the second."""

    def __init__(self, odd: float, *, is_planar: bool) -> None:
        self.channels, self.sample_rate_hz, self.expected_frames = 2, RATE_HZ, 0
        self._blocks = 0
        self._odd = odd
        self._is_planar = is_planar

    def read(self, max_frames: int) -> NDArray[Any]:
        block = np.full((max_frames, 2), 0.5, np.float32, order="F" if self._is_planar else "C")
        self._blocks += 1
        if self._blocks == 2:
            block[max_frames // 3, 1] = self._odd
        return block


def two_blocks(form: AudioFormat, odd: float, *, is_planar: bool = True) -> NDArray[Any]:
    """The second of two blocks, in which a sample is odd."""
    parsed = ParsedFile(AudioHeader(form, 2, RATE_HZ), "float32")
    blocks = DecodedBlocks(Given(odd, is_planar=is_planar), parsed)
    blocks.read(RATE_HZ)
    return blocks.read(RATE_HZ)


class TestSamplesBeyondAllMeasure:
    @pytest.mark.parametrize("form", BOUNDED, ids=str)
    @pytest.mark.parametrize("odd", [64.1, -64.1, 5e4, -np.inf, np.inf])
    @pytest.mark.parametrize("is_planar", [True, False])
    def test_are_damage(self, form: AudioFormat, odd: float, is_planar: bool) -> None:
        with pytest.raises(InvalidAudio, match=r"The audio is damaged after 1\.0 s;"):
            two_blocks(form, odd, is_planar=is_planar)

    @pytest.mark.parametrize("form", BOUNDED, ids=str)
    @pytest.mark.parametrize("odd", [3.0, 63.75, -63.75])
    def test_are_far_from_what_the_loudest_files_hold(self, form: AudioFormat, odd: float) -> None:
        assert (two_blocks(form, odd) == odd).sum() == 1

    def test_that_are_no_numbers_are_left_to_whoever_adds_them_up(self) -> None:
        assert np.isnan(two_blocks(BOUNDED[0], np.nan)).sum() == 1

    def test_may_be_what_an_opus_file_asks_for(self) -> None:
        assert two_blocks(OPUS, 1_000.0).max() == 1_000

    def test_come_of_one_damaged_aac_frame(self, tmp_path: Path) -> None:
        path = write_m4a(tmp_path / "a", files.tone(2 * RATE_HZ, 1))
        path.write_bytes(louder(path.read_bytes(), packet=40, by=60))
        with (
            open_reader(path) as reader,
            pytest.raises(InvalidAudio, match=r"The audio is damaged after 0\.9 s;"),
        ):
            all(iter(lambda: len(reader.read(2_000)), 0))


def decoder_of(path: Path) -> str:
    with path.open("rb") as file:
        return decoder_for(parse(file)).name


class TestTheTable:
    @pytest.fixture
    def without_libopus(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """As if the library had been built without it."""
        missing = {**ffmpeg._CODECS, Encoding.OPUS: "libopus that is not there"}
        monkeypatch.setattr(ffmpeg, "_CODECS", MappingProxyType(missing))
        ffmpeg.has_decoder.cache_clear()
        yield
        ffmpeg.has_decoder.cache_clear()

    def test_without_libopus_opus_takes_the_other_decoder(
        self, tmp_path: Path, without_libopus: None
    ) -> None:
        opus = files.write_audio(tmp_path / "a", files.tone(9_000), 48_000, kind="ogg-opus")
        vorbis = files.write_audio(tmp_path / "b", files.tone(9_000), kind="ogg-vorbis")
        assert decoder_of(opus) == LIBSNDFILE.name
        assert decoder_of(vorbis) == FFMPEG.name

    @pytest.mark.parametrize(
        ("channels", "name"), [(1, "ffmpeg"), (2, "ffmpeg"), (3, "libsndfile"), (6, "libsndfile")]
    )
    def test_surround_in_vorbis_takes_the_other_decoder(
        self, tmp_path: Path, channels: int, name: str
    ) -> None:
        path = tmp_path / "a"
        files.write_audio(path, files.tone(9_000, channels), kind="ogg-vorbis")
        assert decoder_of(path) == name

    def test_a_library_that_cannot_be_loaded_is_as_good_as_none(self, tmp_path: Path) -> None:
        (tmp_path / "broken" / "av").mkdir(parents=True)
        broken = tmp_path / "broken" / "av" / "__init__.py"
        broken.write_text("raise ImportError('libavcodec.so: cannot open shared object file')")
        vorbis = files.write_audio(tmp_path / "a", files.tone(9_000), kind="ogg-vorbis")
        m4a = write_m4a(tmp_path / "b", files.tone(9_000))
        program = (
            "import sys; from pathlib import Path;"
            "from waveflow.adapters.codec.containers.header import parse;"
            "from waveflow.adapters.codec.decoders.table import decoder_for, load_libraries;"
            "load_libraries();"
            "print(decoder_for(parse(Path(sys.argv[1]).open('rb'))).name);"
            "parse(Path(sys.argv[2]).open('rb'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(vorbis), str(m4a)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "broken")},
            check=False,
        )
        assert done.stdout == "libsndfile\n"
        assert "UnsupportedAudio: M4A/MP4 files are not supported" in done.stderr


LOWEST_HZ, STEP_HZ = 40, 20


def places(path: Path) -> list[int]:
    """Which channel that was encoded each channel is that the reader gives, by its tone."""
    with open_reader(path) as reader:
        frames = reader.read(48_000)
    spectra = np.abs(np.fft.rfft(frames[:24_000], axis=0))
    assert len(spectra) == 12_001
    return [(int(at) * 2 - LOWEST_HZ) // STEP_HZ for at in spectra.argmax(axis=0)]


def write_tones(path: Path, channels: int, kind: str) -> Path:
    """Half a second and some more; each channel has a tone of its own."""
    times_s = np.arange(30_000)[:, np.newaxis] / 48_000
    tones_hz = LOWEST_HZ + STEP_HZ * np.arange(channels)
    samples = 0.3 * np.sin(2 * np.pi * tones_hz * times_s)
    return files.write_audio(path, samples, 48_000, kind=kind)


class TestSurroundInOgg:
    """The tests' encoder writes channels as they are given: here in Vorbis's order."""

    @pytest.mark.parametrize("kind", ["ogg-vorbis", "ogg-opus"])
    @pytest.mark.parametrize(
        ("channels", "of_wav"),
        [(2, [0, 1]), (4, [0, 1, 2, 3]), *files.OGG_TO_WAV.items()],
    )
    def test_comes_in_the_order_of_wav_files(
        self, tmp_path: Path, kind: str, channels: int, of_wav: list[int]
    ) -> None:
        assert places(write_tones(tmp_path / "a", channels, kind)) == of_wav

    def test_is_the_order_in_which_ffmpeg_gives_it(self, tmp_path: Path) -> None:
        path = write_tones(tmp_path / "a", 6, "ogg-vorbis")
        with av.open(str(path)) as container:
            theirs = np.concatenate([each.to_ndarray() for each in container.decode(audio=0)], 1)
        with open_reader(path) as reader:
            ours = reader.read(20_000).T
        assert np.corrcoef(ours, theirs[:, :20_000])[:6, 6:].argmax(axis=1).tolist() == [*range(6)]

    def test_stays_as_it_is_where_opus_leaves_the_places_open(self, tmp_path: Path) -> None:
        path = write_tones(tmp_path / "a", 3, "ogg-opus")
        page = bytearray(path.read_bytes())
        packet = page.index(b"OpusHead")
        page[packet + 18] = 255
        path.write_bytes(page)
        with path.open("rb") as file:
            assert not parse(file).vorbis_order
        assert places(path) == [0, 1, 2]

    def test_of_more_than_eight_channels_stays_as_it_is(self, tmp_path: Path) -> None:
        assert places(write_tones(tmp_path / "a", 9, "ogg-vorbis")) == [*range(9)]
