"""A codec for tests: what each file decodes to is scripted beforehand, by the file's bytes."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, evolve, field
from numpy.typing import NDArray

from waveflow.adapters.codec.extra_results import ExtraResults
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioFormat, AudioHeader, AudioLimits, Container, Encoding
from waveflow.domain.errors import NotAudio
from waveflow.domain.mixing import Mix, SampleSpool, mix, naming_stem
from waveflow.domain.pcm import PcmBlock, PcmReader
from waveflow.domain.waveform import Analysis, analyse

_ENCODINGS = {
    "int16": Encoding.PCM_16,
    "int32": Encoding.PCM_32,
    "float32": Encoding.FLOAT_32,
    "float64": Encoding.FLOAT_64,
}


class _ArrayReader(PcmReader):
    def __init__(self, samples: NDArray[Any], sample_rate_hz: int) -> None:
        self._samples = samples
        self._header = AudioHeader(
            format=AudioFormat(Container.WAV, _ENCODINGS[samples.dtype.name]),
            channels=samples.shape[1],
            sample_rate_hz=sample_rate_hz,
            announced_frames=len(samples),
            likely_frames=len(samples),
        )

    @property
    def header(self) -> AudioHeader:
        return self._header

    def read(self, max_frames: int) -> PcmBlock:
        block, self._samples = self._samples[:max_frames], self._samples[max_frames:]
        return block


class _ArraySpool(SampleSpool):
    def __init__(self) -> None:
        self._pieces: list[NDArray[np.float32]] = []

    def append(self, samples: NDArray[np.float32]) -> None:
        self._pieces.append(samples.copy())

    def blocks(self, block_frames: int) -> Iterator[NDArray[np.float32]]:
        for piece in self._pieces:
            for start in range(0, len(piece), block_frames):
                yield piece[start : start + block_frames]


@define
class InMemoryAudioCodec(AudioCodec):
    """Looks a file's bytes up in a script; bytes that aren't in it are not audio.

    It has the rules of the domain but no resampler, so all stems of a mix need one rate.

    Attributes:
        decodes: bytes of every file that was decoded, in order.
    """

    _script: dict[bytes, tuple[NDArray[Any], int] | Exception] = field(factory=dict)
    decodes: list[bytes] = field(factory=list)

    def script(self, content: bytes, samples: NDArray[Any], sample_rate_hz: int) -> None:
        """Let `content` decode to `samples`, (frames, channels) of any sample type."""
        self._script[content] = samples, sample_rate_hz

    def script_error(self, content: bytes, error: Exception) -> None:
        """Let decoding `content` raise `error`."""
        self._script[content] = error

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        with ExtraResults(extras) as results:
            analysis = analyse(
                lambda: self._open(source, limits),
                num_peaks,
                limits,
                onlookers=results.onlookers,
            )
            return evolve(analysis, levels=results.finish())

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        stems = [self._stem(index, source, limits) for index, source in enumerate(sources)]
        if len({stem.header.sample_rate_hz for stem in stems}) > 1:
            raise ValueError("There is no resampler here: script stems of one sample rate.")
        rate_hz = stems[0].header.sample_rate_hz
        with wave.open(str(destination), "wb") as file, ExtraResults(extras) as results:
            file.setparams((1, 2, rate_hz, 0, "NONE", ""))
            write = results.watched(lambda samples: file.writeframes(samples.tobytes()), rate_hz)
            mixed = mix(stems, _ArraySpool(), write, num_peaks, limits)
            return evolve(mixed, levels=results.finish())

    def _stem(self, index: int, source: Path, limits: AudioLimits) -> PcmReader:
        with naming_stem(index), self._open(source, limits) as reader:
            return reader

    @contextmanager
    def _open(self, source: Path, limits: AudioLimits) -> Iterator[PcmReader]:
        content = source.read_bytes()
        self.decodes.append(content)
        entry = self._script.get(content)
        if entry is None:
            raise NotAudio("The file is not audio that can be read here.")
        if isinstance(entry, Exception):
            raise entry
        reader = _ArrayReader(*entry)
        limits.require_header(reader.header)
        yield reader
