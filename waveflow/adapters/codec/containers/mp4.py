"""MP4 headers (M4A): a file with one track, of AAC or ALAC, whose packets are listed in one place.

All that is read is on the way from the index (`moov`) to that track's tables: other parts may
nest as deep and hold as much as they like.
"""

from __future__ import annotations

from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.mp4_boxes import (
    Box,
    boxes,
    broken,
    children,
    content_of,
    only,
)
from waveflow.adapters.codec.containers.mp4_codec import Sound, read_sound, refused
from waveflow.adapters.codec.containers.mp4_edits import Edit, read_edit, require_agreement
from waveflow.adapters.codec.containers.mp4_gapless import Gapless, read_gapless
from waveflow.adapters.codec.containers.mp4_samples import Mp4Packets, Samples, read_samples, whole
from waveflow.adapters.codec.containers.parsed import ParsedFile, size_of
from waveflow.adapters.codec.containers.signatures import unsupported_format
from waveflow.domain.audio import AudioFormat, AudioHeader, Container

_INDEX = b"moov"
_MEDIA = (b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"udta", b"pdin")
_FRAGMENTS = (b"moof", b"sidx", b"styp")
_BESIDE = (b"text", b"sbtl", b"subt", b"tmcd", b"meta", b"hint")
"""Handlers of tracks that go with the audio: chapters, subtitles, time codes, data, hints."""

_LONGEST_SKIP_S = 3600
"""Frames left out in front are decoded like all others, and counted by no limit."""


@frozen
class _Extent:
    """Frames to leave out in front, and how many follow them."""

    skipped: int
    frames: int


def parse_mp4(file: BinaryIO) -> ParsedFile:
    """The header of an M4A file.

    Raises:
        InvalidAudio: when its parts contradict each other, or are cut off.
        UnsupportedAudio: for anything but one track of AAC or ALAC in plain sight.
    """
    size = size_of(file)
    index = _find_index(file, size)
    movie = children(file, index)
    track = _only_track(file, movie)
    media = children(file, only(track, b"mdia"))
    table = children(file, only(children(file, only(media, b"minf")), b"stbl"))
    sound = read_sound(file, only(table, b"stsd"))
    if sound.channels == 0 or sound.sample_rate_hz == 0:
        raise broken(f"it claims {sound.channels} channels and {sound.sample_rate_hz} Hz")
    samples = read_samples(file, table, size)
    movie_ticks_hz = _ticks_per_second(content_of(file, only(movie, b"mvhd"), at_least=20))
    ticks_hz = _ticks_per_second(content_of(file, only(media, b"mdhd"), at_least=20))
    edit = read_edit(file, track)
    if edit is not None:
        require_agreement(file, track, edit, samples.ticks * movie_ticks_hz / ticks_hz)
    extent = _extent(sound, samples, ticks_hz, edit, movie_ticks_hz)
    if extent.skipped == 0:
        extent = _without_padding(extent, read_gapless(file, index))
    if extent.skipped > _LONGEST_SKIP_S * sound.sample_rate_hz:
        raise refused("edited")
    count = whole(samples, size)
    header = AudioHeader(
        format=AudioFormat(Container.M4A, sound.encoding),
        channels=sound.channels,
        sample_rate_hz=sound.sample_rate_hz,
        announced_frames=extent.frames,
        likely_frames=min(extent.frames, max(0, count * sound.packet_frames - extent.skipped)),
    )
    packets = Mp4Packets(
        sound.setup, extent.skipped, samples.offsets[:count], samples.sizes[:count]
    )
    return ParsedFile(header, sound.sample_type, exact_frames=extent.frames, stream=packets)


