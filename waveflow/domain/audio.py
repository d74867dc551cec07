"""What counts as audio: formats, what a header says, limits."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import field, frozen
from attrs.validators import gt, instance_of

from waveflow.domain.errors import AudioTooLarge, InvalidAudio, TruncatedAudio, UnsupportedAudio


class Container(Enum):
    """How a file packs its audio."""

    WAV = "WAV"
    AIFF = "AIFF"
    FLAC = "FLAC"
    OGG = "OGG"
    MP3 = "MP3"
    M4A = "M4A"


class Encoding(Enum):
    """How a container encodes its samples."""

    PCM_8 = "8-bit PCM"
    PCM_16 = "16-bit PCM"
    PCM_24 = "24-bit PCM"
    PCM_32 = "32-bit PCM"
    FLOAT_32 = "32-bit float"
    FLOAT_64 = "64-bit float"
    FLAC = "FLAC"
    VORBIS = "Vorbis"
    OPUS = "Opus"
    MP3 = "MP3"
    AAC = "AAC"
    ALAC = "ALAC"


_UNCOMPRESSED = frozenset(
    {
        Encoding.PCM_8,
        Encoding.PCM_16,
        Encoding.PCM_24,
        Encoding.PCM_32,
        Encoding.FLOAT_32,
        Encoding.FLOAT_64,
    }
)

ENCODINGS: Mapping[Container, frozenset[Encoding]] = MappingProxyType(
    {
        Container.WAV: _UNCOMPRESSED,
        Container.AIFF: _UNCOMPRESSED,
        Container.FLAC: frozenset({Encoding.FLAC}),
        Container.OGG: frozenset({Encoding.VORBIS, Encoding.OPUS}),
        Container.MP3: frozenset({Encoding.MP3}),
        Container.M4A: frozenset({Encoding.AAC, Encoding.ALAC}),
    }
)
"""The allow-list: nothing else reaches a decoder."""

MIME_TYPES: Mapping[Container, tuple[str, ...]] = MappingProxyType(
    {
        Container.WAV: ("audio/wav", "audio/x-wav", "audio/wave"),
        Container.AIFF: ("audio/aiff", "audio/x-aiff"),
        Container.FLAC: ("audio/flac",),
        Container.OGG: ("audio/ogg",),
        Container.MP3: ("audio/mpeg", "audio/mp3"),
        Container.M4A: ("audio/mp4", "audio/x-m4a", "audio/m4a"),
    }
)
"""The names under which `ALLOWED_MIME_TYPES` may list each container."""

ALL_MIME_TYPES = frozenset(name for names in MIME_TYPES.values() for name in names)


@frozen
class AudioFormat:
    """A container and the encoding in it.

    Raises:
        UnsupportedAudio: when the pair is not on the allow-list.
    """

    container: Container
    encoding: Encoding

    def __attrs_post_init__(self) -> None:
        if self.encoding not in ENCODINGS[self.container]:
            raise UnsupportedAudio(
                f"{self.container.value} files with {self.encoding.value} audio are not supported;"
                " please upload WAV, AIFF, FLAC, MP3 or OGG.",
                code="unsupported_encoding",
            )

    def __str__(self) -> str:
        if self.container.value == self.encoding.value:
            return self.container.value
        return f"{self.container.value} ({self.encoding.value})"


@frozen
class AudioHeader:
    """What a file's own header says of its audio, before anything is decoded.

    Attributes:
        announced_frames: frames that the file claims to hold; None when it doesn't say
            (a streamed WAV, a FLAC total of 0, an MP3 without a Xing header, OGG).
        likely_frames: best knowledge of the frames that decoding will give, for laying out
            buckets beforehand; 0 when there is none. Never trusted as a result.
    """

    format: AudioFormat
    channels: int = field(validator=instance_of(int))
    sample_rate_hz: int = field(validator=instance_of(int))
    announced_frames: int | None = None
    likely_frames: int = 0


MAX_PEAKS = 4000
"""Most peaks of a waveform: a screen shows no more, and the document stays under 100 kB."""


def require_num_peaks(num_peaks: int) -> None:
    """Raises `InvalidAudio` for a number of peaks outside 1 to 4000."""
    if not 1 <= num_peaks <= MAX_PEAKS:
        raise InvalidAudio(
            f"num_peaks is {num_peaks}; 1 to {MAX_PEAKS} are possible.", code="invalid_num_peaks"
        )


TRUNCATION_TOLERANCE_S = 0.1
"""A header that is off by less is a sloppy writer, not a file that was cut."""


@frozen
class AudioLimits:
    """What a single file may be.

    Attributes:
        max_bytes: largest file, in bytes.
        max_duration_s: longest audio, in seconds of decoded frames: a few kB can decode to hours.
        mime_types: names of the containers that are accepted; judged by content.
    """

    max_bytes: int = field(default=100 * 1024**2, validator=gt(0))
    max_duration_s: float = field(default=6 * 3600.0, validator=gt(0))
    max_channels: int = field(default=32, validator=gt(0))
    min_sample_rate_hz: int = field(default=4_000, validator=gt(0))
    max_sample_rate_hz: int = field(default=384_000, validator=gt(0))
    mime_types: frozenset[str] = ALL_MIME_TYPES

    def require_size(self, size_bytes: int) -> None:
        """Raises `AudioTooLarge` for more than `max_bytes`."""
        if size_bytes > self.max_bytes:
            raise AudioTooLarge(
                f"The file has {size_bytes / 1024**2:.1f} MB; the limit is"
                f" {self.max_bytes / 1024**2:g} MB. Please upload a smaller one, as FLAC perhaps."
            )

    def require_header(self, header: AudioHeader) -> None:
        """Judge a file by its header, before anything is decoded.

        Raises:
            UnsupportedAudio: for a container that is not accepted.
            InvalidAudio: for a channel count or a sample rate that no stem has.
        """
        container = header.format.container
        if not self._accepts(container):
            accepted = [kind.value for kind in Container if self._accepts(kind)]
            raise UnsupportedAudio(
                f"{container.value} files are not accepted here;"
                f" please upload {', '.join(accepted)}."
            )
        if not 1 <= header.channels <= self.max_channels:
            raise InvalidAudio(
                f"The file claims {header.channels} channels; 1 to {self.max_channels} are"
                " possible. Please export it again."
            )
        if not self.min_sample_rate_hz <= header.sample_rate_hz <= self.max_sample_rate_hz:
            raise InvalidAudio(
                f"The file claims a sample rate of {header.sample_rate_hz} Hz;"
                f" {self.min_sample_rate_hz} to {self.max_sample_rate_hz} Hz are possible."
                " Please export it again."
            )

    def _accepts(self, container: Container) -> bool:
        return not self.mime_types.isdisjoint(MIME_TYPES[container])

    def likely_frames(self, header: AudioHeader) -> int:
        """How many frames to expect: what the header says, as far as that is allowed.

        A header may claim anything; more than is allowed can't come.
        """
        return min(header.likely_frames, int(self.max_duration_s * header.sample_rate_hz) + 1)

    def require_duration(self, frames: int, sample_rate_hz: int) -> None:
        """Raises `AudioTooLarge` once more than `max_duration_s` have been decoded."""
        if frames > self.max_duration_s * sample_rate_hz:
            raise AudioTooLarge(
                f"The file holds more than {_duration(self.max_duration_s)} of audio."
                " Please upload a shorter one.",
                code="audio_too_long",
            )


NO_LIMITS = AudioLimits(max_bytes=2**63, max_duration_s=24 * 3600.0)
"""Somebody's own files on their own machine: only what can't be audio is refused."""


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds >= 3600 else f"{seconds:g} seconds"


def require_complete(header: AudioHeader, decoded_frames: int) -> None:
    """Raises `TruncatedAudio` when clearly fewer frames were decoded than the header announces."""
    announced = header.announced_frames
    if announced is None:
        return
    if announced - decoded_frames > TRUNCATION_TOLERANCE_S * header.sample_rate_hz:
        raise TruncatedAudio(
            f"The {header.format.container.value} file is damaged or cut short: it announces"
            f" {announced / header.sample_rate_hz:.2f} s of audio, but"
            f" {decoded_frames / header.sample_rate_hz:.2f} s could be decoded."
            " Please export it and upload it again."
        )
