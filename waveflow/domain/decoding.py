"""Reading a file for what needs its length beforehand: once, or twice when its header misjudges it.

Boundaries in a signal need the number of frames, and only counting tells it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from waveflow.domain.audio import AudioHeader, AudioLimits
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.pcm import BLOCK_FRAMES, PcmBlock, PcmReader, blocks_of


class Accumulator(Protocol):
    """Takes a signal block by block, laid out for so many frames."""

    frames: int

    @abstractmethod
    def add(self, block: PcmBlock) -> None:
        """Take the next frames. Raises `InvalidAudio` when a sample is NaN or infinite."""

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether just as many frames came as it was laid out for."""


class Onlooker(Protocol):
    """Takes the same blocks in the same pass, and needs no length beforehand."""

    @abstractmethod
    def begin(self, header: AudioHeader) -> None:
        """What the blocks to come are like; called once, before the first."""

    @abstractmethod
    def add(self, block: PcmBlock) -> None:
        """The next frames, valid until this returns; none is NaN or infinite."""


Laid = TypeVar("Laid", bound=Accumulator)


def laid_out(
    open_reader: Callable[[], AbstractContextManager[PcmReader]],
    lay_out: Callable[[AudioHeader, int], Laid],
    limits: AudioLimits,
    block_frames: int = BLOCK_FRAMES,
    onlookers: Sequence[Onlooker] = (),
) -> tuple[Laid, AudioHeader]:
    """All frames of a file in an accumulator that was laid out for just as many.

    The header's figure is tried first; if counting disagrees, the count is used and the file is
    decoded again.

    Args:
        open_reader: opens the file from its start.
        lay_out: makes an accumulator for a file with that header, of so many frames.
        onlookers: see all frames, once.

    Raises:
        InvalidAudio, TruncatedAudio, UnsupportedAudio, AudioTooLarge: as the file deserves.
    """
    expected_frames: int | None = None
    for _ in range(2):
        with open_reader() as reader:
            header = reader.header
            if expected_frames is None:
                expected_frames = limits.likely_frames(header)
            accumulator = lay_out(header, expected_frames)
            for onlooker in onlookers:
                onlooker.begin(header)
            for block in blocks_of(reader, limits, block_frames):
                accumulator.add(block)
                for onlooker in onlookers:
                    onlooker.add(block)
        if accumulator.is_complete:
            return accumulator, header
        expected_frames = accumulator.frames
        onlookers = ()
    raise InvalidAudio("The file decodes to a different length every time. Please export it again.")
