"""From a kernel's Python function to an object file, by Numba and LLVM. Takes a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import binding

from waveflow.domain.kernels.inlining import INLINED
from waveflow.domain.kernels.linker import PREFIX
from waveflow.domain.kernels.target import Target

if TYPE_CHECKING:
    from waveflow.domain.kernels.native import Kernel


def compiled(kernel: Kernel, target: Target) -> bytes:
    """The kernel's machine code for `target`: an object file with one public symbol."""
    import numba
    from numba.extending import register_jitable

    # Numba looks at these when it compiles for the first time, and vectorises accordingly.
    config: Any = numba.config
    config.CPU_NAME, config.CPU_FEATURES = target.cpu, target.flags
    while INLINED:
        register_jitable(INLINED.pop())
    result, *arguments = (_numba_type(kind) for kind in kernel.signature)
    # Python's error model would test every divisor.
    wrapped = numba.cfunc(result(*arguments), error_model="numpy")(kernel.function)
    # Numba's names differ from one run to the next.
    assembly = wrapped.inspect_llvm().replace(wrapped.native_name, PREFIX + kernel.name)
    module = binding.parse_assembly(_fused(assembly) if kernel.fused else assembly)
    _hide_all_but(PREFIX + kernel.name, module)
    code: bytes = _machine(target).emit_object(module)
    return code


def _fused(assembly: str) -> str:
    """Allow LLVM to make one instruction of a product and a sum, and nothing else."""
    for operation in ("fmul", "fadd", "fsub"):
        assembly = assembly.replace(f" = {operation} ", f" = {operation} contract ")
    return assembly


def _hide_all_but(name: str, module: binding.ModuleRef) -> None:
    """Keep a kernel's own functions and constants from being taken for those of another.

    Numba numbers them anew in each process, so that kernels which were compiled in different ones
    may use the same names for different code. The loader would give all of them the first.
    """
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != name:
            each.linkage = "internal"


def _numba_type(kind: str) -> Any:
    from numba import types as numba_types

    types: Any = numba_types
    if kind.endswith("*"):
        return types.CPointer(getattr(types, kind.removesuffix("*")))
    return {"i64": types.int64, "f64": types.float64, "bool": types.boolean}[kind]


def _machine(target: Target) -> binding.TargetMachine:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    architecture = binding.Target.from_default_triple()
    return architecture.create_target_machine(
        cpu=target.cpu,
        features=target.flags,
        opt=3,
        # LLVM's loader on x86 wants no position-independent code: it gets some addresses wrong.
        reloc="static" if architecture.name.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
