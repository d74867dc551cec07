"""The processor that kernels are compiled for."""

from __future__ import annotations

import os
from functools import cache
from typing import Self

from attrs import frozen


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
        """What to compile for: Numba's NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, or this machine."""
        from llvmlite import binding

        return cls(
            os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name(),
            _listed(
                os.environ.get("NUMBA_CPU_FEATURES") or binding.get_host_cpu_features().flatten()
            ),
        )

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


def _listed(features: str) -> frozenset[str]:
    return frozenset(name.strip() for name in features.split(",") if name.strip())
