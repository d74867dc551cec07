"""An encoded stream whose packets were found without a library: its decoder needs no demuxer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import BinaryIO, Protocol

LARGEST_PACKET_BYTES = 1 << 20
"""More than any codec here makes of one frame; what claims more isn't read into memory."""

MOST_CHANNELS = 7
"""With 8, PyAV loses count of a frame's planes and reads behind their list."""


class PacketStream(Protocol):
    """What a decoder has to know of a stream, and its packets.

    Attributes:
        setup: the codec's own parameters, in the form in which ffmpeg takes them (extradata).
        skipped: frames that come out first and aren't part of the recording.
        lenient: whether packets that can't be decoded are passed over, and the frames counted
            in the end.
    """

    setup: bytes
    skipped: int
    lenient: bool

    @abstractmethod
    def packets(self, file: BinaryIO) -> Iterator[bytes]:
        """The packets in order, none of them empty, none larger than `LARGEST_PACKET_BYTES`."""
