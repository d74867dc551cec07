"""What a file's samples say as they are: peak, mean, mean square, clipping, silence at the ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.hop_planes import Span
from waveflow.domain.kernels.levels import PEAK, SQUARES, SUM, after_last_sound, first_sound, survey
from waveflow.domain.pcm import require_finite

SILENCE_DBFS = -90.0
"""Sound is what reaches this; one step of 16-bit audio, as dither makes it, doesn't (-90.31)."""

SILENCE = 10.0 ** (SILENCE_DBFS / 20.0)


class SampleFigures:
    """Collects the figures of each channel, and where the file's sound begins and ends.

    Attributes:
        frames: how many there were.
        clipped: int64 (channels,).
        first_sound: the first frame in which a channel reaches `SILENCE`; None before that.
        after_last_sound: the frame after the last such one, or 0.
    """

    def __init__(self, channels: int) -> None:
        """Nothing was heard yet."""
        self.frames = 0
        self.clipped = np.zeros(channels, np.int64)
        self.first_sound: int | None = None
        self.after_last_sound = 0
        self._figures = np.zeros((channels, 3))

    def add(self, span: Span, highest: float) -> None:
        """Take the next frames; samples that reach `highest` or -1.0 count as clipped.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
        """
        columns = span.planes, span.start, span.stop
        require_finite(survey(*columns, highest, self._figures, self.clipped))
        self.frames += span.stop - span.start
        after = after_last_sound(*columns, SILENCE)
        if after > span.start:
            offset = span.first_frame - span.start
            self.after_last_sound = after + offset
            if self.first_sound is None:
                self.first_sound = first_sound(*columns, SILENCE) + offset

    @property
    def peaks(self) -> NDArray[np.float64]:
        """The largest absolute sample of each channel, float64 (channels,)."""
        return self._figures[:, PEAK]

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean of each channel's samples, float64 (channels,); 0 without frames."""
        return self._figures[:, SUM] / max(self.frames, 1)

    @property
    def mean_squares(self) -> NDArray[np.float64]:
        """The mean square of each channel's samples, float64 (channels,); 0 without frames."""
        return self._figures[:, SQUARES] / max(self.frames, 1)
