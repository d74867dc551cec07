"""What may be asked for beside a waveform."""

from __future__ import annotations

from pathlib import Path

import pytest

from waveflow.application.extras import NO_EXTRAS, Dat, Extras
from waveflow.application.waveform_options import WaveformOptions

HERE = Path("w.dat")


def test_by_default_a_dat_is_made_for_zooming() -> None:
    dat = Dat(HERE)
    assert (dat.samples_per_pixel, dat.bits, dat.split_channels) == (512, 16, False)


@pytest.mark.parametrize("samples_per_pixel", [1, 0, -1, 2**31])
def test_frames_per_pixel_that_audiowaveform_does_not_take_are_refused(
    samples_per_pixel: int,
) -> None:
    with pytest.raises(ValueError, match="samples_per_pixel"):
        Dat(HERE, samples_per_pixel=samples_per_pixel)


@pytest.mark.parametrize("bits", [0, 12, 32])
def test_other_bits_than_8_and_16_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        Dat(HERE, bits=bits)


@pytest.mark.parametrize(
    ("options", "extras"),
    [
        (WaveformOptions(), NO_EXTRAS),
        (WaveformOptions(levels=True), Extras(levels=True)),
        (WaveformOptions(dat_bits=8), Extras(dat=Dat(Path("task/waveform.dat"), bits=8))),
    ],
)
def test_the_settings_decide_what_the_worker_asks_for(
    options: WaveformOptions, extras: Extras
) -> None:
    assert options.extras(Path("task")) == extras
