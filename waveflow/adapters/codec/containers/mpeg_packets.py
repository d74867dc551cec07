"""The frames of an MP3 for a decoder that takes them without the tags and garbage around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from waveflow.adapters.codec.containers.packets import PacketStream
from waveflow.adapters.codec.containers.parsed import bytes_at
from waveflow.adapters.codec.containers.splice import Span


@frozen
class MpegPackets(PacketStream):
    """Several frames at a time, which costs less than one by one.

    Attributes:
        spans: where the packets lie in the file, each some whole frames.
        skipped: PCM frames of delay, the encoder's and the decoder's.
    """

    spans: tuple[Span, ...]
    skipped: int
    setup: bytes = b""
    lenient: bool = False

    def packets(self, file: BinaryIO) -> Iterator[bytes]:
        """The frames in order."""
        for span in self.spans:
            yield bytes_at(file, span.start, span.length)
