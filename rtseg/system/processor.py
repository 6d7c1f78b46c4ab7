"""Read what the processor can compute, where it changes results."""

import os
from pathlib import Path

_VNNI = {"amx_int8", "avx512_vnni", "avx_vnni"}  # x86, as Linux names them
_DOT_PRODUCTS = {"asimddp", "i8mm"}  # ARM
_ONEDNN_WITHOUT_VNNI = {"SSE41", "AVX", "AVX2", "AVX512_CORE"}  # values of ONEDNN_MAX_CPU_ISA


def has_exact_int8(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether INT8 products are summed without saturation; False where the system does not say.

    Without VNNI, x86 adds two products of uint8 and int8 in 16 bits (VPMADDUBSW), which saturates at 32767 (oneDNN developer
    guide, "Nuances of int8 computations"). `ONEDNN_MAX_CPU_ISA` can forbid VNNI to oneDNN, which OpenVINO uses.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _ONEDNN_WITHOUT_VNNI:
        return False
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in lines if line.lower().startswith(("flags", "features"))), [])
    return not (_VNNI | _DOT_PRODUCTS).isdisjoint(flags)
