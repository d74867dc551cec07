"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("numpy", "numba", "llvmlite", "soundfile", "soxr", "miniaudio", "av", "scipy")
_FLAGS = ("avx2", "avx512f", "avx512bw", "sha_ni")
"""Of the processor, those that the fast paths care about."""
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def description(root: Path) -> dict[str, Any]:
    """Processor, memory, system and the versions of what does the work."""
    import soundfile

    processor = _processor()
    flags = processor.get("flags", "").split()
    return {
        "cpu": processor.get("model name", platform.processor()),
        "cpu_flags": [flag for flag in _FLAGS if flag in flags],
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "usable_threads": len(os.sched_getaffinity(0)),
        "governor": _read(_GOVERNOR) or None,
        "memory_gb": round(psutil.virtual_memory().total / 1024**3, 1),
        "caches": _caches(),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "libsndfile": soundfile.__libsndfile_version__,
        "commit": _commit(root),
    }


def busy_share() -> float:
    """How much of the processors others use now, 0 to 1: figures of a busy machine are noise."""
    return psutil.cpu_percent(interval=0.5) / 100


def sentence(machine: dict[str, Any]) -> str:
    """The gist, on one line."""
    flags = ", ".join(machine["cpu_flags"])
    return (
        f"{machine['cpu']} ({flags}), {machine['cores']} cores with {machine['threads']} threads,"
        f" {machine['memory_gb']:g} GB, Linux {machine['kernel']}, Python {machine['python']},"
        f" NumPy {machine['packages']['numpy']}, libsndfile {machine['libsndfile']}"
    )


def _processor() -> dict[str, str]:
    facts = {}
    for line in _read(Path("/proc/cpuinfo")).split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    return facts


def _caches() -> dict[str, str]:
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    return {
        f"L{_read(folder / 'level')} {_read(folder / 'type').lower()}": _read(folder / "size")
        for folder in folders
    }


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(root: Path) -> str | None:
    described = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        ran = subprocess.run(described, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return ran.stdout.strip() or None
