"""Waveform files as they are drawn: each format, and one sentence for each that is none."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waveflow.application.waveform_files import (
    LARGEST_BYTES,
    DrawnWaveform,
    read_waveform_file,
)
from waveflow.domain.errors import NotAWaveform

OURS: dict[str, Any] = {
    "peaks": [0.5, 1.0, 0.0],
    "duration": 0.25,
    "sample_rate": 8_000,
    "num_peaks": 3,
    "created_at": "2024-01-01T10:05:00.123456Z",
    "waveform_version": 1,
    "amplitude": 0.5,
}
PIXELS: dict[str, Any] = {
    "version": 2,
    "channels": 1,
    "sample_rate": 8_000,
    "samples_per_pixel": 1_000,
    "bits": 16,
    "length": 2,
    "data": [-16_384, 8_192, -32_768, 32_767],
}


def dat(*header: int, data: bytes) -> bytes:
    return struct.pack(f"<{len(header)}i", *header) + data


V1_8 = dat(1, 1, 8_000, 512, 2, data=struct.pack("4b", -64, 32, -128, 127))
V1_16 = dat(1, 0, 8_000, 512, 1, data=struct.pack("<2h", -16_384, 8_192))
V2_8 = dat(2, 1, 8_000, 512, 1, 2, data=struct.pack("4b", -64, 32, -128, 0))
V2_16 = dat(2, 0, 8_000, 512, 1, 2, data=struct.pack("<4h", -16_384, 8_192, -32_768, 0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "whatever"


def drawn(file: Path, content: bytes | dict[str, Any]) -> DrawnWaveform:
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return read_waveform_file(file)


def problem_of(file: Path, content: bytes | dict[str, Any]) -> str:
    with pytest.raises(NotAWaveform) as error:
        drawn(file, content)
    return str(error.value)


class TestFormats:
    def test_our_json_gives_its_pixels_as_loud_as_its_amplitude_says(self, file: Path) -> None:
        found = drawn(file, OURS | PIXELS | {"bits": 8, "data": [-127, 0, -1, 127]})
        np.testing.assert_allclose(found.low, [[-0.5, -0.5 / 127]], rtol=1e-15)
        np.testing.assert_allclose(found.high, [[0.0, 0.5]], rtol=1e-15)
        assert (found.duration_s, found.sample_rate_hz) == (0.25, 8_000)

    def test_our_json_of_silence_is_silent(self, file: Path) -> None:
        silence = {"amplitude": 0.0, "bits": 8, "data": [0, 0, 0, 0]}
        found = drawn(file, OURS | PIXELS | silence)
        assert (found.low.tolist(), found.high.tolist()) == ([[0.0, 0.0]], [[0.0, 0.0]])
        assert drawn(file, OURS | PIXELS | {"amplitude": 0.0}).low.tolist() == [[0.0, 0.0]]

    def test_audiowaveforms_json_is_absolute(self, file: Path) -> None:
        found = drawn(file, PIXELS)
        assert found.low.tolist() == [[-0.5, -1.0]]
        assert found.high.tolist() == [[0.25, 32_767 / 32_768]]

    def test_our_json_of_earlier_versions_gives_its_peaks_upwards_and_downwards(
        self, file: Path
    ) -> None:
        found = drawn(file, OURS)
        assert found.high.tolist() == [[0.25, 0.5, 0.0]]
        assert found.low.tolist() == [[-0.25, -0.5, 0.0]]
        assert (found.duration_s, found.sample_rate_hz) == (0.25, 8_000)

    def test_peaks_without_an_amplitude_are_drawn_at_full_height(self, file: Path) -> None:
        assert drawn(file, {"peaks": [1.0], "sample_rate": 8_000}).high.tolist() == [[1.0]]

    def test_audiowaveforms_json_is_as_long_as_its_pixels(self, file: Path) -> None:
        assert drawn(file, PIXELS).duration_s == 0.25

    def test_audiowaveforms_first_json_names_neither_version_nor_channels(self, file: Path) -> None:
        first = {key: PIXELS[key] for key in PIXELS if key not in ("version", "channels")}
        found = drawn(file, first | {"bits": 8, "data": [-64, 32, -128, 127]})
        assert found.low.tolist() == [[-0.5, -1.0]]
        assert found.high.tolist() == [[0.25, 127 / 128]]

    def test_channels_of_json_alternate_pixel_by_pixel(self, file: Path) -> None:
        found = drawn(file, PIXELS | {"channels": 2, "length": 1})
        assert found.low.tolist() == [[-0.5], [-1.0]]

    @pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" \r\n\t"])
    def test_json_may_begin_with_blanks_or_a_byte_order_mark(
        self, file: Path, before: bytes
    ) -> None:
        assert drawn(file, before + json.dumps(PIXELS).encode()).low.shape == (1, 2)

    @pytest.mark.parametrize(
        ("content", "low", "high", "duration_s"),
        [
            (V1_8, [[-0.5, -1.0]], [[0.25, 127 / 128]], 0.128),
            (V1_16, [[-0.5]], [[0.25]], 0.064),
            (V2_8, [[-0.5], [-1.0]], [[0.25], [0.0]], 0.064),
            (V2_16, [[-0.5], [-1.0]], [[0.25], [0.0]], 0.064),
        ],
        ids=["v1-8-bit", "v1-16-bit", "v2-8-bit", "v2-16-bit"],
    )
    def test_dat_files_of_both_versions_and_depths_are_read(
        self,
        file: Path,
        content: bytes,
        low: list[list[float]],
        high: list[list[float]],
        duration_s: float,
    ) -> None:
        found = drawn(file, content)
        assert (found.low.tolist(), found.high.tolist()) == (low, high)
        assert (found.duration_s, found.sample_rate_hz) == (duration_s, 8_000)
        assert found.low.dtype == np.float64

    def test_a_waveform_without_pixels_is_one(self, file: Path) -> None:
        assert drawn(file, dat(1, 0, 8_000, 512, 0, data=b"")).low.shape == (1, 0)
        assert drawn(file, PIXELS | {"length": 0, "data": []}).low.shape == (1, 0)
        assert drawn(file, OURS | {"peaks": []}).low.shape == (1, 0)


class TestMistakes:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "it is neither JSON nor long enough for the header of a .dat file"),
            (b"RIFF" + bytes(40), "it is neither JSON nor a .dat file of version 1 or 2"),
            (dat(3, 0, 1, 1, 0, data=b""), "it is neither JSON nor a .dat file of version 1 or 2"),
            (V2_8[:22], "it is neither JSON nor long enough for the header of a .dat file"),
            (V1_16[:-1], "its header announces 4 bytes of pixels, but it has 3"),
            (V1_16 + b"\0", "its header announces 4 bytes of pixels, but it has 5"),
            (dat(1, 0, 0, 512, 0, data=b""), "its sample_rate is 0, which can't be"),
            (dat(1, 0, 1, -1, 0, data=b""), "its samples_per_pixel is -1, which can't be"),
            (dat(1, 0, 1, 1, -1, data=b""), "its length is -1, which can't be"),
            (dat(2, 0, 1, 1, 1, 257, data=b""), "its channels is 257, which can't be"),
            (b"{}", "it is JSON, but has neither data nor peaks"),
            (PIXELS | {"version": 3}, "its version is 3; 1 and 2 can be read"),
            (PIXELS | {"bits": 12}, "its bits are 12; 8 and 16 can be read"),
            (PIXELS | {"length": True}, "its length must be a whole number, but is a boolean"),
            (PIXELS | {"data": {}}, "its data is not a list of whole numbers"),
            (PIXELS | {"data": [0, 0, 0, 0.5]}, "its data is not a list of whole numbers"),
            (PIXELS | {"data": [0, 0, 0]}, "its data has 3 numbers, where 4 belong"),
            (PIXELS | {"bits": 8}, "its data has numbers beyond 8 bits"),
            (PIXELS | {"duration": -1.0}, "its duration is less than nothing"),
            ({"data": []}, "it has no sample_rate"),
            (OURS | {"peaks": [0.5, 1.5]}, "its peaks are not all from 0 to 1"),
            (OURS | {"peaks": "all"}, "its peaks must be a list, but is text"),
            (OURS | {"amplitude": -1}, "its amplitude is -1.0, which can't be"),
            (PIXELS | {"amplitude": 1e39}, "its amplitude is 1e+39, which can't be"),
            (PIXELS | {"amplitude": None}, "its amplitude must be a number, but is null"),
            (OURS | {"sample_rate": 0}, "its sample_rate is 0, which can't be"),
        ],
    )
    def test_what_is_no_waveform_is_told_with_the_reason(
        self, file: Path, content: bytes | dict[str, Any], reason: str
    ) -> None:
        assert problem_of(file, content) == (
            f"The file is not a waveform that can be drawn: {reason}."
            " Please make it again with `waveflow analyze` or audiowaveform."
        )

    @pytest.mark.parametrize("content", [b"{", b'{"peaks": [NaN]}', b"{" + b'"a":[' * 200_000])
    def test_broken_json_is_no_waveform(self, file: Path, content: bytes) -> None:
        assert problem_of(file, content).startswith("The file is not a waveform that can be drawn")

    def test_a_file_that_is_too_large_is_not_read_to_its_end(self, file: Path) -> None:
        with file.open("wb") as large:
            large.truncate(LARGEST_BYTES + 1)
        with pytest.raises(NotAWaveform, match="The file has more than 32 MB, too much"):
            read_waveform_file(file)
