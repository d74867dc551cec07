"""Where log lines go and what they look like: standard error, JSON or readable.

Whatever happens to standard error (its reader is gone or stuck, the disk is full), no error of it
reaches the code that logs.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from threading import Condition, RLock, Thread
from typing import Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor

from waveflow.entrypoints.log_lines import processors_for, take_over_libraries
from waveflow.entrypoints.log_secrets import secrets_in

MOST_LINES = 10_000
"""As many lines wait at most: minutes of a busy worker, and a few megabytes."""

WriteLine = Callable[[str], object]
"""Writes one line, given without its end, and may raise OSError or ValueError."""


class Log(Protocol):
    """What takes lines, from any thread, and never raises."""

    def put(self, line: str) -> None:
        """Take one line, given without its end."""

    def is_alive(self) -> bool:
        """Whether lines that are put are still going to be written, as far as it can be told."""

    def lost_lines(self) -> int:
        """How many lines were lost since the start."""

    def close(self, timeout_s: float, /) -> bool:
        """Write what waits, for at most `timeout_s`. Returns whether nothing waits any more."""


class DirectLog:
    """Writes each line before `put` returns. A line that can't be written is lost."""

    def __init__(self, write: WriteLine) -> None:
        self._write = write
        self._lock = RLock()
        self._lost = 0

    def put(self, line: str) -> None:
        with self._lock:
            try:
                self._write(line)
            except (OSError, ValueError):
                self._lost += 1

    def is_alive(self) -> bool:
        return True

    def lost_lines(self) -> int:
        return self._lost

    def close(self, _: float, /) -> bool:
        return True


class QueuedLog:
    """Writes lines in a thread of its own: `put` never waits for the stream.

    What finds the queue full, or can't be written, is lost; how much that was is told once
    something could be written again and nothing waits.
    """

    def __init__(
        self, write: WriteLine, describe_loss: Callable[[int], str], most_lines: int = MOST_LINES
    ) -> None:
        """Start the thread. It is a daemon: a write that never returns keeps no process alive.

        Args:
            describe_loss: the line that says how many lines were lost.
            most_lines: as many lines wait at most.
        """
        self._write = write
        self._describe_loss = describe_loss
        self._most_lines = most_lines
        # Its lock can be taken twice: a signal handler that logs must not wait for its own thread.
        self._changed = Condition(RLock())
        self._lines: deque[str] = deque()
        self._lost = self._told = 0
        self._is_writing = False
        self._is_closed = False
        self._thread = Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        with self._changed:
            if len(self._lines) < self._most_lines:
                self._lines.append(line)
                self._changed.notify_all()
            else:
                self._lost += 1

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def lost_lines(self) -> int:
        return self._lost

    def flush(self, timeout_s: float) -> bool:
        """Wait until all lines are written. Returns whether they were, within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._lines and not self._is_writing, timeout_s
            )

    def close(self, timeout_s: float, /) -> bool:
        """Flush, and let the thread end when nothing waits. Lines that come later may be lost."""
        flushed = self.flush(timeout_s)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        return flushed

    def _write_all(self) -> None:
        while (line := self._next()) is not None:
            if self._try_to_write(line):
                self._tell_loss()
            else:
                with self._changed:
                    self._lost += 1

    def _next(self) -> str | None:
        with self._changed:
            self._is_writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or self._is_closed)
            if not self._lines:
                return None
            self._is_writing = True
            return self._lines.popleft()

    def _tell_loss(self) -> None:
        with self._changed:
            # Newer lines than those that wait were lost: told at their place, and not ever again
            # while the queue stays full.
            lost = 0 if self._lines else self._lost - self._told
        if lost and self._try_to_write(self._describe_loss(lost)):
            self._told += lost  # Nobody else does.

    def _try_to_write(self, line: str) -> bool:
        # Never with the lock: whoever puts a line would wait for the stream after all.
        try:
            self._write(line)
        except (OSError, ValueError):
            return False
        return True


class DescriptorLines:
    """Writes lines past Python's buffers.

    What a buffer still holds of a stream that can't be written fails the exit of the interpreter
    (code 120), and its lock, held by a write that never returns, hangs it.
    """

    def __init__(self, number: int, encoding: str) -> None:
        """Write to the file descriptor of that number, which stays open."""
        self._number = number
        self._encoding = encoding
        self._mending = ""

    def write(self, line: str) -> None:
        """Write a line. One that a full disk cuts off is ended before the next.

        Raises:
            OSError: when not all of it could be written.
        """
        # A file name may hold what the terminal can't show; a log line must not fail over it.
        text = f"{self._mending}{line}\n"
        left = memoryview(text.encode(self._encoding, "backslashreplace"))
        while left:
            left = left[os.write(self._number, left) :]
            self._mending = "\n" if left else ""


class _LineLogger:
    """What structlog hands rendered lines to, whatever their level."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def msg(self, line: str) -> None:
        self._log.put(line)

    log = debug = info = warn = warning = error = err = critical = fatal = exception = msg


def configure_logs(level: str, format_: str, *, queued: bool = False) -> Log:
    """Send log lines of `level` and above to standard error, without what the environment hides.

    Args:
        level: debug, info, warning, error or critical.
        format_: `json` (one object per line) or `console`.
        queued: whether a thread of its own writes them, so that nobody waits for the stream.

    Returns:
        Where the lines go. With `queued` it is to be closed at the end.
    """
    if hasattr(sys.stderr, "reconfigure"):
        sys.stderr.reconfigure(errors="backslashreplace")
    processors = processors_for(format_, secrets_in(os.environ))
    write = _writer_to(sys.stderr)
    log: Log = QueuedLog(write, _loss_described_by(processors)) if queued else DirectLog(write)
    logger = _LineLogger(log)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    take_over_libraries()
    return log


def _loss_described_by(processors: list[Processor]) -> Callable[[int], str]:
    # A copy: what tests put into structlog's list is nothing that a line can be made with.
    processors = list(processors)

    def describe(count: int) -> str:
        event: EventDict = {"event": "log_lines_lost", "count": count}
        rendered: object = event
        for process in processors:
            rendered = process(None, "warning", rendered)  # type: ignore[arg-type]
        return str(rendered)

    return describe


def _writer_to(stream: TextIO | None) -> WriteLine:
    if stream is None:
        return lambda line: None
    try:
        return DescriptorLines(stream.fileno(), stream.encoding or "utf-8").write
    except (OSError, ValueError):  # It has none, as one that tests put in its place.
        return lambda line: print(line, file=stream, flush=True)
