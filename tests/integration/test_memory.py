"""The memory of a compute process doesn't grow with the length of the audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.memory_figures import (
    LENGTHS_MIN,
    MEASURED_KINDS,
    Figure,
    analysis_figure,
    mix_figure,
)

pytestmark = pytest.mark.slow

MAX_MB = 250.0
MAX_GROWTH_MB = 10.0


def assert_flat(short: Figure, *longer: Figure) -> None:
    """Holds for the limit, and for an hour compared with a minute."""
    for figure in (short, *longer):
        print(figure)  # noqa: T201  # pytest -s shows the table
        assert figure.peak_mb <= MAX_MB
        assert figure.peak_mb <= short.peak_mb + MAX_GROWTH_MB


@pytest.mark.parametrize("kind", MEASURED_KINDS)
def test_an_hour_takes_no_more_memory_than_a_minute(tmp_path: Path, kind: str) -> None:
    assert_flat(*(analysis_figure(tmp_path, kind, minutes) for minutes in LENGTHS_MIN))


def test_mixing_hours_takes_no_more_memory_than_mixing_minutes(tmp_path: Path) -> None:
    assert_flat(*(mix_figure(tmp_path, minutes) for minutes in LENGTHS_MIN))
