"""How fast the kernels are: each beside the best other way to the same result, turn by turn, and against a memory copy."""

from rtseg.bench.kernels.cases import contests
from rtseg.bench.kernels.paired_timing import Contest, alternate
from rtseg.bench.kernels.rows import QUICK_SIZES, SIZES, KernelRow, measure_kernels

__all__ = ["QUICK_SIZES", "SIZES", "Contest", "KernelRow", "alternate", "contests", "measure_kernels"]