def _find_index(file: BinaryIO, size: int) -> Box:
    """The `moov` box.

    Raises:
        UnsupportedAudio: when nothing known follows the file's first box, or for fragments.
        InvalidAudio: when it is missing or cut off.
    """
    kinds = []
    for box in boxes(file, 0, size):
        if box.kind in _FRAGMENTS:
            raise refused("fragmented")
        if box.kind == _INDEX:
            if box.end > size:
                raise broken("its index is cut off")
            return box
        kinds.append(box.kind)
    if not set(kinds[1:]).intersection(_MEDIA):
        raise unsupported_format("M4A/MP4")
    raise broken("its index is missing")


def _only_track(file: BinaryIO, movie: dict[bytes, list[Box]]) -> dict[bytes, list[Box]]:
    """The parts of the one track of sound; tracks of text and data beside it don't matter.

    Raises:
        UnsupportedAudio: for all else.
    """
    if b"mvex" in movie:
        raise refused("fragmented")
    tracks = [children(file, track) for track in movie.get(b"trak", ())]
    kinds = [_handler(file, track) for track in tracks]
    heard = [number for number, kind in enumerate(kinds) if kind not in _BESIDE]
    if b"vide" in kinds:
        raise refused("video and")
    if b"soun" not in kinds:
        raise refused("no")
    if len(heard) > 1:
        raise refused("several tracks of")
    return tracks[heard[0]]


def _handler(file: BinaryIO, track: dict[bytes, list[Box]]) -> bytes:
    media = children(file, only(track, b"mdia"))
    return content_of(file, only(media, b"hdlr"), at_least=12)[8:12]


def _ticks_per_second(content: bytes) -> int:
    """The time scale of a movie or track header, whose dates have 4 or 8 bytes."""
    start = 20 if content[0] == 1 else 12
    ticks = int.from_bytes(content[start : start + 4], "big")
    if ticks == 0:
        raise broken("it claims a time scale of 0")
    return ticks


def _extent(
    sound: Sound,
    samples: Samples,
    ticks_hz: int,
    edit: Edit | None,
    movie_ticks_hz: int,
) -> _Extent:
    """What is to be heard of the frames that the packets decode to.

    Raises:
        InvalidAudio: when the edit leaves nothing of them.
    """

    def frames(ticks: int, per_second: int) -> int:
        return (ticks * sound.sample_rate_hz + per_second // 2) // per_second

    decoded = len(samples.sizes) * sound.packet_frames
    end = frames(samples.ticks, ticks_hz)
    if not decoded - sound.packet_frames < end <= decoded:
        # Durations leave out part of the last packet at most: these are no such.
        end = decoded
    if edit is None:
        return _Extent(0, end)
    skipped = frames(edit.start, ticks_hz)
    if skipped >= max(end, 1):
        raise broken("its edit starts where it has ended")
    _require_likely(ticks_hz, sound.sample_rate_hz, matters=edit.start > 0)
    heard = frames(edit.duration, movie_ticks_hz)
    # The movie's ticks may be milliseconds: an end this close to the track's is meant to be it.
    tick_frames = -(-sound.sample_rate_hz // movie_ticks_hz)
    if edit.duration == 0 or skipped + heard > end - tick_frames:
        return _Extent(skipped, end - skipped)
    _require_likely(movie_ticks_hz, sound.sample_rate_hz, matters=True)
    return _Extent(skipped, heard)


def _require_likely(ticks_hz: int, sample_rate_hz: int, *, matters: bool) -> None:
    """Raises `InvalidAudio` for a time scale that one wrong bit may have made.

    Writers take sample rates, or 600, 1000 or 90000 a second. A multiple of 5 isn't one any more
    with a power of 2 added or taken away.
    """
    if matters and ticks_hz % 5 and ticks_hz not in (sample_rate_hz, sample_rate_hz // 2):
        raise broken(f"it claims a time scale of {ticks_hz}")


def _without_padding(extent: _Extent, noted: Gapless | None) -> _Extent:
    if noted is None or noted.skipped < 0:
        return extent
    if not 0 < noted.frames <= extent.frames - noted.skipped:
        return extent
    return _Extent(noted.skipped, noted.frames)
