"""Kinds of files that are recognised, so that they can be refused by name."""

from __future__ import annotations

from waveflow.domain.errors import UnsupportedAudio

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, bytes.fromhex("3026b2758e66cf11"), "Windows Media (WMA)"),
    (0, b"caff", "CAF"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64 (W64)"),
    (0, b".snd", "AU"),
    (0, b"dns.", "AU"),
    (0, b"\x1a\x45\xdf\xa3", "WebM/Matroska"),
    (0, b"MThd", "MIDI"),
    (0, b"#!AMR", "AMR"),
    (0, b"#!SILK", "SILK"),
    (0, b"MAC ", "Monkey's Audio (APE)"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "True Audio (TTA)"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b"RIFX", "RIFX"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"ADIF", "AAC"),
    (0, b".RMF", "RealAudio"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x00\x00\x01\xba", "MPEG video"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (8, b"AVI ", "AVI video"),
    (8, b"8SVX", "8SVX"),
    (8, b"16SV", "16SV"),
)


def unsupported_format(name: str) -> UnsupportedAudio:
    """The error for a kind of file that is recognised, but not accepted."""
    return UnsupportedAudio(
        f"{name} files are not supported; please export it as WAV, AIFF, FLAC, MP3 or OGG"
        " and upload that."
    )


def refuse_known(head: bytes, following: bytes) -> None:
    """Raises `UnsupportedAudio` for a file that starts with `head`, when its kind is known.

    `following` is what comes after an AAC frame of the length that `head` would give.
    """
    for offset, magic, name in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            raise unsupported_format(name)
    if is_adts(head) and is_adts(following):
        raise unsupported_format("AAC")


def is_adts(head: bytes) -> bool:
    """Whether an AAC frame may start here: a sync word with the layer bits of no MPEG audio."""
    return len(head) >= 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and adts_length(head) > 7


def adts_length(head: bytes) -> int:
    """Bytes of an AAC frame, its header included."""
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
