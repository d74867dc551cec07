"""WAV files that lie, contradict themselves, or are odd and yet fine."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.audio_files import chunk, pcm_format, wav_of
from tests.support.hostile_file import Hostile, Refused, Works, exactly

RATE_HZ = 44_100
FRAMES = 3_000
_BROADCAST_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_AMBISONIC_TAIL = bytes.fromhex("00002107d3118644c8c1ca000000")

INVALID = Refused("invalid_audio", "The WAV file is damaged")
CUT = Refused("audio_truncated", "is damaged or cut short")
NO_ENCODING = Refused("unsupported_encoding", "are not supported")
NOT_FINITE = Refused("audio_not_finite", "not numbers")


def samples(channels: int = 2, frames: int = FRAMES) -> NDArray[np.int16]:
    """Noise, the same each time."""
    rng = np.random.default_rng(channels)
    return rng.integers(-(2**15), 2**15, (frames, channels), np.int16)


STEREO = samples()
PCM = STEREO.astype("<i2").tobytes()
DATA = chunk(b"data", PCM)
FORMAT = pcm_format()
FINE = exactly(STEREO)
NOTHING = Works(0)


def wav(*chunks: bytes, **how: Any) -> Callable[[Path], object]:
    return lambda path: wav_of(path, *chunks, **how)


def data_claiming(size: int, content: bytes = PCM) -> bytes:
    return chunk(b"data", content, claimed=size)


def extensible(
    tag: int = 1,
    bits: int = 16,
    *,
    channels: int = 2,
    valid_bits: int | None = None,
    mask: int = 3,
    tail: bytes = _BROADCAST_TAIL,
    extra: int = 22,
) -> bytes:
    block = channels * ((bits + 7) // 8)
    fields = (0xFFFE, channels, RATE_HZ, RATE_HZ * block, block, bits, extra)
    rest = struct.pack("<HI", bits if valid_bits is None else valid_bits, mask)
    guid = struct.pack("<H", tag) + tail
    return chunk(b"fmt ", struct.pack("<HHIIHHH", *fields) + rest + guid)


def ds64(data_bytes: int, riff_bytes: int = 0) -> bytes:
    return chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, FRAMES, 0))


def floats(kind: str, *values: float) -> Hostile:
    """A float file of one channel that ends in these values."""
    width = {"<f4": 32, "<f8": 64}[kind]
    content = np.array([0.25, -0.5, *values], kind)
    make = wav(pcm_format(1, RATE_HZ, width, tag=3), chunk(b"data", content.tobytes()))
    if not (np.abs(content) <= np.finfo("<f4").max).all():
        return Hostile(make, NOT_FINITE)
    return Hostile(make, Works(len(content), RATE_HZ, 1, content.astype(np.float64), 1e-12))


def _pcm(kind: str, bits: int, values: list[int]) -> Callable[[Path], object]:
    content = np.array(values, kind).tobytes()
    return wav(pcm_format(1, RATE_HZ, bits), chunk(b"data", content))


def _sizes() -> dict[str, Hostile]:
    return {
        "claims 4 GiB": Hostile(wav(FORMAT, data_claiming(0xFFFFFFFF), claimed=0xFFFFFFFF), FINE),
        "claims 4 GiB less a header": Hostile(wav(FORMAT, data_claiming(0xFFFFFFFF - 36)), FINE),
        "claims 2 GiB, as streamed": Hostile(wav(FORMAT, data_claiming(0x7FFFFFFF)), FINE),
        "claims 3 GiB": Hostile(wav(FORMAT, data_claiming(3 << 30)), CUT),
        "claims twice as much": Hostile(wav(FORMAT, data_claiming(2 * len(PCM) + 40_000)), CUT),
        "claims half": Hostile(
            wav(FORMAT, data_claiming(len(PCM) // 2)), exactly(STEREO[: FRAMES // 2])
        ),
        "claims a RIFF of 0 bytes": Hostile(wav(FORMAT, DATA, claimed=0), FINE),
        "claims a RIFF of 2 bytes": Hostile(wav(FORMAT, DATA, claimed=2), FINE),
        "claims a RIFF of 4 GiB": Hostile(wav(FORMAT, DATA, claimed=0xFFFFFFFF), FINE),
        "ends within a frame": Hostile(wav(FORMAT, chunk(b"data", PCM[:-1])), exactly(STEREO[:-1])),
        "ends within a sample, no padding": Hostile(
            wav(FORMAT, data_claiming(len(PCM) - 3, PCM[:-3])), exactly(STEREO[:-1])
        ),
        "one byte of audio": Hostile(wav(FORMAT, chunk(b"data", b"\x01")), NOTHING),
        "no audio, finished": Hostile(wav(FORMAT, chunk(b"data", b"")), NOTHING),
        "a tail of garbage": Hostile(wav(FORMAT, DATA, bytes(range(256)) * 9), FINE),
    }


def _formats() -> dict[str, Hostile]:
    found = {}
    for rate_hz in (0, 1, 3_999, 384_001, 2**31 - 1, 2**31, 2**32 - 1):
        fmt = pcm_format(2, rate_hz % 1000, 16)
        content = bytearray(fmt)
        content[12:16] = rate_hz.to_bytes(4, "little")
        found[f"{rate_hz} Hz"] = Hostile(
            wav(bytes(content), DATA), Refused("invalid_audio", f"{rate_hz} Hz")
        )
    for rate_hz in (4_000, 384_000):
        found[f"{rate_hz} Hz, which may be"] = Hostile(
            wav(pcm_format(2, rate_hz), DATA), exactly(STEREO, rate_hz)
        )
    for channels in (0, 33, 1_025, 32_767):
        fmt = pcm_format(channels, frame_bytes=2 * channels)
        found[f"{channels} channels"] = Hostile(
            wav(fmt, DATA), Refused("invalid_audio", f"claims {channels} channels")
        )
    found["65535 channels"] = Hostile(wav(pcm_format(65_535, frame_bytes=65_534), DATA), INVALID)
    found["65535 channels of 8 bits"] = Hostile(
        wav(pcm_format(65_535, bits=8, frame_bytes=65_535), DATA), Refused("invalid_audio", "65535")
    )
    many = samples(32)
    found["32 channels, which may be"] = Hostile(
        wav(pcm_format(32), chunk(b"data", many.tobytes())), exactly(many)
    )
    for frame_bytes in (0, 1, 2, 3, 5, 8, 65_535):
        found[f"frames of {frame_bytes} bytes"] = Hostile(
            wav(pcm_format(frame_bytes=frame_bytes), DATA), INVALID
        )
    for bits in (0, 40, 64, 255, 65_535):
        block = 2 * ((bits + 7) // 8)
        expected = INVALID if bits == 0 else NO_ENCODING
        found[f"{bits} bits"] = Hostile(
            wav(pcm_format(bits=bits, frame_bytes=block % 65_536), DATA), expected
        )
    found["16-bit float"] = Hostile(wav(pcm_format(tag=3), DATA), NO_ENCODING)
    found["24-bit float"] = Hostile(wav(pcm_format(bits=24, tag=3), DATA), NO_ENCODING)
    found["12 bits in 16"] = Hostile(wav(pcm_format(bits=12, frame_bytes=4), DATA), FINE)
    found["lies about bytes per second"] = Hostile(
        wav(FORMAT[:16] + b"\xff\xff\xff\xff" + FORMAT[20:], DATA), FINE
    )
    for length in (0, 1, 8, 14, 15):
        found[f"a format of {length} bytes"] = Hostile(
            wav(chunk(b"fmt ", FORMAT[8 : 8 + length]), DATA), INVALID
        )
    for claimed in (0, 2**31, 2**32 - 1):
        fmt = FORMAT[:4] + claimed.to_bytes(4, "little") + FORMAT[8:]
        found[f"a format that claims {claimed} bytes"] = Hostile(wav(fmt, DATA), INVALID)
    return found


def _orders() -> dict[str, Hostile]:
    info = chunk(b"LIST", b"INFOINAM" + struct.pack("<I", 4) + b"song")
    endless_name = chunk(b"LIST", b"INFOINAM" + struct.pack("<I", 2**32 - 1) + b"A" * 70_000)
    huge = chunk(b"LIST", b"INFO" + bytes(1 << 21))
    other = chunk(b"data", bytes(400))
    return {
        "RIFF alone": Hostile(b"RIFF", Refused("not_audio")),
        "RIFF and a size": Hostile(b"RIFF\x24\x00\x00\x00", Refused("not_audio")),
        "RIFF and WAVE alone": Hostile(b"RIFF\x24\x00\x00\x00WAVE", INVALID),
        "half a chunk header": Hostile(b"RIFF\x24\x00\x00\x00WAVEfmt", INVALID),
        "no data": Hostile(wav(FORMAT), INVALID),
        "no data but a list": Hostile(wav(FORMAT, info), INVALID),
        "no format": Hostile(wav(DATA), INVALID),
        "data before the format": Hostile(wav(DATA, FORMAT), FINE),
        "data before the format, and lists": Hostile(wav(info, DATA, info, FORMAT, info), FINE),
        "streamed data before the format": Hostile(wav(data_claiming(0xFFFFFFFF), FORMAT), INVALID),
        "two formats": Hostile(wav(FORMAT, pcm_format(1, 8_000, 8), DATA), FINE),
        "two data chunks": Hostile(wav(FORMAT, DATA, other), FINE),
        "a list of 2 MiB": Hostile(wav(FORMAT, huge, DATA), FINE),
        "a list that claims 2 GiB": Hostile(
            wav(FORMAT, chunk(b"LIST", b"INFO", claimed=2**31 - 1), DATA), INVALID
        ),
        "a list that claims 4 GiB": Hostile(
            wav(FORMAT, chunk(b"LIST", b"INFO", claimed=2**32 - 1), DATA), INVALID
        ),
        "a title that claims 4 GiB": Hostile(wav(FORMAT, endless_name, DATA), FINE),
        "a list behind the data that claims 4 GiB": Hostile(
            wav(FORMAT, DATA, chunk(b"LIST", b"INFO", claimed=2**32 - 1)), FINE
        ),
        "9000 empty chunks": Hostile(wav(FORMAT, chunk(b"JUNK", b"") * 9_000, DATA), FINE),
        "20000 empty chunks": Hostile(wav(FORMAT, chunk(b"JUNK", b"") * 20_000, DATA), INVALID),
        "a chunk without a name": Hostile(wav(chunk(bytes(4), b"xx"), FORMAT, DATA), FINE),
        "4 billion loops": Hostile(
            wav(FORMAT, chunk(b"smpl", bytes(28) + b"\xff" * 8 + bytes(24)), DATA), FINE
        ),
        "4 billion cue points": Hostile(
            wav(FORMAT, chunk(b"cue ", b"\xff" * 4 + bytes(24)), DATA), FINE
        ),
        "a fact that claims 4 billion frames": Hostile(
            wav(FORMAT, chunk(b"fact", b"\xff" * 4), DATA), FINE
        ),
        "a broadcast chunk cut short": Hostile(wav(FORMAT, chunk(b"bext", b"A" * 7), DATA), FINE),
        "a broadcast chunk of 1 MiB": Hostile(
            wav(FORMAT, chunk(b"bext", b"\xff" * (1 << 20)), DATA), FINE
        ),
        "an ID3 chunk that claims 256 MiB": Hostile(
            wav(FORMAT, chunk(b"id3 ", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"), DATA), FINE
        ),
        "a peak chunk of infinity": Hostile(
            wav(FORMAT, chunk(b"PEAK", b"\x01\x00\x00\x00" + b"\xff" * 20), DATA), FINE
        ),
        "big-endian (RIFX)": Hostile(
            b"RIFX\x00\x00\x00\x24WAVE" + FORMAT + DATA, Refused("unsupported_format", "RIFX")
        ),
        "a WAV in a WAV": Hostile(
            wav(FORMAT, chunk(b"data", b"RIFF\xff\xff\xff\xffWAVE" + PCM[12:])),
            Works(FRAMES, channels=2),
        ),
    }


def _long_and_extended() -> dict[str, Hostile]:
    placeholder = data_claiming(0xFFFFFFFF)

    def rf64(*chunks: bytes, name: bytes = b"RF64") -> Callable[[Path], object]:
        return wav(*chunks, name=name, claimed=0xFFFFFFFF)

    return {
        "RF64": Hostile(rf64(ds64(len(PCM)), FORMAT, placeholder), FINE),
        "BW64": Hostile(rf64(ds64(len(PCM)), FORMAT, placeholder, name=b"BW64"), FINE),
        "RF64 that claims 2^63 bytes": Hostile(rf64(ds64(2**63), FORMAT, placeholder), FINE),
        "RF64 that claims 2^63 - 1 bytes": Hostile(rf64(ds64(2**63 - 1), FORMAT, placeholder), CUT),
        "RF64 that claims 0 bytes": Hostile(rf64(ds64(0), FORMAT, placeholder), FINE),
        "RF64 that claims half": Hostile(
            rf64(ds64(len(PCM) // 2), FORMAT, placeholder), exactly(STEREO[: FRAMES // 2])
        ),
        "RF64 without sizes": Hostile(rf64(FORMAT, placeholder), FINE),
        "RF64 with short sizes": Hostile(
            rf64(chunk(b"ds64", b"\xff" * 8), FORMAT, placeholder), FINE
        ),
        "RF64 with honest 32-bit sizes": Hostile(rf64(ds64(1 << 40), FORMAT, DATA), FINE),
        "RF64 with a table of 4 billion": Hostile(
            rf64(
                chunk(b"ds64", struct.pack("<QQQI", 0, len(PCM), 0, 2**32 - 1)), FORMAT, placeholder
            ),
            FINE,
        ),
        "extended": Hostile(wav(extensible(), DATA), FINE),
        "extended, ambisonic": Hostile(wav(extensible(tail=_AMBISONIC_TAIL), DATA), FINE),
        "extended, 12 valid bits": Hostile(wav(extensible(valid_bits=12), DATA), FINE),
        "extended, no valid bits": Hostile(wav(extensible(valid_bits=0), DATA), FINE),
        "extended, a mask of 32 speakers": Hostile(wav(extensible(mask=2**32 - 1), DATA), FINE),
        "extended, an extension of 65535 bytes": Hostile(wav(extensible(extra=65_535), DATA), FINE),
        "extended, an extension of 0 bytes": Hostile(wav(extensible(extra=0), DATA), FINE),
        "extended, but short": Hostile(wav(chunk(b"fmt ", extensible()[8:40]), DATA), INVALID),
        "extended, of an unknown kind": Hostile(wav(extensible(tail=bytes(14)), DATA), NO_ENCODING),
        "extended, extended again": Hostile(wav(extensible(0xFFFE), DATA), NO_ENCODING),
        "extended, no bits": Hostile(wav(extensible(bits=0), DATA), INVALID),
        "extended, A-law": Hostile(wav(extensible(6, 8), DATA), NO_ENCODING),
        "extended, ADPCM": Hostile(wav(extensible(2), DATA), NO_ENCODING),
        "extended, float of 16 bits": Hostile(wav(extensible(3, 16), DATA), NO_ENCODING),
    }


def _values() -> dict[str, Hostile]:
    found: dict[str, Hostile] = {}
    tiny32, tiny64 = float(np.finfo("<f4").smallest_subnormal), 5e-324
    for kind, tiny in (("<f4", tiny32), ("<f8", tiny64)):
        width = {"<f4": "32", "<f8": "64"}[kind]
        found |= {
            f"{width}-bit NaN": floats(kind, float("nan")),
            f"{width}-bit infinity": floats(kind, float("inf")),
            f"{width}-bit minus infinity": floats(kind, float("-inf")),
            f"{width}-bit denormals": floats(kind, tiny, -tiny, 0.0),
            f"{width}-bit minus zero": floats(kind, -0.0),
            f"{width}-bit largest": floats(kind, float(np.finfo(kind).max)),
            f"{width}-bit, as loud as 32 bits can be": floats(kind, float(np.finfo("<f4").max)),
            f"{width}-bit, a thousand times too loud": floats(kind, -1000.0, 999.0),
        }
    denormal = np.full(64, tiny32, "<f4")
    found["nothing but denormals"] = Hostile(
        wav(pcm_format(1, RATE_HZ, 32, tag=3), chunk(b"data", denormal.tobytes())),
        Works(64, RATE_HZ, 1, denormal.astype(np.float64)),
    )
    found["two infinities that cancel out"] = Hostile(
        wav(
            pcm_format(2, RATE_HZ, 32, tag=3),
            chunk(b"data", np.array([np.inf, -np.inf], "<f4").tobytes()),
        ),
        NOT_FINITE,
    )
    lowest = np.full((50, 2), -(2**15), np.int16)
    found["the lowest sample throughout"] = Hostile(
        wav(FORMAT, chunk(b"data", lowest.tobytes())), exactly(lowest)
    )
    found["8 bits, unsigned"] = Hostile(
        _pcm("<u1", 8, [0, 128, 255]), Works(3, RATE_HZ, 1, np.array([-1.0, 0.0, 127 / 128]))
    )
    found["32 bits, extremes"] = Hostile(
        _pcm("<i4", 32, [-(2**31), 2**31 - 1]), Works(2, RATE_HZ, 1, np.array([-1.0, 1 - 2.0**-31]))
    )
    return found


LEGACY_TAGS = {
    0x0000: "unknown",
    0x0002: "Microsoft ADPCM",
    0x0004: "VSELP",
    0x0005: "CVSD",
    0x0006: "A-law",
    0x0007: "u-law",
    0x0008: "DTS",
    0x0010: "OKI ADPCM",
    0x0011: "IMA ADPCM",
    0x0012: "MediaSpace ADPCM",
    0x0014: "G.723 ADPCM",
    0x0016: "DIGIFIX",
    0x0017: "Dialogic ADPCM (VOX)",
    0x0020: "Yamaha ADPCM",
    0x0022: "TrueSpeech",
    0x0031: "GSM 6.10",
    0x0038: "NMS VBXADPCM",
    0x0040: "G.721 ADPCM",
    0x0042: "G.723.1",
    0x0045: "G.726",
    0x0050: "MPEG Layer II",
    0x0055: "MP3",
    0x0064: "G.726 ADPCM",
    0x0065: "G.722 ADPCM",
    0x0092: "AC-3 over S/PDIF",
    0x00FF: "AAC",
    0x0111: "Vivo G.723",
    0x0130: "ACELP",
    0x0160: "Windows Media 1",
    0x0161: "Windows Media 2",
    0x0162: "Windows Media 9",
    0x0163: "Windows Media lossless",
    0x0200: "Creative ADPCM",
    0x0270: "ATRAC3",
    0x0402: "Indeo audio",
    0x1609: "MPEG-4 LOAS",
    0x1610: "HE-AAC",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x566F: "Vorbis",
    0x674F: "Vorbis, mode 1",
    0x706D: "FAAD AAC",
    0x7A21: "AMR",
    0xA109: "Speex",
    0xF1AC: "FLAC",
    0xFFFF: "experimental",
}


def _legacy() -> dict[str, Hostile]:
    found = {}
    for tag, name in LEGACY_TAGS.items():
        fmt = pcm_format(1, 8_000, 4, tag=tag, frame_bytes=256) + b"\x02\x00\xf9\x01"
        found[f"0x{tag:04x} {name}"] = Hostile(wav(fmt, chunk(b"data", PCM)), NO_ENCODING)
    return found


def hostile_wavs() -> dict[str, Hostile]:
    """All of them, by name."""
    parts = (_sizes, _formats, _orders, _long_and_extended, _values, _legacy)
    return {f"wav {name}": entry for part in parts for name, entry in part().items()}
