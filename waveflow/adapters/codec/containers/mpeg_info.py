"""The tag in an MP3's first frame (Xing, Info or VBRI) that says how long it is."""

from __future__ import annotations

from attrs import frozen

from waveflow.adapters.codec.containers.mpeg_frame import FrameHeader, read_frame_header

_HAS_FRAMES, _HAS_BYTES, _HAS_TOC, _HAS_QUALITY = 1, 2, 4, 8
_DELAYS_AT = 21
DECODER_DELAY = 529
"""PCM frames by which every decoder of Layer III lags behind."""

_LAME_TAG_BYTES = 36


@frozen
class InfoTag:
    """What the tag says.

    Attributes:
        mpeg_frames: MPEG frames after the one that holds the tag; None when it doesn't say.
        delay: PCM frames that the encoder put in front; None without LAME's extension.
        padding: PCM frames that it put behind, likewise.
    """

    mpeg_frames: int | None
    delay: int | None = None
    padding: int = 0

    def trimmed(self, pcm_frames: int) -> int:
        """`pcm_frames` less what the encoder added, as far as it can be cut off again."""
        if self.delay is None:
            return pcm_frames
        return max(0, pcm_frames - self.delay - max(self.padding, DECODER_DELAY))


def read_info_tag(frame: bytes, header: FrameHeader) -> InfoTag | None:
    """The tag in a whole MPEG frame; None when it's ordinary audio."""
    # VBRI's place is fixed; Xing's follows the side information.
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return InfoTag(int.from_bytes(frame[50:54], "big") or None)
    position = 4 + header.side_info_bytes
    if frame[position : position + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[position + 4 : position + 8], "big")
    position += 8
    mpeg_frames = None
    if flags & _HAS_FRAMES:
        mpeg_frames = int.from_bytes(frame[position : position + 4], "big") or None
        position += 4
    for flag, length in ((_HAS_BYTES, 4), (_HAS_TOC, 100), (_HAS_QUALITY, 4)):
        position += length if flags & flag else 0
    lame_tag = frame[position : position + _LAME_TAG_BYTES]
    if len(lame_tag) < _DELAYS_AT + 3 or not lame_tag[:4].isalnum():
        return InfoTag(mpeg_frames)
    packed = int.from_bytes(lame_tag[_DELAYS_AT : _DELAYS_AT + 3], "big")
    return InfoTag(mpeg_frames, delay=packed >> 12, padding=packed & 0xFFF)


def info_frame(like: FrameHeader, mpeg_frames: int, delay: int, padding: int) -> bytes:
    """An MPEG frame that says this, for a stream of frames like `like`.

    It has the highest bit rate, so that every tag fits, and no checksum.
    """
    raw = bytes([0xFF, like.raw[1] | 1, 0xE0 | like.raw[2] & 0x0C, like.raw[3]])
    header = read_frame_header(raw)
    assert header is not None
    return b"".join(
        (
            raw,
            bytes(like.side_info_bytes),
            b"Info",
            _HAS_FRAMES.to_bytes(4, "big"),
            mpeg_frames.to_bytes(4, "big"),
            b"LAME3.100".ljust(_DELAYS_AT, b"\0"),
            (delay << 12 | padding).to_bytes(3, "big"),
        )
    ).ljust(header.length, b"\0")
