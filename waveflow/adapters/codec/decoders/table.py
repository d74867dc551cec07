"""Which decoder a format gets: a new format, or a faster decoder, is one row here."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from waveflow.adapters.codec.containers.packets import MOST_CHANNELS
from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.containers.signatures import unsupported_format
from waveflow.adapters.codec.decoders.decoder import Decoder, OpenDecoder
from waveflow.domain.audio import Encoding

# Libraries are loaded late: a WAV needs none of them.


def _libsndfile(
    path: Path, file: BinaryIO, parsed: ParsedFile
) -> AbstractContextManager[OpenDecoder]:
    from waveflow.adapters.codec.decoders import libsndfile

    return libsndfile.opened(path, file, parsed)


def _dr_flac(path: Path, file: BinaryIO, parsed: ParsedFile) -> AbstractContextManager[OpenDecoder]:
    from waveflow.adapters.codec.decoders import dr_flac

    return dr_flac.opened(path, file, parsed)


def _ffmpeg(path: Path, file: BinaryIO, parsed: ParsedFile) -> AbstractContextManager[OpenDecoder]:
    from waveflow.adapters.codec.decoders import ffmpeg

    return ffmpeg.opened(path, file, parsed)


_MOST_VORBIS_CHANNELS = 2
"""With more, one is for low frequencies, which ffmpeg gets wrong at negative qualities."""


def _ffmpeg_takes(parsed: ParsedFile) -> bool:
    encoding = parsed.header.format.encoding
    most = _MOST_VORBIS_CHANNELS if encoding is Encoding.VORBIS else MOST_CHANNELS
    if parsed.stream is None or parsed.header.channels > most or not has_ffmpeg():
        return False
    from waveflow.adapters.codec.decoders import ffmpeg

    return ffmpeg.has_decoder(encoding)


@cache
def has_ffmpeg() -> bool:
    """Whether the optional library is installed and can be loaded, which this does."""
    try:
        from waveflow.adapters.codec.decoders import ffmpeg  # noqa: F401
    except ImportError:
        return False
    return True


LIBSNDFILE = Decoder("libsndfile", _libsndfile)
DR_FLAC = Decoder("dr_flac", _dr_flac, takes=lambda parsed: parsed.flac_frames is not None)
FFMPEG = Decoder("ffmpeg", _ffmpeg, takes=_ffmpeg_takes)

DECODERS: Mapping[Encoding, tuple[Decoder, ...]] = MappingProxyType(
    {
        Encoding.FLAC: (DR_FLAC, LIBSNDFILE),
        Encoding.MP3: (FFMPEG, LIBSNDFILE),
        Encoding.VORBIS: (FFMPEG, LIBSNDFILE),
        Encoding.OPUS: (FFMPEG, LIBSNDFILE),
        Encoding.AAC: (FFMPEG,),
        Encoding.ALAC: (FFMPEG,),
    }
)
"""In order of preference: the first that takes a file decodes it. Uncompressed audio needs none."""


def decoder_for(parsed: ParsedFile) -> Decoder:
    """The decoder for a file that isn't uncompressed.

    Raises:
        UnsupportedAudio: when the library that it takes isn't installed.
    """
    for decoder in DECODERS[parsed.header.format.encoding]:
        if decoder.takes(parsed):
            return decoder
    raise unsupported_format("M4A/MP4")


def load_libraries() -> None:
    """Load now what would be loaded with the first file that needs it."""
    from waveflow.adapters.codec.decoders import dr_flac, libsndfile  # noqa: F401

    has_ffmpeg()
