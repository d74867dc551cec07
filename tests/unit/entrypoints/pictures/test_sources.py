"""What pictures are drawn from: audio, and waveform files of every kind."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.support.audio_files import KINDS, tone, write_audio
from waveflow.domain.errors import PermanentError
from waveflow.entrypoints.pictures.sources import read_wave

AMPLITUDES = [-1.0, 0.5, -0.25, 0.25, -0.5, 0.0]
"""Lowest and highest of three pixels."""


def dat(folder: Path, bits: int, channels: int = 1) -> Path:
    """A `.dat` of three pixels; a second channel is half as loud."""
    version = 1 if channels == 1 else 2
    header = [version, int(bits == 8), 48_000, 16_000, 3, *([channels] if version == 2 else [])]
    kind, reach = ("b", 128) if bits == 8 else ("h", 32_768)
    numbers = []
    for pixel in range(3):
        for channel in range(channels):
            pair = AMPLITUDES[2 * pixel : 2 * pixel + 2]
            numbers += [round(value * reach / (channel + 1)) for value in pair]
    path = folder / f"{bits}-{channels}.dat"
    path.write_bytes(struct.pack(f"<{len(header)}i{len(numbers)}{kind}", *header, *numbers))
    return path


class TestWaveformFiles:
    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_a_dat_is_drawn_pixel_by_pixel(self, tmp_path: Path, bits: int, channels: int) -> None:
        wave = read_wave(dat(tmp_path, bits, channels), 100, split_channels=False)
        assert wave.low.tolist() == [[-1.0, -0.25, -0.5]]
        assert wave.high.tolist() == [[0.5, 0.25, 0.0]]
        assert (wave.rms, wave.duration_s, wave.sample_rate_hz) == (None, 1.0, 48_000)
        assert wave.channels == channels

    def test_its_channels_can_be_split(self, tmp_path: Path) -> None:
        wave = read_wave(dat(tmp_path, 16, 2), 100, split_channels=True)
        assert wave.low.tolist() == [[-1.0, -0.25, -0.5], [-0.5, -0.125, -0.25]]

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b" \n"])
    def test_json_of_audiowaveform_is_told_by_its_content(
        self, tmp_path: Path, mark: bytes
    ) -> None:
        document = {
            "version": 2,
            "channels": 1,
            "sample_rate": 48_000,
            "samples_per_pixel": 16_000,
            "bits": 8,
            "length": 3,
            "data": [round(value * 128) for value in AMPLITUDES],
        }
        path = tmp_path / "wave.txt"
        path.write_bytes(mark + json.dumps(document).encode())
        wave = read_wave(path, 100, split_channels=False)
        assert wave.low.tolist() == [[-1.0, -0.25, -0.5]]

    def test_peaks_reach_upwards_and_downwards(self, tmp_path: Path) -> None:
        path = tmp_path / "old.json"
        document = {"peaks": [0.5, 1.0], "amplitude": 0.5, "sample_rate": 8000, "duration": 2.0}
        path.write_text(json.dumps(document))
        wave = read_wave(path, 100, split_channels=False)
        assert (wave.low.tolist(), wave.high.tolist()) == ([[-0.25, -0.5]], [[0.25, 0.5]])

    def test_more_pixels_than_columns_are_brought_together(self, tmp_path: Path) -> None:
        path = tmp_path / "old.json"
        peaks = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
        path.write_text(json.dumps({"peaks": peaks, "sample_rate": 8000, "duration": 2.0}))
        wave = read_wave(path, 3, split_channels=False)
        assert wave.high.tolist() == [[0.2, 0.4, 0.7]]

    def test_no_pixels_at_all_are_silence(self, tmp_path: Path) -> None:
        path = tmp_path / "none.dat"
        path.write_bytes(struct.pack("<5i", 1, 0, 48_000, 512, 0))
        wave = read_wave(path, 100, split_channels=False)
        assert (wave.low.tolist(), wave.high.tolist(), wave.largest) == ([[0.0]], [[0.0]], 0.0)

    def test_a_damaged_one_is_refused_by_name(self, tmp_path: Path) -> None:
        path = dat(tmp_path, 16)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(PermanentError) as refused:
            read_wave(path, 100, split_channels=False)
        assert str(refused.value).startswith(
            f"{path}: The file is not a waveform that can be drawn"
        )
        assert refused.value.code == "not_a_waveform"


class TestAudio:
    @pytest.mark.parametrize("kind", sorted(KINDS))
    def test_every_format_gives_the_same_picture(self, tmp_path: Path, kind: str) -> None:
        samples = tone(48_000, 2, 48_000)
        path = write_audio(tmp_path / "song", samples, 48_000, kind=kind)
        wave = read_wave(path, 50, split_channels=True)
        assert (wave.lanes, wave.channels, wave.sample_rate_hz) == (2, 2, 48_000)
        assert wave.rms is not None
        lossy = kind in ("mp3", "ogg-vorbis", "ogg-opus")
        near = 0.1 if lossy else 0.01
        columns = samples.reshape(50, -1, 2)
        np.testing.assert_allclose(wave.high, columns.max(axis=1).T, atol=near)
        np.testing.assert_allclose(wave.low, columns.min(axis=1).T, atol=near)
        expected = np.sqrt((columns.astype(np.float64) ** 2).mean(axis=1)).T
        np.testing.assert_allclose(wave.rms, expected, atol=near)

    def test_what_is_neither_audio_nor_a_waveform_is_refused_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "words.wav"
        path.write_text("la la la")
        with pytest.raises(PermanentError) as refused:
            read_wave(path, 100, split_channels=False)
        assert str(refused.value).startswith(f"{path}: The file holds no audio")
        assert refused.value.code == "not_audio"

    def test_an_empty_file_is_refused_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.wav"
        path.touch()
        with pytest.raises(PermanentError) as refused:
            read_wave(path, 100, split_channels=False)
        assert str(refused.value) == f"{path} is empty (0 bytes). Please export it again."
        assert refused.value.code == "empty_file"
