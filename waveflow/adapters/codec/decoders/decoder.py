"""What every decoder is to the reader, and what is checked beyond the library itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from attrs import frozen
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.domain.audio import TRUNCATION_TOLERANCE_S, Encoding
from waveflow.domain.errors import InvalidAudio

_LOUDEST = 64.0
"""Of full scale: the hottest masters decode to 3, damaged AAC and MP3 frames to thousands."""

_BOUNDED = (Encoding.MP3, Encoding.AAC, Encoding.VORBIS)


class CannotDecode(Exception):
    """A library refuses a file, or stumbles over damage in it."""


class OpenDecoder(Protocol):
    """A file that is open in a library.

    Attributes:
        channels: what the library makes of the file, to be compared with its header.
        sample_rate_hz: likewise.
        expected_frames: frames that a whole file holds; 0 where the header's announcement, which
            the caller compares, is all there is. Far fewer are taken for damage.
    """

    channels: int
    sample_rate_hz: int
    expected_frames: int

    @abstractmethod
    def read(self, max_frames: int) -> NDArray[Any]:
        """The next frames, (frames, channels), valid until the next read; none at the end.

        Raises:
            CannotDecode: when the audio is damaged here.
        """


@frozen
class Decoder:
    """A way into some formats: a library, and the kinds of files that it is trusted with.

    Attributes:
        opened: takes a file's path, the same file open, and what its header says; gives the
            decoder. Raises `CannotDecode` when the library refuses the file.
        takes: whether this one is for such a file.
    """

    name: str
    opened: Callable[[Path, BinaryIO, ParsedFile], AbstractContextManager[OpenDecoder]]
    takes: Callable[[ParsedFile], bool] = lambda parsed: True


class DecodedBlocks:
    """The frames of an open decoder, no more and no fewer than the file holds."""

    def __init__(self, decoder: OpenDecoder, parsed: ParsedFile) -> None:
        """Take over a decoder at its first frame.

        Raises:
            InvalidAudio: when the decoder makes another thing of the file than its header.
        """
        header = parsed.header
        if (decoder.channels, decoder.sample_rate_hz) != (header.channels, header.sample_rate_hz):
            raise InvalidAudio(
                f"The {header.format} file contradicts itself: its header says"
                f" {header.channels} channels at {header.sample_rate_hz} Hz, its audio"
                f" {decoder.channels} at {decoder.sample_rate_hz} Hz. Please export it again."
            )
        self._decoder = decoder
        self._sample_rate_hz = header.sample_rate_hz
        self._exact_frames = parsed.exact_frames
        self._frames = 0
        # An Opus file may say itself that it is up to 128 dB louder (RFC 7845, 5.1).
        self._has_a_bound = header.format.encoding in _BOUNDED

    def read(self, max_frames: int) -> NDArray[Any]:
        """The next frames, (frames, channels); none at the end.

        Raises:
            InvalidAudio: when the audio is damaged here, or much of it was missing before.
        """
        if self._exact_frames is not None:
            max_frames = min(max_frames, self._exact_frames - self._frames)
        try:
            block = self._decoder.read(max_frames)
            if self._has_a_bound:
                _require_sane(block)
        except CannotDecode as error:
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
        missing = self._decoder.expected_frames - self._frames
        if missing > TRUNCATION_TOLERANCE_S * self._sample_rate_hz:
            raise InvalidAudio(
                f"The file is damaged: {missing / self._sample_rate_hz:.1f} s of its audio can't be"
                " decoded. Please export it again and upload that."
            )


def _require_sane(block: NDArray[Any]) -> None:
    """Raises `CannotDecode` for what no encoder was given.

    One such frame would drown all else in the peaks, and silence a mix. NaN passes: it has an
    error of its own, where samples are looked at.
    """
    if block.size and max(block.max(), -block.min()) > _LOUDEST:
        raise CannotDecode("samples far beyond full scale")
