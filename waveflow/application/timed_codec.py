"""A codec that notes how long it takes, and how much audio there was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from waveflow.application.extras import NO_EXTRAS, Extras
from waveflow.application.ports import AudioCodec
from waveflow.application.task_times import current_times, in_stage
from waveflow.domain.audio import AudioLimits
from waveflow.domain.mixing import Mix
from waveflow.domain.waveform import Analysis


@frozen
class TimedCodec(AudioCodec):
    """Wraps another codec, for the times of the task that the calling thread works on."""

    inner: AudioCodec

    def analyse(
        self, source: Path, num_peaks: int, limits: AudioLimits, extras: Extras = NO_EXTRAS
    ) -> Analysis:
        with in_stage("decode"):
            analysis = self.inner.analyse(source, num_peaks, limits, extras)
        _heard(analysis.waveform.duration_s)
        return analysis

    def mix(
        self,
        sources: Sequence[Path],
        destination: Path,
        num_peaks: int,
        limits: AudioLimits,
        extras: Extras = NO_EXTRAS,
    ) -> Mix:
        with in_stage("decode"):
            mix = self.inner.mix(sources, destination, num_peaks, limits, extras)
        _heard(mix.waveform.duration_s)
        return mix


def _heard(duration_s: float) -> None:
    times = current_times()
    if times is not None:
        times.heard(duration_s)
