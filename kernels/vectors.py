"""Vectors: how wide the compiler may make them.

LLVM keeps to 256 bits on processors with AVX-512 (LLVM review D67259), since the first of them lowered their clock for wider
vectors. Those from Ice Lake on, told by AVX512-VBMI2, hardly do (T. Downs, "Ice Lake AVX-512 downclocking", 2020).
"""

from numba.core import codegen, config

WITHOUT_LOSS, WIDE = "+avx512vbmi2", "-prefer-256-bit"


def widen() -> None:
    """Let Numba make vectors of 512 bits where they cost no clock; NUMBA_CPU_NAME and NUMBA_CPU_FEATURES, if set, stand.

    It counts for all that this process compiles with Numba, unless it has begun to before. No result changes by it.
    """
    features = codegen.get_host_cpu_features()
    if config.CPU_FEATURES is None and config.CPU_NAME is None and WITHOUT_LOSS in features.split(","):
        config.CPU_FEATURES = f"{features},{WIDE}"
