"""Machine code from bytes to something that can be called: LLVM's loader, without Numba."""

from __future__ import annotations

import ctypes
from functools import cache

from llvmlite import binding

PREFIX = "waveflow_"
"""Of the symbol under which a kernel's code is found: `waveflow_{name}`."""

_NEVER_CALLED = (
    "NRT_Free",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)
"""What Numba wraps round a function for the case that it raises. No kernel does."""


def loaded(name: str, code: bytes) -> int:
    """Make the object file `code` part of this process; returns where the kernel begins."""
    engine = _engine()
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address: int = engine.get_function_address(PREFIX + name)
    return address


@cache
def _engine() -> binding.ExecutionEngine:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for symbol in _NEVER_CALLED:
        binding.add_symbol(symbol, abort)
    machine = binding.Target.from_default_triple().create_target_machine(
        jit=True, codemodel="jitdefault"
    )
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
