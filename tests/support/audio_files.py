"""Builders of audio files: honest ones of every supported kind, and ones whose headers lie.

All of them are plain functions that write to a path and return it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.mpeg_frame import read_frame_header

ENCODER_BLOCK_FRAMES = 65_536
"""libsndfile's Vorbis encoder overflows the stack on minutes of audio in one write."""

KINDS: dict[str, tuple[str, str, str]] = {
    "wav-u8": ("WAV", "PCM_U8", "FILE"),
    "wav-16": ("WAV", "PCM_16", "FILE"),
    "wav-24": ("WAV", "PCM_24", "FILE"),
    "wav-32": ("WAV", "PCM_32", "FILE"),
    "wav-float": ("WAV", "FLOAT", "FILE"),
    "wav-double": ("WAV", "DOUBLE", "FILE"),
    "wavex-16": ("WAVEX", "PCM_16", "FILE"),
    "wavex-24": ("WAVEX", "PCM_24", "FILE"),
    "wavex-float": ("WAVEX", "FLOAT", "FILE"),
    "rf64-16": ("RF64", "PCM_16", "FILE"),
    "rf64-24": ("RF64", "PCM_24", "FILE"),
    "aiff-s8": ("AIFF", "PCM_S8", "FILE"),
    "aiff-u8": ("AIFF", "PCM_U8", "FILE"),
    "aiff-16": ("AIFF", "PCM_16", "FILE"),
    "aiff-24": ("AIFF", "PCM_24", "FILE"),
    "aiff-32": ("AIFF", "PCM_32", "FILE"),
    "aiff-float": ("AIFF", "FLOAT", "FILE"),
    "aiff-double": ("AIFF", "DOUBLE", "FILE"),
    "aifc-sowt-16": ("AIFF", "PCM_16", "LITTLE"),
    "aifc-sowt-24": ("AIFF", "PCM_24", "LITTLE"),
    "flac-8": ("FLAC", "PCM_S8", "FILE"),
    "flac-16": ("FLAC", "PCM_16", "FILE"),
    "flac-24": ("FLAC", "PCM_24", "FILE"),
    "mp3": ("MP3", "MPEG_LAYER_III", "FILE"),
    "ogg-vorbis": ("OGG", "VORBIS", "FILE"),
    "ogg-opus": ("OGG", "OPUS", "FILE"),
}
"""Name of a kind → soundfile's format, subtype and endianness."""

OGG_TO_WAV = {
    3: [0, 2, 1],
    5: [0, 2, 1, 3, 4],
    6: [0, 2, 1, 5, 3, 4],
    7: [0, 2, 1, 6, 5, 3, 4],
    8: [0, 2, 1, 7, 5, 6, 3, 4],
}
"""By the number of channels, which one of a Vorbis or Opus stream each one of a WAV file is."""


def noise(frames: int, channels: int = 2, *, seed: int = 0) -> NDArray[np.int32]:
    """White noise over the whole range of 32 bits, shape (frames, channels)."""
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**31), 2**31, (frames, channels), np.int32)


def tone(
    frames: int, channels: int = 2, sample_rate_hz: int = 44_100, *, seed: int = 0
) -> NDArray[np.float32]:
    """Soft tones that swell and fade, unlike in each channel, with a little noise."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(frames)[:, np.newaxis] / sample_rate_hz
    pitches_hz = 220.0 * 1.5 ** np.arange(channels)
    swell = 0.3 + 0.2 * np.sin(2 * np.pi * 1.3 * seconds + np.arange(channels))
    samples = swell * np.sin(2 * np.pi * pitches_hz * seconds)
    return (samples + rng.normal(0, 0.003, samples.shape)).astype(np.float32)


def write_audio(
    path: Path, samples: NDArray[Any], sample_rate_hz: int = 44_100, *, kind: str = "wav-16"
) -> Path:
    """Writes `samples` (frames, channels) as a file of one of the `KINDS`."""
    container, subtype, endian = KINDS[kind]
    channels = samples.shape[1]
    with soundfile.SoundFile(
        path, "w", sample_rate_hz, channels, subtype=subtype, endian=endian, format=container
    ) as file:
        for start in range(0, len(samples), ENCODER_BLOCK_FRAMES):
            file.write(np.ascontiguousarray(samples[start : start + ENCODER_BLOCK_FRAMES]))
    return path


def write_vbr_mp3(path: Path, samples: NDArray[np.float32], sample_rate_hz: int = 44_100) -> Path:
    """An MP3 whose frames have varying bit rates."""
    with soundfile.SoundFile(
        path,
        "w",
        sample_rate_hz,
        samples.shape[1],
        format="MP3",
        compression_level=0.3,
        bitrate_mode="VARIABLE",
    ) as file:
        for start in range(0, len(samples), ENCODER_BLOCK_FRAMES):
            file.write(np.ascontiguousarray(samples[start : start + ENCODER_BLOCK_FRAMES]))
    return path


def wav_adpcm(path: Path, samples: NDArray[Any], sample_rate_hz: int = 44_100) -> Path:
    """A WAV file with IMA ADPCM in it."""
    soundfile.write(path, samples, sample_rate_hz, subtype="IMA_ADPCM", format="WAV")
    return path


def halve(path: Path) -> Path:
    """Cuts the second half of the file off."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def patch(path: Path, offset: int, content: bytes) -> Path:
    """Overwrites bytes in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)
    return path


def damage(path: Path, share: float = 0.5, count: int = 64) -> Path:
    """Overwrites `count` bytes at `share` of the file's length."""
    middle = int(path.stat().st_size * share)
    return patch(path, middle, np.random.default_rng(1).bytes(count))


