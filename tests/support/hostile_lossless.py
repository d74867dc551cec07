"""AIFF and FLAC files that lie, contradict themselves, or are far larger than they look."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from tests.support.audio_files import ape_tag, id3v1_tag, id3v2_tag
from tests.support.flac_writer import Frame, constant, flac, metadata, stream_info
from tests.support.hostile_file import Expectation, Hostile, Refused, Works, exactly
from tests.support.hostile_wav import FRAMES, RATE_HZ, STEREO

AIFF = Refused("invalid_audio", "The AIFF file is damaged")
NO_ENCODING = Refused("unsupported_encoding", "are not supported")
CUT = Refused("audio_truncated", "is damaged or cut short")
DAMAGED = Refused("invalid_audio")
_BIG = STEREO.astype(">i2").tobytes()
_RATE = bytes.fromhex("400eac44000000000000")
_RATES = {
    "0 Hz": bytes(10),
    "minus 44100 Hz": b"\xc0" + _RATE[1:],
    "infinitely many Hz": bytes.fromhex("7fff8000000000000000"),
    "not a number of Hz": bytes.fromhex("7fffc000000000000000"),
    "10^4900 Hz": bytes.fromhex("7ffeffffffffffffffff"),
    "2^31 - 1 Hz": bytes.fromhex("401dfffffffe00000000"),
    "a denormal number of Hz": bytes.fromhex("00000000000000000001"),
    "half a Hz": bytes.fromhex("3ffe8000000000000000"),
    "unnormalised Hz": bytes.fromhex("400e0000000000000001"),
}


def aiff(*parts: bytes, kind: bytes = b"AIFF", claimed: int | None = None) -> bytes:
    content = kind + b"".join(parts)
    return b"FORM" + struct.pack(">I", len(content) if claimed is None else claimed) + content


def part(name: bytes, content: bytes, claimed: int | None = None) -> bytes:
    size = len(content) if claimed is None else claimed
    return name + struct.pack(">I", size) + content + b"\0" * (len(content) % 2)


def common(
    channels: int = 2,
    frames: int = FRAMES,
    bits: int = 16,
    rate: bytes = _RATE,
    tail: bytes = b"",
) -> bytes:
    return part(b"COMM", struct.pack(">HIH", channels, frames, bits) + rate + tail)


def sound(content: bytes = _BIG, offset: int = 0, claimed: int | None = None) -> bytes:
    return part(b"SSND", struct.pack(">II", offset, 0) + content, claimed)


def _aiffs() -> dict[str, Hostile]:
    fine = exactly(STEREO)
    comments = part(b"COMT", struct.pack(">HIHH", 38, 1, 1, 9475) + b"A" * 50)
    found = {
        "fine": Hostile(aiff(common(), sound()), fine),
        "FORM alone": Hostile(b"FORM", Refused("not_audio")),
        "FORM of another kind": Hostile(
            b"FORM\0\0\0\x20ILBMBMHD" + bytes(40), Refused("not_audio")
        ),
        "no parts": Hostile(aiff(), AIFF),
        "no common part": Hostile(aiff(sound()), AIFF),
        "no sound": Hostile(aiff(common()), AIFF),
        "a short common part": Hostile(aiff(part(b"COMM", bytes(17)), sound()), AIFF),
        "sound before the common part": Hostile(aiff(sound(), common()), fine),
        "4 billion frames": Hostile(aiff(common(frames=2**32 - 1), sound()), fine),
        "no frames": Hostile(aiff(common(frames=0), sound()), fine),
        "sound that claims 3 GiB": Hostile(aiff(common(), sound(claimed=3 << 30)), CUT),
        "sound that starts at 4 GiB": Hostile(aiff(common(), sound(offset=2**32 - 1)), AIFF),
        "sound that starts at its end": Hostile(aiff(common(), sound(offset=len(_BIG))), Works(0)),
        "sound of 3 bytes": Hostile(aiff(common(), part(b"SSND", bytes(3))), AIFF),
        "a FORM of 4 GiB": Hostile(aiff(common(), sound(), claimed=2**32 - 1), fine),
        "comments that claim more than there is": Hostile(aiff(comments, common(), sound()), fine),
        "65535 markers in 2 bytes": Hostile(
            aiff(part(b"MARK", b"\xff\xff"), common(), sound()), fine
        ),
        "a part that claims 4 GiB": Hostile(
            aiff(common(), part(b"APPL", b"x", 2**32 - 1), sound()), AIFF
        ),
        "0 channels": Hostile(aiff(common(channels=0), sound()), AIFF),
        "1025 channels": Hostile(
            aiff(common(channels=1025), sound()), Refused("invalid_audio", "1025 channels")
        ),
        "65535 channels": Hostile(
            aiff(common(channels=65_535), sound()), Refused("invalid_audio", "65535 channels")
        ),
        "0 bits": Hostile(aiff(common(bits=0), sound()), AIFF),
        "33 bits": Hostile(aiff(common(bits=33), sound()), NO_ENCODING),
        "65535 bits": Hostile(aiff(common(bits=65_535), sound()), NO_ENCODING),
        "12 bits in 16": Hostile(aiff(common(bits=12), sound()), fine),
        "little-endian": Hostile(
            aiff(
                common(tail=b"sowt\0\0"),
                sound(STEREO.astype("<i2").tobytes()),
                kind=b"AIFC",
            ),
            fine,
        ),
        "a name of 255 characters that isn't there": Hostile(
            aiff(common(tail=b"NONE\xff"), sound(), kind=b"AIFC"), fine
        ),
    }
    for name, rate in _RATES.items():
        refused = Refused("invalid_audio", "Hz")
        found[name] = Hostile(aiff(common(rate=rate), sound()), refused)
    for kind in _COMPRESSED:
        found[f"compressed, {kind!r}"] = Hostile(
            aiff(common(tail=kind + b"\0\0"), sound(), kind=b"AIFC"), NO_ENCODING
        )
    nan = struct.pack(">4f", 0.5, float("nan"), float("inf"), 0.0)
    found["a float that is no number"] = Hostile(
        aiff(common(frames=2, bits=32, tail=b"fl32\0\0"), sound(nan), kind=b"AIFC"),
        Refused("audio_not_finite"),
    )
    return found


_COMPRESSED = (
    b"ulaw", b"ULAW", b"alaw", b"ALAW", b"ima4", b"MAC3", b"MAC6", b"GSM ", b"agsm", b"DWVW",
    b"Qclp", b"QDMC", b"QDM2", b"rt24", b"rt29", b"G722", b"G726", b"G728", b"ADP4", b"ACE2",
    b"ms\0\x02", b"ms\0\x11", b".mp3", b"alac", b"SDX2", b"CDX4",
)  # fmt: skip

_LEFT = Frame(0, (16_384, 0))


def _level(frames: int, amplitude: float, **more: int) -> Works:
    return Works(frames, mono=np.full(frames, amplitude), **more)


def _with_third(amplitude: float) -> Works:
    """Four blocks, of which the third is softer."""
    mono = np.full(4 * 4096, 0.25)
    mono[2 * 4096 : 3 * 4096] = amplitude
    return Works(len(mono), mono=mono)


def _lengths() -> dict[str, Hostile]:
    four = constant(4, _LEFT)
    hour = 3600 * RATE_HZ
    blocks = -(-hour // 4096)
    return {
        "honest": Hostile(flac(stream_info(4 * 4096), four), _level(4 * 4096, 0.25)),
        "2^36 - 1 frames": Hostile(flac(stream_info(2**36 - 1), four), CUT),
        "2^35 frames": Hostile(flac(stream_info(2**35), four), CUT),
        "an unknown length": Hostile(flac(stream_info(0), four), _level(4 * 4096, 0.25)),
        "half its length": Hostile(flac(stream_info(2 * 4096), four), _level(4 * 4096, 0.25)),
        "one frame": Hostile(flac(stream_info(1), four), _level(4 * 4096, 0.25)),
        "no audio": Hostile(flac(stream_info(0), b""), Works(0)),
        "no audio, 2^36 - 1 frames": Hostile(flac(stream_info(2**36 - 1), b""), CUT),
        "an hour of silence": Hostile(
            lambda path: path.write_bytes(
                flac(stream_info(blocks * 4096), constant(blocks, Frame(0)))
            ),
            Works(blocks * 4096, mono=np.zeros(1)),
        ),
        "ten minutes of 8 channels in 14 kB": Hostile(
            lambda path: path.write_bytes(
                flac(
                    stream_info(404 * 65_535, channels=8, block=(65_535, 65_535)),
                    constant(404, Frame(0, (32_767,) * 8, 65_535)),
                )
            ),
            Works(404 * 65_535, channels=8, mono=np.full(1, 32_767 / 32_768)),
        ),
        "seven hours in 40 kB": Hostile(
            lambda path: path.write_bytes(
                flac(
                    stream_info(
                        1539 * 65_535, channels=1, sample_rate_hz=4_000, block=(65_535, 65_535)
                    ),
                    constant(1539, Frame(0, (0,), 65_535, sample_rate_hz=4_000)),
                )
            ),
            Refused("audio_too_long", "more than 6 hours"),
        ),
    }


def _stream_infos() -> dict[str, Hostile]:
    four = constant(4, _LEFT)
    fine = _level(4 * 4096, 0.25)
    total = 4 * 4096

    def info(expected: Expectation, **changes: object) -> Hostile:
        return Hostile(flac(stream_info(total, **changes), four), expected)  # type: ignore[arg-type]

    found = {
        "0 Hz": info(Refused("invalid_audio", "0 Hz"), sample_rate_hz=0),
        "655350 Hz": info(Refused("invalid_audio", "655350 Hz"), sample_rate_hz=655_350),
        "2^20 - 1 Hz": info(Refused("invalid_audio", "1048575 Hz"), sample_rate_hz=2**20 - 1),
        "a rate that its frames contradict": info(
            _level(total, 0.25, sample_rate_hz=48_000), sample_rate_hz=48_000
        ),
        "8 channels that its frames contradict": info(DAMAGED, channels=8),
        "24 bits that its frames contradict": info(fine, bits=24),
        "blocks of 0 frames": info(fine, block=(0, 0)),
        "blocks of at most 16": info(fine, block=(16, 16)),
        "smallest above largest": info(fine, block=(65_535, 4096)),
        "blocks of at most 65535": info(fine, block=(16, 65_535)),
    }
    for bits in (4, 5, 7, 12, 20, 32):
        found[f"{bits} bits"] = info(NO_ENCODING, bits=bits)
    found["another block first"] = Hostile(
        b"fLaC" + metadata(1, bytes(34)) + stream_info(total) + four, DAMAGED
    )
    found["a short first block"] = Hostile(b"fLaC" + metadata(0, bytes(30), last=True), DAMAGED)
    found["the magic alone"] = Hostile(b"fLaC", DAMAGED)
    return found


def _metadata() -> dict[str, Hostile]:
    four, total = constant(4, _LEFT), 4 * 4096
    fine = _level(total, 0.25)
    most = b"\xff" * 4
    picture = struct.pack(">III", 3, 2**32 - 1, 2**32 - 1) + b"\xff" * 40

    def behind(*blocks: bytes, expected: Expectation = fine) -> Hostile:
        end = metadata(1, b"", last=True)
        return Hostile(flac(stream_info(total, last=False), four, *blocks, end), expected)

    return {
        "a picture of 4 GiB in 52 bytes": behind(metadata(6, picture), expected=DAMAGED),
        "a picture block of 16 MiB that isn't there": behind(
            metadata(6, b"\xff", claimed=2**24 - 1), expected=DAMAGED
        ),
        "a picture of 2 MiB": behind(
            metadata(
                6,
                struct.pack(">II", 3, 9)
                + b"image/png"
                + bytes(20)
                + struct.pack(">I", 2 << 20)
                + bytes(2 << 20),
            )
        ),
        "4 billion comments": behind(metadata(4, bytes(4) + most)),
        "a vendor's name of 4 GiB": behind(metadata(4, most + b"A"), expected=DAMAGED),
        "100 tracks that aren't there": behind(metadata(5, bytes(395) + b"\x64"), expected=DAMAGED),
        "seek points at the end of time": behind(metadata(3, (b"\xff" * 16 + b"\0\1") * 50)),
        "half a seek point": behind(metadata(3, b"\xff" * 17), expected=DAMAGED),
        "an unknown block": behind(metadata(126, b"\xff" * 300)),
        "a forbidden block": behind(metadata(127, b"\xff" * 300)),
        "2000 empty blocks": behind(*(metadata(1, b"") for _ in range(2000))),
        "two STREAMINFO blocks": behind(stream_info(99, channels=1, last=False), expected=DAMAGED),
        "no last block": Hostile(flac(stream_info(total, last=False), four), DAMAGED),
    }


def _streams() -> dict[str, Hostile]:
    four, total = constant(4, _LEFT), 4 * 4096
    fine = _level(total, 0.25)
    wide = Frame(2, (8192,) * 8).encoded()
    start, end = constant(2, _LEFT), Frame(3, (16_384, 0)).encoded()
    whole = flac(stream_info(total), four)

    def midst(frame: bytes, expected: Expectation = DAMAGED) -> Hostile:
        return Hostile(flac(stream_info(total), start + frame + end), expected)

    return {
        "from 2 channels to 8": midst(wide),
        "from 2 channels to 1": midst(Frame(2, (8192,)).encoded()),
        "from 16 bits to 24": midst(Frame(2, (8192, 0), bits=24).encoded(), _with_third(2.0**-11)),
        "from 44100 Hz to 8000 Hz": midst(
            Frame(2, (8192, 0), sample_rate_hz=8_000).encoded(), _with_third(0.125)
        ),
        "a block longer than announced": midst(Frame(2, (16_384, 0), 65_535).encoded(), fine),
        "a frame with a wrong checksum": midst(Frame(2, (16_384, 0)).encoded()[:-1] + b"x"),
        "a frame number at the end of time": midst(Frame(2**31 - 1, (16_384, 0)).encoded()),
        "garbage between frames": midst(
            np.random.default_rng(5).bytes(5000) + Frame(2, (16_384, 0)).encoded()
        ),
        "a tail of garbage": Hostile(whole + bytes(range(256)) * 4, fine),
        "a tail of zeros": Hostile(whole + bytes(5000), fine),
        "behind an ID3 tag": Hostile(id3v2_tag(500) + whole, fine),
        "behind an ID3 tag of 256 MiB": Hostile(
            b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + whole,
            Refused("invalid_audio", "the tag at its start claims more bytes"),
        ),
        "before tags": Hostile(whole + ape_tag() + id3v1_tag(), fine),
        "before an APE tag of 4 GiB": Hostile(
            whole + b"APETAGEX" + struct.pack("<IIII", 2000, 2**32 - 1, 1, 0) + bytes(8), fine
        ),
        "a full-scale channel beside silence": Hostile(
            flac(stream_info(4096), Frame(0, (-(2**15), 0)).encoded()), _level(4096, 0.5)
        ),
        "sync words and nothing else": Hostile(
            flac(stream_info(total), b"\xff\xf8\xc9\x18" * 4000), DAMAGED
        ),
    }


def hostile_lossless() -> dict[str, Hostile]:
    """All of them, by name."""
    flacs: list[Callable[[], dict[str, Hostile]]] = [_lengths, _stream_infos, _metadata, _streams]
    found = {f"aiff {name}": entry for name, entry in _aiffs().items()}
    return found | {f"flac {name}": entry for of in flacs for name, entry in of().items()}
