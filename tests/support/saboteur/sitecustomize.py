"""Loaded by any Python that has this folder on its path: lets a test end a worker's threads.

In a `waveflow worker` that has `SABOTAGE` set, to a folder, it writes the names of the threads
there again and again, and has the thread whose name is in the file `kill` end by `SystemExit`,
the exception that ends a thread without a word.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

_LOOK_S = 0.05
_NAME = "saboteur"


def _look(folder: Path) -> None:
    names = [thread.name for thread in threading.enumerate() if thread.name != _NAME]
    draft = folder / "threads.draft"
    draft.write_text("\n".join(names))
    draft.replace(folder / "threads")
    order = folder / "kill"
    if order.exists():
        _end(order.read_text())
        order.unlink()


def _end(name: str) -> None:
    [number] = [thread.ident for thread in threading.enumerate() if thread.name == name]
    assert number is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(number), ctypes.py_object(SystemExit))


def _watch(folder: Path) -> None:
    while True:
        _look(folder)
        time.sleep(_LOOK_S)


if "SABOTAGE" in os.environ and sys.orig_argv[-1] == "worker":
    folder = Path(os.environ["SABOTAGE"])
    threading.Thread(target=_watch, args=[folder], name=_NAME, daemon=True).start()
