"""What the meter says of signals, whatever blocks they come in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support import level_twins, twins
from tests.support.level_signals import noise_bursts, tones
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.k_weighting import k_weighting
from waveflow.domain.level_meter import LevelMeter
from waveflow.domain.levels import Levels
from waveflow.domain.loudness import channel_weights
from waveflow.domain.true_peak import interpolators

RATE_HZ = 4000


def levels_of(
    block: NDArray[Any], rate_hz: int = RATE_HZ, cuts: tuple[int, ...] = (), bits: int | None = None
) -> Levels:
    """Of samples that are handed over in parts that end at `cuts`."""
    meter = LevelMeter(rate_hz, block.shape[1], bits)
    for part in np.split(block, sorted(cuts)):
        meter.add(part)
    return meter.levels()


def programme(frames: int, channels: int, seed: int) -> NDArray[np.float64]:
    return noise_bursts(frames / RATE_HZ, rate_hz=RATE_HZ, channels=channels, seed=seed)


def as_type(signal: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    if dtype == "packed":
        numbers = np.rint(signal * 2**23).astype("<i4")
        return numbers.reshape(*signal.shape, 1).view(np.uint8)[:, :, :3].copy()
    scale = {"int16": 2**15, "int32": 2**31}.get(dtype, 1)
    return (np.rint(signal * scale) if scale > 1 else signal).astype(dtype)


def amplitudes(block: NDArray[Any]) -> NDArray[np.float64]:
    samples = twins.from_packed(block) if block.ndim == 3 else block.astype(np.float64)
    amplitude: NDArray[np.float64] = samples / twins.full_scale(block)
    return amplitude.astype(np.float32).astype(np.float64)


def decibels(amplitude: float) -> float:
    return 20.0 * math.log10(amplitude)


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("int16", 1), ("int16", 6), ("int32", 2), ("float32", 3), ("float64", 2), ("packed", 2)],
)
def test_every_figure_is_what_the_definitions_say(dtype: str, channels: int) -> None:
    block = as_type(programme(13_123, channels, seed=channels), dtype)
    signal = amplitudes(block)
    levels = levels_of(block)

    bounds = [hop * RATE_HZ // 10 for hop in range(len(signal) * 10 // RATE_HZ + 1)]
    weights = channel_weights(channels).tolist()
    filters = k_weighting(RATE_HZ).tolist()
    energies = level_twins.hop_energies(signal, filters, weights, bounds)
    assert levels.integrated_lufs == pytest.approx(
        level_twins.integrated_lufs(energies, RATE_HZ), abs=1e-9
    )
    assert levels.loudness_range_lu == pytest.approx(
        level_twins.loudness_range_lu(energies, RATE_HZ), abs=1e-9
    )
    assert levels.rms_dbfs == pytest.approx(decibels(math.sqrt(np.mean(signal**2))), abs=1e-9)
    assert levels.dc_offset == pytest.approx(float(np.mean(signal)), abs=1e-12)
    first, after = level_twins.sound(signal, 10.0 ** (-90.0 / 20.0))
    assert levels.leading_silence_s == first / RATE_HZ
    assert levels.trailing_silence_s == (len(signal) - after) / RATE_HZ
    for channel, found in enumerate(levels.channels):
        samples = signal[:, channel]
        between = level_twins.between(samples.tolist(), interpolators())
        assert found.true_peak_dbtp == pytest.approx(
            decibels(max(between, np.abs(samples).max())), abs=1e-4
        )
        assert found.sample_peak_dbfs == pytest.approx(decibels(np.abs(samples).max()))
        assert found.rms_dbfs == pytest.approx(decibels(math.sqrt(np.mean(samples**2))))
        assert found.dc_offset == pytest.approx(float(np.mean(samples)), abs=1e-12)


@settings(max_examples=40)
@given(
    frames=st.integers(0, 15_000),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 15_000), max_size=5),
    rate_hz=st.sampled_from([RATE_HZ, 11_025]),
)
def test_the_size_of_blocks_makes_no_difference(
    frames: int, channels: int, cuts: list[int], rate_hz: int
) -> None:
    block = as_type(programme(15_000, channels, seed=3)[:frames], "int16")
    assert levels_of(block, rate_hz, tuple(cuts)) == levels_of(block, rate_hz)


def test_a_signal_of_many_spans_is_measured_as_one() -> None:
    block = as_type(noise_bursts(7.0, rate_hz=48_000, channels=6, seed=1), "int16")
    whole = levels_of(block, 48_000)
    assert levels_of(block, 48_000, tuple(range(0, len(block), 1009))) == whole
    assert whole.sample_peak_dbfs == pytest.approx(decibels(np.abs(amplitudes(block)).max()))


def test_planar_channels_are_measured_as_interleaved_ones() -> None:
    block = as_type(programme(9000, 2, seed=4), "float32")
    assert levels_of(np.asfortranarray(block), cuts=(100, 4321)) == levels_of(block)


@settings(max_examples=40)
@given(gain_db=st.floats(-30.0, 30.0))
def test_a_gain_moves_every_level_by_as_much(gain_db: float) -> None:
    quiet = programme(8000, 2, seed=5)
    before = levels_of(quiet)
    after = levels_of(quiet * 10.0 ** (gain_db / 20.0))
    for name in ("integrated_lufs", "true_peak_dbtp", "sample_peak_dbfs", "rms_dbfs"):
        assert getattr(after, name) == pytest.approx(getattr(before, name) + gain_db, abs=1e-5)


@given(order=st.permutations(range(3)))
def test_the_order_of_channels_of_one_weight_makes_no_difference(order: list[int]) -> None:
    block = as_type(programme(6000, 3, seed=6), "int16")
    ours, theirs = levels_of(block), levels_of(np.ascontiguousarray(block[:, order]))
    assert theirs.channels == tuple(ours.channels[channel] for channel in order)
    assert theirs.integrated_lufs == pytest.approx(ours.integrated_lufs, abs=1e-9)
    assert theirs.rms_dbfs == pytest.approx(ours.rms_dbfs, abs=1e-9)


def test_the_true_peak_is_never_below_the_sample_peak() -> None:
    for seed in range(20):
        for channel in levels_of(programme(700, 2, seed)).channels:
            assert channel.true_peak_dbtp is not None
            assert channel.sample_peak_dbfs is not None
            assert channel.true_peak_dbtp >= channel.sample_peak_dbfs


def test_a_peak_after_the_last_sample_counts() -> None:
    samples = np.zeros((500, 1), np.float32)
    samples[-2:] = 0.5
    before = np.zeros((600, 1), np.float32)
    before[498:500] = 0.5
    assert levels_of(samples).true_peak_dbtp == levels_of(before).true_peak_dbtp


def test_a_full_scale_sine_has_an_rms_of_minus_3_01() -> None:
    sine = tones([(0.0, 1.0)], channels_db=(0.0, 0.0))
    assert levels_of(sine, 48_000).as_data()["rms_dbfs"] == -3.01


def test_a_silent_file_has_no_decibels() -> None:
    levels = levels_of(np.zeros((10_000, 2), np.int16))
    assert levels.as_data() == {
        "integrated_lufs": None,
        "loudness_range_lu": None,
        "true_peak_dbtp": None,
        "sample_peak_dbfs": None,
        "rms_dbfs": None,
        "clipped_samples": 0,
        "leading_silence_s": 2.5,
        "trailing_silence_s": 2.5,
        "silent": True,
        "dc_offset": 0.0,
        "channels": [
            {
                "true_peak_dbtp": None,
                "sample_peak_dbfs": None,
                "rms_dbfs": None,
                "clipped_samples": 0,
                "dc_offset": 0.0,
                "silent": True,
            }
        ]
        * 2,
    }


def test_a_file_without_frames_is_silent() -> None:
    levels = LevelMeter(RATE_HZ, 1).levels()
    assert levels.silent
    assert (levels.leading_silence_s, levels.trailing_silence_s, levels.dc_offset) == (0, 0, 0)


def test_what_a_decoder_makes_of_silence_is_silence() -> None:
    levels = levels_of(np.full((4000, 1), 2e-34, np.float32))
    assert levels.silent
    assert levels.sample_peak_dbfs is None


def test_dither_is_silence_but_has_a_level() -> None:
    rng = np.random.default_rng(0)
    levels = levels_of(rng.integers(-1, 2, (8000, 1)).astype(np.int16))
    assert levels.silent
    assert levels.sample_peak_dbfs == pytest.approx(-90.31, abs=0.01)
    assert levels.leading_silence_s == 2.0


def test_silence_at_the_ends_is_what_no_channel_fills() -> None:
    samples = np.zeros((400_000, 2), np.int16)
    samples[40_000:300_000, 0] = 100
    samples[120_000:360_000, 1] = -2
    levels = levels_of(samples, cuts=(1, 2, 130_000))
    assert (levels.leading_silence_s, levels.trailing_silence_s) == (10.0, 10.0)
    assert not levels.silent


def test_one_silent_channel_is_told() -> None:
    samples = np.zeros((4000, 2), np.float32)
    samples[:, 0] = 0.5
    levels = levels_of(samples)
    assert [channel.silent for channel in levels.channels] == [False, True]
    assert levels.channels[1].true_peak_dbtp is None
    assert levels.dc_offset == 0.25


@pytest.mark.parametrize(
    ("dtype", "samples", "clipped"),
    [
        ("int16", [32_767, -32_768, 32_766, -32_767], 2),
        ("int32", [2**31 - 1, -(2**31), 0x7FFFFF00, 0x7FFFFE00], 3),
        ("float32", [1.0, -1.0, 1.5, 0.99999], 3),
        ("float64", [1.0, -1.0, -7.0, 0.99999], 3),
    ],
)
def test_samples_at_the_limits_of_their_format_are_clipped(
    dtype: str, samples: list[float], clipped: int
) -> None:
    levels = levels_of(np.array(samples, dtype)[:, np.newaxis])
    assert levels.clipped_samples == levels.channels[0].clipped_samples == clipped


def test_packed_samples_clip_at_24_bits() -> None:
    numbers = np.array([[2**23 - 1, -(2**23)], [2**23 - 2, 0]], "<i4")
    packed = numbers.reshape(2, 2, 1).view(np.uint8)[:, :, :3].copy()
    assert [each.clipped_samples for each in levels_of(packed).channels] == [1, 1]


@pytest.mark.parametrize(("encoding", "clipped"), [(Encoding.PCM_8, 2), (Encoding.PCM_16, 1)])
def test_a_header_tells_how_large_a_sample_can_be(encoding: Encoding, clipped: int) -> None:
    header = AudioHeader(AudioFormat(Container.WAV, encoding), channels=1, sample_rate_hz=RATE_HZ)
    meter = LevelMeter.of(header)
    meter.add(np.array([[127 << 8], [-(2**15)], [126 << 8]], np.int16))
    assert meter.levels().clipped_samples == clipped


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_samples_that_are_not_numbers_are_refused(strange: float) -> None:
    samples = np.zeros((100, 2), np.float32)
    samples[50, 1] = strange
    with pytest.raises(InvalidAudio, match="not numbers"):
        levels_of(samples)


def test_nothing_can_follow_once_the_levels_were_asked_for() -> None:
    meter = LevelMeter(RATE_HZ, 1)
    block = np.ones((10, 1), np.int16)
    meter.add(block)
    levels = meter.levels()
    assert meter.levels() is levels
    with pytest.raises(ValueError, match="no frames may follow"):
        meter.add(block)


def test_what_is_kept_does_not_grow_with_the_signal() -> None:
    meter = LevelMeter(48_000, 2)
    block = as_type(noise_bursts(2.0, rate_hz=48_000, channels=2, seed=0), "int16")
    sizes = []
    for _ in range(5):
        for _ in range(100):
            meter.add(block)
        sizes.append(_arrays_bytes(meter))
    per_hop = (sizes[-1] - sizes[0]) / (4 * 100 * 2 * 10)
    assert per_hop <= 10.0
    assert sizes[-1] < 1_000_000


def _arrays_bytes(thing: object) -> int:
    """Of all arrays that belong to an object and to what it is made of."""
    total = 0
    for value in vars(thing).values():
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif type(value).__module__.startswith("waveflow"):
            total += _arrays_bytes(value)
    return total
