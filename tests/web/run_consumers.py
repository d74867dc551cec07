"""Our waveform files in the libraries that draw them: waveform-data, peaks.js, wavesurfer.js."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import frozen
from numpy.typing import NDArray
from playwright.sync_api import Browser

from tests.support.audio_files import write_audio
from tests.support.console_script import run_waveflow
from tests.web.browser import Opened, opened
from tests.web.example_page import draw, heights, served
from tests.web.node_tools import EXAMPLES, bundle_page, need_packages, run_node

SAMPLE_RATE_HZ = 44_100
SECONDS = 12
"""Enough for a view of 800 columns at 512 samples per pixel."""
FULL_SCALE = 32_768
BITS = [8, 16]
LEFT, RIGHT = range(10, 390), range(410, 790)
"""Columns of a view of 800: of the first half and of the second, away from the edges."""


@frozen
class Song:
    """A recording of two channels that is loud in its first half and silent in its second.

    Attributes:
        samples: int16 (frames, 2), as in the file.
    """

    folder: Path
    samples: NDArray[np.int16]

    def analyzed(self, name: str, *options: str) -> Path:
        """A waveform file that `waveflow analyze` has made."""
        path = self.folder / name
        done = run_waveflow(["analyze", "song.wav", "-o", name, *options], self.folder)
        assert done.returncode == 0, done.stderr
        return path

    def amplitudes(self, samples_per_pixel: int) -> NDArray[np.float64]:
        """(2 + 1, pixels, 2): the lowest and highest of each channel, and of their mean."""
        mean = self.samples.astype(np.float64).mean(axis=1)
        signals = [*self.samples.T, mean]
        starts = range(0, len(self.samples), samples_per_pixel)
        found = [
            [
                (part.min(), part.max())
                for part in (signal[at : at + samples_per_pixel] for at in starts)
            ]
            for signal in signals
        ]
        return np.array(found, np.float64) / FULL_SCALE

    def pixels(self, samples_per_pixel: int, bits: int) -> NDArray[np.int64]:
        """The same, as whole numbers of a `.dat`."""
        rounded = np.round(self.amplitudes(samples_per_pixel) * 2 ** (bits - 1))
        pixels: NDArray[np.int64] = rounded.astype(np.int64)
        return np.clip(pixels, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Song:
    need_packages()
    folder = tmp_path_factory.mktemp("consumers")
    rng = np.random.default_rng(7)
    loud = rng.integers(-16_384, 16_384, (SECONDS // 2 * SAMPLE_RATE_HZ, 2), np.int16)
    loud[:, 1] //= 4
    samples = np.concatenate([loud, np.zeros_like(loud)])
    write_audio(folder / "song.wav", samples, SAMPLE_RATE_HZ)
    return Song(folder, samples)


def read(path: Path, *options: str) -> dict[str, Any]:
    """What waveform-data reads in a file."""
    found: dict[str, Any] = json.loads(run_node(EXAMPLES / "browser" / "read.js", path, *options))
    return found


def assert_pixels(found: dict[str, Any], wanted: NDArray[np.int64]) -> None:
    np.testing.assert_array_equal(found["low"], wanted[:, :, 0])
    np.testing.assert_array_equal(found["high"], wanted[:, :, 1])


class TestWaveformData:
    def test_it_reads_the_json_whose_values_are_shares_of_its_amplitude(self, song: Song) -> None:
        path = song.analyzed("read.json")
        found = read(path)["whole"]
        spp = -(-len(song.samples) // 4000)
        length = -(-len(song.samples) // spp)
        assert (found["channels"], found["bits"], found["length"]) == (1, 8, length)
        assert (found["sample_rate"], found["scale"]) == (SAMPLE_RATE_HZ, spp)
        assert found["duration"] == pytest.approx(SECONDS, abs=spp / SAMPLE_RATE_HZ)
        step = json.loads(path.read_text())["amplitude"] / 127
        [low], [high] = np.array(found["low"]) * step, np.array(found["high"]) * step
        [wanted] = song.amplitudes(spp)[2:]
        np.testing.assert_allclose(low, wanted[:, 0], atol=step / 2 * (1 + 1e-9), rtol=0)
        np.testing.assert_allclose(high, wanted[:, 1], atol=step / 2 * (1 + 1e-9), rtol=0)
        assert max(np.abs(found["low"]).max(), np.abs(found["high"]).max()) == 127

    @pytest.mark.parametrize("bits", BITS)
    @pytest.mark.parametrize("channels", [1, 2])
    def test_it_reads_a_dat_of_either_version(self, song: Song, bits: int, channels: int) -> None:
        name = f"{bits}-{channels}.dat"
        split = ["--split-channels"] if channels == 2 else []
        path = song.analyzed(name, "--bits", str(bits), *split)
        assert path.read_bytes()[0] == channels  # version 1 is mono, version 2 has channels
        found = read(path)["whole"]
        assert (found["channels"], found["bits"], found["scale"]) == (channels, bits, 512)
        assert found["length"] == -(-len(song.samples) // 512)
        wanted = song.pixels(512, bits)
        assert_pixels(found, wanted[:2] if channels == 2 else wanted[2:])

    def test_it_zooms_out(self, song: Song) -> None:
        path = song.analyzed("zoom.dat", "--bits", "16", "--samples-per-pixel", "256")
        found = read(path, "scale=1024")["resampled"]
        assert found["scale"] == 1024
        assert_pixels(found, song.pixels(1024, 16)[2:])

    def test_a_canvas_gets_as_many_pixels_as_it_is_wide(self, song: Song) -> None:
        pixels = read(song.analyzed("fit.json"), "width=800")["pixels"]
        assert 800 <= len(pixels) <= 802
        loud = [pixel["high"] - pixel["low"] for pixel in pixels]
        assert min(loud[:399]) > 0.5
        assert max(loud[402:]) == 0


VIEWS = ["#wavesurfer", "#loud", "#overview", "#json", "#loud-json", "#canvas"]

# Whoever decodes audio, or counts it, would do so by these.
NOTE_DECODING = """
window.decoded = 0;
for (const kind of [AudioContext, OfflineAudioContext]) {
  const decode = kind.prototype.decodeAudioData;
  kind.prototype.decodeAudioData = function (...given) {
    window.decoded += 1;
    return decode.apply(this, given);
  };
}
"""


@pytest.fixture(scope="module")
def page(song: Song, browser: Browser) -> Iterator[Opened]:
    """The page of the examples, with everything on it drawn."""
    bundle_page()
    song.analyzed("song.json")
    song.analyzed("song.dat", "--bits", "8")
    with served(song.folder) as site, opened(browser, init_script=NOTE_DECODING) as one:
        files = {"audio": "wav", "waveform": "json", "dat": "dat"}
        draw(one, site, **{name: f"/files/song.{end}" for name, end in files.items()})
        yield one


class TestPage:
    @pytest.mark.parametrize("view", VIEWS)
    def test_what_is_loud_is_drawn_high_and_what_is_silent_is_a_line(
        self, page: Opened, view: str
    ) -> None:
        drawn = heights(page, view)
        assert len(drawn) == 800
        assert np.median(drawn[LEFT]) > 10 * max(1, np.median(drawn[RIGHT]))
        assert np.median(drawn[RIGHT]) <= 3

    def test_normalised_peaks_fill_the_height_and_absolute_ones_do_not(self, page: Opened) -> None:
        # The mean of one channel at -6 dB and one at -18 dB reaches 5/16 of full scale.
        assert np.median(heights(page, "#wavesurfer")[LEFT]) == pytest.approx(90, abs=6)
        assert np.median(heights(page, "#json")[LEFT]) == 56  # all that is between the axes
        for view in ("#loud", "#canvas", "#overview", "#loud-json"):
            assert np.median(heights(page, view)[LEFT]) == pytest.approx(96 * 5 / 16, abs=5)

    def test_nothing_is_decoded_where_peaks_are_given(self, page: Opened) -> None:
        assert page.page.evaluate("window.decoded") == 0
        durations = [
            page.page.evaluate(f"window.drawn.{name}.getDuration()")
            for name in ("wavesurfer", "loud")
        ]
        assert durations == [SECONDS, SECONDS]

    def test_peaks_zooms_into_the_dat(self, page: Opened) -> None:
        def shown() -> float:
            start, end = page.page.evaluate(
                "[drawn.peaks.views.getView('zoomview').getStartTime(),"
                " drawn.peaks.views.getView('zoomview').getEndTime()]"
            )
            return float(end - start)

        assert shown() == pytest.approx(800 * 512 / SAMPLE_RATE_HZ, abs=0.05)
        page.page.evaluate("drawn.peaks.zoom.zoomOut()")
        assert shown() == pytest.approx(800 * 1024 / SAMPLE_RATE_HZ, abs=0.05)
        page.page.evaluate("drawn.peaks.zoom.zoomIn()")

    def test_peaks_refuses_sixteen_bits(self, page: Opened, song: Song) -> None:
        """Which is why the JSON has eight: when this fails, it needn't any more."""
        song.analyzed("sixteen.dat", "--bits", "16")
        refusal = page.page.evaluate(
            """() => {
              const [overview, zoomview, audio] = ['json', 'loud', 'audio'].map(
                (id) => document.getElementById(id));
              return drawWithPeaks({ overview, zoomview, audio }, '/files/sixteen.dat')
                .then(() => 'drawn', String);
            }"""
        )
        assert "16-bit waveform data is not supported" in refusal

    def test_the_page_has_said_no_error(self, page: Opened) -> None:
        page.require_clean()
