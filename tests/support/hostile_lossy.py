"""OGG and MP3 files that lie, break off, change on the way, or are glued together."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.support.audio_files import (
    ape_tag,
    id3v1_tag,
    id3v2_tag,
    mpeg_frames,
    tone,
    write_audio,
)
from tests.support.audio_units import ogg_pages, repaired
from tests.support.hostile_file import Hostile, Refused, Works, mono_of

RATE_HZ = 44_100
FRAMES = 2 * RATE_HZ
NO_ENCODING = Refused("unsupported_encoding", "are not supported")
DAMAGED = Refused("invalid_audio")
NOT_AUDIO = Refused("not_audio")
_AT_MOST_OFF = 2e-3


@cache
def encoded(kind: str, rate_hz: int = RATE_HZ, channels: int = 2) -> bytes:
    """Two seconds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audio"
        samples = tone(2 * rate_hz, channels, rate_hz, seed=3)
        return write_audio(path, samples, rate_hz, kind=kind).read_bytes()


@cache
def sounding(kind: str) -> NDArray[np.float64]:
    """What that file sounds like, as the library decodes it whole."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audio"
        path.write_bytes(encoded_at(kind))
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
        return mono_of(samples)


def like(kind: str, rate_hz: int = RATE_HZ) -> Works:
    """It has to sound like the undamaged file."""
    mono = sounding(kind)
    return Works(len(mono), rate_hz, mono=mono, tolerance=_AT_MOST_OFF)


# --- OGG


def pages(kind: str) -> list[bytes]:
    content = encoded_at(kind)
    return [content[start:end] for start, end in ogg_pages(content)]


def patched(page: bytes, offset: int, new: bytes) -> bytes:
    """The page with other bytes there, and the right checksum."""
    changed = page[:offset] + new + page[offset + len(new) :]
    return repaired(changed, changed)


def _first_page(kind: str, offset: int, new: bytes) -> bytes:
    return patched(pages(kind)[0], 28 + offset, new)


def _first(kind: str, offset: int, new: bytes) -> bytes:
    """The file, with bytes of its first packet changed."""
    return _first_page(kind, offset, new) + b"".join(pages(kind)[1:])


def _last_granule(kind: str, granule: int) -> bytes:
    *rest, last = pages(kind)
    return b"".join(rest) + patched(last, 6, struct.pack("<q", granule))


def _other_codec(packet: bytes) -> bytes:
    page = b"OggS\0\x02" + bytes(8) + b"abcd" + bytes(8) + b"\x01" + bytes([len(packet)]) + packet
    return repaired(page, page)


def _oggs() -> dict[str, Hostile]:
    found: dict[str, Hostile] = {}
    for kind, name, rate_hz in (("ogg-vorbis", "vorbis", RATE_HZ), ("ogg-opus", "opus", 48_000)):
        whole = encoded_at(kind)
        all_pages = pages(kind)
        serial = b"".join(patched(page, 14, b"other") for page in all_pages)
        found |= {
            f"{name}, fine": Hostile(whole, like(kind, rate_hz)),
            f"{name}, chained": Hostile(whole + whole, NO_ENCODING),
            f"{name}, chained with another serial": Hostile(whole + serial, NO_ENCODING),
            f"{name}, chained with the other codec": Hostile(
                whole + encoded_at("ogg-opus" if name == "vorbis" else "ogg-vorbis"), NO_ENCODING
            ),
            f"{name}, two streams side by side": Hostile(all_pages[0] + whole, NO_ENCODING),
            f"{name}, the first page alone": Hostile(all_pages[0], DAMAGED),
            f"{name}, half the first page": Hostile(all_pages[0][:40], NO_ENCODING),
            f"{name}, without its first page": Hostile(b"".join(all_pages[1:]), DAMAGED),
            f"{name}, without its headers": Hostile(
                all_pages[0] + b"".join(all_pages[3:]), Refused("invalid_audio")
            ),
            f"{name}, a wrong checksum in the midst": Hostile(
                _spoilt(all_pages, len(all_pages) // 2), Refused("invalid_audio")
            ),
            f"{name}, a page missing in the midst": Hostile(
                b"".join(all_pages[:4] + all_pages[5:]), Refused("invalid_audio")
            ),
            f"{name}, ends at the end of time": Hostile(
                _last_granule(kind, 2**63 - 1), Refused("invalid_audio")
            ),
            f"{name}, ends before it begins": Hostile(
                _last_granule(kind, 1), Refused("invalid_audio")
            ),
            f"{name}, 0 channels": Hostile(
                _first(kind, 11 if name == "vorbis" else 9, b"\0"),
                Refused("invalid_audio", "0 channels"),
            ),
            f"{name}, 255 channels": Hostile(
                _first(kind, 11 if name == "vorbis" else 9, b"\xff"),
                Refused("invalid_audio", "255 channels"),
            ),
            f"{name}, an unknown version": Hostile(
                _first(kind, 7 if name == "vorbis" else 8, b"\xf0"), Refused("invalid_audio")
            ),
            f"{name}, a tail of garbage": Hostile(
                whole + bytes(range(256)) * 9, like(kind, rate_hz)
            ),
        }
    return found


def encoded_at(kind: str) -> bytes:
    return encoded(kind, 48_000) if kind == "ogg-opus" else encoded(kind)


def _spoilt(all_pages: list[bytes], index: int) -> bytes:
    page = all_pages[index]
    spoilt = page[:22] + bytes([page[22] ^ 0xFF]) + page[23:]
    return b"".join([*all_pages[:index], spoilt, *all_pages[index + 1 :]])


def _headers_of_oggs() -> dict[str, Hostile]:
    found = {
        "vorbis, 0 Hz": Hostile(
            _first("ogg-vorbis", 12, bytes(4)), Refused("invalid_audio", "0 Hz")
        ),
        "vorbis, 2^32 - 1 Hz": Hostile(
            _first("ogg-vorbis", 12, b"\xff" * 4), Refused("invalid_audio", "4294967295 Hz")
        ),
        "vorbis, blocks of 1 sample": Hostile(
            _first("ogg-vorbis", 28, b"\0"), Refused("invalid_audio")
        ),
        "vorbis, blocks of 32768 samples": Hostile(
            _first("ogg-vorbis", 28, b"\xff"), Refused("invalid_audio")
        ),
        "opus, skips two thirds of it": Hostile(
            _first("ogg-opus", 10, b"\xff\xff"),
            Works(len(sounding("ogg-opus")) + 312 - 65_535, 48_000),
        ),
        "opus, skips more than there is": Hostile(
            b"".join([_first_page("ogg-opus", 10, b"\xff\xff"), *pages("ogg-opus")[1:3]]),
            Refused("invalid_audio"),
        ),
        "opus, an unknown mapping": Hostile(
            _first("ogg-opus", 18, b"\x7f"), Refused("invalid_audio")
        ),
        "opus, an original rate of 0 Hz": Hostile(
            _first("ogg-opus", 12, bytes(4)), like("ogg-opus", 48_000)
        ),
        "opus, an original rate of 2^32 - 1 Hz": Hostile(
            _first("ogg-opus", 12, b"\xff" * 4), like("ogg-opus", 48_000)
        ),
        "opus, 128 dB louder": Hostile(
            _first("ogg-opus", 16, b"\xff\x7f"), Works(len(sounding("ogg-opus")), 48_000)
        ),
        "opus, 128 dB softer": Hostile(
            _first("ogg-opus", 16, b"\0\x80"), Works(len(sounding("ogg-opus")), 48_000)
        ),
        "capture patterns and nothing else": Hostile(b"OggS" * 5000, Refused("invalid_audio")),
        "a page of no segments": Hostile(_other_codec(b""), NO_ENCODING),
    }
    for packet in (
        b"\x7fFLAC\x01\0\0\x01fLaC", b"Speex   1.2", b"\x80theora\x03\x02", b"fishead\0\x03",
        b"CELT    ",
        b"PCM     ", b"BBCD\0", b"\x01video\0", b"\x80kate\0\0", b"OVP80\1", b"\xff" * 60,
    ):  # fmt: skip
        name = packet[:8].strip(b"\x01\x7f\x80\0 ").decode("ascii", "replace")
        found[f"{name} in it"] = Hostile(_other_codec(packet + bytes(40)), NO_ENCODING)
    return found


# --- MP3


def _mp3(tmp: Path) -> tuple[bytes, list[bytes]]:
    """The file, and its MPEG frames; the first holds the Info tag."""
    path = tmp / "mp3"
    path.write_bytes(encoded("mp3"))
    content = path.read_bytes()
    return content, [content[start : start + length] for start, length in mpeg_frames(path)]


def _info(frame: bytes, *, count: int | None = None, delays: bytes | None = None) -> bytes:
    """The frame with the tag, whose count of frames, or delay and padding, are others."""
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if count is not None:
        frame = frame[: tag + 8] + count.to_bytes(4, "big") + frame[tag + 12 :]
    if delays is not None:
        frame = frame[: tag + 141] + delays + frame[tag + 144 :]
    return frame


def _mp3s() -> dict[str, Hostile]:
    with TemporaryDirectory() as folder:
        whole, frames = _mp3(Path(folder))
    fine = like("mp3")
    tag, audio = frames[0], frames[1:]
    everything = 1152 * len(audio)
    middle = len(audio) // 2
    front, back = b"".join(audio[:middle]), b"".join(audio[middle:])
    noise = np.random.default_rng(7).bytes(3000).replace(b"\xff", b"\xfe")
    free = b"".join(frame[:2] + bytes([frame[2] & 0x0F]) + frame[3:] for frame in audio)
    mono, slow = encoded("mp3", RATE_HZ, 1), encoded("mp3", 22_050)
    return {
        "fine": Hostile(whole, fine),
        "an ID3 tag of 256 MiB": Hostile(
            b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + whole,
            Refused("invalid_audio", "the tag at its start claims more bytes"),
        ),
        "an ID3 tag that ends where the file does": Hostile(
            id3v2_tag(0)[:6] + _synchsafe(len(whole)) + whole, NOT_AUDIO
        ),
        "an ID3 tag with a size that can't be": Hostile(
            b"ID3\x04\x00\x00\xff\xff\xff\xff" + whole, fine
        ),
        "an ID3 tag of 5 MiB": Hostile(id3v2_tag(5 << 20) + whole, fine),
        "64 ID3 tags": Hostile(id3v2_tag(10) * 64 + whole, fine),
        "300 ID3 tags": Hostile(id3v2_tag(10) * 300 + whole, fine),
        "an ID3 tag alone": Hostile(id3v2_tag(100), NOT_AUDIO),
        "the start of an ID3 tag": Hostile(b"ID3\x04\x00", NOT_AUDIO),
        "an ID3 tag in the midst": Hostile(
            tag + front + id3v2_tag(5000) + back, Works(fine.frames)
        ),
        "garbage between frames": Hostile(tag + front + noise + back, Works(fine.frames)),
        "garbage in front": Hostile(noise + whole, Works(fine.frames)),
        "garbage behind": Hostile(whole + noise, fine),
        "garbage between any two frames": Hostile(
            tag + b"".join(frame + b"\0garbage\0" for frame in audio + audio + audio), NOT_AUDIO
        ),
        "free format": Hostile(free, NOT_AUDIO),
        "from stereo to mono": Hostile(whole + mono, Refused("invalid_audio")),
        "from 44100 Hz to 22050 Hz": Hostile(
            whole + slow, Refused("invalid_audio", "sample rate changes")
        ),
        "from 22050 Hz to 44100 Hz": Hostile(
            slow + whole, Refused("invalid_audio", "sample rate changes")
        ),
        "two files in one": Hostile(
            whole + whole, Works(2 * everything + 1152 - _trimmed(fine, audio))
        ),
        "a count of 0 frames": Hostile(_info(tag, count=0) + front + back, fine),
        "a count of 1 frame": Hostile(_info(tag, count=1) + front + back, fine),
        "a count of 2^32 - 1 frames": Hostile(
            _info(tag, count=2**32 - 1) + front + back, Refused("audio_truncated")
        ),
        "no tag": Hostile(front + back, Works(everything)),
        "delay and padding of 4095": Hostile(
            _info(tag, delays=b"\xff\xff\xff") + front + back,
            Works(everything - 2 * 4095),
        ),
        "one frame alone": Hostile(audio[5], NOT_AUDIO),
        "two frames alone": Hostile(audio[0] + audio[1], Works(2 * 1152)),
        "starts in the midst": Hostile(back, Works(1152 * (len(audio) - middle))),
        "a frame cut off": Hostile(front + back[:-100], Works(everything - 1152)),
        "half": Hostile(whole[: len(whole) // 2], Refused("audio_truncated")),
        "an APE tag of 4 GiB": Hostile(
            whole + b"APETAGEX" + struct.pack("<IIII", 2000, 2**32 - 1, 1, 0) + bytes(8),
            Works(fine.frames),
        ),
        "lyrics of 999999 bytes": Hostile(whole + b"999999LYRICS200", Works(fine.frames)),
        "tags of all kinds": Hostile(
            id3v2_tag(99, footer=True) + whole + ape_tag() + id3v1_tag(), fine
        ),
        "headers and nothing else": Hostile(b"\xff\xfb\x90\x64" * 20_000, NOT_AUDIO),
        "0xff and nothing else": Hostile(b"\xff" * 100_000, NOT_AUDIO),
        "frames of zeros": Hostile(
            b"".join(frame[:4] + bytes(len(frame) - 4) for frame in audio),
            Works(everything, mono=np.zeros(everything), tolerance=1e-9),
        ),
        "frames of ones": Hostile(
            b"".join(frame[:4] + b"\x7f" * (len(frame) - 4) for frame in audio),
            Refused("invalid_audio", "The audio is damaged after 0.0 s"),
        ),
        "Layer II": Hostile((b"\xff\xfd\x90\x00" + bytes(518)) * 9, NO_ENCODING),
        "Layer I": Hostile((b"\xff\xff\x90\x00" + bytes(308)) * 9, NO_ENCODING),
    }


def _trimmed(fine: Works, audio: list[bytes]) -> int:
    return 1152 * len(audio) - fine.frames


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def hostile_lossy() -> dict[str, Hostile]:
    """All of them, by name."""
    parts: tuple[Callable[[], dict[str, Hostile]], ...] = (_oggs, _headers_of_oggs)
    found = {f"ogg {name}": entry for part in parts for name, entry in part().items()}
    return found | {f"mp3 {name}": entry for name, entry in _mp3s().items()}
