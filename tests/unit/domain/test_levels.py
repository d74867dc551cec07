"""Levels as data: what is written, and what is taken back."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from waveflow.domain.audio import AudioLimits
from waveflow.domain.level_meter import LevelMeter
from waveflow.domain.levels import MOST_CHANNELS, ChannelLevels, Levels

CHANNEL = ChannelLevels(
    true_peak_dbtp=-0.123456,
    sample_peak_dbfs=-0.5,
    rms_dbfs=-18.005,
    clipped_samples=3,
    dc_offset=-0.00001234,
    silent=False,
)
LEVELS = Levels(
    integrated_lufs=-14.006,
    loudness_range_lu=6.25,
    true_peak_dbtp=-0.001,
    sample_peak_dbfs=-0.5,
    rms_dbfs=None,
    clipped_samples=3,
    leading_silence_s=0.123456,
    trailing_silence_s=2.0,
    silent=False,
    dc_offset=-1e-9,
    channels=(CHANNEL,),
)
DATA: dict[str, Any] = {
    "integrated_lufs": -14.01,
    "loudness_range_lu": 6.25,
    "true_peak_dbtp": 0.0,
    "sample_peak_dbfs": -0.5,
    "rms_dbfs": None,
    "clipped_samples": 3,
    "leading_silence_s": 0.123,
    "trailing_silence_s": 2.0,
    "silent": False,
    "dc_offset": 0.0,
    "channels": [
        {
            "true_peak_dbtp": -0.12,
            "sample_peak_dbfs": -0.5,
            "rms_dbfs": -18.0,
            "clipped_samples": 3,
            "dc_offset": -0.000012,
            "silent": False,
        }
    ],
}


def test_decibels_have_two_decimals_and_nothing_is_minus_zero() -> None:
    written = json.dumps(LEVELS.as_data())
    assert json.loads(written) == DATA
    assert "-0.0," not in written


def test_what_was_written_can_be_read_again() -> None:
    assert Levels.from_data(json.loads(json.dumps(DATA))).as_data() == DATA


def test_the_largest_samples_that_32_bits_hold_have_levels_that_can_be_read_again() -> None:
    meter = LevelMeter(4_000, 1)
    meter.add(np.full((1_600, 1), np.finfo(np.float32).max))
    data = meter.levels().as_data()
    assert data["dc_offset"] > 3.4e38
    assert data["integrated_lufs"] > 700
    assert Levels.from_data(data).as_data() == data


def test_there_may_be_as_many_channels_as_a_file_may_have() -> None:
    assert AudioLimits().max_channels == MOST_CHANNELS


def test_whole_numbers_are_levels_too() -> None:
    assert Levels.from_data({**DATA, "true_peak_dbtp": -1}).true_peak_dbtp == -1.0


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "levels",
        {},
        {key: value for key, value in DATA.items() if key != "silent"},
        {key: value for key, value in DATA.items() if key != "channels"},
        {**DATA, "loudness": 1.0},
        {**DATA, "integrated_lufs": "-14"},
        {**DATA, "integrated_lufs": True},
        {**DATA, "integrated_lufs": math.nan},
        {**DATA, "dc_offset": None},
        {**DATA, "dc_offset": math.inf},
        {**DATA, "dc_offset": 10**400},
        {**DATA, "clipped_samples": -1},
        {**DATA, "clipped_samples": 1.0},
        {**DATA, "clipped_samples": True},
        {**DATA, "clipped_samples": 2**53 + 1},
        {**DATA, "integrated_lufs": 1000.5},
        {**DATA, "true_peak_dbtp": -1e300},
        {**DATA, "leading_silence_s": 1e40},
        {**DATA, "dc_offset": -1e40},
        {**DATA, "channels": DATA["channels"] * 33},
        {**DATA, "leading_silence_s": -0.1},
        {**DATA, "silent": 0},
        {**DATA, "channels": None},
        {**DATA, "channels": {}},
        {**DATA, "channels": []},
        {**DATA, "channels": ["left"]},
        {**DATA, "channels": [{**DATA["channels"][0], "clipped_samples": None}]},
    ],
)
def test_nonsense_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="no levels object"):
        Levels.from_data(wrong)
