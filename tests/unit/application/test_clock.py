"""Moments as the wire writes them."""

from __future__ import annotations

import re
import time

import pytest

from tests.support.workshop import FakeClock
from waveflow.application.clock import Clock, _monotonic_clock


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1_704_103_500.123456, "2024-01-01T10:05:00.123456Z"),
        (1_752_651_562.0, "2025-07-16T07:39:22.000000Z"),
        (951_782_399.999999, "2000-02-28T23:59:59.999999Z"),
    ],
)
def test_a_moment_is_utc_with_microseconds(unix_s: float, text: str) -> None:
    assert Clock(unix_s=lambda: unix_s).now_iso() == text


def test_the_clock_of_the_machine_is_the_default() -> None:
    clock = Clock()
    assert abs(clock.unix_s() - time.time()) < 60
    assert clock.monotonic_s() <= clock.monotonic_s()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", clock.now_iso())


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux has it")
def test_the_time_in_which_the_machine_was_suspended_counts() -> None:
    before_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before_s <= Clock().monotonic_s() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_a_system_without_such_a_clock_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert _monotonic_clock() is time.monotonic


def test_the_clock_of_the_tests_moves_only_when_told() -> None:
    fake = FakeClock()
    clock = fake.as_clock()
    assert clock.now_iso() == clock.now_iso() == "2024-01-01T10:05:00.123456Z"
    before_s = clock.monotonic_s()
    fake.advance(60.5)
    assert clock.now_iso() == "2024-01-01T10:06:00.623456Z"
    assert clock.monotonic_s() - before_s == 60.5
