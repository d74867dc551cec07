"""What ffmpeg decodes: the frames that the file holds, and the samples that other decoders give."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.support import audio_files as files
from tests.support.audio_units import ogg_pages, repaired
from tests.support.hostile_audio import HOSTILE
from tests.support.m4a_files import (
    TABLE,
    as_sent,
    changed,
    patched,
    with_aac_setup,
    with_packets,
    write_m4a,
)
from tests.unit.adapters.codec.test_hostile_set import NUM_PEAKS, met
from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.decoders import table
from waveflow.adapters.codec.decoders.table import FFMPEG, decoder_for
from waveflow.adapters.codec.reader import open_reader
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import InvalidAudio, PermanentError, UnsupportedAudio
from waveflow.domain.waveform import Analysis

OGG_KINDS = ["ogg-vorbis", "ogg-opus"]
SAME = 1e-6


@pytest.fixture
def without_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the optional library weren't installed."""
    monkeypatch.setattr(table, "has_ffmpeg", lambda: False)


def read(path: Path, block_frames: int = 5_000) -> NDArray[Any]:
    with open_reader(path) as reader:
        blocks = [reader.read(0).copy()]
        while len(block := reader.read(block_frames)):
            assert len(block) <= block_frames
            blocks.append(block.copy())
        return np.concatenate(blocks)


def decoder_of(path: Path) -> str:
    with path.open("rb") as file:
        return decoder_for(parse(file)).name


