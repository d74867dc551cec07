"""The processor that kernels are compiled for."""

from __future__ import annotations

import os
from functools import cache
from typing import Self

from attrs import frozen

NAMED_BY = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


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

        One of the two without the other doesn't say enough: this machine then.
        """
        cpu, features = (os.environ.get(name) for name in NAMED_BY)
        if not (cpu and features):
            from llvmlite import binding

            cpu = binding.get_host_cpu_name()
            features = binding.get_host_cpu_features().flatten()
        return cls(cpu, frozenset(name.strip() for name in features.split(",") if name.strip()))

    def can_run(self, other: Target) -> bool:
        """Whether code that was compiled for `other` runs here: same name, nothing missing."""
        return self.cpu == other.cpu and other.abilities <= self.abilities

    @property
    def abilities(self) -> frozenset[str]:
        """The features that it has."""
        return frozenset(feature for feature in self.features if feature.startswith("+"))

    @property
    def flags(self) -> str:
        """The features as LLVM takes them."""
        return ",".join(sorted(self.features))
