"""M4A headers: what is heard of a track, how AAC is set up, where packets lie."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.support import audio_files as files
from tests.support.m4a_files import (
    TABLE,
    box,
    changed,
    content_of,
    patched,
    with_duration,
    with_edits,
    with_packets,
    with_track,
    write_m4a,
)
from waveflow.adapters.codec.containers import mp4_samples
from waveflow.adapters.codec.containers.header import parse, read_header
from waveflow.adapters.codec.containers.mp4_asc import AacConfig, read_aac_config
from waveflow.adapters.codec.containers.mp4_samples import Mp4Packets
from waveflow.domain.audio import AudioFormat, Container, Encoding
from waveflow.domain.errors import InvalidAudio, UnsupportedAudio

FRAMES = 50_001
PRIMING = 1_024
TRACK = (b"moov", b"trak")
EDITS = (*TRACK, b"edts", b"elst")


@pytest.fixture(scope="module")
def aac(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("m4a") / "a"
    return write_m4a(path, files.tone(FRAMES)).read_bytes()


def announced(content: bytes) -> int | None:
    return read_header(io.BytesIO(content)).announced_frames


def packets_of(content: bytes) -> list[bytes]:
    stream = parse(io.BytesIO(content)).stream
    assert isinstance(stream, Mp4Packets)
    return list(stream.packets(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [("aac", Encoding.AAC), ("alac", Encoding.ALAC), ("alac-24", Encoding.ALAC)],
)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_header_says_what_the_file_holds(
    tmp_path: Path, kind: str, encoding: Encoding, channels: int
) -> None:
    path = write_m4a(tmp_path / "a", files.tone(30_001, channels), 48_000, kind=kind)
    with path.open("rb") as file:
        header = read_header(file)
    assert header.format == AudioFormat(Container.M4A, encoding)
    assert (header.channels, header.sample_rate_hz) == (channels, 48_000)
    assert (header.announced_frames, header.likely_frames) == (30_001, 30_001)


def test_the_name_of_the_file_plays_no_part(aac: bytes, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(aac)
    with path.open("rb") as file:
        assert read_header(file).format.container is Container.M4A


class TestEdits:
    def test_an_end_in_milliseconds_is_meant_to_be_the_tracks(self, aac: bytes) -> None:
        duration, start = struct.unpack(">II", content_of(aac, *EDITS)[8:16])
        assert start == PRIMING
        # 1133.8 ms, rounded by one writer and by another.
        assert duration == 1_134
        assert announced(aac) == FRAMES
        assert announced(with_edits(aac, (duration - 1, start))) == FRAMES

    def test_an_earlier_end_is_believed(self, aac: bytes) -> None:
        assert announced(with_edits(aac, (1_000, PRIMING))) == 44_100

    def test_a_later_start_is_believed(self, aac: bytes) -> None:
        assert announced(with_edits(aac, (2_000, PRIMING + 7))) == FRAMES - 7

    @pytest.mark.parametrize("start", [PRIMING + FRAMES, 1 << 30])
    def test_a_start_behind_the_end_is_damage(self, aac: bytes, start: int) -> None:
        assert announced(with_edits(aac, (0, PRIMING + FRAMES - 1))) == 1
        with pytest.raises(InvalidAudio, match="its edit starts where it has ended"):
            announced(with_edits(aac, (0, start)))

    def test_the_tracks_header_has_to_tell_of_the_same_duration(self, aac: bytes) -> None:
        shorter = with_edits(aac, (500, PRIMING))
        for duration in (499, 500, 501):
            assert announced(with_duration(shorter, duration)) == 22_050
        for duration in (498, 502, 1_000):
            with pytest.raises(InvalidAudio, match="its parts differ in how long it lasts"):
                announced(with_duration(shorter, duration))

    def test_the_tracks_header_may_leave_the_duration_open(self, aac: bytes) -> None:
        shorter = with_edits(aac, (500, PRIMING))
        for duration in (0, 2**32 - 1):
            assert announced(with_duration(shorter, duration)) == 22_050

    def test_the_tracks_header_may_count_a_pause_or_not(self, aac: bytes) -> None:
        paused = with_edits(aac, (300, -1), (500, PRIMING))
        for duration in (500, 800):
            assert announced(with_duration(paused, duration)) == 22_050
        with pytest.raises(InvalidAudio, match="its parts differ"):
            announced(with_duration(paused, 300))

    def test_the_tracks_header_may_know_nothing_of_the_priming(self, aac: bytes) -> None:
        whole_ms = (PRIMING + FRAMES) * 1_000 // 44_100
        assert announced(with_duration(with_edits(aac, (500, PRIMING)), whole_ms)) == 22_050
        with pytest.raises(InvalidAudio, match="its parts differ"):
            announced(with_duration(with_edits(aac, (500, 0)), whole_ms))

    def test_the_tracks_header_may_have_64_bits(self, aac: bytes) -> None:
        def widened(content: bytes) -> bytes:
            return b"\1\0\0\0" + bytes(16) + content[12:20] + bytes(4) + content[20:]

        wide = changed(with_edits(aac, (500, PRIMING)), (*TRACK, b"tkhd"), widened)
        assert announced(wide) == 22_050
        with pytest.raises(InvalidAudio, match="its parts differ"):
            announced(changed(wide, (*TRACK, b"tkhd"), patched(35, b"\x10")))

    def test_more_of_them_than_anyone_makes_are_not_even_read(self, aac: bytes) -> None:
        pause = (1, -1)
        assert announced(with_edits(aac, *[pause] * 999, (1_000, PRIMING))) == 44_100
        with pytest.raises(InvalidAudio, match="it claims 1001 edits"):
            announced(with_edits(aac, *[pause] * 1_000, (1_000, PRIMING)))
        flood = with_edits(aac, *[pause] * 300_000)
        with pytest.raises(InvalidAudio, match="it claims 300000 edits"):
            assert announced(flood)
        assert peak_bytes(flood) < 1 << 20

    def test_one_that_skips_more_than_an_hour_is_refused(self, tmp_path: Path) -> None:
        path = write_m4a(tmp_path / "a", files.tone(9_000), kind="alac")
        long = with_packets(path.read_bytes(), 50_000, 4_096)
        assert announced(with_edits(long, (0, 3_600 * 44_100))) == 50_000 * 4_096 - 3_600 * 44_100
        with pytest.raises(UnsupportedAudio, match="with edited audio"):
            announced(with_edits(long, (0, 3_600 * 44_100 + 1)))

    def test_in_the_wide_form_they_mean_the_same(self, aac: bytes) -> None:
        aac = with_duration(aac, 1_000)
        wide = struct.pack(">IIQqI", 1 << 24, 1, 1_000, PRIMING, 1 << 16)
        assert announced(changed(aac, EDITS, lambda _: wide)) == 44_100
        pause = struct.pack(">IIQqI", 1 << 24, 2, 1_000, -1, 1 << 16) + wide[8:]
        assert announced(changed(aac, EDITS, lambda _: pause)) == 44_100

    def test_a_finer_time_scale_is_exact(self, aac: bytes) -> None:
        fine = changed(aac, (b"moov", b"mvhd"), patched(12, struct.pack(">I", 44_100)))
        assert announced(with_edits(fine, (40_000, PRIMING))) == 40_000

    @pytest.mark.parametrize("bit", range(32))
    def test_a_time_scale_with_a_wrong_bit_cuts_nothing_off(self, aac: bytes, bit: int) -> None:
        wrong = struct.pack(">I", 1_000 ^ 1 << bit)
        content = changed(aac, (b"moov", b"mvhd"), patched(12, wrong))
        # Half of the audio would be an honest edit of another movie.
        with pytest.raises(InvalidAudio, match="it claims a time scale of"):
            announced(with_edits(content, (500 if bit > 2 else 100, PRIMING)))

    @pytest.mark.parametrize("bit", range(32))
    def test_a_tracks_time_scale_with_a_wrong_bit_moves_nothing(self, aac: bytes, bit: int) -> None:
        wrong = patched(12, struct.pack(">I", 44_100 ^ 1 << bit))
        content = changed(aac, (*TRACK, b"mdia", b"mdhd"), wrong)
        with pytest.raises(InvalidAudio, match=r"time scale of|starts where it has ended"):
            announced(content)

    def test_a_time_scale_may_be_odd_where_it_is_the_tracks(self, tmp_path: Path) -> None:
        path = write_m4a(tmp_path / "a", files.tone(FRAMES), 11_111, kind="alac")
        odd = changed(path.read_bytes(), (b"moov", b"mvhd"), patched(12, struct.pack(">I", 11_111)))
        assert announced(with_edits(odd, (22_000, 1))) == 22_000

    def test_dates_of_64_bits_change_nothing(self, aac: bytes) -> None:
        def widened(content: bytes) -> bytes:
            return b"\1\0\0\0" + bytes(16) + content[12:16] + bytes(4) + content[16:]

        wide = changed(aac, (b"moov", b"mvhd"), widened)
        assert announced(changed(wide, (*TRACK, b"mdia", b"mdhd"), widened)) == FRAMES


def peak_bytes(content: bytes) -> int:
    """Memory for the judgement of a file, beside the file."""
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        with contextlib.suppress(InvalidAudio):
            read_header(file)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestTracks:
    @pytest.mark.parametrize("handler", [b"text", b"sbtl", b"subt", b"tmcd", b"meta", b"hint"])
    def test_chapters_and_the_like_go_unheard(self, aac: bytes, handler: bytes) -> None:
        broken = box(b"minf", box(b"stbl", box(b"stsz", b"\xff" * 12)))
        assert announced(with_track(aac, handler, broken)) == FRAMES
        assert announced(with_track(with_track(aac, handler), handler)) == FRAMES

    def test_they_may_come_first(self, aac: bytes) -> None:
        def chapters_first(movie: bytes) -> bytes:
            extra = with_track(box(b"moov", b""), b"text")[8:]
            return extra + movie

        assert announced(changed(aac, (b"moov",), chapters_first)) == FRAMES

    @pytest.mark.parametrize("handler", [b"soun", b"odsm", b"\0\0\0\0"])
    def test_others_are_refused(self, aac: bytes, handler: bytes) -> None:
        with pytest.raises(UnsupportedAudio, match="several tracks of"):
            announced(with_track(with_track(aac, b"text"), handler))


def with_note(content: bytes, note: bytes, *, name: bytes = b"iTunSMPB") -> bytes:
    """The file without edits, but with iTunes' note of what the recording is."""
    tag = box(b"mean", bytes(4) + b"com.apple.iTunes") + box(b"name", bytes(4) + name)
    tag += box(b"data", b"\0\0\0\1" + bytes(4) + note)
    tags = box(b"meta", bytes(4) + box(b"ilst", box(b"----", tag)))
    without = changed(content, (*TRACK, b"edts"), lambda _: b"")
    return with_tags(without, tags)


