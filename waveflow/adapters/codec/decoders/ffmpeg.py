"""ffmpeg's decoders, through PyAV: an optional library, which alone opens M4A.

None of its demuxers and probes ever runs: `containers` has found the packets, and one decoder,
named by the format, gets them. So nothing in a file can choose what code it meets.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.codec import Codec
from av.packet import Packet
from numpy.typing import NDArray

from waveflow.adapters.codec.containers.packets import PacketStream
from waveflow.adapters.codec.containers.parsed import ParsedFile
from waveflow.adapters.codec.decoders.decoder import CannotDecode, OpenDecoder
from waveflow.domain.audio import Encoding

_CODECS = MappingProxyType(
    {
        Encoding.VORBIS: "vorbis",
        Encoding.OPUS: "libopus",  # ffmpeg's own is off by up to 0.009 of full scale
        Encoding.AAC: "aac",
        Encoding.ALAC: "alac",
        Encoding.MP3: "mp3float",
    }
)
_SAMPLE_TYPES = MappingProxyType(
    {"fltp": "float32", "flt": "float32", "s16p": "int16", "s32p": "int32"}
)
_SKIP_MANUAL = 1 << 29
"""Leave frames that aren't part of the recording to the caller (AV_CODEC_FLAG2_SKIP_MANUAL)."""

_BLOCK_FRAMES = 1 << 16

_MOST_FAULTS = 1000
"""Packets that gave nothing. A byte each is enough: a small file may have millions of them."""


@cache
def has_decoder(encoding: Encoding) -> bool:
    """Whether the library was built with this one: libopus may be left out."""
    try:
        Codec(_CODECS[encoding], "r")
    except ValueError:
        return False
    return True


@contextmanager
def opened(_: Path, file: BinaryIO, parsed: ParsedFile) -> Iterator[OpenDecoder]:
    """A decoder at the file's first frame; see `decoder.Decoder`."""
    assert parsed.stream is not None
    decoder = _Ffmpeg(file, parsed, parsed.stream)
    decoder.skip(parsed.stream.skipped)
    yield decoder


class _Ffmpeg(OpenDecoder):
    def __init__(self, file: BinaryIO, parsed: ParsedFile, stream: PacketStream) -> None:
        encoding = parsed.header.format.encoding
        self._context = _opened_codec(encoding, stream.setup)
        self._packets = _padded(stream.packets(file))
        self._lenient = stream.lenient
        self._faults = 0
        self._sample_type = parsed.sample_type
        self._fifo = AudioFifo()
        self._buffer: NDArray[Any] = np.empty(0, self._sample_type)
        self.channels = self.sample_rate_hz = 0
        self._decode(1)
        if self.channels == 0:
            self.channels = parsed.header.channels
            self.sample_rate_hz = parsed.header.sample_rate_hz
        self.expected_frames = (parsed.exact_frames or 0) if stream.lenient else 0

    def read(self, max_frames: int) -> NDArray[Any]:
        self._decode(max_frames)
        frame = self._fifo.read(max_frames, partial=True) if max_frames > 0 else None
        return self._laid_out(frame)

    def skip(self, frames: int) -> None:
        """Pass over the first frames, as far as there are so many."""
        while frames > 0:
            wanted = min(frames, _BLOCK_FRAMES)
            self._decode(wanted)
            if self._fifo.read(wanted, partial=True) is None:
                return
            frames -= wanted

    def _decode(self, frames: int) -> None:
        """Have so many frames ready, if the file has them."""
        fifo, decode = self._fifo, self._context.decode
        channels, sample_rate_hz = self.channels, self.sample_rate_hz
        if fifo.samples >= frames:
            return
        for packet in self._packets:
            had = fifo.samples
            try:
                for frame in decode(packet):
                    # The fifo looks at the format alone, and takes as many planes as it had first.
                    if frame.layout.nb_channels != channels or frame.sample_rate != sample_rate_hz:
                        channels, sample_rate_hz = self._taken_for_all(frame)
                    fifo.write(frame)
            except (av.FFmpegError, ValueError) as error:
                self._bear(error)
            if fifo.samples >= frames:
                return
            self._faults += fifo.samples == had
            if self._faults > _MOST_FAULTS:
                raise CannotDecode("a flood of packets that give nothing")

    def _taken_for_all(self, frame: AudioFrame) -> tuple[int, int]:
        """Channels and rate of the first frame; all others have to be like it."""
        is_first = self.channels == 0
        is_expected = _SAMPLE_TYPES.get(frame.format.name) == self._sample_type
        if not is_first or not is_expected:
            raise CannotDecode
        self.channels, self.sample_rate_hz = frame.layout.nb_channels, frame.sample_rate
        return self.channels, self.sample_rate_hz

    def _bear(self, error: Exception) -> None:
        """Raises `CannotDecode` unless damage is passed over."""
        if getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from error
        if not self._lenient:
            raise CannotDecode from error

    def _laid_out(self, frame: AudioFrame | None) -> NDArray[Any]:
        """The frame's samples in a buffer of ours: as they are, but planar integers packed."""
        frames = 0 if frame is None else frame.samples
        if self._buffer.size < frames * self.channels:
            self._buffer = np.empty(frames * self.channels, self._sample_type)
        buffer = self._buffer[: frames * self.channels]
        if frame is not None and not frame.format.is_planar:
            packed: Any = frame.planes[0]
            buffer[:] = np.frombuffer(packed, self._sample_type, len(buffer))
            return buffer.reshape(frames, self.channels)
        if self._sample_type == "float32":
            block = buffer.reshape(self.channels, frames).T
        else:
            block = buffer.reshape(frames, self.channels)
        if frame is not None:
            planes: Sequence[Any] = frame.planes
            for channel in range(self.channels):
                block[:, channel] = np.frombuffer(planes[channel], self._sample_type, frames)
        return block


def _opened_codec(encoding: Encoding, setup: bytes) -> AudioCodecContext:
    context: Any = AudioCodecContext.create(_CODECS[encoding], "r")
    context.extradata = setup
    context.thread_count = 1
    context.options = {"request_sample_fmt": "flt"} if encoding is Encoding.OPUS else {}
    if encoding is not Encoding.VORBIS:
        # For Vorbis it would also mean a frame of the first packet, which has none.
        context.flags2 |= _SKIP_MANUAL
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        raise CannotDecode from error
    opened_context: AudioCodecContext = context
    return opened_context


def _padded(packets: Iterator[bytes]) -> Iterator[Packet[Any] | None]:
    """The packets with zeros behind them, as far as decoders may look; then None, for the end."""
    for content in packets:
        packet = Packet(len(content))
        packet.update(content)
        yield packet
    yield None
