"""Loudness, loudness range and true peak as ffmpeg's `ebur128` measures them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ffmpeg_levels import PROGRAMMES, by_ffmpeg, by_us, need_ffmpeg

LOUDNESS_LU = 0.03
RANGE_LU = 0.25
"""ffmpeg takes the value one rank lower: little of a whole programme, more of a few windows."""

TRUE_PEAK_DB = 0.1
SAMPLE_PEAK_DB = 0.05
"""ffmpeg says a peak with three decimals: 0.05 dB at -24 dBFS."""


@pytest.mark.parametrize(
    "name",
    [
        "noise in bursts, 44.1 kHz, stereo",
        "syllables and pauses, 48 kHz, stereo",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in PROGRAMMES
            if name
            not in ("noise in bursts, 44.1 kHz, stereo", "syllables and pauses, 48 kHz, stereo")
        ),
    ],
)
def test_both_meters_agree(name: str, tmp_path: Path) -> None:
    need_ffmpeg()
    path = PROGRAMMES[name](tmp_path)
    more = by_us(path).minus(by_ffmpeg(path))
    assert abs(more.integrated_lufs) <= LOUDNESS_LU
    assert abs(more.loudness_range_lu) <= RANGE_LU
    assert abs(more.true_peak_dbtp) <= TRUE_PEAK_DB
    assert abs(more.sample_peak_dbfs) <= SAMPLE_PEAK_DB
