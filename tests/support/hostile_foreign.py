"""Files of kinds that are refused: every other codec that the decoder knows, and no audio."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.support.audio_files import tone
from tests.support.hostile_file import Hostile, Refused

_ACCEPTED = {
    "WAV": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"},
    "AIFF": {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"},
    "FLAC": {"PCM_S8", "PCM_16", "PCM_24"},
    "OGG": {"VORBIS", "OPUS"},
    "MP3": {"MPEG_LAYER_III"},
}
_ACCEPTED |= {"WAVEX": _ACCEPTED["WAV"], "RF64": _ACCEPTED["WAV"]}
_KNOWN_BY_NAME = {"AU", "CAF", "W64", "NIST", "VOC", "SVX"}
_FOUND_TO_BE_NOTHING = {
    "AVR", "HTK", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "RAW", "SD2", "SDS", "IRCAM", "WVE", "XI",
}  # fmt: skip
"""Museum pieces that no musician sends; what they are needn't be said."""
_MONO = ("G721_32", "G723_24", "G723_40", "GSM610", "VOX_ADPCM", "NMS_ADPCM_16", "NMS_ADPCM_24",
         "NMS_ADPCM_32", "DPCM_8", "DPCM_16")  # fmt: skip

_CANT_BE_WRITTEN = {
    ("AIFF", "DWVW_12"),
    ("MP3", "MPEG_LAYER_I"),
    ("MP3", "MPEG_LAYER_II"),
    ("WAV", "MPEG_LAYER_III"),
}
"""In name only; files of these kinds are made by hand. SD2 keeps its header in another file."""

NO_ENCODING = Refused("unsupported_encoding", "are not supported")
NOT_AUDIO = Refused("not_audio", "holds no audio that WaveFlow knows")


def legacy_pairs() -> list[tuple[str, str]]:
    """Every format and encoding that the decoding library can write, and that isn't accepted."""
    return [
        (container, subtype)
        for container in soundfile.available_formats()
        for subtype in soundfile.available_subtypes(container)
        if subtype not in _ACCEPTED.get(container, set())
        and (container, subtype) not in _CANT_BE_WRITTEN
        and container != "SD2"
    ]


def _expected(container: str) -> Refused:
    if container in _ACCEPTED:
        return NO_ENCODING
    if container in _KNOWN_BY_NAME:
        return Refused("unsupported_format", "files are not supported")
    assert container in _FOUND_TO_BE_NOTHING
    return NOT_AUDIO


def _written(container: str, subtype: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        one_channel = subtype in _MONO or container in ("MPC2K", "WVE", "XI", "SVX", "SDS", "HTK")
        samples = tone(2_000, 1 if one_channel else 2, 8_000)
        for channels in (samples, samples[:, :1]):
            try:
                soundfile.write(path, channels, 44_100, subtype=subtype, format=container)
            except soundfile.SoundFileError:
                continue  # Some take 8000 Hz, one channel, or both.
            return
        soundfile.write(path, samples[:, :1], 8_000, subtype=subtype, format=container)

    return write


def _legacy() -> dict[str, Hostile]:
    return {
        f"{container} {subtype}": Hostile(_written(container, subtype), _expected(container))
        for container, subtype in legacy_pairs()
    }


_NAMED = {
    "M4A": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0",
    "WMA": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "CAF that claims 2^63 bytes": b"caff\0\1\0\0desc\x7f\xff\xff\xff\xff\xff\xff\xff",
    "AU of 4 GiB": b".snd\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\1",
    "AU, little-endian": b"dns.\x18\0\0\0",
    "WebM": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01",
    "MIDI": b"MThd\0\0\0\6\0\1\0\2\1\xe0",
    "AMR": b"#!AMR\n",
    "SILK": b"#!SILK_V3",
    "APE": b"MAC \x96\x0f\0\0",
    "WavPack": b"wvpk\xff\xff\xff\xff\x10\x04",
    "TTA": b"TTA1\1\0\2\0\x10\0",
    "Musepack 8": b"MPCKSH",
    "Musepack 7": b"MP+\x17",
    "DSF": b"DSD \x1c\0\0\0\0\0\0\0",
    "DSDIFF": b"FRM8\0\0\0\0\0\0\0\x10DSD ",
    "ADIF": b"ADIF\0",
    "RealAudio": b".ra\xfd\0\4",
    "RealMedia": b".RMF\0\0\0\x12",
    "FLV": b"FLV\1\5\0\0\0\x09",
    "MPEG video": b"\0\0\1\xba\x44",
    "AVI": b"RIFF\x24\0\0\0AVI LIST",
    "RAR": b"Rar!\x1a\7\0",
    "7-Zip": b"7z\xbc\xaf\x27\x1c\0\4",
    "AAC (ADTS)": (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * 50,
}


def _zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.wav", bytes(10_000_000))
    return content.getvalue()


def _not_audio() -> dict[str, Hostile]:
    rng = np.random.default_rng(11)
    contents = {
        "empty": b"",
        "one byte": b"R",
        "zeros": bytes(50_000),
        "noise": rng.bytes(50_000),
        "a web page": b"<!doctype html><title>404</title>" * 50,
        "JSON": b'{"task": "health_check"}',
        "XML of an error": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
        "an entity bomb": b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' * 20,
        "a picture": b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(9000)),
        "a photograph": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + rng.bytes(9000),
        "a PDF": b"%PDF-1.7\n" + bytes(3000),
        "a program": b"\x7fELF\2\1\1" + bytes(5000),
        "a script": b"#!/bin/sh\nrm -rf /\n",
        "gzip": b"\x1f\x8b\x08\0" + zlib.compress(bytes(9000)),
        "a pickle": b"\x80\x05\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system",
        "a playlist": b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n",
        "a cue sheet": b'FILE "/etc/passwd" WAVE\n  TRACK 01 AUDIO\n',
        "a tracker's module": b"Extended Module: name".ljust(60) + b"\x1aFastTracker" + bytes(900),
        "UTF-16": "RIFFWAVE".encode("utf-16") * 90,
    }
    return {name: Hostile(content, NOT_AUDIO) for name, content in contents.items()}


def hostile_foreign() -> dict[str, Hostile]:
    """All of them, by name."""
    named = {
        name: Hostile(head + bytes(3_000), Refused("unsupported_format", "are not supported"))
        for name, head in _NAMED.items()
    }
    named["ZIP bomb"] = Hostile(_zipped(), Refused("unsupported_format", "ZIP"))
    found = {f"foreign {name}": entry for name, entry in (named | _not_audio()).items()}
    return found | {f"legacy {name}": entry for name, entry in _legacy().items()}