def write_opus(path: Path, samples: NDArray[np.float32], bit_rate: int, **options: str) -> Path:
    """An Opus file at 48 kHz as another encoder than libsndfile's makes it."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format="ogg") as container:
        stream: Any = container.add_stream("libopus", rate=48_000, options=options)
        stream.layout, stream.bit_rate = layout, bit_rate
        for start in range(0, len(samples), 4_096):
            planes = np.ascontiguousarray(samples[start : start + 4_096].T)
            frame = av.AudioFrame.from_ndarray(planes, "fltp", layout)
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestOgg:
    @pytest.mark.parametrize("kind", OGG_KINDS)
    @pytest.mark.parametrize("channels", [1, 2, 3, 5, 6, 7, 8])
    @pytest.mark.parametrize("frames", [1, 700, 100_001])
    def test_frames_and_samples_are_those_of_the_other_decoder(
        self, tmp_path: Path, kind: str, channels: int, frames: int
    ) -> None:
        path = files.write_audio(tmp_path / "a", files.tone(frames, channels), 48_000, kind=kind)
        expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
        # libsndfile, asked directly, gives channels as they are coded.
        expected = expected[:, files.OGG_TO_WAV.get(channels, [*range(channels)])]
        samples = read(path)
        assert samples.shape == (frames, channels)
        assert samples.dtype == np.float32
        np.testing.assert_allclose(samples, expected, rtol=0, atol=SAME)

    @pytest.mark.parametrize("kind", OGG_KINDS)
    @pytest.mark.parametrize("channels", [1, 2])
    def test_it_is_what_decodes_them(self, tmp_path: Path, kind: str, channels: int) -> None:
        path = files.write_audio(tmp_path / "a", files.tone(9_000, channels), 48_000, kind=kind)
        assert decoder_of(path) == FFMPEG.name

    @pytest.mark.parametrize("sample_rate_hz", [8_000, 22_050, 96_000])
    def test_vorbis_at_any_rate(self, tmp_path: Path, sample_rate_hz: int) -> None:
        path = tmp_path / "a"
        files.write_audio(path, files.tone(50_000, 2), sample_rate_hz, kind="ogg-vorbis")
        expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
        np.testing.assert_allclose(read(path), expected, rtol=0, atol=SAME)

    @pytest.mark.parametrize("duration_ms", ["2.5", "20", "60"])
    @pytest.mark.parametrize("bit_rate", [64_000, 160_000])
    def test_opus_of_any_packet_length(
        self, tmp_path: Path, duration_ms: str, bit_rate: int
    ) -> None:
        path = tmp_path / "a"
        write_opus(path, files.tone(70_001), bit_rate, frame_duration=duration_ms)
        expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
        assert decoder_of(path) == FFMPEG.name
        np.testing.assert_allclose(read(path), expected, rtol=0, atol=SAME)

    def test_opus_coded_as_speech_too(self, tmp_path: Path) -> None:
        path = write_opus(tmp_path / "a", files.tone(70_001), 16_000, application="voip")
        expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
        assert decoder_of(path) == FFMPEG.name
        np.testing.assert_allclose(read(path), expected, rtol=0, atol=SAME)

    @pytest.mark.parametrize("kind", OGG_KINDS)
    @pytest.mark.parametrize("block_frames", [1, 33, 4_096, 65_536])
    def test_blocks_of_any_length_hold_the_same(
        self, tmp_path: Path, kind: str, block_frames: int
    ) -> None:
        path = files.write_audio(tmp_path / "a", files.tone(9_001), 48_000, kind=kind)
        np.testing.assert_array_equal(read(path, block_frames), read(path))

    @pytest.mark.parametrize(
        "name", [name for name in HOSTILE if name.startswith("ogg") and "chained" not in name]
    )
    def test_what_comes_of_a_hostile_file_is_the_same_without_it(
        self, tmp_path: Path, name: str, without_ffmpeg: None
    ) -> None:
        # With it, the whole set runs through child processes.
        outcome: Analysis | PermanentError
        try:
            path = HOSTILE[name].write(tmp_path / "a")
            outcome = SoundfileCodec().analyse(path, NUM_PEAKS, AudioLimits())
        except PermanentError as error:
            outcome = error
        assert met(HOSTILE[name], outcome), f"{outcome!r}"

    def test_packets_that_cannot_be_decoded_are_counted_as_missing(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        path = spoil(
            files.write_audio(tmp_path / "a", files.tone(300_000), 48_000, kind="ogg-vorbis"),
            from_page=4,
        )
        assert decoder_of(path) == FFMPEG.name
        with pytest.raises(InvalidAudio, match=r"The file is damaged: \d\.\d s of its audio"):
            read(path)
        assert capfd.readouterr() == ("", "")

    def test_a_flood_of_them_is_not_decoded_to_its_end(self, tmp_path: Path) -> None:
        path = write_opus(tmp_path / "a", files.tone(300_000), 64_000, frame_duration="2.5")
        assert len(spoil(path, from_page=4).read_bytes()) > 0
        assert decoder_of(path) == FFMPEG.name
        with pytest.raises(InvalidAudio, match=r"The audio is damaged after \d\.\d s;"):
            read(path)

    def test_a_few_of_them_are_passed_over(self, tmp_path: Path) -> None:
        path = files.write_audio(tmp_path / "a", files.tone(100_000), 48_000, kind="ogg-vorbis")
        content = path.read_bytes()
        start, end = list(ogg_pages(content))[3]
        page = content[start:end]
        first = 27 + page[26]
        page = repaired(page[:first] + b"\xff" + page[first + 1 :], page)
        path.write_bytes(content[:start] + page + content[end:])
        assert decoder_of(path) == FFMPEG.name
        assert 95_200 < len(read(path)) < 100_000


def spoil(path: Path, from_page: int) -> Path:
    """Make packets of no known kind of a page and all that follow, with the right checksums."""
    content = path.read_bytes()
    spoilt = b""
    for number, (start, end) in enumerate(ogg_pages(content)):
        page = content[start:end]
        if number >= from_page:
            body = 27 + page[26]
            page = repaired(page[:body] + b"\xff" * (len(page) - body), page)
        spoilt += page
    path.write_bytes(spoilt)
    return path


class TestM4a:
    @pytest.mark.parametrize("kind", ["alac", "alac-24"])
    @pytest.mark.parametrize("channels", [1, 2, 6])
    @pytest.mark.parametrize("frames", [100, 4_096, 30_001])
    def test_alac_gives_the_very_samples(
        self, tmp_path: Path, kind: str, channels: int, frames: int
    ) -> None:
        samples = files.tone(frames, channels)
        found = read(write_m4a(tmp_path / "a", samples, kind=kind))
        expected = as_sent(samples, kind)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("channels", [1, 2, 6])
    @pytest.mark.parametrize("frames", [1_000, 1_024, 50_001])
    def test_aac_gives_every_frame_and_none_of_the_padding(
        self, tmp_path: Path, channels: int, frames: int
    ) -> None:
        path = write_m4a(tmp_path / "a", files.tone(frames, channels))
        found = read(path)
        assert found.shape == (frames, channels)
        with av.open(str(path)) as container:
            decoded: list[Any] = [frame.to_ndarray().T for frame in container.decode(audio=0)]
        np.testing.assert_allclose(found, np.concatenate(decoded)[:frames], rtol=0, atol=SAME)

    def test_aac_is_where_it_was_before_it_was_coded(self, tmp_path: Path) -> None:
        samples = files.tone(50_001, 1)
        found = read(write_m4a(tmp_path / "a", samples))
        assert np.corrcoef(found[3_000:, 0], samples[3_000:, 0])[0, 1] > 0.999
        assert np.abs(found - samples)[3_000:].max() < 0.05

    @pytest.mark.parametrize("sample_rate_hz", [8_000, 22_050, 48_000, 96_000])
    def test_aac_at_any_rate(self, tmp_path: Path, sample_rate_hz: int) -> None:
        path = write_m4a(tmp_path / "a", files.tone(30_001), sample_rate_hz)
        with open_reader(path) as reader:
            assert reader.header.sample_rate_hz == sample_rate_hz
            assert reader.header.announced_frames == 30_001
        assert len(read(path)) == 30_001

    @pytest.mark.parametrize("setup", [b"\x2b\x92\x08\x00", b"\x13\x90\x56\xe5\xa0"])
    def test_he_aac_has_twice_the_rate_of_what_is_coded(self, tmp_path: Path, setup: bytes) -> None:
        path = write_m4a(tmp_path / "a", files.tone(30_001), 22_050)
        path.write_bytes(with_aac_setup(path.read_bytes(), setup))
        with open_reader(path) as reader:
            assert reader.header.sample_rate_hz == 44_100
            assert reader.header.announced_frames == 60_002
        assert len(read(path)) == 60_002

    def test_a_contradiction_is_named(self, tmp_path: Path) -> None:
        mono = write_m4a(tmp_path / "b", files.tone(30_001))
        mono.write_bytes(with_aac_setup(mono.read_bytes(), b"\x12\x08"))
        sentence = r"contradicts itself: its header says 1 channels at 44100 Hz, its audio 2"
        with pytest.raises(InvalidAudio, match=sentence):
            read(mono)

    @pytest.mark.parametrize("kind", ["aac", "alac"])
    def test_packets_of_nothing_are_not_decoded_by_the_million(
        self, tmp_path: Path, kind: str
    ) -> None:
        path = write_m4a(tmp_path / "a", files.tone(9_000), kind=kind)
        path.write_bytes(with_packets(path.read_bytes(), 400_000, 1_024))
        started_s = time.process_time()
        with pytest.raises(InvalidAudio, match="can't be decoded"):
            read(path)
        assert time.process_time() - started_s < 0.5

    def test_alac_has_the_rate_that_its_entry_says_if_it_says_one(self, tmp_path: Path) -> None:
        path = write_m4a(tmp_path / "a", files.tone(30_001), kind="alac")
        entry = (*TABLE, b"stsd", b"alac")
        other = patched(24, struct.pack(">I", 22_050))
        content = changed(path.read_bytes(), (*entry, b"alac"), other)
        path.write_bytes(content)
        with pytest.raises(InvalidAudio, match="it claims 22050 Hz, and 44100 Hz"):
            read(path)
        path.write_bytes(changed(content, entry, patched(24, bytes(4))))
        with open_reader(path) as reader:
            assert reader.header.sample_rate_hz == 22_050
        write_m4a(path, files.tone(30_001), 96_000, kind="alac")
        assert len(read(path)) == 30_001

    def test_damage_is_named_with_its_place(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        path = write_m4a(tmp_path / "a", files.tone(200_000), kind="alac")
        files.patch(path, path.stat().st_size // 2, b"\xff" * 5_000)
        with pytest.raises(InvalidAudio, match=r"The audio is damaged after \d\.\d s;"):
            read(path)
        assert capfd.readouterr() == ("", "")

    def test_without_the_library_it_is_refused_and_says_what_to_do(
        self, tmp_path: Path, without_ffmpeg: None
    ) -> None:
        path = write_m4a(tmp_path / "a", files.tone(1_000))
        with pytest.raises(UnsupportedAudio) as caught:
            read(path)
        assert caught.value.code == "unsupported_format"
        assert str(caught.value) == (
            "M4A/MP4 files are not supported; please export it as WAV, AIFF, FLAC, MP3 or OGG"
            " and upload that."
        )

    @pytest.mark.parametrize("kept", [0.5, 0.999])
    def test_without_the_library_damage_does_not_matter(
        self, tmp_path: Path, kept: float, without_ffmpeg: None
    ) -> None:
        path = write_m4a(tmp_path / "a", files.tone(30_000))
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        with pytest.raises(UnsupportedAudio, match="M4A/MP4 files are not supported; please"):
            read(path)

    def test_a_deployment_that_does_not_list_it_refuses_it(self, tmp_path: Path) -> None:
        path = write_m4a(tmp_path / "a", files.tone(1_000))
        limits = AudioLimits(mime_types=frozenset({"audio/wav", "audio/flac"}))
        with pytest.raises(UnsupportedAudio, match="M4A files are not accepted here"):
            SoundfileCodec().analyse(path, 10, limits)


@pytest.mark.slow
def test_memory_doesnt_grow_with_the_length(tmp_path: Path) -> None:
    minute = np.zeros((60 * 48_000, 2), np.float32)
    peaks_kb = {}
    for minutes in (1, 6):
        for kind in ("aac", "alac"):
            path = write_m4a(
                tmp_path / f"{kind} {minutes}", np.tile(minute, (minutes, 1)), kind=kind
            )
            peaks_kb[kind, minutes] = peak_kb_of_analysing(path)
    for kind in ("aac", "alac"):
        assert peaks_kb[kind, 6] - peaks_kb[kind, 1] < 4_096, peaks_kb
        assert peaks_kb[kind, 6] < 150 * 1024, peaks_kb


def peak_kb_of_analysing(path: Path) -> int:
    program = (
        "import sys; from pathlib import Path;"
        "from waveflow.adapters.codec.soundfile_codec import SoundfileCodec;"
        "from waveflow.domain.audio import AudioLimits;"
        "SoundfileCodec().analyse(Path(sys.argv[1]), 100, AudioLimits());"
        "status = Path('/proc/self/status').read_text();"
        "print(status.split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)
