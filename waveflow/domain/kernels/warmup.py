"""Load every kernel, and compile those that are not in the cache, before work waits."""

from __future__ import annotations

from collections.abc import Iterator

from waveflow.domain.kernels import mixing, peaks, swapping, unpacking
from waveflow.domain.kernels.native import JIT_IS_OFF, Code, Kernel


def kernels() -> Iterator[Kernel]:
    """All there are."""
    for family in (peaks, mixing, swapping, unpacking):
        yield from family.KERNELS


def warm_up() -> list[Code]:
    """Make every kernel ready, and return their code. 15 s without a cache, 0.1 s with one."""
    return [] if JIT_IS_OFF else [kernel.load() for kernel in kernels()]
