"""Reads the audio of a file block by block, every frame of it, in the file's own sample type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import soundfile
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.containers.parsed import ParsedFile, SampleType
from waveflow.adapters.codec.pcm import PcmBlocks
from waveflow.adapters.codec.stream import decodable
from waveflow.domain.audio import TRUNCATION_TOLERANCE_S, AudioHeader, AudioLimits, Container
from waveflow.domain.errors import InvalidAudio
from waveflow.domain.pcm import PcmBlock, PcmReader


class _Blocks(Protocol):
    def read(self, max_frames: int) -> NDArray[Any]: ...


class FileReader(PcmReader):
    """The frames of an open file, in order.

    Attributes:
        frames_read: frames returned so far; after the end, the file's true length.
    """

    def __init__(self, header: AudioHeader, blocks: _Blocks) -> None:
        self.frames_read = 0
        self._header = header
        self._blocks = blocks
        self._ended = False

    @property
    def header(self) -> AudioHeader:
        """What the file's header says."""
        return self._header

    def read(self, max_frames: int) -> PcmBlock:
        """The next frames, shape (frames, channels), C-contiguous.

        The type is the file's own: int16 for up to 16 bits, int32 (left-justified) for 24 and
        32, float32 or float64 for floats, float32 for MP3, Vorbis and Opus. There are at most
        `max_frames`, possibly fewer; there are none at the end, and only there.

        Raises:
            InvalidAudio: when the audio is damaged here.
        """
        block = self._blocks.read(0 if self._ended else max_frames)
        self._ended = self._ended or (len(block) == 0 and max_frames > 0)
        self.frames_read += len(block)
        return block


@contextlib.contextmanager
def open_reader(path: Path, limits: AudioLimits | None = None) -> Iterator[FileReader]:
    """Opens an audio file of any supported kind, whatever its name.

    The file stays open until the end of the `with` block. A file that was cut short simply
    ends early: `waveflow.domain.audio.require_complete` tells.

    Args:
        limits: judge the header before a decoder sees the file.

    Raises:
        InvalidAudio, UnsupportedAudio: as `header.read_header` does, and when the limits or
            the decoder refuse the file.
    """
    with path.open("rb") as file, contextlib.ExitStack() as stack:
        parsed = parse(file)
        if limits is not None:
            limits.require_header(parsed.header)
        blocks: _Blocks
        if parsed.pcm is not None:
            blocks = PcmBlocks(file, parsed.pcm, parsed.header.channels, parsed.sample_type)
        else:
            blocks = stack.enter_context(_DecodedBlocks.opened(path, file, parsed))
        yield FileReader(parsed.header, blocks)


class _Decoder(soundfile.SoundFile):  # type: ignore[misc]
    """soundfile's reader without the seek that it does after each read of a seekable file.

    The seek fails on a FLAC of unknown length, and in small blocks of FLAC and MP3 it takes
    twice as long as the decoding.
    """

    def seekable(self) -> bool:
        return False


class _DecodedBlocks:
    def __init__(self, decoder: _Decoder, parsed: ParsedFile) -> None:
        self._decoder = decoder
        self._sample_type: SampleType = parsed.sample_type
        self._sample_rate_hz = parsed.header.sample_rate_hz
        self._exact_frames = parsed.exact_frames
        self._expected_frames = _expected_frames(decoder, parsed.header)
        self._frames = 0

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path, file: BinaryIO, parsed: ParsedFile) -> Iterator[_DecodedBlocks]:
        kind = parsed.header.format
        try:
            decoder = _Decoder(decodable(file, parsed) or path)
        except soundfile.SoundFileError as error:
            raise InvalidAudio(
                f"The {kind} file can't be decoded; please export it again and upload that."
            ) from error
        with decoder:
            if (decoder.channels, decoder.samplerate) != (
                parsed.header.channels,
                parsed.header.sample_rate_hz,
            ):
                raise InvalidAudio(
                    f"The {kind} file contradicts itself: its header says"
                    f" {parsed.header.channels} channels at {parsed.header.sample_rate_hz} Hz, its"
                    f" audio {decoder.channels} at {decoder.samplerate} Hz. Please export it again."
                )
            yield cls(decoder, parsed)

    def read(self, max_frames: int) -> NDArray[Any]:
        if self._exact_frames is not None:
            max_frames = min(max_frames, self._exact_frames - self._frames)
        try:
            block: NDArray[Any] = self._decoder.read(
                max_frames, dtype=self._sample_type, always_2d=True
            )
        except soundfile.SoundFileError as error:
            raise InvalidAudio(
                f"The audio is damaged after {self._frames / self._sample_rate_hz:.1f} s;"
                " please export it again and upload that."
            ) from error
        self._frames += len(block)
        if len(block) == 0 and max_frames > 0:
            self._require_no_holes()
        return block

    def _require_no_holes(self) -> None:
        # Decoders pass over damaged Ogg pages and stop where an MP3 turns from stereo to mono,
        # without a word.
        missing = self._expected_frames - self._frames
        if missing > TRUNCATION_TOLERANCE_S * self._sample_rate_hz:
            raise InvalidAudio(
                f"The file is damaged: {missing / self._sample_rate_hz:.1f} s of its audio can't be"
                " decoded. Please export it again and upload that."
            )


def _expected_frames(decoder: _Decoder, header: AudioHeader) -> int:
    """How many frames should come; 0 where the caller compares with the header instead."""
    if header.format.container is Container.OGG:
        # Unlike the last page's position, this takes a stream into account that starts late.
        return int(decoder.frames)
    return header.likely_frames if header.format.container is Container.MP3 else 0
