"""M4A files that lie, break off, nest, or hold what isn't decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.audio_files import tone
from tests.support.hostile_file import Hostile, Refused, Works, exactly
from tests.support.m4a_files import (
    TABLE,
    added,
    as_sent,
    box,
    boxes,
    changed,
    content_of,
    patched,
    renamed,
    with_aac_setup,
    with_duration,
    with_edits,
    with_packets,
    with_track,
    write_m4a,
)

RATE_HZ = 44_100
FRAMES = 2 * RATE_HZ
PRIMING = 1024
NO_ENCODING = "unsupported_encoding"
DAMAGED = "invalid_audio"

_TRACK = (b"moov", b"trak")
_MEDIA = (b"moov", b"trak", b"mdia")
_HANDLER = (*_MEDIA, b"hdlr")
_ENTRIES = (*TABLE, b"stsd")
_LC_44100_STEREO = 0x1210


@cache
def encoded(kind: str) -> bytes:
    """Two seconds in stereo."""
    with TemporaryDirectory() as folder:
        path = write_m4a(Path(folder) / "audio", tone(FRAMES, seed=3), RATE_HZ, kind=kind)
        return path.read_bytes()


def _table(content: bytes, kind: bytes, offset: int, *values: int) -> bytes:
    """The file with numbers of a table changed."""
    new = struct.pack(f">{len(values)}I", *values)
    return changed(content, (*TABLE, kind), patched(offset, new))


def _without(content: bytes, *kinds: bytes) -> bytes:
    return changed(content, kinds, lambda _: b"")


def _top(content: bytes) -> dict[bytes, bytes]:
    return {kind: box(kind, inner) for kind, inner in boxes(content)}


def _index_first(content: bytes) -> bytes:
    parts = _top(content)
    shift = len(parts[b"moov"])
    content = changed(content, (*TABLE, b"stco"), lambda table: _shifted(table, shift))
    parts = _top(content)
    return b"".join(parts[kind] for kind in (b"ftyp", b"moov", b"free", b"mdat"))


def _shifted(table: bytes, by: int) -> bytes:
    count = int.from_bytes(table[4:8], "big")
    offsets = struct.unpack(f">{count}I", table[8:])
    return table[:8] + struct.pack(f">{count}I", *(offset + by for offset in offsets))


def _wide_offsets(content: bytes) -> bytes:
    table = content_of(content, *TABLE, b"stco")
    count = int.from_bytes(table[4:8], "big")
    offsets = struct.unpack(f">{count}I", table[8:])
    wide = table[:8] + struct.pack(f">{count}Q", *offsets)
    without = changed(content, (*TABLE, b"stco"), lambda _: wide)
    return renamed(without, (*TABLE, b"stco"), b"co64")


def _nest(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = box(b"udta", content)
    return content


def _works() -> dict[str, Hostile]:
    aac, alac = encoded("aac"), encoded("alac")
    sent = {kind: as_sent(tone(FRAMES, seed=3), kind) for kind in ("alac", "alac-24")}
    heard = Works(FRAMES)
    first_edit = struct.unpack(">II", content_of(aac, *_TRACK, b"edts", b"elst")[8:16])
    fast = _index_first(aac)
    packets = int.from_bytes(content_of(aac, *TABLE, b"stsz")[8:12], "big")
    return {
        "AAC, fine": Hostile(aac, heard),
        "ALAC, fine": Hostile(alac, exactly(sent["alac"])),
        "ALAC of 24 bits, fine": Hostile(encoded("alac-24"), exactly(sent["alac-24"])),
        "the index in front": Hostile(fast, heard),
        "offsets of 64 bits": Hostile(_wide_offsets(aac), heard),
        "an index of 10000 nested parts": Hostile(
            changed(aac, (b"moov",), lambda inner: inner + _nest(10_000)), heard
        ),
        "5 MiB of picture": Hostile(
            changed(aac, (b"moov",), added(b"udta", bytes(5 << 20))), heard
        ),
        "garbage behind": Hostile(aac + b"\xff" * 5000, heard),
        "no edits": Hostile(_without(aac, *_TRACK, b"edts"), Works(PRIMING + FRAMES)),
        "a pause in front": Hostile(with_edits(aac, (500, -1), first_edit), heard),
        "an edit without end": Hostile(with_edits(aac, (0, PRIMING)), heard),
        "an edit that claims a day": Hostile(with_edits(aac, (86_400_000, PRIMING)), heard),
        "an edit of half a second": Hostile(
            with_edits(aac, (500, PRIMING + 100)), Works(RATE_HZ // 2)
        ),
        "durations of 1": Hostile(
            _without(_table(aac, b"stts", 8, packets - 1, 1), *_TRACK, b"edts"),
            Works(1024 * packets),
        ),
        "durations of 2^32 - 1": Hostile(
            _without(_table(aac, b"stts", 8, packets - 1, 2**32 - 1), *_TRACK, b"edts"),
            Works(1024 * packets),
        ),
        "chapters and time codes": Hostile(
            with_track(with_track(aac, b"text"), b"tmcd", box(b"minf", b"\xff" * 8)), heard
        ),
        "another brand": Hostile(changed(aac, (b"ftyp",), patched(0, b"isom")), heard),
    }  # fmt: skip


def _cut() -> dict[str, Hostile]:
    aac = encoded("aac")
    parts = _top(aac)
    fast = _index_first(aac)
    mdat_at = fast.index(b"mdat")
    return {
        "without its index": Hostile(
            aac[: aac.index(b"moov") - 4], Refused(DAMAGED, "its index is missing")
        ),
        "half the index": Hostile(aac[:-300], Refused(DAMAGED, "its index is cut off")),
        "its audio missing": Hostile(fast[: mdat_at + 4], Refused("audio_truncated")),
        "half its audio": Hostile(
            fast[: (mdat_at + len(fast)) // 2], Refused("audio_truncated", "could be decoded")
        ),
        "the first part alone": Hostile(
            parts[b"ftyp"], Refused("unsupported_format", "M4A/MP4 files are not supported")
        ),
        "an index of no parts": Hostile(
            parts[b"ftyp"] + box(b"moov", b""), Refused(NO_ENCODING, "no audio")
        ),
        "a packet of garbage": Hostile(
            fast[: mdat_at + 9000] + b"\xa5" * 4000 + fast[mdat_at + 13_000 :], Refused(DAMAGED)
        ),
    }


def _boxes_that_lie() -> dict[str, Hostile]:
    aac = encoded("aac")
    parts = _top(aac)
    front = parts[b"ftyp"] + parts[b"free"] + parts[b"mdat"]
    index = aac.index(b"moov")
    long_head = struct.pack(">I4sQ", 1, b"free", 2**64 - 1)
    found = {
        "a part of 2^64 - 1 bytes in front": parts[b"ftyp"] + long_head + aac,
        "a part of 2^64 - 1 bytes in the index": changed(
            aac, (b"moov",), lambda inner: long_head + inner
        ),
        "a part of 0 bytes in long form": parts[b"ftyp"] + struct.pack(">I4sQ", 1, b"free", 0),
        "a part of 7 bytes": parts[b"ftyp"] + box(b"free", b"", claimed=7) + aac,
        "a part to the end in front": parts[b"ftyp"] + box(b"free", b"", claimed=0) + aac,
        "an index of 2^32 - 1 bytes": aac[: index - 4] + b"\xff" * 4 + aac[index:],
        "two million empty parts": front + box(b"moov", box(b"free", b"") * 2_000_000),
        "a track larger than its index": changed(
            aac, (b"moov",), lambda inner: inner + box(b"trak", b"", claimed=10_000)
        ),
        "two lists of sizes": changed(
            aac, TABLE, added(b"stsz", content_of(aac, *TABLE, b"stsz"))
        ),
        "an entry larger than the list": changed(aac, _ENTRIES, patched(8, b"\0\1\0\0")),
        "a time scale of 0": changed(aac, (*_MEDIA, b"mdhd"), patched(12, bytes(4))),
        "a movie's time scale of 0": changed(aac, (b"moov", b"mvhd"), patched(12, bytes(4))),
        "200000 pauses": with_edits(aac, *[(1, -1)] * 200_000, (500, PRIMING)),
        "an edit behind the end": with_edits(aac, (500, 2 * FRAMES)),
        "an edit shorter than its track, it says": with_duration(
            with_edits(aac, (500, PRIMING)), 1_000
        ),
        "2^32 - 1 edits": changed(
            aac, (*_TRACK, b"edts", b"elst"), patched(4, b"\xff" * 4)
        ),
    } | {
        f"without {kind.decode()}": _without(aac, *TABLE, kind)
        for kind in (b"stsd", b"stts", b"stsc", b"stsz", b"stco")
    }  # fmt: skip
    return {name: Hostile(content, Refused(DAMAGED)) for name, content in found.items()}


def _tables_that_lie() -> dict[str, Hostile]:
    aac = encoded("aac")
    packets = int.from_bytes(content_of(aac, *TABLE, b"stsz")[8:12], "big")
    found = {
        "2^32 - 1 sizes": _table(aac, b"stsz", 8, 2**32 - 1),
        "one size more than there are": _table(aac, b"stsz", 8, packets + 1),
        "4 million packets of 1 byte": _table(aac, b"stsz", 4, 1, 4_000_000),
        "2^32 - 1 packets of 2^32 - 1 bytes": _table(aac, b"stsz", 4, 2**32 - 1, 2**32 - 1),
        "packets of 4 GiB": _table(aac, b"stsz", 12, *[2**32 - 1] * packets),
        "packets of 0 bytes": _table(aac, b"stsz", 12, *[0] * packets),
        "packets that overlap": _piled_up(aac, packets, 20_000),
        "2^32 - 1 durations": _table(aac, b"stts", 4, 2**32 - 1),
        "durations of other packets": _table(aac, b"stts", 8, packets),
        "2^32 - 1 chunks": _table(aac, b"stco", 4, 2**32 - 1),
        "2^32 - 1 runs of chunks": _table(aac, b"stsc", 4, 2**32 - 1),
        "chunks from the 2nd on": _table(aac, b"stsc", 8, 2),
        "chunks of 0 packets": _table(aac, b"stsc", 12, 0),
        "chunks of 2^32 - 1 packets": _table(aac, b"stsc", 12, 2**32 - 1),
        "chunks of another description": _table(aac, b"stsc", 16, 2),
    }
    found["chunks in the index"] = _table(aac, b"stco", 8, 8)
    found["bytes at 2^64 - 1"] = changed(
        _wide_offsets(aac), (*TABLE, b"co64"), patched(8, b"\xff" * 8)
    )
    entries = {name: Hostile(content, Refused(DAMAGED)) for name, content in found.items()}
    entries["chunks behind the end"] = Hostile(
        _table(aac, b"stco", 8, 2**31), Refused("audio_truncated")
    )
    return entries


def _piled_up(content: bytes, packets: int, size: int) -> bytes:
    """All packets at the same place."""
    content = _table(content, b"stsz", 4, size, packets)
    run = bytes(4) + struct.pack(">IIII", 1, 1, 1, 1)
    content = changed(content, (*TABLE, b"stsc"), lambda _: run)
    offsets = bytes(4) + struct.pack(f">{packets + 1}I", packets, *[48] * packets)
    return changed(content, (*TABLE, b"stco"), lambda _: offsets)


def _refused() -> dict[str, Hostile]:
    aac, alac = encoded("aac"), encoded("alac")
    track = content_of(aac, *_TRACK)
    found = {
        "two tracks": (changed(aac, (b"moov",), added(b"trak", track)), "several tracks"),
        "300 tracks": (
            changed(aac, (b"moov",), lambda inner: inner + box(b"trak", track) * 300),
            "several tracks",
        ),
        "video alone": (changed(aac, _HANDLER, patched(8, b"vide")), "video"),
        "video beside it": (
            changed(
                aac,
                (b"moov",),
                lambda inner: inner
                + box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(12)))),
            ),
            "video",
        ),
        "text alone": (changed(aac, _HANDLER, patched(8, b"text")), "no audio"),
        "fragments to come": (changed(aac, (b"moov",), added(b"mvex", bytes(8))), "fragmented"),
        "fragments in front": (_top(aac)[b"ftyp"] + box(b"moof", bytes(8)) + aac, "fragmented"),
        "two descriptions": (changed(aac, _ENTRIES, patched(4, b"\0\0\0\2")), "several kinds"),
        "two edits": (with_edits(aac, (500, 1024), (500, 50_000)), "edited"),
        "an edit that skips an hour": (
            with_edits(with_packets(alac, 50_000, 4_096), (0, 3_700 * RATE_HZ)), "edited"
        ),
        "double speed": (
            changed(aac, (*_TRACK, b"edts", b"elst"), patched(16, b"\0\2\0\0")), "edited"
        ),
        "QuickTime's form": (changed(aac, (*_ENTRIES, b"mp4a"), patched(8, b"\0\1")), "QuickTime"),
        "ALAC of 20 bits": (
            changed(alac, (*_ENTRIES, b"alac", b"alac"), patched(9, b"\x14")), "20-bit ALAC"
        ),
        "MP3": (
            changed(aac, (*_ENTRIES, b"mp4a", b"esds"), _as_object(0x6B)), "MP3"
        ),
        "MPEG-2 AAC": (
            changed(aac, (*_ENTRIES, b"mp4a", b"esds"), _as_object(0x67)), "MPEG-2 AAC"
        ),
    }  # fmt: skip
    for kind, word in (
        (b"enca", "encrypted"), (b"drms", "encrypted"), (b"ac-3", "AC-3"), (b"Opus", "Opus"),
        (b"fLaC", "FLAC"), (b"samr", "AMR"), (b"sowt", "PCM"), (b"\xff\0\xff\0", "an unknown kind"),
    ):  # fmt: skip
        name = kind.decode("ascii", "replace").strip("\0\ufffd") or "nothing known"
        found[f"{name} in it"] = (renamed(aac, (*_ENTRIES, b"mp4a"), kind), word)
    found["AAC without a set-up"] = (with_aac_setup(aac, b""), "an unusual kind of AAC")
    for name, setup in {
        "AAC Main": 0x0A10,
        "AAC SSR": 0x1A10,
        "AAC LTP": 0x2210,
        "AAC-LD": 0xBA10,
        "AAC of 0 channels": 0x1200,
        "AAC of 15 channels": 0x1278,
        "AAC that depends on another": _LC_44100_STEREO | 2,
    }.items():
        found[name] = (with_aac_setup(aac, setup.to_bytes(2, "big")), "an unusual kind of AAC")
    return {
        name: Hostile(content, Refused(NO_ENCODING, words))
        for name, (content, words) in found.items()
    }


def _as_object(object_type: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        at = content.index(b"\x40\x15")
        return content[:at] + bytes([object_type]) + content[at + 1 :]

    return change


def _contradictions() -> dict[str, Hostile]:
    aac, alac = encoded("aac"), encoded("alac")
    config = (*_ENTRIES, b"alac", b"alac")
    found = {
        "AAC at 0 Hz": with_aac_setup(aac, b"\x17\x80\0\0\x10"),
        "AAC at 16 MHz": with_aac_setup(aac, b"\x17\xff\xff\xff\x90"),
        "AAC of one channel, it says": with_aac_setup(aac, b"\x12\x08"),
        "ALAC of 0 channels": changed(alac, config, patched(13, b"\0")),
        "ALAC of 255 channels": changed(alac, config, patched(13, b"\xff")),
        "ALAC of one channel, it says": changed(alac, config, patched(13, b"\1")),
        "ALAC at 0 Hz": changed(alac, config, patched(24, bytes(4))),
        "ALAC at another rate than it says": changed(
            alac, config, patched(24, struct.pack(">I", 22_050))
        ),
        "ALAC of 2^32 - 1 frames in a packet": changed(alac, config, patched(4, b"\xff" * 4)),
        "ALAC of 0 frames in a packet": changed(alac, config, patched(4, bytes(4))),
        "ALAC of an unknown version": changed(alac, config, patched(8, b"\7")),
        "ALAC with a set-up cut off": changed(alac, config, lambda content: content[:20]),
    }
    return {name: Hostile(content, Refused(DAMAGED)) for name, content in found.items()}


def hostile_m4a() -> dict[str, Hostile]:
    """All of them, by name."""
    makers = (_works, _cut, _boxes_that_lie, _tables_that_lie, _refused, _contradictions)
    return {f"m4a {name}": entry for make in makers for name, entry in make().items()}
