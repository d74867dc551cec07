""".dat files against literal ones and the twin, whatever the samples and the blocks are like."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.support import twins
from waveflow.domain import dat
from waveflow.domain.dat import DatEncoder
from waveflow.domain.errors import AudioTooLarge, InvalidAudio

STEREO = np.array(
    [[16_384, 0], [-32_768, -256], [1, 1], [0, 32_767], [-512, -256]],
    np.int16,
)
PACKED = hnp.arrays("uint8", st.tuples(st.integers(0, 30), st.integers(2, 2), st.just(3)))
SAMPLES = PACKED | st.one_of(
    hnp.arrays("int16", st.tuples(st.integers(0, 40), st.integers(1, 9))),
    hnp.arrays(
        "float32",
        st.tuples(st.integers(0, 40), st.integers(1, 3)),
        elements=st.floats(-2.0, 2.0, width=32),
    ),
)


def encoded(
    block: NDArray[Any], cuts: tuple[int, ...] = (), *, sample_rate_hz: int = 8_000, **options: Any
) -> bytes:
    encoder = DatEncoder(sample_rate_hz, block.shape[1], **options)
    edges = [0, *sorted(cuts), len(block)]
    parts = [encoder.add(block[start:stop]) for start, stop in itertools.pairwise(edges)]
    pixels = b"".join([*parts, encoder.finish()])
    return encoder.header() + pixels


class TestLiterally:
    def test_version_1_has_the_mean_of_the_channels_after_20_bytes(self) -> None:
        assert encoded(STEREO, samples_per_pixel=2, bits=16) == struct.pack(
            "<5i6h", 1, 0, 8_000, 2, 3, -16_512, 8_192, 1, 16_384, -384, -384
        )

    def test_version_1_in_8_bits(self) -> None:
        assert encoded(STEREO, samples_per_pixel=2, bits=8) == struct.pack(
            "<5i6b", 1, 1, 8_000, 2, 3, -64, 32, 0, 64, -2, -2
        )

    def test_version_2_has_each_channel_after_24_bytes_pixel_by_pixel(self) -> None:
        found = encoded(STEREO, samples_per_pixel=2, bits=16, split_channels=True)
        header = struct.pack("<6i", 2, 0, 8_000, 2, 3, 2)
        first = struct.pack("<4h", -32_768, 16_384, -256, 0)
        second = struct.pack("<4h", 0, 1, 1, 32_767)
        third = struct.pack("<4h", -512, -512, -256, -256)
        assert found == header + first + second + third

    def test_one_channel_is_version_1_however_it_is_asked_for(self) -> None:
        options: dict[str, Any] = {"samples_per_pixel": 4, "bits": 8}
        split = encoded(STEREO[:, :1], split_channels=True, **options)
        assert split == encoded(STEREO[:, :1], **options)
        assert split[0] == 1

    def test_nothing_decoded_is_a_header_that_says_so(self) -> None:
        assert encoded(STEREO[:0], samples_per_pixel=512, bits=16) == struct.pack(
            "<5i", 1, 0, 8_000, 512, 0
        )

    def test_a_pixel_that_is_whole_at_the_end_is_not_there_twice(self) -> None:
        assert len(encoded(STEREO[:4], samples_per_pixel=2, bits=16)) == 20 + 2 * 4


@given(
    block=SAMPLES,
    samples_per_pixel=st.integers(1, 45),
    bits=st.sampled_from([8, 16]),
    split=st.booleans(),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_the_file_is_that_of_the_twin_wherever_the_blocks_are_cut(
    block: NDArray[Any], samples_per_pixel: int, bits: int, split: bool, cuts: list[int]
) -> None:
    found = encoded(
        block,
        tuple(min(cut, len(block)) for cut in cuts),
        samples_per_pixel=samples_per_pixel,
        bits=bits,
        split_channels=split,
    )
    channels = [twins.mono(block[:, channel : channel + 1]) for channel in range(block.shape[1])]
    signals = channels if split else [twins.mono(block)]
    expected = twins.dat(signals, 8_000, samples_per_pixel, bits)
    header_bytes = 24 if split and block.shape[1] > 1 else 20
    assert found[:header_bytes] == expected[:header_bytes]
    kind = "<i1" if bits == 8 else "<i2"
    numbers, twin = (np.frombuffer(each[header_bytes:], kind) for each in (found, expected))
    # The mean of three channels ends in the last bit of a double: half a step may go either way.
    np.testing.assert_allclose(numbers, twin, atol=1 if block.shape[1] > 2 else 0)


def test_channels_that_lie_apart_are_read_as_well() -> None:
    planar = np.asfortranarray(np.array([[0.5, -0.5], [0.25, 0.75]], np.float32))
    found = encoded(planar, samples_per_pixel=2, bits=16, split_channels=True)
    assert struct.unpack("<4h", found[24:]) == (8_192, 16_384, -16_384, 24_576)


def test_more_channels_than_readers_take_are_refused_only_when_they_are_split() -> None:
    with pytest.raises(InvalidAudio, match=r"25 channels; a \.dat file holds up to 24"):
        DatEncoder(8_000, 25, samples_per_pixel=512, bits=16, split_channels=True)
    assert DatEncoder(8_000, 24, samples_per_pixel=2, bits=16, split_channels=True).header_bytes
    assert len(encoded(np.zeros((2, 32), np.int16), samples_per_pixel=2, bits=16)) == 24


def test_a_sample_that_is_not_a_number_is_refused() -> None:
    encoder = DatEncoder(8_000, 1, samples_per_pixel=2, bits=16)
    with pytest.raises(InvalidAudio, match="not numbers"), np.errstate(invalid="ignore"):
        encoder.add(np.array([[0.0], [np.nan]]))


def test_more_pixels_than_the_header_counts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dat, "_MOST_PIXELS", 2)
    encoder = DatEncoder(8_000, 2, samples_per_pixel=2, bits=16)
    encoder.add(STEREO)
    with pytest.raises(AudioTooLarge, match="Please ask for more samples per pixel") as error:
        encoder.finish()
    assert error.value.code == "audio_too_long"


@pytest.mark.parametrize("sample_rate_hz", [4_000, 384_000])
def test_the_sample_rate_is_in_the_header(sample_rate_hz: int) -> None:
    found = encoded(STEREO, sample_rate_hz=sample_rate_hz, samples_per_pixel=512, bits=16)
    assert struct.unpack("<i", found[8:12]) == (sample_rate_hz,)
