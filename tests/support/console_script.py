"""The `waveflow` command as people run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.processes import descendants

WAVEFLOW = Path(sys.executable).with_name("waveflow")


def run_waveflow(
    arguments: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, with nothing in the environment but what is given."""
    return subprocess.run(
        [WAVEFLOW, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | coverage_settings() | dict(environment or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def grandchildren(pid: int) -> set[int]:
    """The living descendants that `pid` didn't start itself: those of its fork server, say."""
    return {below for child in descendants(pid) for below in descendants(child)}


def processes_with(entry: str) -> set[int]:
    """All processes that have `entry`, written as NAME=value, in their environment."""
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            entries = environment.read_bytes().split(b"\0")
        except OSError:
            continue  # It has ended meanwhile, or is somebody else's.
        if entry.encode() in entries:
            found.add(int(environment.parent.name))
    return found


def coverage_settings() -> dict[str, str]:
    """What lets a measured test run measure the processes that it starts."""
    return {name: value for name, value in os.environ.items() if name.startswith("COV")}
