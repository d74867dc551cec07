"""What has to come of a stem or a stage, found here, in one process and in good weather."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from attrs import Factory, define, frozen

from tests.campaigns.chaos_cast import Role, Stage, Stem
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.documents import MixDocument, StemDocument
from waveflow.domain.audio import MAX_PEAKS, AudioLimits
from waveflow.domain.errors import PermanentError

_Result = TypeVar("_Result")

_DIFFER = {"created_at", "processing_time", "request"}
"""What of a waveform object depends on when and where it was made, and on whose behalf."""


@frozen
class Analysed:
    """A waveform object, but for the times in it and the request that led to it."""

    document: dict[str, Any]


@frozen
class Mixed:
    """A mix, byte by byte, and its waveform object, but for the times in it."""

    wav: bytes
    document: dict[str, Any]


@frozen
class Failed:
    """It can only fail, with this code."""

    code: str


def without_times(document: bytes) -> dict[str, Any]:
    """A waveform object, but for the times in it and the request that led to it."""
    return {name: value for name, value in json.loads(document).items() if name not in _DIFFER}


@define
class Reference:
    """Does the work once more."""

    folder: Path
    _analyses: dict[bytes, Analysed | Failed] = Factory(dict)

    def analysis(self, stem: Stem) -> Analysed | Failed:
        """What `/completion` has to say of a stem."""
        if stem.content is None:
            return Failed("object_not_found")
        if stem.role is Role.CRASHING:
            return Failed("decoder_crashed")
        if stem.content not in self._analyses:
            self._analyses[stem.content] = _or_failed(lambda: self._analyse(stem))
        return self._analyses[stem.content]

    def mix(self, stage: Stage) -> Mixed | Failed:
        """What `/mixing-complete` has to say of a stage."""
        for stem in stage.stems:
            if isinstance(found := self.analysis(stem), Failed):
                return found
        return _or_failed(lambda: self._mix(stage))

    def _analyse(self, stem: Stem) -> Analysed:
        assert stem.content is not None
        source = self._file("stem", stem.content)
        analysis = SoundfileCodec().analyse(source, MAX_PEAKS, AudioLimits())
        document = StemDocument.of(
            analysis.waveform,
            created_at="",
            audio_data_hash=stem.audio_hash,
            file_size=len(stem.content),
            processing_time=0.0,
        )
        return Analysed(without_times(document.encode()))

    def _mix(self, stage: Stage) -> Mixed:
        sources = [
            self._file(f"stem-{number}", stem.content or b"")
            for number, stem in enumerate(stage.stems)
        ]
        destination = self.folder / "mix.wav"
        destination.unlink(missing_ok=True)
        mix = SoundfileCodec().mix(sources, destination, MAX_PEAKS, AudioLimits())
        document = MixDocument.of(
            mix.waveform, created_at="", stem_count=len(sources), gain=mix.gain
        )
        return Mixed(destination.read_bytes(), without_times(document.encode()))

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path


def _or_failed(work: Callable[[], _Result]) -> _Result | Failed:
    try:
        return work()
    except PermanentError as error:
        return Failed(error.code)
