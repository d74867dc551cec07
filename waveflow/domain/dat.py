"""audiowaveform's binary format: the pixels of a signal, or of its channels, as they come.

The format is described at https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.errors import AudioTooLarge, InvalidAudio
from waveflow.domain.kernels.peaks import MOST_FRAMES, accumulate_peaks
from waveflow.domain.pcm import PcmBlock, channels_apart, mono_scale, require_finite
from waveflow.domain.pixels import Bounds, empty_bounds, quantised

MOST_CHANNELS = 24
"""As many as audiowaveform itself reads."""

_MOST_PIXELS = 2**32 - 1
_IS_8_BIT = 1


class DatEncoder:
    """Makes a `.dat` of a signal, block by block; memory doesn't grow with its length.

    What `add` and `finish` return follows the header, which is known at the end only. Results
    don't depend on the size of the blocks.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        channels: int,
        *,
        samples_per_pixel: int,
        bits: int,
        split_channels: bool = False,
    ) -> None:
        """Begin a file.

        Args:
            channels: of the blocks to come.
            samples_per_pixel: frames, 1 to 2^31 - 1.
            bits: 8 or 16.
            split_channels: each channel's bounds instead of those of their mean.

        Raises:
            InvalidAudio: for more channels than the format's readers take.
        """
        tracks = channels if split_channels else 1
        if tracks > MOST_CHANNELS:
            raise InvalidAudio(
                f"The file has {channels} channels; a .dat file holds up to {MOST_CHANNELS}."
                " Please leave the channels together."
            )
        self._sample_rate_hz = sample_rate_hz
        self._samples_per_pixel = samples_per_pixel
        self._bits = bits
        self._split = split_channels
        self._tracks = [_Track(samples_per_pixel) for _ in range(tracks)]
        self._pixels = 0

    @property
    def header_bytes(self) -> int:
        """How long the header is: version 2 says how many channels there are, version 1 doesn't."""
        return 24 if len(self._tracks) > 1 else 20

    def header(self) -> bytes:
        """The header of a file with the pixels returned so far."""
        tracks = len(self._tracks)
        numbers = [
            2 if tracks > 1 else 1,
            _IS_8_BIT if self._bits == 8 else 0,
            self._sample_rate_hz,
            self._samples_per_pixel,
            self._pixels,
            tracks,
        ]
        return np.array(numbers, "<u4").tobytes()[: self.header_bytes]

    def add(self, block: PcmBlock) -> bytes:
        """Take the next frames; returns the pixels that they complete.

        Raises:
            InvalidAudio: when a sample is NaN or infinite.
            AudioTooLarge: for more pixels than the format counts.
        """
        signals = _channels_of(block) if self._split else [block]
        pairs = zip(self._tracks, signals, strict=True)
        return self._encoded([track.add(signal) for track, signal in pairs])

    def finish(self) -> bytes:
        """The last pixel, if frames are left for one."""
        return self._encoded([track.rest() for track in self._tracks])

    def _encoded(self, bounds: list[tuple[Bounds, Bounds]]) -> bytes:
        # Pixel by pixel, and within one channel by channel.
        low = np.stack([low for low, _ in bounds], axis=-1)
        high = np.stack([high for _, high in bounds], axis=-1)
        self._pixels += len(low)
        if self._pixels > _MOST_PIXELS:
            raise AudioTooLarge(
                "The audio is too long for a .dat file with so few samples per pixel."
                " Please ask for more samples per pixel.",
                code="audio_too_long",
            )
        numbers = quantised(low, high, self._bits)
        return numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes()


class _Track:
    """One signal's pixels: those that are whole, and how far the next one has come."""

    def __init__(self, samples_per_pixel: int) -> None:
        self._samples_per_pixel = samples_per_pixel
        self._frames = 0
        self._low, self._high = empty_bounds(1)

    def add(self, block: PcmBlock) -> tuple[Bounds, Bounds]:
        frames = self._frames + len(block)
        low, high = empty_bounds(frames // self._samples_per_pixel + 1)
        low[0], high[0] = self._low[0], self._high[0]
        # One bucket for all: these runs end at pixels alone.
        bucket = np.zeros(1)
        scale = mono_scale(block)
        grid = (self._samples_per_pixel, low, high)
        require_finite(
            accumulate_peaks(block, self._frames, MOST_FRAMES, scale, bucket, *grid),
        )
        self._frames = frames % self._samples_per_pixel
        self._low, self._high = low[-1:], high[-1:]
        return low[:-1], high[:-1]

    def rest(self) -> tuple[Bounds, Bounds]:
        pixels = 1 if self._frames else 0
        return self._low[:pixels], self._high[:pixels]


def _channels_of(block: PcmBlock) -> list[NDArray[np.generic]]:
    """Each channel as a block of its own."""
    samples = channels_apart(block)
    return [samples[:, channel : channel + 1] for channel in range(samples.shape[1])]
