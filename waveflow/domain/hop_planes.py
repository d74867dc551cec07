"""Blocks of any size and layout in, whole tenths of a second with the channels apart out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain.kernels.planes import take_apart
from waveflow.domain.loudness import HOPS_PER_SECOND, hop_bounds
from waveflow.domain.pcm import PcmBlock, full_scale

_SAMPLES_AT_ONCE = 1 << 17
"""Of all channels: as 32-bit floats they fit in a second-level cache of 1 MiB."""


@frozen
class Span:
    """Some frames on end, valid until the next are asked for.

    Attributes:
        planes: float32 (channels, …), amplitudes. Before column `start` lie the frames before,
            or silence.
        start, stop: the columns of the frames.
        first_frame: which frame of the signal column `start` is.
        bounds: int64 (hops + 1,), the columns where whole hops begin, and where the last ends.
    """

    planes: NDArray[np.float32]
    start: int
    stop: int
    first_frame: int
    bounds: NDArray[np.int64]


class HopPlanes:
    """Collects frames until there is a good number of hops."""

    def __init__(
        self, sample_rate_hz: int, channels: int, looks_back: int, looks_ahead: int
    ) -> None:
        """Keep `looks_back` frames before each span, and `looks_ahead` columns after it."""
        self._rate_hz = sample_rate_hz
        self._looks_back = looks_back
        self._looks_ahead = looks_ahead
        samples_per_second = sample_rate_hz * channels
        self._hops_at_once = max(1, _SAMPLES_AT_ONCE * HOPS_PER_SECOND // samples_per_second)
        longest = -(-sample_rate_hz * self._hops_at_once // HOPS_PER_SECOND)
        self._planes = np.zeros((channels, looks_back + longest + looks_ahead), np.float32)
        self._hops = 0
        self._frames = 0
        self._filled = looks_back
        self._bounds = self._next_bounds()

    def spans(self, block: PcmBlock) -> Iterator[Span]:
        """Take the next frames; gives what they complete."""
        scale = 1.0 / full_scale(block)
        while len(block):
            taken = min(len(block), int(self._bounds[-1]) - self._filled)
            take_apart(block[:taken], scale, self._planes, self._filled)
            self._filled += taken
            block = block[taken:]
            if self._filled == self._bounds[-1]:
                yield self._span()
                self._go_on()

    def rest(self) -> Span:
        """What has come since the last span; silence lies after it."""
        self._planes[:, self._filled : self._filled + self._looks_ahead] = 0.0
        return self._span()

    def _span(self) -> Span:
        stop = self._filled
        whole = self._bounds[self._bounds <= stop]
        return Span(self._planes, self._looks_back, stop, self._frames, whole)

    def _go_on(self) -> None:
        start, stop = self._looks_back, self._filled
        self._planes[:, :start] = self._planes[:, stop - start : stop].copy()
        self._frames += stop - start
        self._filled = start
        self._hops += self._hops_at_once
        self._bounds = self._next_bounds()

    def _next_bounds(self) -> NDArray[np.int64]:
        bounds = hop_bounds(self._hops, self._hops_at_once, self._rate_hz)
        columns: NDArray[np.int64] = bounds - bounds[0] + self._looks_back
        return columns
