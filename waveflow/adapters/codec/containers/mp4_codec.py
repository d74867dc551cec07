"""What an MP4 track holds, and how its decoder is set up: AAC (LC and HE) and ALAC pass."""

from __future__ import annotations

from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.mp4_asc import read_aac_config
from waveflow.adapters.codec.containers.mp4_boxes import (
    Box,
    boxes,
    broken,
    children,
    content_of,
    only,
)
from waveflow.adapters.codec.containers.parsed import SampleType, bytes_at, unsupported_encoding
from waveflow.domain.audio import Container, Encoding
from waveflow.domain.errors import UnsupportedAudio

_SOUND_ENTRY_BYTES = 28
_ALAC_CONFIG_BYTES = 4 + 24
_ALAC_MOST_FRAMES = 16_384
_ALAC_TYPES: dict[int, SampleType] = {16: "int16", 24: "int32"}

_MPEG4_AUDIO = 0x40
_OBJECTS = {0x66: "MPEG-2 AAC", 0x67: "MPEG-2 AAC", 0x68: "MPEG-2 AAC", 0x69: "MP3", 0x6B: "MP3"}

_REFUSED = {
    b"enca": "encrypted",
    b"drms": "encrypted",
    b"drmi": "encrypted",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b".mp3": "MP3",
    b"ac-3": "Dolby Digital (AC-3)",
    b"ec-3": "Dolby Digital Plus (E-AC-3)",
    b"ac-4": "Dolby AC-4",
    b"samr": "AMR",
    b"sawb": "AMR",
    b"dtsc": "DTS",
    b"mlpa": "Dolby TrueHD",
    b"lpcm": "PCM",
    b"sowt": "PCM",
    b"twos": "PCM",
    b"ipcm": "PCM",
    b"fpcm": "PCM",
}


@frozen
class Sound:
    """What is decoded, and into what.

    Attributes:
        packet_frames: frames that a packet decodes to; the last may have fewer.
        setup: the codec's parameters, as ffmpeg takes them.
    """

    encoding: Encoding
    sample_type: SampleType
    channels: int
    sample_rate_hz: int
    packet_frames: int
    setup: bytes


def refused(what: str) -> UnsupportedAudio:
    """The error for what is understood, but not decoded."""
    return unsupported_encoding(Container.M4A, what)


def read_sound(file: BinaryIO, description: Box) -> Sound:
    """What the sample description (`stsd`) says.

    Raises:
        InvalidAudio: when it contradicts itself.
        UnsupportedAudio: for other codecs than AAC-LC, HE-AAC and ALAC.
    """
    entries = list(boxes(file, description.start + 8, description.end))
    if int.from_bytes(bytes_at(file, description.start + 4, 4), "big") != 1 or len(entries) != 1:
        raise refused("several kinds of")
    entry = entries[0]
    if entry.end > description.end:
        raise broken("the description of its audio is cut off")
    if entry.kind not in (b"mp4a", b"alac"):
        raise refused(_REFUSED.get(entry.kind, "an unknown kind of"))
    if bytes_at(file, entry.start + 8, 2) != bytes(2):
        raise refused("QuickTime's kind of")
    parts = children(file, entry, skipped=_SOUND_ENTRY_BYTES)
    if entry.kind == b"alac":
        sound = _alac(content_of(file, only(parts, b"alac"), at_least=_ALAC_CONFIG_BYTES))
        _require_rate(sound, int.from_bytes(bytes_at(file, entry.start + 24, 2), "big"))
        return sound
    return _aac(content_of(file, only(parts, b"esds"), at_least=4))


def _alac(content: bytes) -> Sound:
    config = content[4:_ALAC_CONFIG_BYTES]
    bits, channels, packet_frames = config[5], config[9], int.from_bytes(config[:4], "big")
    if bits not in _ALAC_TYPES:
        raise refused(f"{bits}-bit ALAC")
    if config[4] != 0 or not 1 <= packet_frames <= _ALAC_MOST_FRAMES:
        raise broken(f"it claims {packet_frames} frames in a packet")
    return Sound(
        Encoding.ALAC,
        _ALAC_TYPES[bits],
        channels,
        int.from_bytes(config[20:24], "big"),
        packet_frames,
        # ffmpeg wants the box with its head.
        (8 + _ALAC_CONFIG_BYTES).to_bytes(4, "big") + b"alac" + bytes(4) + config,
    )


def _require_rate(sound: Sound, entry_rate_hz: int) -> None:
    """The entry's own rate, in 16 bits, has to be the codec's, where it says one that fits."""
    if entry_rate_hz and sound.sample_rate_hz < 1 << 16 and sound.sample_rate_hz != entry_rate_hz:
        raise broken(f"it claims {sound.sample_rate_hz} Hz, and {entry_rate_hz} Hz")


def _aac(content: bytes) -> Sound:
    setup = _aac_setup(content[4:])
    config = read_aac_config(setup)
    if config is None:
        raise refused("an unusual kind of AAC")
    return Sound(
        Encoding.AAC, "float32", config.channels, config.sample_rate_hz, config.frames, setup
    )


def _aac_setup(content: bytes) -> bytes:
    """What an elementary stream's descriptors hold for its decoder (ISO/IEC 14496-1, 7.2.6)."""
    stream = _descriptor(content, 0x03)
    if len(stream) < 3 or stream[2] & 0xE0:
        raise broken("the description of its audio depends on what isn't there")
    decoder = _descriptor(stream[3:], 0x04)
    if len(decoder) < 13:
        raise broken("the description of its audio is cut off")
    if decoder[0] != _MPEG4_AUDIO:
        raise refused(_OBJECTS.get(decoder[0], "an unknown kind of"))
    return _descriptor(decoder[13:], 0x05)


def _descriptor(content: bytes, tag: int) -> bytes:
    """The content of the descriptor at the start, which has to be of that kind."""
    size = 0
    for count, byte in enumerate(content[1:5], start=2):
        size = size << 7 | byte & 0x7F
        if byte < 0x80:
            if content[0] == tag and count + size <= len(content):
                return content[count : count + size]
            break
    raise broken("the description of its audio is cut off")
