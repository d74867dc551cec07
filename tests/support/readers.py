"""Readers of arrays, for rules that need decoded audio but no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding
from waveflow.domain.mixing import SampleSpool
from waveflow.domain.pcm import PcmBlock, PcmReader

WAV_16 = AudioFormat(Container.WAV, Encoding.PCM_16)


class ArrayReader(PcmReader):
    """Reads an array, in pieces of the given lengths (over and over) if there are any."""

    def __init__(
        self,
        samples: NDArray[Any],
        sample_rate_hz: int = 44_100,
        *,
        likely_frames: int | None = None,
        announced_frames: int | None = None,
        pieces: Sequence[int] = (),
    ) -> None:
        """Announce nothing, and know the true length, unless told otherwise."""
        self._samples = samples
        self._pieces = tuple(pieces)
        self._reads = 0
        self._header = AudioHeader(
            format=WAV_16,
            channels=samples.shape[1],
            sample_rate_hz=sample_rate_hz,
            announced_frames=announced_frames,
            likely_frames=len(samples) if likely_frames is None else likely_frames,
        )

    @property
    def header(self) -> AudioHeader:
        return self._header

    def read(self, max_frames: int) -> PcmBlock:
        if self._pieces:
            max_frames = min(max_frames, self._pieces[self._reads % len(self._pieces)])
        self._reads += 1
        block, self._samples = self._samples[:max_frames], self._samples[max_frames:]
        return block


class Openings:
    """Opens one reader after the other, as a file that is opened several times."""

    def __init__(self, *readers: PcmReader) -> None:
        """Give out these readers, in order."""
        self._readers = list(readers)
        self.count = 0
        self.still_open = 0

    @contextmanager
    def __call__(self) -> Iterator[PcmReader]:
        self.count += 1
        self.still_open += 1
        try:
            yield self._readers[self.count - 1]
        finally:
            self.still_open -= 1


class ArraySpool(SampleSpool):
    """Keeps what is appended, and gives it back in blocks of another size."""

    def __init__(self) -> None:
        """Begin empty."""
        self._pieces: list[NDArray[np.float32]] = [np.empty(0, np.float32)]

    def append(self, samples: NDArray[np.float32]) -> None:
        self._pieces.append(samples.copy())

    def blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        signal = np.concatenate(self._pieces)
        for start in range(0, len(signal), block_frames):
            yield signal[start : start + block_frames]
