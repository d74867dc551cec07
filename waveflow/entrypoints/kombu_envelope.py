"""The outside of a message: base64, and the envelope that Celery's transport (kombu) puts around.

kombu's SQS transport sends `{"body": …, "headers": {…}, "properties": {"body_encoding": …},
"content-type": …, "content-encoding": …}`, base64-encoded as a whole unless its producer turned
that off. Which of this a message has is told by its content alone.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from waveflow.application.parsed_message import UnreadableMessage
from waveflow.application.strict_json import kind_of, parse_json

MAX_UNPACKED_BYTES = 4 * 1024**2
"""Largest content of a compressed body: four times what SQS lets through uncompressed."""

_ENVELOPE_KEYS = {"properties", "headers", "content-type", "content-encoding"}
_BARE_KEYS = {"task", "stemId", "filepath"}
_UTF_8_NAMES = {"utf-8", "utf8", "us-ascii", "ascii", "binary"}
# kombu names its zlib streams so; gzip files are told apart by their first bytes.
_ZLIB_NAMES = {"application/x-gzip", "gzip", "zlib"}
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32
_SERIALIZERS = {
    "application/x-python-serialize": "pickle",
    "application/x-yaml": "YAML",
    "application/x-msgpack": "msgpack",
}


@frozen
class Unwrapped:
    """A message without its wrappings.

    Attributes:
        content: the JSON document inside.
        headers: of the envelope; empty when there was none.
        problem: what is wrong with the envelope, where the content could be read all the same.
    """

    content: Any
    headers: Mapping[str, Any] = field(factory=dict)
    problem: str | None = None


def unwrap(body: str) -> Unwrapped:
    """What the body of a queue message holds.

    Raises:
        UnreadableMessage: when that can't be told.
    """
    document = _document(body)
    if not isinstance(document, dict):
        raise UnreadableMessage(
            f"The message is JSON, but {type(document).__name__} and not an object."
        )
    return _opened(document) if _is_envelope(document) else Unwrapped(document)


def _document(body: str) -> Any:
    try:
        return parse_json(body)
    except ValueError as error:
        # Base64 has no braces: what is JSON of an object is never base64 as well.
        decoded = _base64_text(body)
        if decoded is None:
            raise UnreadableMessage(f"The message is not JSON: {error}") from error
    try:
        return parse_json(decoded)
    except ValueError as error:
        raise UnreadableMessage(f"The message is base64 of what is not JSON: {error}") from error


def _base64_text(body: str) -> str | None:
    try:
        return base64.b64decode(body.strip(), validate=True).decode() or None
    except ValueError:
        return None


def _is_envelope(document: dict[str, Any]) -> bool:
    return (
        "body" in document
        and not _ENVELOPE_KEYS.isdisjoint(document)
        and all(document.get(key) is None for key in _BARE_KEYS)
    )


def _opened(envelope: dict[str, Any]) -> Unwrapped:
    headers = _or_empty(envelope.get("headers"))
    problem = None
    if not isinstance(headers, dict):
        problem = f"the envelope's headers are {kind_of(headers)}, not an object"
        headers = {}
    _check_content_type(envelope)
    unpacked = _unpacked(_raw(envelope), headers.get("compression"))
    try:
        return Unwrapped(parse_json(unpacked.decode()), headers, problem)
    except ValueError as error:
        raise UnreadableMessage(f"The body in the envelope is not JSON: {error}") from error


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


def _check_content_type(envelope: dict[str, Any]) -> None:
    content_type = str(envelope.get("content-type") or "application/json")
    # What follows the semicolon is a charset, and bytes that aren't UTF-8 are told anyway.
    name = content_type.partition(";")[0].strip().lower()
    if name != "application/json":
        raise UnreadableMessage(
            f"The body in the envelope is {_SERIALIZERS.get(name, repr(name[:60]))}. Only JSON is"
            " read: set the sender's task_serializer to 'json'."
        )
    encoding = str(envelope.get("content-encoding") or "utf-8")
    if encoding.lower() not in _UTF_8_NAMES:
        raise UnreadableMessage(
            f"The body in the envelope is encoded in {encoding[:60]!r}; send it in UTF-8."
        )


def _raw(envelope: dict[str, Any]) -> bytes:
    properties, body = _or_empty(envelope.get("properties")), envelope["body"]
    if not isinstance(properties, dict):
        raise UnreadableMessage(
            f"The envelope's properties are {kind_of(properties)}, not an object."
        )
    if not isinstance(body, str):
        raise UnreadableMessage(f"The body in the envelope is {kind_of(body)}, not text.")
    encoding = str(properties.get("body_encoding") or "utf-8")
    try:
        if encoding.lower() == "base64":
            return base64.b64decode(body, validate=True)
        if encoding.lower() in _UTF_8_NAMES:
            return body.encode()
    except ValueError as error:
        raise UnreadableMessage(f"The body in the envelope is not {encoding}: {error}") from error
    raise UnreadableMessage(
        f"The envelope's body_encoding is {encoding[:60]!r}; send 'base64' or 'utf-8'."
    )


def _unpacked(raw: bytes, compression: object) -> bytes:
    if compression is None:
        return raw
    name = str(compression)
    if name.lower() not in _ZLIB_NAMES:
        raise UnreadableMessage(
            f"The body in the envelope is compressed by {name[:60]!r}; send it as it is, or"
            " compressed by 'gzip'."
        )
    return _inflated(raw)


def _inflated(raw: bytes) -> bytes:
    unpacker = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        # One byte more than allowed is enough to know, however much a bomb would unpack to.
        unpacked = unpacker.decompress(raw, MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise UnreadableMessage(f"The compressed body can't be unpacked: {error}") from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise UnreadableMessage(
            f"The compressed body unpacks to more than {MAX_UNPACKED_BYTES} bytes."
        )
    if not unpacker.eof:
        raise UnreadableMessage("The compressed body is cut short.")
    return unpacked
