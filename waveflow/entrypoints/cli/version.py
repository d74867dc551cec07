"""What `waveflow --version` says: what somebody who reports a defect is asked for first."""

from __future__ import annotations

import platform
from importlib.metadata import version as installed
from importlib.util import find_spec


def version() -> str:
    """Version, interpreter, system, and which decoders there are, on one line."""
    decoders = "with ffmpeg" if find_spec("av") else "without ffmpeg"
    return (
        f"waveflow, version {installed('waveflow')}"
        f" (Python {platform.python_version()}, {platform.system()} {platform.machine()},"
        f" {decoders})"
    )
