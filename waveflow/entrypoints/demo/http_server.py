"""The stand-in main server over HTTP, for a whole system on one machine: `waveflow stand-in`.

POST /webhooks/…       what the worker tells
PUT  /stems/NAME       a musician's upload
GET  /                 a page to upload on, and to see and hear what came of it
GET  /stems            the same as JSON
GET  /objects/KEY      a waveform or a mix, out of the storage
GET  /health           200
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from waveflow.adapters.notifier.wire import WebhookRequest
from waveflow.domain.errors import ObjectNotFound, PermanentError, TransientError
from waveflow.entrypoints.demo.page import PAGE
from waveflow.entrypoints.demo.site import Site

WEBHOOKS = "/webhooks"
LARGEST_WEBHOOK_BYTES = 1024**2
LARGEST_UPLOAD_BYTES = 1024**3
_BLOCK_BYTES = 1024**2
_JSON = "application/json"
_PATIENCE_S = 60.0
"""For a client that says nothing."""


class Refused(Exception):
    """Raised when a request can't be handled: a status, and a sentence for who sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def http_server(site: Site, host: str, port: int) -> ThreadingHTTPServer:
    """A server for `site`, listening already. Raises OSError where it can't."""

    class Handler(_Handler):
        pass

    Handler.site = site
    return _Server((host, port), Handler)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has left, as they do in the middle of a sound."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_S
    site: Site

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._webhook)

    def do_PUT(self) -> None:
        self._answered(self._upload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
        """Say nothing: the site itself tells what happens."""

    def _answered(self, handle: Callable[[str], None]) -> None:
        try:
            handle(unquote(self.path.partition("?")[0]))
        except Refused as refusal:
            self._refuse(refusal.status, str(refusal))
        except ObjectNotFound as error:
            self._refuse(404, str(error))
        except PermanentError as error:
            self._refuse(400, str(error))
        except TransientError as error:
            self._refuse(503, str(error))

    def _get(self, path: str) -> None:
        if path == "/":
            self._send(200, PAGE, "text/html; charset=utf-8")
        elif path == "/health":
            self._send(200, b'{"healthy": true}', _JSON)
        elif path == "/stems":
            self._send(200, json.dumps(self.site.state(), ensure_ascii=False).encode(), _JSON)
        elif path.startswith("/objects/"):
            self._object(path.removeprefix("/objects/"))
        else:
            raise Refused(404, "There is nothing here.")

    def _object(self, key: str) -> None:
        with self.site.storage.read(key) as stream:
            size_bytes = stream.stat.size_bytes
            # Safari plays nothing that it can't have in parts.
            part = _part(self.headers.get("Range", ""), size_bytes)
            sent = part or range(size_bytes)
            self.send_response(206 if part else 200)
            self.send_header("Accept-Ranges", "bytes")
            if part:
                self.send_header("Content-Range", f"bytes {part[0]}-{part[-1]}/{size_bytes}")
            self.send_header("Content-Type", "audio/wav" if key.endswith(".wav") else _JSON)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            try:
                for block in _cut(stream, sent):
                    self.wfile.write(block)
            except (PermanentError, TransientError):
                # Too late for another answer: what is missing tells.
                self.close_connection = True

    def _webhook(self, path: str) -> None:
        body = b"".join(self._body(LARGEST_WEBHOOK_BYTES))
        if not path.startswith(f"{WEBHOOKS}/"):
            raise Refused(404, f"Webhooks go to {WEBHOOKS}.")
        if not self.site.signed(_lower(self.headers.items()), body):
            raise Refused(401, "The webhook's signature is not right.")
        request = WebhookRequest(
            path.removeprefix(WEBHOOKS), self.headers.get("webhook-id", ""), _object_in(body)
        )
        answer = self.site.receive(request)
        if answer is None:
            raise Refused(404, "There is no such webhook.")
        self._send(answer.status, answer.body, _JSON)

    def _upload(self, path: str) -> None:
        name = path.removeprefix("/stems/")
        if name == path or not name or "/" in name:
            self.close_connection = True
            raise Refused(404, "Stems are uploaded to /stems/NAME.")
        with TemporaryDirectory() as folder:
            file = Path(folder) / "upload"
            with file.open("wb") as target:
                for block in self._body(LARGEST_UPLOAD_BYTES):
                    target.write(block)
            stem_id = self.site.upload(name, file)
        self._send(201, json.dumps({"stemId": stem_id}).encode(), _JSON)

    def _body(self, most_bytes: int) -> Iterator[bytes]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise Refused(411, "Say how long it is, in Content-Length.")
        left = int(length)
        if left > most_bytes:
            self.close_connection = True
            raise Refused(413, f"More than {most_bytes} bytes are not taken.")
        while left:
            block = self.rfile.read(min(left, _BLOCK_BYTES))
            if not block:
                self.close_connection = True
                raise Refused(400, "It ended too early.")
            left -= len(block)
            yield block

    def _refuse(self, status: int, sentence: str) -> None:
        self._send(status, json.dumps({"error": sentence}, ensure_ascii=False).encode(), _JSON)

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _part(wanted: str, size_bytes: int) -> range | None:
    """The bytes that a Range header asks for; None for all of them."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    start = int(first) if first else max(size_bytes - int(last), 0)
    stop = min(int(last) + 1, size_bytes) if first and last else size_bytes
    if start >= stop:
        raise Refused(416, f"There are {size_bytes} bytes.")
    return range(start, stop)


def _cut(blocks: Iterable[bytes], part: range) -> Iterator[bytes]:
    """What of the blocks lies in `part`."""
    at = 0
    for block in blocks:
        yield block[max(part.start - at, 0) : max(part.stop - at, 0)]
        at += len(block)
        if at >= part.stop:
            return


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"The webhook is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise Refused(400, "The webhook is no JSON object.")
    return document
