"""How much memory the service uses."""

from __future__ import annotations

from contextlib import suppress


def service_memory_mb() -> float:
    """Resident memory of this process and all of its children, in MB of 1024² bytes.

    Pages that several processes share are counted once for each of them.
    """
    import psutil

    this = psutil.Process()
    total = this.memory_info().rss
    # A child may have ended meanwhile, and a machine may hide processes from each other.
    with suppress(psutil.Error, OSError):
        for child in this.children(recursive=True):
            with suppress(psutil.Error, OSError):
                total += child.memory_info().rss
    return round(total / 1024**2, 1)
