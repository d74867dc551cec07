"""FLAC headers: the STREAMINFO block, checked against the last frames of the stream."""

from __future__ import annotations

from typing import BinaryIO

from waveflow.adapters.codec.containers.flac_frame import StreamInfo, last_frame
from waveflow.adapters.codec.containers.flac_frames import regular_frames
from waveflow.adapters.codec.containers.flac_metadata import start_of_audio
from waveflow.adapters.codec.containers.parsed import (
    FlacFrames,
    ParsedFile,
    SampleType,
    bytes_at,
    damaged,
    size_of,
    unsupported_encoding,
)
from waveflow.adapters.codec.containers.splice import Piece, Span
from waveflow.adapters.codec.containers.tags import end_of_leading_tags, start_of_trailing_tags
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding

_SAMPLE_TYPES: dict[int, SampleType] = {8: "int16", 16: "int16", 24: "int32"}
_STREAMINFO_END = 4 + 4 + 34
_TAIL_BYTES = 256 * 1024


def parse_flac(file: BinaryIO) -> ParsedFile:
    """The header of a FLAC file, possibly behind ID3v2 tags.

    A decoder believes STREAMINFO's total and silently stops there. So the total is checked
    against the last frame in the stream, and masked (as "unknown") unless they agree. A last
    frame that is cut off is left out, since a decoder would take it for damage.

    Raises:
        InvalidAudio: without a usable STREAMINFO block.
        UnsupportedAudio: for sample sizes other than 8, 16 and 24 bits.
    """
    start = end_of_leading_tags(file)
    head = bytes_at(file, start, _STREAMINFO_END)
    info = _read_stream_info(head)
    if info.bits not in _SAMPLE_TYPES:
        raise unsupported_encoding(Container.FLAC, f"{info.bits}-bit")
    size = size_of(file)
    tags_start = start_of_trailing_tags(file, start + _STREAMINFO_END, size)
    regular = _regular_frames(file, info, head, start + _STREAMINFO_END, tags_start)
    if regular is None:
        frames, end = _measure(file, info, start + _STREAMINFO_END, tags_start)
    else:
        frames, end = info.total_frames, tags_start
    honest = frames == info.total_frames > 0
    fine = start == 0 and (honest or (info.total_frames == 0 and end == size))
    header = AudioHeader(
        format=AudioFormat(Container.FLAC, Encoding.FLAC),
        channels=info.channels,
        sample_rate_hz=info.sample_rate_hz,
        announced_frames=info.total_frames or None,
        likely_frames=frames,
    )
    return ParsedFile(
        header,
        _SAMPLE_TYPES[info.bits],
        corrected=() if fine else _masked(head, Span(start, end)),
        # Past the last frame a decoder would stumble over whatever follows it.
        exact_frames=frames if honest else None,
        flac_frames=regular,
    )


def _regular_frames(
    file: BinaryIO, info: StreamInfo, head: bytes, start: int, end: int
) -> FlacFrames | None:
    if head[4] & 0x80:
        return regular_frames(file, info, head[8:], start, end)
    audio_start = start_of_audio(file, start, end)
    if audio_start is None:
        return None
    return regular_frames(file, info, head[8:], audio_start, end)


def _measure(file: BinaryIO, info: StreamInfo, start: int, end: int) -> tuple[int, int]:
    """PCM frames in the stream, and where its last whole FLAC frame ends; (0, `end`) if unknown."""
    window = max(start, end - _TAIL_BYTES)
    last = last_frame(bytes_at(file, window, end - window), info)
    if last is None:
        return 0, end
    # A header that announces more is best explained by a file that was cut.
    is_cut = not last.is_whole and info.total_frames > last.frames_after
    if last.end is None or is_cut:
        return last.frames_before, window + last.start
    return last.frames_after, window + last.end


def _masked(head: bytes, stream: Span) -> tuple[Piece, ...]:
    """The stream with a total of 0, which stands for "unknown"."""
    patched = head[:21] + bytes([head[21] & 0xF0]) + bytes(4) + head[26:]
    return patched, Span(stream.start + _STREAMINFO_END, stream.end)


def _read_stream_info(head: bytes) -> StreamInfo:
    is_first_block = head[4:5] in (b"\x00", b"\x80") and head[5:8] == b"\x00\x00\x22"
    if len(head) < _STREAMINFO_END or not is_first_block:
        raise damaged(Container.FLAC, "its STREAMINFO block is missing or cut off")
    packed = int.from_bytes(head[18:26], "big")
    info = StreamInfo(
        block_frames=int.from_bytes(head[10:12], "big"),
        min_frame_bytes=int.from_bytes(head[12:15], "big"),
        max_frame_bytes=int.from_bytes(head[15:18], "big"),
        sample_rate_hz=packed >> 44,
        channels=(packed >> 41 & 0x7) + 1,
        bits=(packed >> 36 & 0x1F) + 1,
        total_frames=packed & (2**36 - 1),
    )
    if info.sample_rate_hz == 0:
        raise damaged(Container.FLAC, "it claims a sample rate of 0 Hz")
    return info
