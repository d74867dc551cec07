"""What a codec makes beside the waveform, in the same pass over the samples, when asked to."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen
from attrs.validators import ge, in_, le

SAMPLES_PER_PIXEL = 512
"""For zooming: the first that most players ask for."""
FEWEST_SAMPLES_PER_PIXEL = 2
MOST_SAMPLES_PER_PIXEL = 2**31 - 1
"""What audiowaveform takes."""
DAT_BITS = (8, 16)


@frozen
class Dat:
    """A `.dat` file to write: audiowaveform's binary format.

    Attributes:
        destination: a new file.
        samples_per_pixel: frames in each pixel, 2 or more.
        bits: of a number, 8 or 16.
        split_channels: the bounds of each channel instead of those of their mean.
    """

    destination: Path
    samples_per_pixel: int = field(
        default=SAMPLES_PER_PIXEL,
        validator=[ge(FEWEST_SAMPLES_PER_PIXEL), le(MOST_SAMPLES_PER_PIXEL)],
    )
    bits: int = field(default=16, validator=in_(DAT_BITS))
    split_channels: bool = False


@frozen
class Extras:
    """What is wanted beside the waveform."""

    levels: bool = False
    dat: Dat | None = None


NO_EXTRAS = Extras()
