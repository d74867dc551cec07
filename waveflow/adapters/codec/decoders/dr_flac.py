"""dr_flac, through miniaudio's functions: the fastest decoder for FLAC that is in order.

It passes over damaged frames in silence. So it gets the frames that the scan has found, a piece of
the stream at a time, and must make of each piece as many PCM frames as it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from _miniaudio import ffi, lib
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.parsed import FlacFrames, ParsedFile
from waveflow.adapters.codec.decoders.decoder import CannotDecode, OpenDecoder

_PIECE_BYTES = 256 * 1024
_HEAD_BYTES = 4 + 4 + 34


@contextmanager
def opened(_path: Path, file: BinaryIO, parsed: ParsedFile) -> Iterator[OpenDecoder]:
    """A decoder at the file's first frame; see `decoder.Decoder`. The stream has to be regular."""
    assert parsed.flac_frames is not None
    decoder = _DrFlac(file, parsed, parsed.flac_frames)
    try:
        yield decoder
    finally:
        decoder.close()


class _DrFlac(OpenDecoder):
    def __init__(self, file: BinaryIO, parsed: ParsedFile, frames: FlacFrames) -> None:
        self.channels = parsed.header.channels
        self.sample_rate_hz = parsed.header.sample_rate_hz
        self.expected_frames = 0
        self._file = file
        self._frames = frames
        self._next = 0
        self._decoder = ffi.NULL
        self._left = 0
        self._piece = bytearray()
        self._dtype = np.dtype(parsed.sample_type)
        self._buffer = np.empty((0, self.channels), self._dtype)
        is_short = parsed.sample_type == "int16"
        self._decode = (
            lib.ma_dr_flac_read_pcm_frames_s16 if is_short else lib.ma_dr_flac_read_pcm_frames_s32
        )

    def read(self, max_frames: int) -> NDArray[Any]:
        if len(self._buffer) < max_frames:
            self._buffer = np.empty((max_frames, self.channels), self._dtype)
        filled = 0
        while filled < max_frames and (self._left or self._open_next_piece()):
            wanted = min(max_frames - filled, self._left)
            target = ffi.from_buffer(self._buffer[filled:])
            if self._decode(self._decoder, wanted, ffi.cast("void *", target)) != wanted:
                raise CannotDecode("a frame is damaged")
            filled += wanted
            self._left -= wanted
        return self._buffer[:filled]

    def close(self) -> None:
        """Free the library's memory."""
        if self._decoder != ffi.NULL:
            lib.ma_dr_flac_close(self._decoder)
            self._decoder = ffi.NULL

    def _open_next_piece(self) -> bool:
        """Go on to the next frames of the file; False when there are none."""
        self.close()
        offsets, positions = self._frames.offsets, self._frames.positions
        first = self._next
        if first == len(offsets) - 1:
            return False
        end = int(np.searchsorted(offsets, offsets[first] + _PIECE_BYTES, "right")) - 1
        self._next = max(first + 1, end)
        length = self._load(int(offsets[first]), int(offsets[self._next]))
        self._decoder = lib.ma_dr_flac_open_memory(ffi.from_buffer(self._piece), length, ffi.NULL)
        if self._decoder == ffi.NULL:
            raise CannotDecode("the library refuses it")
        self._left = int(positions[self._next] - positions[first])
        return True

    def _load(self, start: int, end: int) -> int:
        """Make a stream of its own of these bytes of the file; gives its length."""
        length = _HEAD_BYTES + end - start
        if len(self._piece) < length:
            self._piece = bytearray(length)
            self._piece[:_HEAD_BYTES] = b"fLaC\x80\x00\x00\x22" + self._frames.stream_info
        self._file.seek(start)
        with memoryview(self._piece) as whole, whole[_HEAD_BYTES:length] as audio:
            self._file.readinto(audio)  # type: ignore[attr-defined]
        return length
