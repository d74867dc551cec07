from __future__ import annotations

import random
from collections import Counter
from itertools import islice, takewhile

import pytest

from benchmarks.scaling.assumptions import KINDS, Load
from benchmarks.scaling.load import LARGEST_BYTES, Stem, Uploads


def arrivals(load: Load, hours: float, from_hour: float = 8.0) -> list[tuple[float, list[Stem]]]:
    uploads = Uploads(load, random.Random(1)).arrivals(from_hour)
    return list(takewhile(lambda each: each[0] < hours * 3600, uploads))


def test_a_day_has_as_many_stems_as_its_curve() -> None:
    found = arrivals(Load(stems_per_hour=500, night_share=0.2, burst_share=0), 24)
    # The mean of a sine between 0.2 and 1.
    assert sum(len(stems) for _, stems in found) == pytest.approx(24 * 300, rel=0.05)


def test_the_peak_has_five_times_the_stems_of_the_night() -> None:
    uploads = Uploads(Load(stems_per_hour=3_600), random.Random(1))
    assert uploads.rate_per_s(20.0) == pytest.approx(1.0)
    assert uploads.rate_per_s(8.0) == pytest.approx(0.2)
    assert uploads.rate_per_s(44.0) == pytest.approx(1.0)


def test_a_spike_multiplies_the_stems_for_as_long_as_it_lasts() -> None:
    uploads = Uploads(Load(spike_factor=10.0, spike_from_h=18.0, spike_h=0.25), random.Random(1))
    before, within, after = (uploads.rate_per_s(hour) for hour in (17.99, 18.1, 18.26))
    assert within / before == pytest.approx(10, rel=0.05)
    assert after / before == pytest.approx(1, rel=0.05)


def test_bursts_are_stages_and_have_their_share_of_the_stems() -> None:
    found = arrivals(Load(stems_per_hour=3_000, burst_share=0.7), 12)
    sizes = [len(stems) for _, stems in found]
    in_bursts = sum(size for size in sizes if size > 1)
    assert in_bursts / sum(sizes) == pytest.approx(0.7, abs=0.05)
    assert {size for size in sizes if size > 1} == set(range(8, 41))
    for _, stems in found:
        stages = {stem.stage.number for stem in stems if stem.stage}
        assert len(stages) == (len(stems) > 1)


def test_kinds_and_duplicates_come_as_often_as_assumed() -> None:
    stems = [stem for _, each in arrivals(Load(stems_per_hour=2_000), 12) for stem in each]
    kinds = Counter(stem.kind.name for stem in stems)
    for kind in KINDS:
        assert kinds[kind.name] / len(stems) == pytest.approx(kind.share, abs=0.02)
    assert sum(stem.duplicate for stem in stems) / len(stems) == pytest.approx(0.08, abs=0.02)
    assert sum(kind.share for kind in KINDS) == pytest.approx(1.0)


def test_no_stem_is_larger_than_the_worker_takes() -> None:
    stems = islice(Uploads(Load(audio_s=2_000.0), random.Random(1)).arrivals(20.0), 2_000)
    assert max(stem.bytes for _, each in stems for stem in each) <= LARGEST_BYTES
