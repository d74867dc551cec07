"""All codecs keep the contract of the port."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.audio_files import write_audio
from tests.support.contracts.codec import AudioCodecContract, FileMaker
from waveflow.adapters.codec.isolated import IsolatedCodec
from waveflow.adapters.codec.memory import InMemoryAudioCodec
from waveflow.adapters.codec.soundfile_codec import SoundfileCodec
from waveflow.application.ports import AudioCodec

_KINDS = {np.dtype(np.int16): "wav-16", np.dtype(np.float32): "wav-float"}


class TestInMemoryAudioCodec(AudioCodecContract):
    @pytest.fixture
    def codec(self) -> AudioCodec:
        return InMemoryAudioCodec()

    @pytest.fixture
    def make_file(self, codec: InMemoryAudioCodec, tmp_path: Path) -> FileMaker:
        numbers = count()

        def make(samples: NDArray[Any], sample_rate_hz: int) -> Path:
            path = tmp_path / f"{next(numbers)}.scripted"
            path.write_text(path.name)
            codec.script(path.read_bytes(), samples, sample_rate_hz)
            return path

        return make


class RealFiles:
    @pytest.fixture
    def make_file(self, tmp_path: Path) -> FileMaker:
        numbers = count()

        def make(samples: NDArray[Any], sample_rate_hz: int) -> Path:
            path = tmp_path / f"{next(numbers)}.wav"
            return write_audio(path, samples, sample_rate_hz, kind=_KINDS[samples.dtype])

        return make


class TestSoundfileCodec(RealFiles, AudioCodecContract):
    @pytest.fixture
    def codec(self) -> AudioCodec:
        return SoundfileCodec()


@pytest.fixture(scope="module")
def isolated() -> Iterator[IsolatedCodec]:
    with IsolatedCodec(SoundfileCodec()) as codec:
        yield codec


class TestIsolatedCodec(RealFiles, AudioCodecContract):
    @pytest.fixture
    def codec(self, isolated: IsolatedCodec) -> AudioCodec:
        return isolated
