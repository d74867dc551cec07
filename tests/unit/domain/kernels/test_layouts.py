"""Which kernel reads which samples, and the samples that are turned into others first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from waveflow.domain.kernels.layouts import samples_of
from waveflow.domain.kernels.swapping import swap_bytes
from waveflow.domain.kernels.unpacking import unpacked

PACKED = hnp.arrays("uint8", st.tuples(st.integers(0, 40), st.integers(1, 5), st.just(3)))


def layout_of(block: NDArray[Any]) -> str:
    return samples_of(block)[0].name


@pytest.mark.parametrize(
    ("dtype", "channels", "layout"),
    [
        ("int16", 1, "int16_1"),
        ("int16", 2, "int16_2"),
        ("int16", 6, "int16_6"),
        ("int16", 8, "int16_8"),
        ("int16", 9, "int16_x"),
        ("int32", 2, "int32_2"),
        ("int32", 3, "int32_3"),
        ("int32", 9, "int32_x"),
        ("float32", 1, "float32_1"),
        ("float32", 2, "float32_2"),
        ("float32", 32, "float32_x"),
        ("float64", 2, "float64_2"),
        ("float64", 5, "float64_5"),
        ("float64", 32, "float64_x"),
    ],
)
def test_common_numbers_of_channels_have_kernels_of_their_own(
    dtype: str, channels: int, layout: str
) -> None:
    assert layout_of(np.zeros((4, channels), dtype)) == layout


def test_packed_stereo_is_read_as_it_lies() -> None:
    assert layout_of(np.zeros((4, 2, 3), np.uint8)) == "packed24_2"


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((4, 1, 3), np.uint8),
        np.zeros((4, 6, 3), np.uint8),
        np.zeros((4, 2), "i1"),
        np.zeros((4, 2), ">i2"),
    ],
)
def test_what_no_kernel_reads_is_refused(block: NDArray[Any]) -> None:
    with pytest.raises(KeyError):
        samples_of(block)


def test_two_float32_channels_that_lie_apart_are_read_where_they_are() -> None:
    planes = np.zeros((2, 100), np.float32)
    layout, samples, distance = samples_of(planes[:, 10:20].T)
    assert (layout.name, distance) == ("planar_2", 100)
    assert np.shares_memory(samples, planes)


@pytest.mark.parametrize(
    "block",
    [
        np.zeros((3, 8), np.float32).T,
        np.zeros((2, 8), np.int16).T,
        np.zeros((16, 2), np.float32)[::2],
        np.zeros((8, 4), np.float32)[:, ::-2],
    ],
    ids=["three planes", "planes of integers", "every other frame", "backwards"],
)
def test_other_blocks_that_are_not_contiguous_are_copied(block: NDArray[Any]) -> None:
    layout, samples, _ = samples_of(block)
    assert "planar" not in layout.name
    assert not np.shares_memory(samples, block)


@given(packed=PACKED)
def test_unpacked_samples_are_those_of_the_twin_left_justified(packed: NDArray[np.uint8]) -> None:
    samples = unpacked(packed)
    assert samples.dtype == np.int32
    assert samples.tolist() == (twins.from_packed(packed) * 256).tolist()


@given(packed=PACKED)
def test_samples_are_unpacked_into_memory_that_is_there(packed: NDArray[np.uint8]) -> None:
    into = np.full(packed.size // 3 + 2, 7, np.int32)
    assert unpacked(packed, into).tolist() == unpacked(packed).tolist()
    assert into[-2:].tolist() == [7, 7]


@given(octets=st.binary(max_size=400), sample_bytes=st.sampled_from([2, 3, 4, 8]))
def test_every_sample_is_turned_round(octets: bytes, sample_bytes: int) -> None:
    octets = octets[: len(octets) // sample_bytes * sample_bytes]
    swapped = np.frombuffer(bytearray(octets), np.uint8)
    swap_bytes(swapped, sample_bytes)
    samples = [octets[at : at + sample_bytes] for at in range(0, len(octets), sample_bytes)]
    assert bytes(swapped) == b"".join(sample[::-1] for sample in samples)
