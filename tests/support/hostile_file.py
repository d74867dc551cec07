"""What an entry of the hostile set is: how the file is made, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, frozen
from numpy.typing import NDArray


@frozen(eq=False)
class Works:
    """Every frame has to come out.

    Attributes:
        frames: exactly so many.
        mono: the mean of the channels, 1.0 being full scale, where the peaks are known; None
            where they only have to be sane.
        tolerance: how far peaks may be off, of full scale: 0 where nothing was coded lossily.
    """

    frames: int
    sample_rate_hz: int = 44_100
    channels: int = 2
    mono: NDArray[np.float64] | None = None
    tolerance: float = 1e-12


@frozen
class Refused:
    """It has to be refused, with this code and these words in the sentence."""

    code: str
    words: str = ""


Expectation = Works | Refused
Maker = Callable[[Path], object] | bytes


@define
class Hostile:
    """A file and what has to come of it."""

    make: Maker
    expected: Expectation

    def write(self, path: Path) -> Path:
        """Make the file at `path`."""
        if isinstance(self.make, bytes):
            path.write_bytes(self.make)
        else:
            self.make(path)
        return path

    def content(self, folder: Path) -> bytes:
        """The file's bytes; it is made in `folder`, and deleted."""
        path = self.write(folder / "hostile")
        try:
            return path.read_bytes()
        finally:
            path.unlink()


def mono_of(samples: NDArray[Any]) -> NDArray[np.float64]:
    """What integer or float samples (frames, channels) sound like in mono, full scale 1.0."""
    scale = {"int16": 2.0**15, "int32": 2.0**31}.get(samples.dtype.name, 1.0)
    mono: NDArray[np.float64] = samples.astype(np.float64).mean(axis=1) / scale
    return mono


def exactly(
    samples: NDArray[Any], sample_rate_hz: int = 44_100, *, channels: int | None = None
) -> Works:
    """Just these samples have to come out."""
    return Works(
        len(samples), sample_rate_hz, channels or samples.shape[1], mono_of(samples), tolerance=1e-9
    )
