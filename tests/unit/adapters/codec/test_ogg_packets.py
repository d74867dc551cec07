"""Packets are found in Ogg files in which nothing is wrong; all others are left to others."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import audio_files as files
from tests.support.audio_units import ogg_pages, repaired
from waveflow.adapters.codec.containers import ogg_packets
from waveflow.adapters.codec.containers.header import parse
from waveflow.adapters.codec.containers.ogg_durations import opus_frames
from waveflow.adapters.codec.containers.ogg_packets import OggPackets
from waveflow.adapters.codec.containers.ogg_pages import checksum, packets_of, pages
from waveflow.domain.audio import Encoding

FRAMES = 150_000
KINDS = ["ogg-vorbis", "ogg-opus"]


def encoded(folder: Path, kind: str, channels: int = 2, *, frames: int = FRAMES) -> list[bytes]:
    """The pages of a file."""
    path = files.write_audio(folder / "a", files.tone(frames, channels), 48_000, kind=kind)
    content = path.read_bytes()
    return [content[start:end] for start, end in ogg_pages(content)]


def stream_of(content: bytes) -> OggPackets | None:
    found = parse(io.BytesIO(content)).stream
    assert found is None or isinstance(found, OggPackets)
    return found


def patched(page: bytes, offset: int, new: bytes) -> bytes:
    """The page with other bytes there, and the right checksum."""
    changed = page[:offset] + new + page[offset + len(new) :]
    return repaired(changed, changed)


def moved(page: bytes, frames: int) -> bytes:
    """The page with another position."""
    return patched(page, 6, struct.pack("<q", struct.unpack_from("<q", page, 6)[0] + frames))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_of_a_fine_file_all_packets_with_audio_are_given(
    tmp_path: Path, kind: str, channels: int
) -> None:
    all_pages = encoded(tmp_path, kind, channels)
    stream = stream_of(b"".join(all_pages))
    assert stream is not None
    assert stream.frames == FRAMES
    everything = list(packets_of(all_pages))
    headers = 3 if kind == "ogg-vorbis" else 2
    assert list(stream.packets(io.BytesIO(b"".join(all_pages)))) == everything[headers:]


def test_a_surround_vorbis_is_fine_and_a_surround_opus_is_left_to_others(tmp_path: Path) -> None:
    assert stream_of(b"".join(encoded(tmp_path, "ogg-vorbis", 6))) is not None
    assert stream_of(b"".join(encoded(tmp_path, "ogg-opus", 6))) is None


def test_a_file_of_a_single_page_with_audio_may_end_within_it(tmp_path: Path) -> None:
    stream = stream_of(b"".join(encoded(tmp_path, "ogg-vorbis", frames=1_001)))
    assert stream is not None
    assert stream.frames == 1_001


Change = Callable[[list[bytes]], list[bytes]]
MIDDLE = 6

FLAWS: dict[str, Change] = {
    "is cut": lambda found: found[:-1],
    "is cut within a page": lambda found: [*found[:-1], found[-1][:-1]],
    "has garbage behind": lambda found: [*found, b"garbage"],
    "has garbage in the midst": lambda found: [*found[:MIDDLE], b"garbage", *found[MIDDLE:]],
    "lacks a page": lambda found: found[:MIDDLE] + found[MIDDLE + 1 :],
    "has a page twice": lambda found: found[:MIDDLE] + found[MIDDLE - 1 :],
    "has a wrong checksum": lambda found: [
        *found[:MIDDLE], found[MIDDLE][:-1] + bytes([found[MIDDLE][-1] ^ 1]), *found[MIDDLE + 1 :]
    ],
    "has a page of another stream": lambda found: [
        *found[:MIDDLE], patched(found[MIDDLE], 14, b"else"), *found[MIDDLE + 1 :]
    ],
    "has a last page that doesn't say so": lambda found: [
        *found[:-1], patched(found[-1], 5, b"\0")
    ],
    "has a last page in the midst": lambda found: [
        *found[:MIDDLE], patched(found[MIDDLE], 5, b"\4"), *found[MIDDLE + 1 :]
    ],
    "has a first page in the midst": lambda found: [
        *found[:MIDDLE], patched(found[MIDDLE], 5, b"\2"), *found[MIDDLE + 1 :]
    ],
    "has a page that claims to continue a packet": lambda found: [
        *found[:MIDDLE], patched(found[MIDDLE], 5, b"\1"), *found[MIDDLE + 1 :]
    ],
    "goes back": lambda found: [
        *found[:MIDDLE], moved(found[MIDDLE], -100_000), *found[MIDDLE + 1 :]
    ],
    "has a page without a position": lambda found: [
        *found[:MIDDLE], patched(found[MIDDLE], 6, b"\xff" * 8), *found[MIDDLE + 1 :]
    ],
    "starts late": lambda found: [
        each if number < 2 else moved(each, 4_800) for number, each in enumerate(found)
    ],
    "starts early": lambda found: [
        each if number < 2 else moved(each, -1) for number, each in enumerate(found)
    ],
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_one_that_has_a_flaw_is_left_to_others(tmp_path: Path, flaw: str) -> None:
    all_pages = encoded(tmp_path, "ogg-vorbis")
    assert len(all_pages) > MIDDLE + 2
    content = b"".join(FLAWS[flaw](all_pages))
    found = ogg_packets.flawless(io.BytesIO(content), len(content), Encoding.VORBIS, 0)
    assert found is None


def test_more_pages_than_one_can_walk_through_are_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_pages = encoded(tmp_path, "ogg-vorbis")
    monkeypatch.setattr(ogg_packets, "_MOST_PAGES", len(all_pages) - 1)
    assert stream_of(b"".join(all_pages)) is None


def test_a_packet_larger_than_any_encoder_makes_is_left_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_pages = encoded(tmp_path, "ogg-vorbis")
    monkeypatch.setattr(ogg_packets, "LARGEST_PACKET_BYTES", 4_000)
    assert stream_of(b"".join(all_pages)) is None


@pytest.mark.parametrize(
    ("packet", "frames"),
    [
        (b"\x00", 480),
        (b"\x18", 2880),
        (b"\x68", 960),
        (b"\x80", 120),
        (b"\xf8", 960),
        (b"\xf9", 1920),
        (b"\xfa", 1920),
        (b"\xfb\x03", 2880),
        (b"\xfb\x83", 2880),
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_an_opus_packet_tells_how_many_frames_it_holds(packet: bytes, frames: int) -> None:
    assert opus_frames([packet]) == frames
    assert opus_frames([packet, b"\xf8"]) == frames + 960


def test_the_checksum_is_what_writers_put_there(tmp_path: Path) -> None:
    for page in encoded(tmp_path, "ogg-vorbis"):
        assert checksum(page) == int.from_bytes(page[22:26], "little")
        assert checksum(page[:-1] + bytes([page[-1] ^ 1])) != checksum(page)


def test_pages_are_found_however_they_lie_in_what_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_pages = encoded(tmp_path, "ogg-vorbis")
    longest = max(map(len, all_pages))
    for window_bytes in (longest, longest + 1, 2 * longest - 1):
        monkeypatch.setattr(
            "waveflow.adapters.codec.containers.ogg_pages._WINDOW_BYTES", window_bytes
        )
        assert list(pages(io.BytesIO(b"".join(all_pages)))) == all_pages
