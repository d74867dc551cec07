"""Pixels of a waveform: the lowest and the highest value of a signal in runs of equal length."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from attrs import cmp_using, evolve, field, frozen
from numpy.typing import NDArray

Bounds = NDArray[np.float64]

LARGEST_SHARE = 127
"""Of 8 bits, and upwards as far as downwards."""


@frozen
class Pixels:
    """The bounds of a mono signal. A gain of less than nothing would swap them.

    Attributes:
        low: float64 (pixels,), the lowest amplitude in each; 1.0 is full scale. Pixel j covers
            frames j*samples_per_pixel to (j+1)*samples_per_pixel, the last one the rest.
        high: float64 (pixels,), the highest.
    """

    low: Bounds = field(eq=cmp_using(eq=np.array_equal))
    high: Bounds = field(eq=cmp_using(eq=np.array_equal))
    samples_per_pixel: int

    @classmethod
    def laid_out(cls, frames: int, most_pixels: int) -> Self:
        """As many pixels as fit in `most_pixels` for so many frames, and nothing in them yet.

        The frames per pixel are a whole number: there are fewer pixels than asked for, unless it
        comes out even.
        """
        samples_per_pixel = max(1, -(-frames // most_pixels))
        return cls(*empty_bounds(-(-frames // samples_per_pixel)), samples_per_pixel)

    def __len__(self) -> int:
        return len(self.low)

    def scaled(self, gain: float) -> Self:
        """Those of the same signal times `gain` (linear, not negative)."""
        return evolve(self, low=self.low * gain, high=self.high * gain)

    def copy(self) -> Self:
        """These, whatever becomes of the arrays."""
        return self.scaled(1.0)

    def shares_of(self, amplitude: float) -> list[int]:
        """low0, high0, low1, high1 … of which `LARGEST_SHARE` stands for `amplitude`, above 0.

        Rounded half to even; beyond `amplitude` they are cut.
        """
        both = np.stack([self.low, self.high], axis=-1).reshape(-1)
        shares = np.rint(both / amplitude * LARGEST_SHARE)
        numbers: list[int] = np.clip(shares, -LARGEST_SHARE, LARGEST_SHARE).astype(np.int8).tolist()
        return numbers


def empty_bounds(pixels: int) -> tuple[Bounds, Bounds]:
    """The low and the high of pixels that no frame has reached yet: above and below all."""
    return np.full(pixels, np.inf), np.full(pixels, -np.inf)


def quantised(low: Bounds, high: Bounds, bits: int) -> NDArray[Any]:
    """Amplitudes as whole numbers: 1.0 is 2^(bits - 1), rounded half to even and clipped.

    Args:
        low: float64, any shape; `high` has the same.
        bits: 8 or 16.

    Returns:
        int8 or int16 (*shape, 2).
    """
    reach = 1 << (bits - 1)
    both = np.stack([low, high], axis=-1)
    rounded: NDArray[np.float64] = np.clip(np.rint(both * reach), -reach, reach - 1)
    return rounded.astype(np.int8 if bits == 8 else np.int16)
