"""Loudness against the recommendation's table, SciPy, and the signals of EBU Tech 3341 and 3342."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as scipy_signal

from tests.support.level_signals import Signal, one_loud_period, steady_sine, tones
from waveflow.domain.k_weighting import k_weighting
from waveflow.domain.level_meter import LevelMeter
from waveflow.domain.levels import Levels
from waveflow.domain.loudness import channel_weights, hop_bounds

TABLE_AT_48_KHZ = [
    [1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585],
    [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621],
]
RATES_HZ = [
    4000, 8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000,
    384_000,
]  # fmt: skip
SILENT = -np.inf


def levels_of(signal: Signal, rate_hz: int = 48_000) -> Levels:
    """As of a file of 32-bit floats."""
    meter = LevelMeter(rate_hz, signal.shape[1])
    samples = signal.astype(np.float32)
    for start in range(0, len(samples), 100_000):
        meter.add(samples[start : start + 100_000])
    return meter.levels()


def prototype(filters: np.ndarray, rate_hz: int, frequencies_hz: np.ndarray) -> np.ndarray:
    """The gain in dB of both filters at frequencies."""
    total = np.ones(len(frequencies_hz), complex)
    for b0, b1, b2, a1, a2 in filters:
        _, response = scipy_signal.freqz(
            [b0, b1, b2], [1.0, a1, a2], worN=frequencies_hz, fs=rate_hz
        )
        total *= response
    decibels: np.ndarray = 20.0 * np.log10(np.abs(total))
    return decibels


def test_the_filters_at_48_khz_are_those_of_the_table() -> None:
    assert k_weighting(48_000) == pytest.approx(np.array(TABLE_AT_48_KHZ), abs=3e-9)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_filters_are_the_prototype_as_scipy_transforms_it(rate_hz: int) -> None:
    def analogue(
        frequency_hz: float, q: float, high: float, band: float, low: float
    ) -> tuple[list[float], list[float]]:
        w = 2.0 * rate_hz * np.tan(np.pi * frequency_hz / rate_hz)
        return [high, band * w / q, low * w * w], [1.0, w / q, w * w]

    vh = 10.0 ** (3.999843853973347 / 20.0)
    head = analogue(1681.974450955533, 0.7071752369554196, vh, vh**0.4996667741545416, 1.0)
    low_cut = analogue(38.13547087602444, 0.5003270373238773, 1.0049948987146884, 0.0, 0.0)
    for ours, (numerator, denominator) in zip(k_weighting(rate_hz), (head, low_cut), strict=True):
        b, a = scipy_signal.bilinear(numerator, denominator, fs=rate_hz)
        assert ours == pytest.approx(np.array([*b, *a[1:]]), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES_HZ if rate >= 32_000])
def test_every_rate_hears_as_48_khz_does(rate_hz: int) -> None:
    heard = np.array([20.0, 50.0, 100.0, 500.0, 997.0, 2000.0, 4000.0, 8000.0])
    at_48_khz = prototype(np.array(TABLE_AT_48_KHZ), 48_000, heard)
    assert prototype(k_weighting(rate_hz), rate_hz, heard) == pytest.approx(at_48_khz, abs=0.1)


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES_HZ if rate >= 32_000])
def test_a_full_scale_sine_in_one_channel_has_minus_3_01_lufs(rate_hz: int) -> None:
    sine = tones([(0.0, 2.0)], rate_hz=rate_hz, frequency_hz=997.0, channels_db=(0.0,))
    assert levels_of(sine, rate_hz).integrated_lufs == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize(
    ("playing", "expected_lufs"), [(0, -3.01), (2, -3.01), (3, None), (4, -1.52), (5, -1.52)]
)
def test_a_full_scale_sine_in_one_channel_of_six(playing: int, expected_lufs: float | None) -> None:
    channels_db = [SILENT] * 6
    channels_db[playing] = 0.0
    sine = tones([(0.0, 2.0)], frequency_hz=997.0, channels_db=channels_db)
    measured = levels_of(sine).integrated_lufs
    assert measured == (expected_lufs and pytest.approx(expected_lufs, abs=0.01))


@pytest.mark.parametrize(
    ("rate_hz", "off_lu"), [(4000, 0.63), (8000, 0.2), (11_025, 0.1), (16_000, 0.05)]
)
def test_at_low_rates_the_bilinear_transform_hears_1_khz_as_a_little_less(
    rate_hz: int, off_lu: float
) -> None:
    sine = tones([(0.0, 2.0)], rate_hz=rate_hz, frequency_hz=997.0, channels_db=(0.0,))
    assert levels_of(sine, rate_hz).integrated_lufs == pytest.approx(-3.01 - off_lu, abs=0.01)


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        (1, [1]),
        (2, [1, 1]),
        (3, [1, 1, 1]),
        (4, [1, 1, 1.41, 1.41]),
        (5, [1, 1, 1, 1.41, 1.41]),
        (6, [1, 1, 1, 0, 1.41, 1.41]),
        (7, [1, 1, 1, 0, 1, 1.41, 1.41]),
        (8, [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
        (9, [1] * 9),
    ],
)
def test_channels_count_as_the_place_says_where_they_stand(
    channels: int, weights: list[float]
) -> None:
    assert channel_weights(channels).tolist() == weights


def test_hops_follow_the_clock_at_rates_that_ten_does_not_divide() -> None:
    assert hop_bounds(0, 4, 11_025).tolist() == [0, 1102, 2205, 3307, 4410]
    assert hop_bounds(3, 1, 11_025).tolist() == [3307, 4410]


@pytest.mark.parametrize(
    ("number", "parts", "expected_lufs"),
    [
        (1, [(-23.0, 20.0)], -23.0),
        (2, [(-33.0, 20.0)], -33.0),
        (3, [(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
        (
            4,
            [(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)],
            -23.0,
        ),
        (5, [(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
    ],
)
@pytest.mark.parametrize("rate_hz", [pytest.param(44_100, marks=pytest.mark.slow), 48_000])
def test_tech_3341_loudness(
    number: int, parts: list[tuple[float, float]], expected_lufs: float, rate_hz: int
) -> None:
    measured = levels_of(tones(parts, rate_hz=rate_hz), rate_hz).integrated_lufs
    assert measured == pytest.approx(expected_lufs, abs=0.1), f"signal {number}"


@pytest.mark.parametrize(
    "channels_db",
    [(-28.0, -28.0, -24.0, -30.0, -30.0), (-28.0, -28.0, -24.0, SILENT, -30.0, -30.0)],
)
def test_tech_3341_signal_6_in_five_channels(channels_db: tuple[float, ...]) -> None:
    measured = levels_of(tones([(0.0, 20.0)], channels_db=channels_db)).integrated_lufs
    assert measured == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize(
    ("number", "divisor", "amplitude", "phase_degrees", "expected_dbtp"),
    [
        (15, 4, 0.5, 0.0, -6.0),
        (16, 4, 0.5, 45.0, -6.0),
        (17, 6, 0.5, 60.0, -6.0),
        (18, 8, 0.5, 67.5, -6.0),
        (19, 4, 1.41, 45.0, 3.0),
    ],
)
@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_tech_3341_true_peak_of_a_sine(
    number: int,
    divisor: int,
    amplitude: float,
    phase_degrees: float,
    expected_dbtp: float,
    rate_hz: int,
) -> None:
    sine = steady_sine(divisor, amplitude, phase_degrees, rate_hz)
    measured = levels_of(sine, rate_hz).true_peak_dbtp
    assert measured is not None
    assert expected_dbtp - 0.4 <= measured <= expected_dbtp + 0.2, f"signal {number}"


@pytest.mark.parametrize("offset", [0, 1, 2, 3], ids="signal {}".format)
def test_tech_3341_true_peak_of_one_loud_period(offset: int) -> None:
    measured = levels_of(one_loud_period(offset)).true_peak_dbtp
    assert measured is not None
    assert -0.4 <= measured <= 0.2


@pytest.mark.parametrize(
    ("number", "parts", "expected_lu"),
    [
        (1, [(-20.0, 20.0), (-30.0, 20.0)], 10.0),
        (2, [(-20.0, 20.0), (-15.0, 20.0)], 5.0),
        (3, [(-40.0, 20.0), (-20.0, 20.0)], 20.0),
        (4, [(-50.0, 20.0), (-35.0, 20.0), (-20.0, 20.0), (-35.0, 20.0), (-50.0, 20.0)], 15.0),
    ],
)
def test_tech_3342_loudness_range(
    number: int, parts: list[tuple[float, float]], expected_lu: float
) -> None:
    measured = levels_of(tones(parts)).loudness_range_lu
    assert measured == pytest.approx(expected_lu, abs=1.0), f"signal {number}"


def test_less_than_400_ms_have_no_loudness() -> None:
    assert levels_of(tones([(-20.0, 0.399)])).integrated_lufs is None
    assert levels_of(tones([(-20.0, 0.4)])).integrated_lufs == pytest.approx(-20.0, abs=0.1)


def test_less_than_3_s_have_no_loudness_range() -> None:
    assert levels_of(tones([(-20.0, 2.99)])).loudness_range_lu is None
    assert levels_of(tones([(-20.0, 3.0)])).loudness_range_lu == 0.0


def test_what_is_below_minus_70_lufs_has_no_loudness() -> None:
    levels = levels_of(tones([(-71.0, 5.0)]))
    assert (levels.integrated_lufs, levels.loudness_range_lu) == (None, None)
