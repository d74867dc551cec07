"""The threads that bring the parts of a large object."""

from __future__ import annotations

import threading


def require_none_left(within_s: float) -> None:
    """Wait for those that are ending. Raises `AssertionError` for one that goes on."""
    for thread in threading.enumerate():
        if thread.name == "s3-part":
            thread.join(within_s)
            assert not thread.is_alive()