def prepend(path: Path, content: bytes) -> Path:
    """Puts bytes in front of a file's own."""
    path.write_bytes(content + path.read_bytes())
    return path


def append(path: Path, content: bytes) -> Path:
    """Puts bytes behind a file's own."""
    path.write_bytes(path.read_bytes() + content)
    return path


def id3v2_tag(content_bytes: int, *, footer: bool = False) -> bytes:
    """An ID3v2.4 tag that holds `content_bytes` of padding."""
    sizes = bytes(content_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    flags = b"\x10" if footer else b"\x00"
    head = b"ID3\x04\x00" + flags + sizes
    tail = b"3DI\x04\x00" + flags + sizes if footer else b""
    return head + bytes(content_bytes) + tail


def id3v1_tag() -> bytes:
    """The 128 bytes of an ID3v1 tag."""
    return b"TAG" + b"A title".ljust(124, b"\x00") + b"\xff"


def ape_tag() -> bytes:
    """An empty APEv2 tag, header and footer."""
    head = b"APETAGEX" + struct.pack("<III", 2000, 32, 0)
    return (
        head
        + struct.pack("<I", 0xA0000000)
        + bytes(8)
        + head
        + struct.pack("<I", 1 << 31)
        + bytes(8)
    )


def chunk(name: bytes, content: bytes, *, claimed: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length."""
    size = len(content) if claimed is None else claimed
    return name + struct.pack("<I", size) + content + b"\x00" * (len(content) % 2)


def pcm_format(
    channels: int = 2,
    sample_rate_hz: int = 44_100,
    bits: int = 16,
    *,
    tag: int = 1,
    frame_bytes: int | None = None,
) -> bytes:
    """A fmt chunk."""
    block = channels * ((bits + 7) // 8) if frame_bytes is None else frame_bytes
    fields = (tag, channels, sample_rate_hz, sample_rate_hz * block, block, bits)
    return chunk(b"fmt ", struct.pack("<HHIIHH", *fields))


def wav_of(path: Path, *chunks: bytes, name: bytes = b"RIFF", claimed: int | None = None) -> Path:
    """A WAV file of these chunks, in this order."""
    content = b"WAVE" + b"".join(chunks)
    size = len(content) if claimed is None else claimed
    path.write_bytes(name + struct.pack("<I", size) + content)
    return path


def wav_claiming(path: Path, samples: NDArray[np.int16], data_bytes: int) -> Path:
    """A 16-bit WAV whose data chunk claims `data_bytes`, whatever there is."""
    content = samples.astype("<i2").tobytes()
    data = chunk(b"data", content, claimed=data_bytes)
    return wav_of(path, pcm_format(samples.shape[1]), data)


def streamed_wav(path: Path, samples: NDArray[np.int16], placeholder: int = 0xFFFFFFFF) -> Path:
    """A 16-bit WAV as written to a pipe: sizes that were never filled in."""
    content = samples.astype("<i2").tobytes()
    data = chunk(b"data", content, claimed=placeholder)
    return wav_of(path, pcm_format(samples.shape[1]), data, claimed=placeholder)


def flac_claiming(path: Path, frames: int) -> Path:
    """Sets the total in STREAMINFO (36 bits; 0 stands for "unknown")."""
    content = bytearray(path.read_bytes())
    content[21:26] = ((content[21] & 0xF0) << 32 | frames).to_bytes(5, "big")
    path.write_bytes(content)
    return path


def mpeg_frames(path: Path) -> list[tuple[int, int]]:
    """Offset and length of each MPEG frame of a file that starts with one."""
    content = path.read_bytes()
    frames, position = [], 0
    while header := read_frame_header(content[position : position + 4]):
        frames.append((position, header.length))
        position += header.length
    return frames


def mp3_without_xing(path: Path) -> Path:
    """Drops the first MPEG frame, which holds the Xing or Info tag."""
    _, length = mpeg_frames(path)[0]
    path.write_bytes(path.read_bytes()[length:])
    return path


def mp3_claiming(path: Path, count: int) -> Path:
    """Sets the count of MPEG frames in the Xing or Info tag."""
    content = path.read_bytes()
    tag = max(content.find(b"Xing", 0, 200), content.find(b"Info", 0, 200))
    return patch(path, tag + 8, struct.pack(">I", count))