def with_tags(content: bytes, tags: bytes) -> bytes:
    return changed(content, (b"moov", b"udta"), lambda _: tags)


class TestNotes:
    def test_itunes_note_tells_padding_from_recording(self, aac: bytes) -> None:
        note = f" 00000000 {PRIMING:08X} 000000AF {FRAMES:016X} 00000000".encode()
        found = parse(io.BytesIO(with_note(aac, note)))
        assert found.stream is not None
        assert (found.stream.skipped, found.exact_frames) == (PRIMING, FRAMES)

    def test_an_edit_goes_before_it(self, aac: bytes) -> None:
        note = f" 00000000 00000007 00000000 {1_000:016X}".encode()
        noted = content_of(with_note(aac, note), b"moov", b"udta")
        assert announced(with_tags(aac, noted)) == FRAMES

    @pytest.mark.parametrize(
        "note",
        [b"", b"nonsense", b" 0 400", b" 0 400 0 0", b" 0 400 0 FFFFFFFFFF", b" 0 FFFFFF 0 10",
         b" 0 -400 0 10", b"\xff" * 5_000],
    )  # fmt: skip
    def test_one_that_cannot_be_true_is_passed_over(self, aac: bytes, note: bytes) -> None:
        assert announced(with_note(aac, note)) == PRIMING + FRAMES

    def test_other_tags_say_nothing(self, aac: bytes) -> None:
        note = f" 00000000 {PRIMING:08X} 000000AF {FRAMES:016X} 00000000".encode()
        assert announced(with_note(aac, note, name=b"iTunNORM")) == PRIMING + FRAMES

    def test_broken_tags_are_no_reason_to_refuse(self, aac: bytes) -> None:
        without = changed(aac, (*TRACK, b"edts"), lambda _: b"")
        for tags in (
            box(b"meta", b"", claimed=4_000),
            box(b"meta", b"\0"),
            box(b"meta", bytes(4) + box(b"ilst", box(b"----", b"", claimed=7))),
            box(b"meta", bytes(4) + box(b"ilst", box(b"----", box(b"name", bytes(9))))),
        ):
            broken = with_tags(without, tags)
            assert announced(broken) == PRIMING + FRAMES


