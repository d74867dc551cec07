"""What the test server reads and what it can do with it; see `http_receiver`."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from email.message import Message
from http import HTTPStatus
from io import BufferedReader
from typing import Any

from attrs import field, frozen

Decide = Callable[[str, Any], tuple[int, Any]]
"""Path and JSON body of a request -> status and answer (bytes as they are, the rest as JSON)."""


@frozen
class ReceivedRequest:
    """One request that was read whole.

    Attributes:
        path: without the query; `target` has both.
        headers: with names in lower case; of several by the same name the last.
        connection: number of the connection it came on, counted from 1.
        at_s: monotonic time.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    at_s: float

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@frozen
class Answer:
    """An ordinary answer.

    Attributes:
        delay_s: how long it takes.
        hang_up: closes the connection after it without having announced that.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    delay_s: float = 0.0
    hang_up: bool = False


@frozen
class Decided:
    """The answer that a callable gives."""

    decide: Decide


@frozen
class Replied:
    """The answer that a callable gives to the request as a whole."""

    reply: Callable[[ReceivedRequest], Answer]


@frozen
class Stall:
    """No answer until `release()`, which is then a 200."""


@frozen
class Reset:
    """No answer: the request is recorded, then the connection is reset (or closed politely)."""

    politely: bool = False


@frozen
class Trickle:
    """`sent` in a loop, `interval_s` apart (0: as fast as it goes), for ever, after `first`."""

    first: bytes
    sent: bytes
    interval_s: float = 0.05


@frozen
class Raw:
    """Exactly these bytes; then the connection is closed."""

    sent: bytes


Behaviour = Answer | Decided | Replied | Stall | Reset | Trickle | Raw

TRICKLED_HEADERS = Trickle(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")
TRICKLED_BODY = Trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" ")
ENDLESS_BODY = Trickle(
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"2000\r\n" + b"x" * 0x2000 + b"\r\n",
    interval_s=0,
)


def read_request(stream: BufferedReader, connection: int) -> ReceivedRequest | None:
    """The next request; None when the client has closed the connection."""
    line = stream.readline(65536).decode("latin-1")
    if not line.strip():
        return None
    method, target, _ = line.split()
    headers: Message = http.client.parse_headers(stream)
    length = int(headers.get("Content-Length", 0))
    body = stream.read(length)
    if len(body) < length:
        return None
    names = {name.lower(): str(value) for name, value in headers.items()}
    return ReceivedRequest(method, target, names, body, connection, time.monotonic())


def answer_to(request: ReceivedRequest, behaviour: Answer | Decided | Replied) -> Answer:
    """The answer that a behaviour gives to `request`."""
    match behaviour:
        case Decided(decide):
            return decided(decide, request)
        case Replied(reply):
            return reply(request)
    return behaviour


def decided(decide: Decide, request: ReceivedRequest) -> Answer:
    """What `decide` says to `request`; 500 where it raises."""
    try:
        status, body = decide(request.path, request.json() if request.body else None)
    except Exception as error:
        return Answer(500, repr(error).encode())
    if isinstance(body, bytes):
        return Answer(status, body)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), headers)


def written(answer: Answer) -> bytes:
    """The answer as it goes over the wire."""
    reasons = {status.value: status.phrase for status in HTTPStatus}
    bodiless = answer.status in (204, 304) or answer.status < 200
    headers = dict(answer.headers)
    if not bodiless:
        headers.setdefault("Content-Length", str(len(answer.body)))
    lines = [f"HTTP/1.1 {answer.status} {reasons.get(answer.status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if bodiless else head + answer.body
