"""A mix: stems in mono, in step, at one rate and at a level that doesn't clip."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain.audio import AudioLimits
from waveflow.domain.errors import AudioTooLarge, PermanentError, UnreadableStem
from waveflow.domain.kernels.mixing import add_mono, divide, quantise
from waveflow.domain.pcm import (
    BLOCK_FRAMES,
    PcmBlock,
    PcmReader,
    blocks_of,
    mono_scale,
    require_finite,
)
from waveflow.domain.waveform import PeakAccumulator, Waveform

CEILING = 0.95
"""Largest absolute value of a finished mix; only louder ones are scaled, down to it."""

_PCM16_BYTES = 2
_WAV_MAX_DATA_BYTES = 2**32 - 1024
"""A RIFF size has 32 bits; the rest is for the chunks around the samples."""


@frozen
class Mix:
    """What mixing gave.

    Attributes:
        waveform: of the finished mix, its gain included.
        gain: linear gain that was applied, 1.0 or less.
    """

    waveform: Waveform
    gain: float


class SampleSpool(Protocol):
    """Somewhere to keep a mono float32 signal between summing and rounding."""

    @abstractmethod
    def append(self, samples: NDArray[np.float32]) -> None:
        """Keep the next samples, shape (frames,)."""

    @abstractmethod
    def blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        """All samples from the first, in blocks of at most `block_frames`."""


def reference_rate_hz(sample_rates_hz: Sequence[int]) -> int:
    """The rate that most stems have; on a tie, the higher."""
    counts = Counter(sample_rates_hz)
    return max(counts, key=lambda rate_hz: (counts[rate_hz], rate_hz))


def gain_for(largest: float) -> float:
    """The linear gain for a mix whose largest absolute value is `largest`."""
    return CEILING / largest if largest > CEILING else 1.0


def require_fits_wav(frames: int) -> None:
    """Raises `AudioTooLarge` for more mono 16-bit frames than a WAV file can hold."""
    if frames * _PCM16_BYTES > _WAV_MAX_DATA_BYTES:
        raise AudioTooLarge(
            "The mix would be longer than a WAV file can be (4 GB)."
            " Please mix shorter stems, or stems at a lower sample rate.",
            code="mix_too_long",
        )


@contextmanager
def naming_stem(index: int) -> Iterator[None]:
    """Turn any `PermanentError` within into an `UnreadableStem` that says which stem it was."""
    try:
        yield
    except PermanentError as error:
        raise UnreadableStem(index, error) from error


def _named_blocks(
    index: int, stem: PcmReader, limits: AudioLimits, block_frames: int
) -> Iterator[PcmBlock]:
    with naming_stem(index):
        yield from blocks_of(stem, limits, block_frames)


def sum_of_stems(
    stems: Sequence[PcmReader], limits: AudioLimits, block_frames: int = BLOCK_FRAMES
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """The sum of the stems divided by their number, block by block.

    All stems start together; one that has ended counts as silence from there on, so the sum
    is as long as the longest.

    Args:
        stems: readers at one sample rate, any mixture of dtypes and channel counts.

    Yields:
        A float32 block (frames,), valid until the next is asked for, and its largest
        absolute value before rounding to float32.

    Raises:
        UnreadableStem: with the stem's index and the error that it met.
    """
    streams = [_named_blocks(index, stem, limits, block_frames) for index, stem in enumerate(stems)]
    total = np.empty(block_frames)
    mixed = np.empty(block_frames, np.float32)
    while True:
        total.fill(0.0)
        frames = 0
        for index, stream in enumerate(streams):
            block = next(stream, None)
            if block is None:
                continue
            finite = add_mono(block, mono_scale(block), total)
            with naming_stem(index):
                require_finite(finite)
            frames = max(frames, len(block))
        if not frames:
            return
        largest = divide(total[:frames], len(stems), mixed[:frames])
        yield mixed[:frames], largest


def mix(
    stems: Sequence[PcmReader],
    spool: SampleSpool,
    write: Callable[[NDArray[np.int16]], None],
    num_peaks: int,
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
) -> Mix:
    """Mix stems of one sample rate into 16-bit mono and take the waveform of the result.

    Two passes: the sum goes to `spool`, because the gain depends on its largest value; then
    gain, rounding (once) and peaks. Memory doesn't grow with the length of the stems.

    Args:
        stems: one or more readers at the same sample rate.
        write: takes the finished samples, int16 (frames,), block by block.

    Raises:
        UnreadableStem: when a stem can't be read to its end.
        AudioTooLarge: when the mix doesn't fit in a WAV file.
    """
    largest = 0.0
    frames = 0
    for block, block_largest in sum_of_stems(stems, limits, block_frames):
        frames += len(block)
        require_fits_wav(frames)
        largest = max(largest, block_largest)
        spool.append(block)

    gain = gain_for(largest)
    peaks = PeakAccumulator(num_peaks, frames)
    pcm = np.empty(block_frames, np.int16)
    for block in spool.blocks(block_frames):
        quantise(block, gain, pcm[: len(block)])
        write(pcm[: len(block)])
        peaks.add((block * np.float64(gain))[:, np.newaxis])
    return Mix(peaks.waveform(stems[0].header.sample_rate_hz), gain)