class TestAacSetups:
    @pytest.mark.parametrize(
        ("setup", "expected"),
        [
            ("1210", AacConfig(2, 44_100, 1_024)),
            ("1208", AacConfig(1, 44_100, 1_024)),
            ("1230", AacConfig(6, 44_100, 1_024)),
            ("1214", AacConfig(2, 44_100, 960)),
            ("1190", AacConfig(2, 48_000, 1_024)),
            ("17800a4110", AacConfig(2, 5_250, 1_024)),
            ("1780562210", AacConfig(2, 44_100, 1_024)),
            ("2b920800", AacConfig(2, 44_100, 2_048)),
            ("eb8a0800", AacConfig(2, 44_100, 2_048)),
            ("2b8a0800", AacConfig(2, 44_100, 2_048)),
            ("139056e5a0", AacConfig(2, 44_100, 2_048)),
            ("139056e500", AacConfig(2, 22_050, 1_024)),
            ("0a10", None),
            ("1a10", None),
            ("2210", None),
            ("1212", None),
            ("1211", None),
            ("1200", None),
            ("1240", None),
            ("12", None),
            ("", None),
        ],
    )
    def test_each_is_understood_or_left_alone(self, setup: str, expected: AacConfig | None) -> None:
        assert read_aac_config(bytes.fromhex(setup)) == expected


