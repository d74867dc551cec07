"""Runs moto's or ministack's server under a clock that its tests set forward.

Arguments: the file with the seconds to add (one double), the server, and the server's own.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    """Shift the clock, then become the server."""
    clock, server, *arguments = sys.argv[1:]
    shift_s = _reader(Path(clock))
    unshifted_s = time.time
    time.time = lambda: unshifted_s() + shift_s()
    if server == "moto":
        # It asks `datetime`, in this one place.
        utils: Any = import_module("moto.core.utils")
        now = utils.utcnow
        utils.utcnow = lambda: now() + timedelta(seconds=shift_s())
    sys.argv = [server, *arguments]
    import_module("moto.server" if server == "moto" else "ministack.app").main()


def _reader(path: Path) -> Callable[[], float]:
    with path.open("rb") as file:
        shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    return lambda: float(struct.unpack_from("d", shift)[0])


if __name__ == "__main__":
    main()
