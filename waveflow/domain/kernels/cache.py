"""Kernels' machine code on disk, by source, library versions and processor.

Like Numba's own cache it lies in NUMBA_CACHE_DIR if that is set, else beside the source, else in
the user's cache folder. What can't be read or written isn't there, nor is what is damaged:
kernels are compiled then.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from waveflow.domain.kernels.target import LEVELS, Target

_SOURCE = Path(__file__).parent
_BESIDE_SOURCE = _SOURCE / "__pycache__"
_FEATURES = "features.txt"
_WRITABLE_BY_OTHERS = 0o022
_DIGEST_BYTES = hashlib.sha256().digest_size


def find(name: str, target: Target) -> tuple[bytes, Path] | None:
    """The code of a kernel that runs on `target`, and its folder, if there is any.

    What was compiled for this very processor comes first, in whatever folder, then what was for
    the same one with fewer features, then portable code, the best that runs here.

    Code is run as it is: only files and folders of this user or of root count, which nobody else
    may write, and only files that are whole.
    """
    for cpu in dict.fromkeys((target.cpu, *LEVELS)):
        for folder in _folders():
            for candidate in _candidates(folder / _sources(), target, cpu):
                with suppress(OSError):
                    return _whole(_read(candidate / f"{name}.o")), candidate
    return None


def keep(name: str, target: Target, code: bytes) -> Path | None:
    """Store the code of a kernel in the first folder that can be written to, and return that."""
    for folder in _folders():
        with suppress(OSError):
            sources = folder / _sources()
            place = sources / _name(target)
            folder.mkdir(parents=True, exist_ok=True)
            for ours in (sources, place):
                ours.mkdir(mode=0o755, exist_ok=True)
                _require_ours(ours.lstat(), ours)
            _write(place / _FEATURES, target.flags.encode())
            _write(place / f"{name}.o", hashlib.sha256(code).digest() + code)
            return place
    return None


def _folders() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "waveflow"
    yield _BESIDE_SOURCE
    with suppress(RuntimeError):  # no home
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(caches) / "waveflow"


def _candidates(folder: Path, target: Target, cpu: str) -> Iterator[Path]:
    """Where code of `cpu` for `target` may lie: its own place first, then lesser machines'."""
    own = folder / _name(target)
    with suppress(OSError):
        _require_ours(folder.lstat(), folder)
        if cpu == target.cpu:
            yield own
        for other in sorted(folder.glob(f"{cpu}-*")):
            if other != own and target.can_run(_target_of(other, cpu)):
                yield other


def _target_of(place: Path, cpu: str) -> Target:
    flags = _read(place / _FEATURES).decode(errors="replace").split(",")
    features = Target(cpu, frozenset(flags))
    if not features.abilities:
        raise OSError(f"{place} doesn't say what its code needs.")
    return features


def _name(target: Target) -> str:
    return f"{target.cpu}-{hashlib.sha256(target.flags.encode()).hexdigest()[:12]}"


@cache
def _sources() -> str:
    """Names everything that goes into the code but the processor."""
    digest = hashlib.sha256()
    for module in sorted(_SOURCE.glob("*.py")):
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


def _read(path: Path) -> bytes:
    _require_ours(path.parent.lstat(), path.parent)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        _require_ours(os.fstat(file.fileno()), path)
        return file.read()


def _require_ours(status: os.stat_result, path: Path) -> None:
    is_link = stat.S_ISLNK(status.st_mode)
    if is_link or status.st_uid not in (0, os.geteuid()) or status.st_mode & _WRITABLE_BY_OTHERS:
        raise PermissionError(f"{path} may have been written by somebody else.")


def _whole(content: bytes) -> bytes:
    """The code in a file. A loader that is given half of one ends the process."""
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(code).digest() != digest:
        raise OSError("The file is damaged.")
    return code


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: another process may be reading, and the power may go."""
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
