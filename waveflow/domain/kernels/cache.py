"""Kernels' machine code on disk, by source, library versions and processor.

Like Numba's own cache it lies in NUMBA_CACHE_DIR if that is set, else beside the source, else in
the user's cache folder. What can't be read or written isn't there: kernels are compiled then.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from waveflow.domain.kernels.target import Target

_FEATURES = "features.txt"
_WRITABLE_BY_OTHERS = 0o002


def find(name: str, target: Target) -> tuple[bytes, Path] | None:
    """The code of a kernel that runs on `target`, and its folder, if there is any.

    Code is run as it is: only files of this user or of root count, which nobody else may write.
    """
    for folder in _folders():
        for candidate in _candidates(folder / _sources(), target):
            with suppress(OSError):
                return _trusted(candidate / f"{name}.o"), candidate
    return None


def keep(name: str, target: Target, code: bytes) -> Path | None:
    """Store the code of a kernel in the first folder that can be written to, and return that."""
    for folder in _folders():
        with suppress(OSError):
            place = folder / _sources() / _name(target)
            place.mkdir(parents=True, exist_ok=True)
            _write(place / _FEATURES, target.flags.encode())
            _write(place / f"{name}.o", code)
            return place
    return None


def _folders() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "waveflow"
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # no home
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(caches) / "waveflow"


def _candidates(folder: Path, target: Target) -> Iterator[Path]:
    """Where code for `target` may lie: its own place first, then those of lesser machines."""
    own = folder / _name(target)
    yield own
    with suppress(OSError):
        for other in sorted(folder.glob(f"{target.cpu}-*")):
            features = (other / _FEATURES).read_text().split(",")
            if other != own and target.can_run(Target(target.cpu, frozenset(features))):
                yield other


def _name(target: Target) -> str:
    return f"{target.cpu}-{hashlib.sha256(target.flags.encode()).hexdigest()[:12]}"


@cache
def _sources() -> str:
    """Names everything that goes into the code but the processor."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    for library in ("numba", "llvmlite"):
        digest.update(_version_of(library))
    digest.update(platform.machine().encode())
    return f"kernels-{digest.hexdigest()[:16]}"


def _version_of(library: str) -> bytes:
    """What tells a library's versions apart, without importing it: Numba's takes a while."""
    found = find_spec(library)
    if found is None or found.origin is None:
        return b""
    return Path(found.origin).with_name("_version.py").read_bytes()


def _trusted(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & _WRITABLE_BY_OTHERS:
            raise PermissionError(f"{path} may have been written by somebody else.")
        return file.read()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: another process may be reading."""
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
