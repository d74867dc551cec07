"""A kernel: a Python function of pointers and scalars, and the machine code made of it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from waveflow.domain.kernels import cache
from waveflow.domain.kernels.target import Target

JIT_IS_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
"""Numba's own switch: kernels run as Python then, so that they can be traced."""

_C_TYPES: Mapping[str, Any] = MappingProxyType(
    {"i64": ctypes.c_int64, "f64": ctypes.c_double, "bool": ctypes.c_bool}
)
_BYTE: Any = ctypes.c_char
_lock = Lock()


class Kernel:
    """Calls a function's machine code, which is loaded, or else compiled, on the first call.

    Other threads run meanwhile: the code holds no lock of the interpreter.

    Attributes:
        name: unique among all kernels; names the code on disk.
        signature: types of the result and of the arguments: `i64`, `f64`, `bool`, and pointers
            to what a NumPy array holds, as `int16*`.
        fused: a product may be added without being rounded before, where a processor can: twice
            as fast for filters, and the last bit of a result depends on the processor.
    """

    def __init__(
        self,
        name: str,
        signature: tuple[str, ...],
        function: Callable[..., Any],
        *,
        fused: bool = False,
    ) -> None:
        """Declare a kernel; nothing is loaded yet."""
        self.name = name
        self.signature = signature
        self.function = function
        self.fused = fused
        self._code: Callable[..., Any] | None = None
        self._pointers = [at for at, kind in enumerate(signature[1:]) if kind.endswith("*")]

    def __call__(self, *arguments: Any) -> Any:
        """Run it. Where the signature has a pointer, pass a NumPy array of that type.

        Nothing is checked: the array must reach as far as the function goes.
        """
        if JIT_IS_OFF:
            with np.errstate(invalid="ignore", over="ignore"):
                return self.function(*arguments)
        if self._code is None:
            self.load()
        values = list(arguments)
        for at in self._pointers:
            values[at] = _address(values[at])
        return self._code(*values)  # type: ignore[misc]

    def load(self) -> Code:
        """Get at the machine code: from the cache, or by compiling it (a second, then cached)."""
        with _lock:
            code = obtained(self, Target.of_this_machine())
            if self._code is None:
                from waveflow.domain.kernels.linker import loaded

                self._code = self._callable(loaded(self.name, code.content))
            return code

    def _callable(self, address: int) -> Callable[..., Any]:
        result, *arguments = (_C_TYPES.get(kind, ctypes.c_void_p) for kind in self.signature)
        return ctypes.CFUNCTYPE(result, *arguments)(address)


def _address(array: NDArray[Any]) -> int:
    """Where an array begins. NumPy's own way takes 0.7 µs longer, as much as 60 kB of samples."""
    if array.size and array.flags.writeable and array.flags.c_contiguous:
        return ctypes.addressof(_BYTE.from_buffer(array))
    address: int = array.ctypes.data
    return address


@frozen
class Code:
    """A kernel's machine code: an object file.

    Attributes:
        kept_in: the folder that holds it; None where no folder can be written to.
        is_new: it had to be compiled.
    """

    content: bytes
    kept_in: Path | None
    is_new: bool


def obtained(kernel: Kernel, target: Target) -> Code:
    """A kernel's code for `target`, compiled and kept if it isn't in the cache."""
    found = cache.find(kernel.name, target)
    if found is not None:
        return Code(*found, is_new=False)
    from waveflow.domain.kernels.compiler import compiled

    content = compiled(kernel, target)
    return Code(content, cache.keep(kernel.name, target, content), is_new=True)
