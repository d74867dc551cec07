"""Columns of a stream of blocks: lanes, RMS, lengths that headers misjudge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from waveflow.domain.audio import AudioFormat, AudioHeader, AudioLimits, Container, Encoding
from waveflow.domain.columns import ColumnAccumulator, Columns, columns_of
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.pcm import PcmReader

WAV = AudioFormat(Container.WAV, Encoding.PCM_16)


class Blocks(PcmReader):
    """Frames that were given beforehand."""

    def __init__(self, samples: NDArray[Any], likely_frames: int) -> None:
        channels = samples.shape[1]
        self._header = AudioHeader(WAV, channels, 44_100, likely_frames=likely_frames)
        self._left = samples

    @property
    def header(self) -> AudioHeader:
        return self._header

    def read(self, max_frames: int) -> NDArray[Any]:
        block, self._left = self._left[:max_frames], self._left[max_frames:]
        return block


def columns(
    samples: NDArray[Any],
    most: int,
    *,
    split: bool = False,
    likely: int | None = None,
    block_frames: int = 1 << 17,
) -> Columns:
    @contextmanager
    def opened() -> Iterator[PcmReader]:
        yield Blocks(samples, len(samples) if likely is None else likely)

    return columns_of(opened, most, AudioLimits(), split_channels=split, block_frames=block_frames)


def test_a_column_has_lowest_highest_and_rms_value() -> None:
    found = columns(np.array([[0.5], [-0.5], [0.0], [0.8]]), 2)
    assert found.low.tolist() == [[-0.5, 0.0]]
    assert found.high.tolist() == [[0.5, 0.8]]
    np.testing.assert_allclose(found.rms, [[0.5, np.sqrt(0.32)]])


def test_channels_are_one_lane_of_their_mean_or_one_each() -> None:
    stereo = np.array([[16_384, -16_384], [8192, 0]], np.int16)
    assert columns(stereo, 2).high.tolist() == [[0.0, 0.125]]
    apart = columns(stereo, 2, split=True)
    assert apart.high.tolist() == [[0.5, 0.25], [-0.5, 0.0]]


def test_packed_24_bit_channels_can_be_split() -> None:
    packed = np.array([[[0, 0, 64], [0, 0, 192]]], np.uint8)
    assert columns(packed, 1, split=True).high.tolist() == [[0.5], [-0.5]]
    assert columns(packed, 1).high.tolist() == [[0.0]]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("block_frames", [1, 7, 100, 1000])
def test_results_dont_depend_on_the_size_of_the_blocks(split: bool, block_frames: int) -> None:
    rng = np.random.default_rng(3)
    samples = rng.normal(size=(1000, 3)).astype(np.float32)
    whole = columns(samples, 77, split=split)
    cut = columns(samples, 77, split=split, block_frames=block_frames)
    assert cut.low.tolist() == whole.low.tolist()
    assert cut.high.tolist() == whole.high.tolist()
    np.testing.assert_allclose(cut.rms, whole.rms, rtol=1e-12)


@pytest.mark.parametrize("likely", [0, 3, 5, 900])
def test_a_header_that_misjudges_the_length_costs_a_second_pass_and_nothing_else(
    likely: int,
) -> None:
    samples = np.linspace(-1, 1, 40).reshape(-1, 1)
    found = columns(samples, 10, likely=likely)
    assert found.frames == 40
    assert found.low.tolist() == columns(samples, 10).low.tolist()


def test_there_are_no_more_columns_than_frames() -> None:
    found = columns(np.array([[0.25], [-0.5], [1.0]]), 100)
    assert found.low.tolist() == found.high.tolist() == [[0.25, -0.5, 1.0]]


def test_no_frames_are_one_silent_column() -> None:
    found = columns(np.zeros((0, 2)), 100)
    assert (found.low.tolist(), found.rms.tolist(), found.frames) == ([[0.0]], [[0.0]], 0)


@pytest.mark.parametrize("split", [False, True])
def test_samples_that_are_not_numbers_are_refused(split: bool) -> None:
    samples = np.full((10, 2), np.nan, np.float32)
    with pytest.raises(InvalidAudio) as refused:
        columns(samples, 5, split=split)
    assert refused.value.code == "audio_not_finite"


def test_a_file_that_decodes_to_another_length_each_time_is_refused() -> None:
    lengths = iter([10, 20])

    @contextmanager
    def opened() -> Iterator[PcmReader]:
        yield Blocks(np.zeros((next(lengths), 1)), 5)

    with pytest.raises(InvalidAudio, match="a different length every time"):
        columns_of(opened, 5, AudioLimits(), split_channels=False)


@pytest.mark.parametrize(("most", "likely"), [(0, 10), (24_577, 10), (10, -1), (10, 2**48 + 1)])
def test_what_no_kernel_could_count_is_refused(most: int, likely: int) -> None:
    header = Blocks(np.zeros((1, 1)), 1).header
    with pytest.raises(ValueError, match="can't be laid out"):
        ColumnAccumulator(header, most, likely, split_channels=False)
