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
from waveflow.domain.levels import Levels
from waveflow.domain.pcm import (
    BLOCK_FRAMES,
    CheckedReader,
    PcmReader,
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
        levels: of the finished samples; None when nobody asked for them.
    """

    waveform: Waveform
    gain: float
    levels: Levels | None = None


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


Run = Callable[[Callable[[], "_Sum"]], Callable[[], "_Sum"]]
"""Starts some work, or leaves it for later; what it gives waits for the result."""

_Sum = NDArray[np.float64]


def in_turn(work: Callable[[], _Sum]) -> Callable[[], _Sum]:
    """A `Run` that does the work when its result is asked for."""
    return work


class _Group:
    """Stems that are added up by one thread."""

    def __init__(
        self, stems: Sequence[tuple[int, CheckedReader]], block_frames: int, run: Run
    ) -> None:
        self._stems = stems
        self._run = run
        # The next sum is made while the one before is looked at.
        self._totals = [np.empty(block_frames), np.empty(block_frames)]

    def start(self) -> Callable[[], _Sum]:
        return self._run(self._sum)

    def _sum(self) -> _Sum:
        """The sum of the next block of each stem, as long as the longest."""
        self._totals.reverse()
        total = self._totals[0]
        total.fill(0.0)
        frames = 0
        for index, stem in self._stems:
            with naming_stem(index):
                frames = max(frames, _add_next(stem, total))
        return total[:frames]


def _add_next(stem: CheckedReader, total: _Sum) -> int:
    """Add as many frames as `total` holds; fewer at the stem's end. Returns how many."""
    frames = 0
    while frames < len(total):
        block = stem.read(len(total) - frames)
        if not len(block):
            break
        require_finite(add_mono(block, mono_scale(block), total[frames:]))
        frames += len(block)
    return frames


def sum_of_stems(
    stems: Sequence[PcmReader],
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
    runs: Sequence[Run] = (in_turn,),
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """The sum of the stems divided by their number, block by block.

    All stems start together; one that has ended counts as silence from there on, so the sum
    is as long as the longest.

    Args:
        stems: readers at one sample rate, any mixture of dtypes and channel counts.
        runs: stems are dealt out to as many groups, which are added up side by side.

    Yields:
        A float32 block (frames,), valid until the next is asked for, and its largest
        absolute value before rounding to float32.

    Raises:
        UnreadableStem: with the stem's index and the error that it met; of several within
            one block, the first.
    """
    checked = [(index, CheckedReader(stem, limits)) for index, stem in enumerate(stems)]
    dealt = [checked[first :: len(runs)] for first in range(len(runs))]
    groups = [_Group(some, block_frames, run) for some, run in zip(dealt, runs, strict=True)]
    mixed = np.empty(block_frames, np.float32)
    waiting = [group.start() for group in groups]
    while True:
        total = _added_up(_results(waiting))
        if not len(total):
            return
        waiting = [group.start() for group in groups]
        frames = len(total)
        yield mixed[:frames], divide(total, len(stems), mixed)


def _results(waiting: Sequence[Callable[[], _Sum]]) -> list[_Sum]:
    sums, errors = [], []
    for result in waiting:
        try:
            sums.append(result())
        except UnreadableStem as error:
            errors.append(error)
    if errors:
        raise min(errors, key=lambda error: error.index)
    return sums


def _added_up(sums: list[_Sum]) -> _Sum:
    longest, *others = sorted(sums, key=len, reverse=True)
    for other in others:
        longest[: len(other)] += other
    return longest


def mix(
    stems: Sequence[PcmReader],
    spool: SampleSpool,
    write: Callable[[NDArray[np.int16]], None],
    num_peaks: int,
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
    runs: Sequence[Run] = (in_turn,),
) -> Mix:
    """Mix stems of one sample rate into 16-bit mono and take the waveform of the result.

    Two passes: the sum goes to `spool`, because the gain depends on its largest value; then
    gain and rounding (once). A gain doesn't move peaks, so they are taken in the first pass,
    as long as the stems are as long as their headers say. Memory doesn't grow with the length
    of the stems.

    Args:
        stems: one or more readers at the same sample rate.
        write: takes the finished samples, int16 (frames,), block by block.
        runs: as of `sum_of_stems`.

    Raises:
        UnreadableStem: when a stem can't be read to its end.
        AudioTooLarge: when the mix doesn't fit in a WAV file.
    """
    largest = 0.0
    peaks = PeakAccumulator(num_peaks, max(limits.likely_frames(stem.header) for stem in stems))
    for block, block_largest in sum_of_stems(stems, limits, block_frames, runs):
        require_fits_wav(peaks.frames + len(block))
        largest = max(largest, block_largest)
        peaks.add(block[:, np.newaxis])
        spool.append(block)

    gain = gain_for(largest)
    pcm = np.empty(block_frames, np.int16)
    again = None if peaks.is_complete else PeakAccumulator(num_peaks, peaks.frames)
    for block in spool.blocks(block_frames):
        quantise(block, gain, pcm)
        write(pcm[: len(block)])
        if again:
            again.add(block[:, np.newaxis])
    waveform = (again or peaks).waveform(stems[0].header.sample_rate_hz)
    return Mix(waveform.scaled(gain), gain)
