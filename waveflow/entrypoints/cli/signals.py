"""Signals that end a command: an exception in the main thread, from where one gets through."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from types import FrameType

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

LEFT_WITH: list[int] = []
"""The exit code that a signal asked for, once one came."""

_LATER_S = 0.01
_CLEANUP = tempfile.TemporaryDirectory.cleanup.__code__
_LOCKING = threading.Condition.__enter__.__code__
_LOSING = (
    # C calls these back, and drops what they raise: libsndfile's files, and a module's lock.
    ("/soundfile.py", ("vio_get_filelen", "vio_seek", "vio_read", "vio_write", "vio_tell")),
    ("<frozen importlib._bootstrap>", ("cb",)),
    # A terminal is left without its cursor.
    ("/rich/live.py", ("start", "stop")),
)
_waiting: list[int] = []


def install() -> None:
    """Have SIGTERM and SIGINT end the command in order. Uses SIGALRM, too."""
    signal.signal(signal.SIGALRM, _again)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def forget() -> None:
    """Have no signal come any more that is waiting."""
    _waiting.clear()
    signal.setitimer(signal.ITIMER_REAL, 0)


def leave(number: int, frame: FrameType | None) -> None:
    """Raise what ends the command: work files are removed and children ended on the way out.

    Where it would be lost, or do harm, the signal comes again a little later. It is noted in any
    case: what looks like damaged audio may be a decoder that was interrupted.

    Raises:
        KeyboardInterrupt: for SIGINT.
        SystemExit: for SIGTERM.
    """
    if not LEFT_WITH:
        LEFT_WITH.append(EXIT_INTERRUPTED if number == signal.SIGINT else EXIT_TERMINATED)
    if any(_is_no_place(each) for each in _stack(frame)):
        _waiting.append(number)
        signal.setitimer(signal.ITIMER_REAL, _LATER_S)
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(EXIT_TERMINATED)


def _again(_: int, __: FrameType | None) -> None:
    # Whoever handles these signals by now gets it: it may be no time for them.
    if _waiting:
        signal.raise_signal(_waiting.pop(0))


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_no_place(frame: FrameType) -> bool:
    code = frame.f_code
    # A lock that was just taken would never be let go; a folder would stay, half removed.
    if code in (_LOCKING, _CLEANUP) or code.co_name == "__del__":
        return True
    return any(code.co_filename.endswith(file) and code.co_name in names for file, names in _LOSING)
