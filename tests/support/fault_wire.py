"""HTTP/1.1 as it is on the wire: messages read without losing a byte of how they came."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedReader, BytesIO
from typing import Final

from attrs import frozen

_PIECE_BYTES: Final = 1 << 18


class Wire:
    """A connected socket, and what reads from it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(None)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self.reader = connected.makefile("rb")

    def send(self, pieces: Iterable[bytes]) -> None:
        """Sends all of it, piece by piece."""
        for piece in pieces:
            self._socket.sendall(piece)

    def has_gone(self) -> bool:
        """Whether the other side has closed, or reset, the connection."""
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def shut(self) -> None:
        """Wakes whoever waits for the socket."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self, *, reset: bool = False) -> None:
        """Closes it, with a TCP reset if so wished."""
        if reset:
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.reader.close()
        self._socket.close()


@frozen
class Head:
    """A message up to the empty line: as it came, and taken apart."""

    raw: bytes
    first_line: list[str]
    headers: dict[str, str]

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def status(self) -> int:
        return int(self.first_line[1])

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.header("transfer-encoding").lower()

    @property
    def keeps_open(self) -> bool:
        """Whether its sender lets the connection stay open."""
        options = self.header("connection").lower()
        return "close" not in options and (
            "HTTP/1.0" not in self.first_line or "keep-alive" in options
        )


@frozen
class Request:
    """A request, read whole; the body with its framing."""

    head: Head
    body: list[bytes]

    @property
    def method(self) -> str:
        return self.head.first_line[0]

    @property
    def path(self) -> str:
        return self.head.first_line[1]

    @property
    def target(self) -> str:
        return self.head.header("x-amz-target")


@frozen
class Answer:
    """An answer of which the head has come; the body, with its framing, is read on demand."""

    head: Head
    body: Iterator[bytes]
    keeps_open: bool

    @classmethod
    def to(cls, request: Request, head: Head, reader: BufferedReader) -> Answer:
        if request.method == "HEAD" or head.status in (204, 304):
            return cls(head, iter(()), head.keeps_open)
        if head.is_chunked or head.header("content-length"):
            return cls(head, read_body(reader, head), head.keeps_open)
        return cls(head, iter(lambda: reader.read1(_PIECE_BYTES), b""), keeps_open=False)

    def with_length(self, body: bytes) -> tuple[bytes, bytes]:
        """Head and body in a form in which the client knows how much there is to come."""
        if not body or self.head.header("content-length"):
            return self.head.raw, body
        if self.head.is_chunked:
            body = _unchunked(body)
        lines = self.head.raw.splitlines(keepends=True)[:-1]
        kept = [line for line in lines if not line.lower().startswith(b"transfer-encoding:")]
        return b"".join([*kept, b"Content-Length: %d\r\n\r\n" % len(body)]), body


def read_head(reader: BufferedReader) -> Head | None:
    """The next message's head; None at the end of the connection."""
    if not (first := reader.readline()):
        return None
    lines = [first]
    while lines[-1] not in (b"\r\n", b"\n"):
        lines.append(_line(reader))
    headers = {}
    for line in lines[1:-1]:
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    first_line = first.decode("latin-1").split(maxsplit=2)
    if len(first_line) < 2:
        raise ValueError(f"not the first line of a message: {first!r}")
    return Head(b"".join(lines), first_line, headers)


def read_body(reader: BufferedReader, head: Head) -> Iterator[bytes]:
    """The bytes of a body, with its framing, as they come."""
    if head.is_chunked:
        while size := int((line := _line(reader)).split(b";")[0], 16):
            yield line
            yield from _exactly(reader, size + 2)
        yield line
        while line.strip():  # the trailers
            yield (line := _line(reader))
    elif length := head.header("content-length"):
        yield from _exactly(reader, int(length))


def _exactly(reader: BufferedReader, size: int) -> Iterator[bytes]:
    while size:
        if not (piece := reader.read1(min(size, _PIECE_BYTES))):
            raise ConnectionResetError
        size -= len(piece)
        yield piece


def _line(reader: BufferedReader | BytesIO) -> bytes:
    if not (line := reader.readline()).endswith(b"\n"):
        raise ConnectionResetError
    return line


def _unchunked(body: bytes) -> bytes:
    reader, payload = BytesIO(body), bytearray()
    while size := int(_line(reader).split(b";")[0], 16):
        payload += reader.read(size + 2)[:size]
    return bytes(payload)
