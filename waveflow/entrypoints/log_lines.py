"""What a log line looks like: one event, in JSON or readable, and nothing that strangers forge.

Keys, file names, answers of servers and texts of exceptions come from strangers. Whatever they
hold, a line of JSON stays one line; on a terminal nothing but the first line of an event begins
at the left, and no character reaches it that it would act on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from waveflow.entrypoints.log_secrets import without
from waveflow.entrypoints.printable import printable

MOST_CHARACTERS = 4000
"""Of one text in a log line: collectors cut or drop lines of some 100 kB."""


def processors_for(format_: str, secrets: tuple[str, ...] = ()) -> list[Processor]:
    """How events become lines.

    Args:
        format_: `json` or `console`.
        secrets: what is left out of every text.
    """
    cut = partial(_cut, secrets)
    # Without the values of local variables: a secret may be among them.
    rendering: list[Processor] = [
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        _texts(cut),
        structlog.processors.JSONRenderer(),
    ]
    if format_ == "console":
        # Without a standard error at all (2>&-), it is None.
        colors = bool(sys.stderr and sys.stderr.isatty())
        rendering = [
            _texts(lambda text: printable(cut(text))),
            # What an event says comes before the ids that its line is bound to.
            structlog.dev.ConsoleRenderer(
                colors=colors,
                sort_keys=False,
                exception_formatter=partial(_indented_traceback, cut),
            ),
        ]
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *rendering,
    ]


class EventsOfLibraries(logging.Handler):
    """Makes log lines of our own of what libraries log: theirs have another form, or several."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record; without its traceback, which may go on with texts of anybody."""
        # Some libraries hand in what doesn't fit their own message.
        try:
            text = record.getMessage()
        except Exception:
            text = str(record.msg)
        structlog.get_logger(record.name).log(
            min(record.levelno, logging.CRITICAL) // 10 * 10 or logging.DEBUG,
            "library_message",
            library=record.name,
            message=text,
        )


def take_over_libraries() -> None:
    """Log warnings and errors of libraries as events, and nothing of theirs below that."""
    root = logging.getLogger()
    if not any(isinstance(handler, EventsOfLibraries) for handler in root.handlers):
        root.addHandler(EventsOfLibraries(logging.WARNING))


def _texts(change: Callable[[str], str]) -> Processor:
    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, dict):
            return {changed(name): changed(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [changed(each) for each in value]
        if value is None or isinstance(value, int | float):
            return value
        return change(repr(value))

    def process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {name: changed(value) for name, value in event.items() if name != "exc_info"} | {
            name: value for name, value in event.items() if name == "exc_info"
        }

    return process


def _cut(secrets: tuple[str, ...], text: str) -> str:
    text = without(secrets, text)
    left_out = len(text) - MOST_CHARACTERS
    return text if left_out <= 0 else f"{text[:MOST_CHARACTERS]}… ({left_out} more)"


def _indented_traceback(cut: Callable[[str], str], stream: TextIO, exc_info: ExcInfo) -> None:
    text = "".join(traceback.format_exception(*exc_info)).rstrip("\n")
    for line in text.split("\n"):
        stream.write("\n    " + printable(cut(line)))
