"""Threads that are watched: one that ends when it shouldn't is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

_log = structlog.get_logger(__name__)


class Bell:
    """Wakes the main thread, for good, and may be rung from its own signal handlers.

    That is what an Event can't do: a signal may come while the main thread, waiting, holds the
    Event's lock, and the handler would wait for that lock for ever.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Wake whoever waits, now or later. Takes no lock that could be held."""
        self._rings.put(None)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, for at most so long. Returns whether it came, now or before.

        Wait again and again for short times: a signal that comes in the moment before the thread
        sleeps is handled only when it wakes.
        """
        try:
            self._rings.get(timeout=timeout_s)
        except Empty:
            return False
        self.ring()
        return True


class WatchedThread(Thread):
    """A daemon thread that says how it ended.

    Attributes:
        failed: whether it ended by an exception.
    """

    def __init__(self, name: str, run: Callable[[], object], bell: Bell) -> None:
        """Make a thread that calls `run`, and rings the bell if that raises."""
        super().__init__(name=name, daemon=True)
        self.failed = False
        self._function = run
        self._bell = bell

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self.failed = True
            self._bell.ring()
            _log.critical("thread_ended_unexpectedly", thread=self.name, exc_info=error)


def join_all(threads: Iterable[Thread], timeout_s: float) -> bool:
    """Wait for all threads, together for at most `timeout_s`. Returns whether they have ended."""
    deadline_s = time.monotonic() + timeout_s
    threads = list(threads)
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0.0))
    return not any(thread.is_alive() for thread in threads)
