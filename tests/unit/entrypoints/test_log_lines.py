"""What a log line looks like, whatever strangers write into what is logged."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars

from waveflow.entrypoints.log_lines import MOST_CHARACTERS, EventsOfLibraries
from waveflow.entrypoints.logs import configure_logs
from waveflow.entrypoints.printable import printable

FORGED = "2026-01-01T00:00:00Z [error    ] forged=yes"
FORGERIES = {
    "line feed": f"a.wav\n{FORGED}",
    "carriage return": f"a.wav\r{FORGED}",
    "both": f"a.wav\r\n{FORGED}",
    "next line": f"a.wav\x85{FORGED}",
    "line separator": f"a.wav\u2028{FORGED}",
    "paragraph separator": f"a.wav\u2029{FORGED}",
    "vertical tab": f"a.wav\x0b{FORGED}",
    "form feed": f"a.wav\x0c{FORGED}",
    "record separator": f"a.wav\x1e{FORGED}",
    "erasing": f"\x1b[2K\x1b[1A{FORGED}",
    "eight-bit control sequence": f"\x9b2K{FORGED}",
    "title of the window": "\x1b]0;pwned\x07",
    "backspaces": "\x08" * 40 + FORGED,
    "nul": "a\0b",
    "lone surrogate": "a\ud800b",
    "right to left": "gpj\u202e.wav",
    "zero width": "a\u200bb\ufeffc",
    "end of json": '"}\n{"event": "forged", "level": "error"}',
    "braces": "{event} %s %(event)s",
    "very long": "x" * 300_000,
}
FORMATS = ["json", "console"]
anything = st.text(st.characters(exclude_categories=[]), max_size=60) | st.sampled_from(
    list(FORGERIES.values())
)
Write = Callable[[Any], object]


class Server(Exception):
    """Raised with the words of a stranger."""


def as_value(text: str) -> None:
    structlog.get_logger().warning("drums", key=text)


def as_values_within(text: str) -> None:
    structlog.get_logger().warning("drums", keys=[text, {"name": text, text: 1}], pair=(text, 1))


def as_context(text: str) -> None:
    with structlog.contextvars.bound_contextvars(stem_id=text):
        structlog.get_logger().warning("drums")


def as_exception(text: str) -> None:
    try:
        raise Server(text)
    except Server as error:
        structlog.get_logger().error("drums", exc_info=error)


def as_cause(text: str) -> None:
    try:
        try:
            raise Server(text)
        except Server as error:
            error.add_note(text)
            raise RuntimeError("defect") from error
    except RuntimeError:
        structlog.get_logger().exception("drums")


def as_object(text: str) -> None:
    structlog.get_logger().warning(
        "drums", path=Path("/x") / text.replace("\0", ""), error=Server(text), raw=text.encode(
            errors="surrogatepass"
        ),
    )  # fmt: skip


def as_message_of_a_library(text: str) -> None:
    logging.getLogger("urllib3.connectionpool").warning("Retrying %s", text)


WAYS = [
    as_value,
    as_values_within,
    as_context,
    as_exception,
    as_cause,
    as_object,
    as_message_of_a_library,
]


@contextmanager
def logged(format_: str) -> Iterator[io.StringIO]:
    """What is logged within the block, as a file gets it."""
    stream, before = io.StringIO(), sys.stderr
    root = logging.getLogger()
    handlers = list(root.handlers)
    # pytest's own, too: its reports can't be sent with lone surrogates in them.
    root.handlers.clear()
    sys.stderr = stream
    try:
        configure_logs("info", format_)
        yield stream
    finally:
        sys.stderr = before
        root.handlers[:] = handlers
        structlog.reset_defaults()


def assert_one_event(text: str, format_: str) -> None:
    """One line of JSON; or lines of which all but the first are indented, without controls."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    if format_ == "json":
        [line] = lines
        assert line.isascii()
        assert json.loads(line)["level"] in ("warning", "error")
        assert json.loads(line)["event"] in ("drums", "library_message")
        return
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[(warning|error) ", lines[0])
    assert all(line.startswith("    ") for line in lines[1:])
    for line in lines:
        assert not [letter for letter in line if unicodedata.category(letter) in
                    ("Cc", "Cf", "Cs", "Zl", "Zp")]  # fmt: skip


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("forgery", list(FORGERIES))
def test_no_text_forges_a_line(way: Write, format_: str, forgery: str) -> None:
    with logged(format_) as stream:
        way(FORGERIES[forgery])
    assert_one_event(stream.getvalue(), format_)
    assert len(stream.getvalue()) < 20 * MOST_CHARACTERS


@pytest.mark.parametrize("format_", FORMATS)
def test_no_text_at_all_forges_a_line(format_: str) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(text=anything, way=st.sampled_from(WAYS))
    def never(text: str, way: Write) -> None:
        with logged(format_) as stream:
            way(text)
        assert_one_event(stream.getvalue(), format_)

    never()


def test_json_gives_every_text_back_as_it_was() -> None:
    for text in ("드럼 (최종).wav", *FORGERIES.values()):
        with logged("json") as stream:
            structlog.get_logger().info("drums", key=text)
        key = json.loads(stream.getvalue())["key"]
        assert key == text or (len(text) > MOST_CHARACTERS and key.startswith(text[:100]))


def test_what_is_left_out_of_a_long_text_is_counted() -> None:
    with logged("json") as stream:
        structlog.get_logger().info("drums", key="x" * (MOST_CHARACTERS + 7))
    assert json.loads(stream.getvalue())["key"] == "x" * MOST_CHARACTERS + "… (7 more)"


def test_letters_of_any_language_are_shown_as_they_are() -> None:
    assert printable("드럼 🎸 é.wav") == "드럼 🎸 é.wav"
    assert printable("a\nb\x1b\u202e") == "a\\nb\\x1b\\u202e"


def test_libraries_log_warnings_as_events_and_say_nothing_else() -> None:
    with logged("json") as stream:
        configure_logs("info", "json")
        library = logging.getLogger("botocore.retries")
        library.info("signed with %s", "a secret")
        library.warning("slow %s", "down")
        malformed = ("botocore", logging.ERROR, "x.py", 1, "%d is no number", ("this",), None)
        EventsOfLibraries().emit(logging.LogRecord(*malformed))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"], line["library"], line["message"]) for line in lines] == [
        ("library_message", "warning", "botocore.retries", "slow down"),
        ("library_message", "error", "botocore", "%d is no number"),
    ]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
        ("critical", []),
    ],
)
def test_the_level_holds_for_the_lines_of_libraries(level: str, told: list[str]) -> None:
    with logged("json") as stream:
        configure_logs(level, "json")
        library = logging.getLogger("botocore.retries")
        library.debug("signed with a secret")
        library.warning("slow")
        library.error("down")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == told


def test_on_a_terminal_what_an_event_says_comes_before_whose_it_is() -> None:
    with logged("console") as stream, bound_contextvars(attempt=1, task="hash"):
        configure_logs("info", "console")
        structlog.get_logger().info("task_ended", outcome="done", seconds=0.1)
    line = stream.getvalue()
    assert line.index("task_ended") < line.index("outcome=done") < line.index("seconds=")
    assert line.index("seconds=") < min(line.index("attempt="), line.index("task=hash"))


def test_the_logs_are_taken_over_once() -> None:
    with logged("json"):
        for _ in range(3):
            configure_logs("info", "json")
        handlers = logging.getLogger().handlers
        assert sum(isinstance(handler, EventsOfLibraries) for handler in handlers) == 1
