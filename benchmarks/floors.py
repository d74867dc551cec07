"""What can't be avoided: reading the bytes, and the decoders with no work done on their output."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

_CHUNK_BYTES = 1 << 20
_BLOCK_FRAMES = 1 << 16

LIBSNDFILE, PYAV, MINIAUDIO = "libsndfile alone", "PyAV alone", "miniaudio alone"
DECODERS_OF = {
    "flac": (LIBSNDFILE, PYAV, MINIAUDIO),
    "mp3": (LIBSNDFILE, PYAV, MINIAUDIO),
    "ogg": (LIBSNDFILE, PYAV),
    "opus": (LIBSNDFILE, PYAV),
    "m4a": (PYAV,),
}
"""What opens a file, by its suffix. miniaudio's Vorbis decoder (stb_vorbis) has published memory
errors that nobody mended: nothing to compare with."""

_MODULES = {LIBSNDFILE: "soundfile", PYAV: "av", MINIAUDIO: "miniaudio"}


def importable(decoder: str) -> bool:
    """Whether a decoder's package is installed."""
    return find_spec(_MODULES[decoder]) is not None


def read_bytes(path: Path) -> int:
    """Read a file from end to end into one buffer."""
    buffer = bytearray(_CHUNK_BYTES)
    total = 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            total += count
    return total


def decode(path: Path, decoder: str) -> int:
    """Decode a file and drop the samples.

    Returns:
        How many frames there were.
    """
    return _DECODE[decoder](path)


def _libsndfile(path: Path) -> int:
    import soundfile

    class Reader(soundfile.SoundFile):  # type: ignore[misc]
        """Without the seek that soundfile does after each read of a seekable file."""

        def seekable(self) -> bool:
            return False

    frames = 0
    with Reader(path) as file:
        types = {"PCM_16": "int16", "PCM_24": "int32"}
        dtype = types.get(file.subtype, "float32")
        buffer = np.empty((_BLOCK_FRAMES, file.channels), dtype)
        while count := len(file.read(_BLOCK_FRAMES, dtype=dtype, out=buffer)):
            frames += count
    return frames


def _pyav(path: Path) -> int:
    import av

    frames = 0
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            for frame in packet.decode():
                frames += frame.samples
    return frames


def _miniaudio(path: Path) -> int:
    if path.suffix == ".flac":
        return _dr_flac(path)
    return _dr_mp3(path)


def _dr_flac(path: Path) -> int:
    from miniaudio import ffi, lib

    flac = lib.ma_dr_flac_open_file(str(path).encode(), ffi.NULL)
    if not flac:
        raise ValueError(f"dr_flac doesn't open {path}")
    try:
        if flac.bitsPerSample <= 16:
            dtype, read = "int16", lib.ma_dr_flac_read_pcm_frames_s16
        else:
            dtype, read = "int32", lib.ma_dr_flac_read_pcm_frames_s32
        buffer = np.empty((_BLOCK_FRAMES, flac.channels), dtype)
        target = ffi.cast(f"ma_dr_flac_{dtype} *", ffi.from_buffer(buffer))
        return _drained(lambda: read(flac, _BLOCK_FRAMES, target))
    finally:
        lib.ma_dr_flac_close(flac)


def _dr_mp3(path: Path) -> int:
    from miniaudio import ffi, lib

    mp3 = ffi.new("ma_dr_mp3 *")
    if not lib.ma_dr_mp3_init_file(mp3, str(path).encode(), ffi.NULL):
        raise ValueError(f"dr_mp3 doesn't open {path}")
    try:
        buffer = np.empty((_BLOCK_FRAMES, mp3.channels), np.float32)
        target = ffi.cast("float *", ffi.from_buffer(buffer))
        return _drained(lambda: lib.ma_dr_mp3_read_pcm_frames_f32(mp3, _BLOCK_FRAMES, target))
    finally:
        lib.ma_dr_mp3_uninit(mp3)


def _drained(read: Callable[[], int]) -> int:
    frames = 0
    while count := read():
        frames += count
    return frames


_DECODE: dict[str, Callable[[Path], int]] = {
    LIBSNDFILE: _libsndfile,
    PYAV: _pyav,
    MINIAUDIO: _miniaudio,
}


def resample(signals: list[Any], to_hz: int, dtype: str) -> int:
    """soxr alone, streaming, as good as the product's, on mono signals in memory.

    Args:
        signals: pairs of sample rate and float64 array (frames,); those of `to_hz` are left out.

    Returns:
        How many frames came out.
    """
    import soxr

    frames = 0
    for rate_hz, signal in signals:
        if rate_hz == to_hz:
            continue
        stream = soxr.ResampleStream(rate_hz, to_hz, 1, dtype=dtype, quality="VHQ")
        for start in range(0, len(signal), _BLOCK_FRAMES):
            last = start + _BLOCK_FRAMES >= len(signal)
            frames += len(stream.resample_chunk(signal[start : start + _BLOCK_FRAMES], last=last))
    return frames
