"""Log lines of workers, read back from wherever they were collected.

Known are the worker's own JSON lines, alone or after the words that a collector puts before them
(`docker compose logs`, `aws logs tail`, CRI); `journalctl -o json`; the files of Docker's
`json-file`; and what `aws logs filter-log-events` or `get-query-results` print.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any, TextIO

from attrs import Factory, define, frozen

_CRI = re.compile(r"\S+ (?:stdout|stderr) ([PF]) (.*)", re.DOTALL)
_MOST_CHARACTERS = 1 << 28
"""Of a document that has to be read as a whole."""


@frozen
class LogLine:
    """One event that a worker logged.

    Attributes:
        facts: all of the line, the event's name under `event`.
    """

    facts: dict[str, Any]

    @property
    def event(self) -> str:
        """What happened."""
        return str(self.facts["event"])

    def text(self, name: str) -> str | None:
        """A fact that is text; None when it isn't, or isn't there."""
        value = self.facts.get(name)
        return value if isinstance(value, str) else None


@define
class LogReader:
    """Reads the lines of one log, in their order, and counts what it couldn't read.

    Attributes:
        damaged: by how many lines that begin like an event's can't be read.
        events: how many could.
    """

    damaged: int = 0
    events: int = 0
    _parts: dict[str, str] = Factory(dict)

    def read(self, log: TextIO) -> Iterator[LogLine]:
        """Every line that is an event of a worker. What else stands in the log is passed over.

        Raises:
            ValueError: for one document of more than 256 MiB; lines may be any number.
        """
        for line in log:
            if line.strip() == "{" and not self.events:
                yield from self._document(self._whole(line, log))
                return
            yield from self._texts(line)
        for text in self._parts.values():
            yield from self._inner(text)

    def _whole(self, first: str, log: TextIO) -> str:
        text = first + log.read(_MOST_CHARACTERS)
        if len(text) >= _MOST_CHARACTERS:
            raise ValueError("it is a single document of over 256 MiB; ask for fewer events")
        return text

    def _document(self, text: str) -> Iterator[LogLine]:
        # What the AWS CLI prints is one document, in many lines; a stray brace begins none.
        texts = [text] if _object_in(text) is not None else StringIO(text)
        for each in texts:
            yield from self._texts(each)

    def _texts(self, line: str) -> Iterator[LogLine]:
        cri = _CRI.fullmatch(line.rstrip("\r\n"))
        if cri:
            yield from self._joined("cri", cri[2], ends=cri[1] == "F")
        else:
            yield from self._inner(line)

    def _joined(self, stream: str, text: str, *, ends: bool) -> Iterator[LogLine]:
        """What a collector has cut in parts, once the last of them is there."""
        text = self._parts.pop(stream, "") + text
        if ends:
            yield from self._inner(text)
        else:
            self._parts[stream] = text

    def _inner(self, text: str) -> Iterator[LogLine]:
        begin = text.find("{")
        if begin < 0:
            return
        document = _object_in(text[begin:])
        if document is None:
            self.damaged += '"event"' in text
        elif isinstance(document.get("event"), str):
            self.events += 1
            yield LogLine(document)
        else:
            yield from self._wrapped(document)

    def _wrapped(self, document: dict[str, Any]) -> Iterator[LogLine]:
        if isinstance(text := document.get("log"), str):
            stream = str(document.get("stream"))
            yield from self._joined(stream, text, ends=text.endswith("\n"))
        elif "MESSAGE" in document:
            # The journal shows what is over 4 kB as null, unless it is asked for all of it.
            self.damaged += document["MESSAGE"] is None
            is_part = document.get("CONTAINER_PARTIAL_MESSAGE") == "true"
            stream = str(document.get("_PID"))
            yield from self._joined(stream, _journal_text(document["MESSAGE"]), ends=not is_part)
        else:
            for text in _cloudwatch_texts(document):
                yield from self._inner(text)


def _object_in(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _journal_text(message: object) -> str:
    """The journal writes what isn't printable as a list of bytes."""
    if isinstance(message, list):
        try:
            return bytes(message).decode(errors="surrogateescape")
        except (TypeError, ValueError):
            return ""
    return message if isinstance(message, str) else ""


def _cloudwatch_texts(document: dict[str, Any]) -> Iterator[str]:
    events = document.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and isinstance(event.get("message"), str):
            yield event["message"]
    results = document.get("results")
    for row in results if isinstance(results, list) else []:
        for cell in row if isinstance(row, list) else []:
            if isinstance(cell, dict) and cell.get("field") == "@message":
                yield str(cell.get("value"))
