"""A wave as a picture shows it: so many columns, in one lane or several."""

from __future__ import annotations

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from waveflow.domain.waveform import SILENCE_BELOW

Lanes = NDArray[np.float64]
"""Amplitudes, (lanes, columns); 1.0 is full scale."""


@frozen(eq=False)
class Wave:
    """What there is to draw, from left to right.

    Attributes:
        low, high: the lowest and the highest sample in each column.
        rms: None where the source doesn't tell, or a column is too short for it.
        channels: of the source; as many lanes, or one for all of them.
    """

    low: Lanes
    high: Lanes
    rms: Lanes | None
    duration_s: float
    sample_rate_hz: int
    channels: int
    largest: float = field(init=False)

    @largest.default
    def _largest_of_all(self) -> float:
        return float(max(np.abs(self.low).max(initial=0.0), np.abs(self.high).max(initial=0.0)))

    @property
    def lanes(self) -> int:
        """How many waves lie one below the other."""
        return len(self.low)

    @property
    def columns(self) -> int:
        """How many there are side by side."""
        columns: int = self.low.shape[1]
        return columns

    def normalised(self) -> Wave:
        """The same wave with its loudest sample at full scale; silence stays silence."""
        if self.largest < SILENCE_BELOW:
            return self
        rms = None if self.rms is None else self.rms / self.largest
        return evolve(self, low=self.low / self.largest, high=self.high / self.largest, rms=rms)

    def fitted(self, width: int) -> Wave:
        """The same wave in at most `width` columns: i covers those from ⌊i·n/w⌋ to ⌊(i+1)·n/w⌋."""
        if not self.columns:
            silence = np.zeros((self.lanes, 1))
            return evolve(self, low=silence, high=silence)
        if self.columns <= width:
            return self
        starts = np.arange(width) * self.columns // width
        low = np.minimum.reduceat(self.low, starts, axis=1)
        high = np.maximum.reduceat(self.high, starts, axis=1)
        return evolve(self, low=low, high=high, rms=None)

    def joined(self) -> Wave:
        """The same wave with columns that reach their neighbours, however steep it is.

        Where one column ends above the next, both are drawn out to the middle between them.
        """
        low, high = self.low.copy(), self.high.copy()
        for upper, lower in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
            middle = (self.low[:, upper] + self.high[:, lower]) / 2
            apart = self.low[:, upper] > self.high[:, lower]
            low[:, upper] = np.where(apart, np.minimum(low[:, upper], middle), low[:, upper])
            high[:, lower] = np.where(apart, np.maximum(high[:, lower], middle), high[:, lower])
        return evolve(self, low=low, high=high)