class TestPackets:
    def test_they_are_those_that_the_tables_name(self, aac: bytes) -> None:
        sizes = content_of(aac, *TABLE, b"stsz")
        count = int.from_bytes(sizes[8:12], "big")
        expected = struct.unpack(f">{count}I", sizes[12:])
        found = packets_of(aac)
        assert tuple(map(len, found)) == expected
        assert b"".join(found) == content_of(aac, b"mdat")

    @pytest.mark.parametrize("window_bytes", [1, 100, 1_000, 5_000])
    def test_they_are_the_same_however_much_is_read_at_a_time(
        self, aac: bytes, window_bytes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = packets_of(aac)
        monkeypatch.setattr(mp4_samples, "_WINDOW_BYTES", window_bytes)
        monkeypatch.setattr(mp4_samples, "_AT_A_TIME", 7)
        assert packets_of(aac) == expected

    def test_chunks_may_lie_in_any_order(self, aac: bytes) -> None:
        """Each packet a chunk of its own, the last one first in the file."""
        packets = packets_of(aac)
        audio_start = aac.index(b"mdat") + 4
        lengths = np.array([len(packet) for packet in reversed(packets)])
        offsets = (audio_start + np.cumsum(lengths) - lengths)[::-1]
        runs = bytes(4) + struct.pack(">IIII", 1, 1, 1, 1)
        table = bytes(4) + struct.pack(f">{len(packets) + 1}I", len(packets), *offsets)
        content = changed(aac, (b"mdat",), lambda _: b"".join(reversed(packets)))
        content = changed(content, (*TABLE, b"stsc"), lambda _: runs)
        content = changed(content, (*TABLE, b"stco"), lambda _: table)
        assert packets_of(content) == packets

    def test_those_behind_the_end_of_the_file_are_left_out(self, aac: bytes) -> None:
        packets = packets_of(aac)
        stream = parse(io.BytesIO(aac)).stream
        assert isinstance(stream, Mp4Packets)
        samples = mp4_samples.Samples(stream.offsets, stream.sizes, 0)
        last = int(stream.offsets[-1] + stream.sizes[-1])
        assert mp4_samples.whole(samples, last) == len(packets)
        assert mp4_samples.whole(samples, last - 1) == len(packets) - 1
        assert mp4_samples.whole(samples, 0) == 0

    def test_a_flood_of_durations_takes_no_memory_of_its_own(self, aac: bytes) -> None:
        rows = content_of(aac, *TABLE, b"stts")[8:]
        count = 300_000
        flood = struct.pack(">II", 0, count) + rows + bytes(8 * count - len(rows))
        content = changed(aac, (*TABLE, b"stts"), lambda _: flood)
        assert announced(content) == FRAMES
        assert peak_bytes(content) < 2 * len(flood)

    def test_more_of_them_than_hours_can_have_are_refused(
        self, aac: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        count = len(packets_of(aac))
        monkeypatch.setattr(mp4_samples, "MOST_PACKETS", count)
        assert announced(aac) == FRAMES
        monkeypatch.setattr(mp4_samples, "MOST_PACKETS", count - 1)
        with pytest.raises(InvalidAudio, match=f"it claims {count} packets"):
            announced(aac)
