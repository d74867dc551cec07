"""Reads the audio of a file block by block, every frame of it, in the file's own sample type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from numpy.typing import NDArray

from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.decoders.decoder import CannotDecode, DecodedBlocks, OpenDecoder
from waveflow.adapters.codec.decoders.table import decoder_for
from waveflow.adapters.codec.pcm import PcmBlocks
from waveflow.domain.audio import AudioHeader, AudioLimits
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
        """The next frames, as `waveflow.domain.pcm.PcmBlock` says; valid until the next read.

        The type is the file's own: int16 for up to 16 bits, int32 (left-justified) or packed
        bytes for 24 and 32, float32 or float64 for floats, float32 for MP3, Vorbis, Opus and
        AAC, in planes where the decoder has them so. There are at most `max_frames`, possibly
        fewer; there are none at the end, and only there.

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
            if parsed.stream is not None:  # What is decoded and dropped takes as long.
                limits.require_duration(parsed.stream.skipped, parsed.header.sample_rate_hz)
        blocks: _Blocks
        if parsed.pcm is not None:
            blocks = PcmBlocks(file, parsed.pcm, parsed.header.channels, parsed.sample_type)
        else:
            blocks = DecodedBlocks(_decoder(stack, path, file, parsed), parsed)
        yield FileReader(parsed.header, blocks)


def _decoder(
    stack: contextlib.ExitStack, path: Path, file: BinaryIO, parsed: ParsedFile
) -> OpenDecoder:
    try:
        return stack.enter_context(decoder_for(parsed).opened(path, file, parsed))
    except CannotDecode as error:
        raise InvalidAudio(
            f"The {parsed.header.format} file can't be decoded; please export it again and upload"
            " that."
        ) from error
