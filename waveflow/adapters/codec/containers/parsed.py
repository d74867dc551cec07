"""What the header parsers hand on, and the bounded reads that they share."""

from __future__ import annotations

import io
from typing import BinaryIO, Literal

import numpy as np
from attrs import cmp_using, field, frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.packets import PacketStream
from waveflow.adapters.codec.containers.splice import Piece
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding
from waveflow.domain.errors import InvalidAudio, UnsupportedAudio

Offsets = NDArray[np.int64]
SampleType = Literal["int16", "int32", "float32", "float64"]

SAMPLE_TYPES: dict[Encoding, SampleType] = {
    Encoding.PCM_8: "int16",
    Encoding.PCM_16: "int16",
    Encoding.PCM_24: "int32",
    Encoding.PCM_32: "int32",
    Encoding.FLOAT_32: "float32",
    Encoding.FLOAT_64: "float64",
    Encoding.VORBIS: "float32",
    Encoding.OPUS: "float32",
    Encoding.MP3: "float32",
    Encoding.AAC: "float32",
}


@frozen
class PcmLayout:
    """Where uncompressed samples lie in a file, and how they are stored.

    Attributes:
        start: offset of the first sample, in bytes.
        frames: whole frames that are really present.
        sample_bytes: 1, 2, 3, 4 or 8.
        big_endian: byte order of a sample.
        unsigned: 8-bit samples centred on 128 rather than 0.
    """

    start: int
    frames: int
    sample_bytes: int
    big_endian: bool = False
    unsigned: bool = False


@frozen
class FlacFrames:
    """The frames of a regular stream: each begins where the one before it ends.

    Attributes:
        offsets: int64 (count + 1,); where in the file each frame starts, and where the last ends.
        positions: int64 (count + 1,); PCM frames before each, and in all.
        stream_info: the STREAMINFO block as it lies in the file, without its header.
    """

    offsets: Offsets = field(eq=cmp_using(eq=np.array_equal))
    positions: Offsets = field(eq=cmp_using(eq=np.array_equal))
    stream_info: bytes


@frozen
class ParsedFile:
    """A header, and how to get at every frame behind it.

    Attributes:
        sample_type: numpy's name of the type in which samples are read.
        pcm: set for uncompressed audio, which needs no decoder.
        corrected: pieces to decode instead of the file itself; empty when it's fine as it is.
        flac_frames: where the frames of a FLAC stream lie; None unless it's regular throughout.
        stream: where the packets of a Vorbis, Opus, AAC or ALAC stream lie; None where anything is
            wrong with an Ogg file.
        exact_frames: how many frames to ask a decoder for, where it would stumble over what
            follows; None to read until it has no more.
        vorbis_order: the channels are coded in Vorbis's order (L C R …), not in that of WAV files.
    """

    header: AudioHeader
    sample_type: SampleType
    pcm: PcmLayout | None = None
    corrected: tuple[Piece, ...] = ()
    exact_frames: int | None = None
    flac_frames: FlacFrames | None = None
    stream: PacketStream | None = None
    vorbis_order: bool = False


def size_of(file: BinaryIO) -> int:
    """Bytes in `file`."""
    return file.seek(0, io.SEEK_END)


def bytes_at(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to `count` bytes from `offset`; fewer only at the end of the file, none below 0."""
    file.seek(offset)
    return file.read(max(count, 0))


def damaged(container: Container, what: str) -> InvalidAudio:
    """The error for a header that contradicts itself."""
    return InvalidAudio(
        f"The {container.value} file is damaged: {what}. Please export it and upload it again."
    )


def unsupported_encoding(container: Container, encoding: str) -> UnsupportedAudio:
    """The error for an encoding that isn't decoded, within a container that is."""
    return UnsupportedAudio(
        f"{container.value} files with {encoding} audio are not supported;"
        " please export it as WAV, AIFF, FLAC, MP3 or OGG and upload that.",
        code="unsupported_encoding",
    )


def uncompressed(
    container: Container,
    encoding: Encoding,
    channels: int,
    sample_rate_hz: int,
    layout: PcmLayout,
    announced_frames: int | None,
) -> ParsedFile:
    """A file whose samples can be read as they lie."""
    header = AudioHeader(
        format=AudioFormat(container, encoding),
        channels=channels,
        sample_rate_hz=sample_rate_hz,
        announced_frames=announced_frames,
        likely_frames=layout.frames,
    )
    return ParsedFile(header, SAMPLE_TYPES[encoding], pcm=layout)
