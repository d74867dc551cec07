"""A decoder that crashes on certain files, so that chaos has some: it is real but for them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis

CRASHING = b"crashes the decoder of the chaos campaign"
"""A file that ends with this kills the process that decodes it."""


@frozen
class CrashingCodec(SoundfileCodec):
    """The codec of production, in a child process that files can kill."""

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        _crash_if_told(source)
        return super().analyse(source, num_peaks, limits, extras)

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        for source in sources:
            _crash_if_told(source)
        return super().mix(sources, destination, num_peaks, limits, extras)


def _crash_if_told(source: Path) -> None:
    with source.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - len(CRASHING), 0))
        if file.read() == CRASHING:
            os.kill(os.getpid(), signal.SIGSEGV)
