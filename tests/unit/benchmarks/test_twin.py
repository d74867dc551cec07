"""The bench's own way to peaks and mixes, which ours are held against."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.kernels import PACKED, Buffers, twin_peaks
from benchmarks.twin import (
    PeakTwin,
    WrongAnswer,
    mix_of,
    mono_of,
    peaks_of,
    require_mix,
    require_peaks,
)
from tests.support.audio_files import tone, write_audio


@given(
    frames=st.integers(0, 300),
    num_peaks=st.integers(1, 50),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    seed=st.integers(0, 99),
)
def test_peaks_are_the_largest_of_each_bucket_however_the_signal_is_cut(
    frames: int, num_peaks: int, cuts: list[int], seed: int
) -> None:
    signal = np.random.default_rng(seed).uniform(-1, 1, frames)
    twin = PeakTwin(num_peaks, frames)
    for piece in np.split(signal, sorted(cut for cut in cuts if cut <= frames)):
        twin.add(piece)

    edges = [i * frames // num_peaks for i in range(num_peaks + 1)]
    expected = [np.abs(signal[start:stop]).max(initial=0.0) for start, stop in pairwise(edges)]
    assert twin.peaks.tolist() == expected


def test_what_comes_after_the_announced_end_is_left_out() -> None:
    twin = PeakTwin(2, 4)
    for piece in ([0.1, 0.2, 0.3], [0.4, 0.9], [0.8]):
        twin.add(np.array(piece))

    assert twin.peaks.tolist() == [0.2, 0.4]


def test_packed_samples_are_little_endian_and_signed() -> None:
    block = np.array([[[0, 0, 0x80], [1, 0, 0]], [[0xFF, 0xFF, 0x7F], [0xFF, 0xFF, 0xFF]]], "u1")

    expected = [(-(2.0**23) + 1) / 2**24, (2.0**23 - 2) / 2**24]
    assert mono_of(block).tolist() == expected


@pytest.mark.parametrize("layout", ["int16", PACKED, "int32", "float32", "float64"])
def test_large_arrays_are_full_of_numbers_of_the_layout(layout: str) -> None:
    array = Buffers(1 << 16).view(layout, 2)

    assert array.nbytes >= (1 << 16) - 6
    assert np.all(np.isfinite(mono_of(array)))
    assert 0.5 < twin_peaks(array).max() <= 1.0


def test_the_peaks_of_a_file_are_kept_until_it_changes(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", tone(8000))
    first = peaks_of(path, 10, tmp_path / "kept")
    soundfile.write(path, np.zeros((9000, 2)), 44_100)

    assert first.min() > 0
    assert peaks_of(path, 10, tmp_path / "kept").max() == 0
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_peak_that_is_off_is_a_wrong_answer() -> None:
    require_peaks([0.5, 0.25], np.array([0.5, 0.25 + 1e-7]), 1e-6)
    with pytest.raises(WrongAnswer, match=r"off by 0\.01"):
        require_peaks([0.5, 0.25], np.array([0.5, 0.26]), 1e-6)
    with pytest.raises(WrongAnswer, match="1 peaks instead of 2"):
        require_peaks([0.5], np.array([0.5, 0.26]), 1e-6)
    with pytest.raises(WrongAnswer, match="off by nan"):
        require_peaks([float("nan")], np.array([0.5]), 1e-6)


def test_a_mix_is_the_mean_of_the_stems_brought_below_the_ceiling(tmp_path: Path) -> None:
    loud = np.full((100, 2), 32_000, np.int16)
    half = np.full((50, 2), 16_000, np.int16)
    paths = [write_audio(tmp_path / "0.wav", loud), write_audio(tmp_path / "1.wav", half)]

    expected = mix_of(paths)

    assert expected[:50] == pytest.approx(24_000 / 32_768 * 32_767)
    assert expected[50:] == pytest.approx(16_000 / 32_768 * 32_767)
    assert mix_of(paths[:1]).max() == pytest.approx(0.95 * 32_767)


def test_a_sample_of_a_mix_that_is_off_is_a_wrong_answer(tmp_path: Path) -> None:
    mix = tmp_path / "mix.wav"
    soundfile.write(mix, np.array([1, 2, 3], np.int16), 44_100)

    require_mix(mix, np.array([1.4, 2.0, 2.6]), 0.5)
    with pytest.raises(WrongAnswer, match=r"off by 1\.00 steps"):
        require_mix(mix, np.array([1.0, 2.0, 4.0]), 0.5)
    with pytest.raises(WrongAnswer, match="3 frames instead of 5"):
        require_mix(mix, np.zeros(5), 9)
