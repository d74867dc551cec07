"""libsndfile, through soundfile: opens all that needs a decoder, if not the fastest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.decoders.decoder import CannotDecode, OpenDecoder
from waveflow.adapters.codec.stream import decodable
from waveflow.domain.audio import Container

_FROM_VORBIS_ORDER: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        3: (0, 2, 1),  # L C R
        5: (0, 2, 1, 3, 4),  # L C R Ls Rs
        6: (0, 2, 1, 5, 3, 4),  # L C R Ls Rs LFE
        7: (0, 2, 1, 6, 5, 3, 4),  # L C R Ls Rs Cs LFE
        8: (0, 2, 1, 7, 5, 6, 3, 4),  # L C R Lss Rss Lrs Rrs LFE
    }
)
"""Which channel of a stream is each of a WAV file (Vorbis I, 4.3.9; Opus: RFC 7845, 5.1.1.2).

libsndfile gives them as they are coded. One, two and four have the same order in both; more than
eight have no places that are defined.
"""


@contextmanager
def opened(path: Path, file: BinaryIO, parsed: ParsedFile) -> Iterator[OpenDecoder]:
    """A decoder at the file's first frame; see `decoder.Decoder`."""
    try:
        sound_file = _SoundFile(decodable(file, parsed) or path)
    except soundfile.SoundFileError as error:
        raise CannotDecode from error
    with sound_file:
        yield _Libsndfile(sound_file, parsed)


class _SoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """soundfile's reader without the seek that it does after each read of a seekable file.

    The seek fails on a FLAC of unknown length, and in small blocks of FLAC and MP3 it takes
    twice as long as the decoding.
    """

    def seekable(self) -> bool:
        return False


class _Libsndfile(OpenDecoder):
    def __init__(self, sound_file: _SoundFile, parsed: ParsedFile) -> None:
        self.channels = sound_file.channels
        self.sample_rate_hz = sound_file.samplerate
        self.expected_frames = _expected_frames(sound_file, parsed)
        self._sound_file = sound_file
        self._buffer = np.empty((0, self.channels), parsed.sample_type)
        self._order = _FROM_VORBIS_ORDER.get(self.channels) if parsed.vorbis_order else None

    def read(self, max_frames: int) -> NDArray[Any]:
        if len(self._buffer) < max_frames:
            self._buffer = np.empty((max_frames, self.channels), self._buffer.dtype)
        try:
            block: NDArray[Any] = self._sound_file.read(max_frames, out=self._buffer[:max_frames])
        except soundfile.SoundFileError as error:
            raise CannotDecode from error
        return block if self._order is None else np.take(block, self._order, axis=1)


def _expected_frames(sound_file: _SoundFile, parsed: ParsedFile) -> int:
    container = parsed.header.format.container
    if container is Container.OGG:
        # Unlike the last page's position, this takes a stream into account that starts late.
        return int(sound_file.frames)
    return parsed.header.likely_frames if container is Container.MP3 else 0
