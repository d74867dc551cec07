"""A process that runs the code of one checkout and measures it; speaks JSON lines.

`place.Agent` is the other end. Which checkout it is, PYTHONPATH says: several can be measured in
turn, each in a process of its own that stays warm.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import floors, kernels
from benchmarks.meter import Meter, youngest_process

NUM_PEAKS = 4000
_NO_LIMIT_BYTES = 2**50
_CACHED_FRAMES = 1 << 16

Answer = dict[str, Any]
TASKS: dict[str, Callable[..., Answer]] = {}


def task(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Make a function one that can be asked for by its name."""
    TASKS[function.__name__] = function
    return function


@task
def about() -> Answer:
    """Which code this is."""
    import waveflow

    return {"folder": str(Path(waveflow.__path__[0]).parent)}


class _Buffers:
    """The arrays of the kernels' cases; one set at a time."""

    kept: kernels.Buffers | None = None

    @classmethod
    def of(cls, size_bytes: int) -> kernels.Buffers:
        if cls.kept is None or cls.kept.size_bytes != size_bytes:
            cls.kept = kernels.Buffers(size_bytes)
        return cls.kept


@task
def forget() -> Answer:
    """Free the memory that a case took."""
    _Buffers.kept = None
    _mono_signals.cache_clear()
    return {}


@task
def kernel(layout: str, channels: int, size_bytes: int, check: bool = False) -> Answer:
    """Peaks of an array that fits in no cache."""
    array = _Buffers.of(size_bytes).view(layout, channels)
    with Meter() as meter:
        found = kernels.peaks(array)
    if not check:
        return meter.facts()
    taken = kernels.unpacker(array)(array[:1])
    worst = max(abs(found - kernels.twin_peaks(array)))
    return meter.facts() | {"worst": float(worst), "unpacked": taken.dtype != array.dtype}


@task
def kernel_in_cache(layout: str, channels: int, size_bytes: int) -> Answer:
    """Peaks of one block, over and over until as many bytes have been looked at."""
    array = _Buffers.of(size_bytes).view(layout, channels)[:_CACHED_FRAMES].copy()
    repeats = max(1, size_bytes // array.nbytes)
    with Meter() as meter:
        kernels.peaks(array, repeats)
    return meter.facts()


@task
def numpy_max(layout: str, channels: int, size_bytes: int, cached: bool = False) -> Answer:
    """NumPy's maximum over the same bytes."""
    array = _Buffers.of(size_bytes).view(layout, channels)
    repeats = 1
    if cached:
        array = array[:_CACHED_FRAMES].copy()
        repeats = max(1, size_bytes // array.nbytes)
    with Meter() as meter:
        for _ in range(repeats):
            kernels.maximum(array)
    return meter.facts()


@cache
def _codec() -> Any:
    from waveflow.adapters.codec.isolated import IsolatedCodec
    from waveflow.adapters.codec.soundfile_codec import SoundfileCodec

    codec = IsolatedCodec(SoundfileCodec(), processes=1, tasks_per_process=1_000_000)
    codec.start()
    return codec


@cache
def _limits() -> Any:
    from waveflow.domain.audio import AudioLimits

    return AudioLimits(max_bytes=_NO_LIMIT_BYTES)


@task
def warm(path: str) -> Answer:
    """Start the compute process, and have it decode something."""
    with Meter() as meter:
        _codec().analyse(Path(path), NUM_PEAKS, _limits())
    return meter.facts() | {"pid": youngest_process()}


@task
def analyse(path: str, check: bool = False) -> Answer:
    """The waveform of a file, by the compute process that is warm already."""
    with Meter(youngest_process()) as meter:
        analysis = _codec().analyse(Path(path), NUM_PEAKS, _limits())
    facts: Answer = {"frames": analysis.waveform.frames}
    if check:
        facts["peaks"] = analysis.waveform.peaks.tolist()
    return meter.facts() | facts


@task
def analyse_levels(path: str) -> Answer:
    """The waveform and the levels of a file, by the compute process that is warm already."""
    from waveflow.application.extras import Extras

    with Meter(youngest_process()) as meter:
        analysis = _codec().analyse(Path(path), NUM_PEAKS, _limits(), Extras(levels=True))
    assert analysis.levels
    levels: Answer = analysis.levels.as_data()
    return meter.facts() | levels


@task
def analyse_in_new_process(path: str, warm_with: str) -> Answer:
    """The same, by a compute process that has done nothing else but be warmed."""
    _codec().close()
    _codec.cache_clear()
    _codec().analyse(Path(warm_with), NUM_PEAKS, _limits())
    return analyse(path)


@task
def mix(paths: list[str], destination: str) -> Answer:
    """A mix, by the compute process that is warm already."""
    Path(destination).unlink(missing_ok=True)
    sources = [Path(path) for path in paths]
    with Meter(youngest_process()) as meter:
        mixed = _codec().mix(sources, Path(destination), NUM_PEAKS, _limits())
    return meter.facts() | {"peaks": mixed.waveform.peaks.tolist(), "gain": mixed.gain}


@task
def hash_file(path: str) -> Answer:
    """The hash of a local file, in this process."""
    from waveflow.entrypoints import local_files

    with Meter() as meter:
        content_hash = local_files.hash_file(Path(path))
    return meter.facts() | {"sha256": content_hash.hex}


@task
def hash_and_peaks(path: str, check: bool = False) -> Answer:
    """Hash and waveform of a local file, in this process."""
    from waveflow.application.clock import Clock
    from waveflow.entrypoints import local_files

    with Meter() as meter:
        analysis = local_files.analyze_file(Path(path), NUM_PEAKS, Clock())
    document = json.loads(analysis.document.encode())
    facts: Answer = {"sha256": document["audio_data_hash"]}
    if check:
        facts["normalised"] = document["peaks"]
    return meter.facts() | facts


@task
def read_bytes(path: str) -> Answer:
    """The floor of everything that reads a file."""
    with Meter() as meter:
        floors.read_bytes(Path(path))
    return meter.facts()


@task
def decode(paths: list[str], decoder: str) -> Answer:
    """Decoders alone, one file after the other."""
    with Meter() as meter:
        frames = [floors.decode(Path(path), decoder) for path in paths]
    return meter.facts() | {"frames": frames[0]}


@task
def resample(paths: list[str], to_hz: int, dtype: str) -> Answer:
    """soxr alone, on the mono signals of files that were decoded beforehand."""
    signals = [(rate_hz, mono.astype(dtype)) for rate_hz, mono in _mono_signals(tuple(paths))]
    with Meter() as meter:
        floors.resample(signals, to_hz, dtype)
    return meter.facts()


@cache
def _mono_signals(paths: tuple[str, ...]) -> list[tuple[int, Any]]:
    import numpy as np
    import soundfile

    from benchmarks.twin import mono_blocks

    return [
        (soundfile.info(path).samplerate, np.concatenate(list(mono_blocks(Path(path)))))
        for path in paths
    ]


def _answer(line: str) -> Answer:
    request = json.loads(line)
    try:
        return TASKS[request.pop("task")](**request)
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Do what each line of standard input asks for, until it ends."""
    # Nothing else may write between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        for line in sys.stdin:
            answers.write(json.dumps(_answer(line)) + "\n")
            answers.flush()
    finally:
        if _codec.cache_info().currsize:
            _codec().close()


if __name__ == "__main__":
    main()
