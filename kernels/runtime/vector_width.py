"""Compiles our loops for 512-bit vectors where they pay, and leaves Numba's settings and other people's loops alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from numba.core import codegen, config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

FULL_CLOCK_FEATURE = "+avx512vbmi2"  # processors with it do not lower their clock for 512-bit vectors
ALLOW_512_BIT = "-prefer-256-bit"  # LLVM may then use 512-bit vectors
_CODE_GENERATOR = "_internal_codegen"  # Numba's attribute for the code generator of its CPU target


class WideVectorCodegen(codegen.JITCPUCodegen):  # type: ignore[misc]  # Numba has no types
    """Generates code for this processor with its full vector width. The name of a feature enters the key of Numba's cache."""

    def _customize_tm_features(self) -> str:
        return f"{super()._customize_tm_features()},{ALLOW_512_BIT}"


def compile_wide(dispatcher: Any) -> Any:
    """Return a Numba dispatcher whose loops are compiled with the full vector width; no result changes.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES take precedence, and so does a processor that would lower its clock.
    """
    compile_signature = dispatcher.compile

    def compile_(signature: Any) -> Any:
        with _full_width():
            return compile_signature(signature)

    dispatcher.compile = compile_
    return dispatcher


def is_full_width_allowed() -> bool:
    """Return whether this processor keeps its clock with 512-bit vectors, and nobody has set another code generation."""
    is_default = config.CPU_FEATURES is None and config.CPU_NAME is None
    return is_default and FULL_CLOCK_FEATURE in codegen.get_host_cpu_features().split(",")


@contextmanager
def _full_width() -> Iterator[None]:
    """Let Numba's CPU target generate wide code inside the context, in which no other thread can compile."""
    target = cpu_target.target_context
    if not is_full_width_allowed() or not hasattr(target, _CODE_GENERATOR):
        yield
        return
    with global_compiler_lock:
        before = getattr(target, _CODE_GENERATOR)
        setattr(target, _CODE_GENERATOR, _wide_codegen())
        try:
            yield
        finally:
            setattr(target, _CODE_GENERATOR, before)


@lru_cache(maxsize=1)
def _wide_codegen() -> WideVectorCodegen:
    """Return the code generator of our loops, one for the process because compiled code refers to it."""
    return WideVectorCodegen("rtseg.exec")
