"""Where what is written goes to: whether it may have colours, and whether it may move."""

from __future__ import annotations

import os
from typing import Protocol


class Stream(Protocol):
    """What a stream is asked for here."""

    def isatty(self) -> bool:
        """Whether somebody looks at it."""


_UNABLE = ("dumb", "unknown")
"""Terminals that can't even go back to the start of a line."""


def wants_colour(stream: Stream | None) -> bool:
    """Whether to colour what goes to `stream`.

    `NO_COLOR` (no-color.org) forbids it and `FORCE_COLOR` demands it when they hold anything;
    else a terminal gets it, unless it is called dumb.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or can_move(stream)


def can_move(stream: Stream | None) -> bool:
    """Whether lines of `stream` can be drawn over, as progress is; nothing can force that."""
    if stream is None or os.environ.get("TERM", "").lower() in _UNABLE:
        return False
    try:
        return stream.isatty()
    except ValueError:  # It is closed.
        return False
