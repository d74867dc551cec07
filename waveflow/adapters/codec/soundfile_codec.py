"""The codec that decodes files in the calling process, and resamples with soxr."""

from __future__ import annotations

import resource
import wave
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.extra_results import ExtraResults
from waveflow.adapters.codec.reader import open_reader
from waveflow.adapters.codec.spool import FileSpool
from waveflow.application.disk_errors import translated
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix, Run, in_turn, mix, naming_stem, reference_rate_hz
from waveflow.domain.pcm import BLOCK_FRAMES, PcmReader
from waveflow.domain.waveform import Analysis, analyse

_SPARE_OPEN_FILES = 64
_MIXING_THREADS = 2
"""Decoders and kernels let go of the interpreter's lock: the second core works as well."""
_BLOCKS_BYTES = 64 * 1024**2
_LARGEST_SAMPLE_BYTES = 8
_FEWEST_BLOCK_FRAMES = 4096


@frozen
class SoundfileCodec(AudioCodec):
    """Decodes in the calling process: wrap it in `IsolatedCodec` for files of strangers."""

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        with translated(source.parent), ExtraResults(extras) as results:
            analysis = analyse(
                lambda: open_reader(source, limits),
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
        _allow_open_files(2 * len(sources) + _SPARE_OPEN_FILES)
        with translated(destination.parent), ExitStack() as stack:
            readers = [
                stack.enter_context(_opened_stem(index, source, limits))
                for index, source in enumerate(sources)
            ]
            rate_hz = reference_rate_hz([reader.header.sample_rate_hz for reader in readers])
            stems = [_at_rate(reader, rate_hz) for reader in readers]
            spool = stack.enter_context(FileSpool(destination.parent))
            results = stack.enter_context(ExtraResults(extras))
            write = results.watched(stack.enter_context(_pcm16_wav(destination, rate_hz)), rate_hz)
            runs = stack.enter_context(_threads(min(len(stems), _MIXING_THREADS)))
            block_frames = _block_frames(readers)
            mixed = mix(stems, spool, write, num_peaks, limits, block_frames, runs)
            return evolve(mixed, levels=results.finish())


def _block_frames(stems: Sequence[PcmReader]) -> int:
    """Each stem has a block in memory: many stems, or many channels, get smaller ones."""
    frame_bytes = sum(stem.header.channels for stem in stems) * _LARGEST_SAMPLE_BYTES
    return min(BLOCK_FRAMES, max(_BLOCKS_BYTES // frame_bytes, _FEWEST_BLOCK_FRAMES))


@contextmanager
def _threads(count: int) -> Iterator[Sequence[Run]]:
    """So many threads to add stems up in; they have ended on leaving."""
    with ExitStack() as stack:
        yield [_thread(stack) for _ in range(count)]


def _thread(stack: ExitStack) -> Run:
    pool = stack.enter_context(ThreadPoolExecutor(1, "mix"))
    try:
        pool.submit(int).result()
    except RuntimeError:  # The system has no thread to give.
        return in_turn
    return lambda work: pool.submit(work).result


def _at_rate(reader: PcmReader, sample_rate_hz: int) -> PcmReader:
    if reader.header.sample_rate_hz == sample_rate_hz:
        return reader
    from waveflow.adapters.codec.resample import ResampledReader

    return ResampledReader(reader, sample_rate_hz)


@contextmanager
def _opened_stem(index: int, source: Path, limits: AudioLimits) -> Iterator[PcmReader]:
    with ExitStack() as stack:
        with naming_stem(index):
            reader = stack.enter_context(open_reader(source, limits))
        yield reader


@contextmanager
def _pcm16_wav(
    destination: Path, sample_rate_hz: int
) -> Iterator[Callable[[NDArray[np.int16]], None]]:
    """Write mono 16-bit WAV with the standard library: a full disk stays an `OSError`."""
    with destination.open("xb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(sample_rate_hz)
        yield lambda samples: wav.writeframesraw(samples.data)


def _allow_open_files(count: int) -> None:
    """Raise the soft limit on open files: every stem of a mix is open at the same time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        limit = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
