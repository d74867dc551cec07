"""Small disks of their own, to fill up and to take away the right to write."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen


@frozen
class SmallDisk:
    """A file system of a few megabytes, in memory."""

    path: Path

    @property
    def free_bytes(self) -> int:
        """Room that is left."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, leave_bytes: int = 0) -> Path:
        """Take the room that there is, but for the last `leave_bytes`; returns the file."""
        filler = self.path / "somebody else's"
        with filler.open("ab") as file:
            os.posix_fallocate(
                file.fileno(), filler.stat().st_size, max(self.free_bytes - leave_bytes, 1)
            )
        return filler

    def set_writable(self, is_writable: bool) -> None:
        """Mount it anew, for reading only or not."""
        mode = "rw" if is_writable else "ro"
        _run("mount", "-o", f"remount,{mode}", str(self.path))


@contextmanager
def small_disk(path: Path, size_bytes: int, *, mode: str = "0700") -> Iterator[SmallDisk]:
    """A disk at the new folder `path`. Skips the test where nothing may be mounted."""
    path.mkdir()
    try:
        options = f"size={size_bytes},mode={mode}"
        _run("mount", "-t", "tmpfs", "-o", options, "waveflow-test", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk of its own needs the right to mount one: {error}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that is about to end may still have a file open.
        _run("umount", "--lazy", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
