"""Audio as a stream of blocks, however a decoder chops its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.readers import ArrayReader
from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import AudioTooLarge, InvalidAudio, TruncatedAudio
from waveflow.domain.pcm import PcmBlock, blocks_of, full_scale, require_finite

LIMITS = AudioLimits()


def counting(frames: int) -> PcmBlock:
    return np.arange(frames, dtype=np.int32).reshape(-1, 1)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int16", 32_768.0),
        ("uint8", 8_388_608.0),
        ("int32", 2_147_483_648.0),
        ("float32", 1.0),
        ("float64", 1.0),
    ],
)
def test_full_scale_is_the_value_that_stands_for_1(dtype: str, expected: float) -> None:
    assert full_scale(np.zeros((1, 1), dtype)) == expected


@given(
    frames=st.integers(0, 60),
    block_frames=st.integers(1, 70),
    pieces=st.lists(st.integers(1, 9), max_size=5),
)
def test_all_frames_come_in_order_in_blocks_of_at_most_what_is_asked_for(
    frames: int, block_frames: int, pieces: list[int]
) -> None:
    reader = ArrayReader(counting(frames), pieces=pieces)
    blocks = list(blocks_of(reader, LIMITS, block_frames))
    assert all(0 < len(block) <= block_frames for block in blocks)
    assert [int(sample) for block in blocks for sample in block[:, 0]] == list(range(frames))


def test_blocks_keep_their_type_and_channels() -> None:
    samples: Any = np.ones((5, 3), np.float32)
    for block in blocks_of(ArrayReader(samples, pieces=(1, 2)), LIMITS, 4):
        assert (block.dtype.name, block.shape[1]) == ("float32", 3)
        assert block.flags.c_contiguous


def test_an_empty_stream_has_no_blocks() -> None:
    assert list(blocks_of(ArrayReader(counting(0)), LIMITS)) == []


def test_reading_goes_no_further_than_what_is_asked_for() -> None:
    reader = ArrayReader(counting(10))
    assert len(next(blocks_of(reader, LIMITS, 4))) == 4
    assert reader.read(1).tolist() == [[4]]


@pytest.mark.parametrize("frames", [0, 99, 100])
def test_as_much_as_the_limit_is_allowed(frames: int) -> None:
    limits = AudioLimits(max_duration_s=10.0)
    reader = ArrayReader(counting(frames), 10)
    assert sum(len(block) for block in blocks_of(reader, limits, 7)) == frames


@pytest.mark.parametrize("block_frames", [1, 7, 101, 1_000])
def test_one_frame_more_than_the_limit_is_too_much(block_frames: int) -> None:
    limits = AudioLimits(max_duration_s=10.0)
    with pytest.raises(AudioTooLarge) as caught:
        list(blocks_of(ArrayReader(counting(101), 10), limits, block_frames))
    assert caught.value.code == "audio_too_long"


def test_a_stream_that_never_ends_is_stopped_by_the_limit() -> None:
    class Endless(ArrayReader):
        def read(self, max_frames: int) -> PcmBlock:
            return counting(max_frames)

    blocks = blocks_of(Endless(counting(1), 10), AudioLimits(max_duration_s=5.0), 20)
    assert len(next(blocks)) == 20
    assert len(next(blocks)) == 20
    with pytest.raises(AudioTooLarge):
        next(blocks)


@pytest.mark.parametrize(
    ("announced", "is_truncated"),
    [(None, False), (0, False), (100, False), (110, False), (111, True), (2**40, True)],
)
def test_clearly_fewer_frames_than_announced_are_an_error_at_the_end(
    announced: int | None, is_truncated: bool
) -> None:
    reader = ArrayReader(counting(100), 100, announced_frames=announced)
    blocks = blocks_of(reader, LIMITS, 60)
    assert [len(next(blocks)), len(next(blocks))] == [60, 40]
    if is_truncated:
        with pytest.raises(TruncatedAudio, match="damaged or cut short"):
            next(blocks)
    else:
        assert next(blocks, None) is None


def test_samples_that_are_numbers_pass() -> None:
    require_finite(True)


def test_samples_that_are_not_numbers_are_an_error() -> None:
    with pytest.raises(InvalidAudio, match="export it again") as caught:
        require_finite(False)
    assert caught.value.code == "audio_not_finite"
