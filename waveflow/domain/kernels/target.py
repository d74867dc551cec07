"""The processor that kernels are compiled for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Self

from attrs import frozen

NAMED_BY = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")

_V3 = (
    "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+crc32,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,"
    "+popcnt,+sahf,+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave"
)
LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "x86-64-v4": f"{_V3},+avx512bw,+avx512cd,+avx512dq,+avx512f,+avx512vl",
        "x86-64-v3": _V3,
    }
)
"""What the levels of x86-64 ask of a processor, the better one first. Their code is portable."""


@frozen
class Target:
    """A processor, in LLVM's words.

    Attributes:
        cpu: its name, such as `sapphirerapids`.
        features: what it can do (`+avx512f`) and can't (`-avx10.2-512`), as LLVM lists it.
    """

    cpu: str
    features: frozenset[str]

    @classmethod
    @cache
    def of_this_machine(cls) -> Self:
        """What to compile for: Numba's NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, or this machine.

        A level's name says it all. Otherwise one of the two without the other doesn't say enough:
        this machine then.
        """
        cpu, features = (os.environ.get(name) for name in NAMED_BY)
        if cpu and cpu in LEVELS and not features:
            return cls.of_level(cpu)
        if not (cpu and features):
            from llvmlite import binding

            cpu = binding.get_host_cpu_name()
            features = binding.get_host_cpu_features().flatten()
        return cls(cpu, frozenset(name.strip() for name in features.split(",") if name.strip()))

    @classmethod
    def of_level(cls, level: str) -> Self:
        """Any processor of one of `LEVELS`."""
        return cls(level, frozenset(LEVELS[level].split(",")))

    def can_run(self, other: Target) -> bool:
        """Whether code that was compiled for `other` runs here.

        It does under the same name, and if `other` is a level, where no feature is missing. Who
        asks for a level wants no other one.
        """
        if self.cpu != other.cpu and (other.cpu not in LEVELS or self.is_level):
            return False
        needed = other.abilities
        if other.is_level:
            needed |= Target.of_level(other.cpu).abilities
        return needed <= self.abilities

    @property
    def is_level(self) -> bool:
        """Whether it stands for all processors of a level."""
        return self.cpu in LEVELS

    @property
    def abilities(self) -> frozenset[str]:
        """The features that it has."""
        return frozenset(feature for feature in self.features if feature.startswith("+"))

    @property
    def flags(self) -> str:
        """The features as LLVM takes them."""
        return ",".join(sorted(self.features))
