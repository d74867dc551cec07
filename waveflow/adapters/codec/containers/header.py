"""What a file is, judged by its content alone, in Python and NumPy: no decoder runs before this."""

from __future__ import annotations

from typing import BinaryIO

from waveflow.adapters.codec.containers.aiff import parse_aiff
from waveflow.adapters.codec.containers.flac import parse_flac
from waveflow.adapters.codec.containers.mp4 import parse_mp4
from waveflow.adapters.codec.containers.mpeg import parse_mpeg
from waveflow.adapters.codec.containers.ogg import parse_ogg
from waveflow.adapters.codec.containers.parsed import ParsedFile, bytes_at, size_of
from waveflow.adapters.codec.containers.riff import parse_riff
from waveflow.adapters.codec.containers.signatures import (
    adts_length,
    is_adts,
    refuse_known,
    unsupported_format,
)
from waveflow.adapters.codec.containers.tags import end_of_leading_tags
from waveflow.adapters.codec.decoders import table
from waveflow.domain.audio import AudioHeader
from waveflow.domain.errors import InvalidAudio, NotAudio


def read_header(file: BinaryIO) -> AudioHeader:
    """What the file's own header says of its audio; neither its name nor a decoder is asked.

    Takes bounded time and memory whatever the file claims. MP3, FLAC and OGG are read in full, to
    count their frames.

    Raises:
        NotAudio: when nothing is recognised.
        InvalidAudio: when the header contradicts itself, or is cut off.
        UnsupportedAudio: for kinds of audio that are recognised, but not accepted.
    """
    return parse(file).header


def parse(file: BinaryIO) -> ParsedFile:
    """Like `read_header`, with what a reader needs to get at every frame."""
    head = bytes_at(file, 0, 12)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE":
        return parse_riff(file)
    if head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        return parse_aiff(file)
    if head[:4] == b"OggS":
        return parse_ogg(file)
    if head[4:8] == b"ftyp":
        return _parse_mp4(file)
    audio_start = end_of_leading_tags(file)
    if audio_start > size_of(file):
        raise InvalidAudio(
            "The file is damaged: the tag at its start claims more bytes than there are."
            " Please export it and upload it again."
        )
    head = bytes_at(file, audio_start, 32)
    if head[:4] == b"fLaC":
        return parse_flac(file)
    following = bytes_at(file, audio_start + adts_length(head), 8) if is_adts(head) else b""
    refuse_known(head, following)
    found = parse_mpeg(file)
    if found is None:
        raise NotAudio(
            "The file holds no audio that WaveFlow knows."
            " Please upload a WAV, AIFF, FLAC, MP3 or OGG file."
        )
    return found


def _parse_mp4(file: BinaryIO) -> ParsedFile:
    if not table.has_ffmpeg():
        # Whatever else is wrong with the file, mending that would be in vain.
        raise unsupported_format("M4A/MP4")
    return parse_mp4(file)
