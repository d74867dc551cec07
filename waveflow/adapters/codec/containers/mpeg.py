"""MP3 headers: the length that the file claims, and the one that its frames add up to."""

from __future__ import annotations

from typing import BinaryIO

from attrs import evolve, frozen

from waveflow.adapters.codec.containers.mpeg_frame import FrameHeader, length_table
from waveflow.adapters.codec.containers.mpeg_info import (
    DECODER_DELAY,
    InfoTag,
    info_frame,
    read_info_tag,
)
from waveflow.adapters.codec.containers.mpeg_packets import MpegPackets
from waveflow.adapters.codec.containers.mpeg_walk import Walk, find_first_frame, walk
from waveflow.adapters.codec.containers.parsed import (
    SAMPLE_TYPES,
    ParsedFile,
    bytes_at,
    size_of,
    unsupported_encoding,
)
from waveflow.adapters.codec.containers.splice import Gap, Piece
from waveflow.adapters.codec.containers.tags import (
    end_of_leading_tags,
    start_of_trailing_tags,
    starts_with_footed_tag,
)
from waveflow.domain.audio import AudioFormat, AudioHeader, Container, Encoding

_LARGEST_TAG_FOR_DECODER = 4 * 1024 * 1024
"""The decoder keeps a leading tag, pictures and all, in memory."""


@frozen
class _Stream:
    first: FrameHeader
    tag: InfoTag | None
    audio: Walk
    start: int

    @property
    def announced_frames(self) -> int | None:
        if self.tag is None or self.tag.mpeg_frames is None:
            return None
        return self.tag.trimmed(self.tag.mpeg_frames * self.first.frames)

    @property
    def true_tag(self) -> InfoTag:
        """What the tag should say: the count that the frames add up to."""
        if self.tag is None:
            return InfoTag(self.audio.frames)
        truth = evolve(self.tag, mpeg_frames=self.audio.frames)
        if (self.tag.mpeg_frames or 0) > self.audio.frames:
            # The padding was at the end, which is cut off: trimming would cost audio.
            truth = evolve(truth, padding=0)
        return truth


def parse_mpeg(file: BinaryIO) -> ParsedFile | None:
    """The header of an MP3 file; None when `file` isn't MPEG audio.

    A decoder believes the tag's count, or without one guesses from the bit rate, and stops
    there. So the frames are counted, and unless the tag agrees the decoder is given another.

    Raises:
        InvalidAudio: when it is MP3, but mostly damaged.
        UnsupportedAudio: for Layer I and II.
    """
    tags_end = end_of_leading_tags(file)
    end = start_of_trailing_tags(file, tags_end, size_of(file))
    found = find_first_frame(file, tags_end, end)
    if found is None:
        return None
    start, first = found
    if first.layer != 3:
        raise unsupported_encoding(Container.MP3, f"MPEG Layer {'I' * first.layer}")
    stream = _read_stream(file, start, end, first)
    truth = stream.true_tag
    header = AudioHeader(
        format=AudioFormat(Container.MP3, Encoding.MP3),
        channels=first.channels,
        sample_rate_hz=first.sample_rate_hz,
        announced_frames=stream.announced_frames,
        likely_frames=truth.trimmed(stream.audio.frames * first.frames),
    )
    packets = _packets(stream)
    return ParsedFile(
        header,
        SAMPLE_TYPES[Encoding.MP3],
        corrected=() if _is_fine_as_it_is(file, stream) else _corrected(stream),
        exact_frames=None if packets is None else header.likely_frames,
        stream=packets,
    )


def _read_stream(file: BinaryIO, start: int, end: int, first: FrameHeader) -> _Stream:
    tag = read_info_tag(bytes_at(file, start, first.length), first)
    audio_start = start if tag is None else start + first.length
    return _Stream(first, tag, walk(file, first, audio_start, end), start)


def _packets(stream: _Stream) -> MpegPackets | None:
    """What a decoder that leaves the trimming to us is given; None for a damaged stream."""
    if not stream.audio.is_supplied:
        return None
    delay = stream.true_tag.delay
    return MpegPackets(stream.audio.packets, 0 if delay is None else delay + DECODER_DELAY)


def _is_fine_as_it_is(file: BinaryIO, stream: _Stream) -> bool:
    # Past more than one tag, a tag with a footer, or garbage, the decoder may not recognise the
    # file.
    is_found = stream.start == 0 or (
        stream.start == end_of_leading_tags(file, at_most=1) and not starts_with_footed_tag(file)
    )
    return (
        stream.tag == stream.true_tag
        and stream.true_tag.delay is not None
        and is_found
        and stream.start <= _LARGEST_TAG_FOR_DECODER
        and len(stream.audio.runs) == 1
    )


def _corrected(stream: _Stream) -> tuple[Piece, ...]:
    truth = stream.true_tag
    if truth.delay is not None:
        count = stream.audio.frames
        return (
            info_frame(stream.first, count, truth.delay, truth.padding),
            *stream.audio.runs,
        )
    # Without an encoder's delay, a tag would make the decoder cut frames off that other
    # decoders return. It guesses the length from the file's then: let that be too long. It
    # also wants the 128 bytes in which an ID3v1 tag may lie.
    most = (stream.audio.frames + 4) * max(length_table(stream.first))
    return (*stream.audio.runs, Gap(most), bytes(128))
