"""How fast the kernels are: each beside the best other way to the same result, turn by turn, and against a memory copy."""

from rtseg.kernel_bench.contests import contests
from rtseg.kernel_bench.rows import QUICK_SIZES, SIZES, KernelRow, measure_kernels
from rtseg.kernel_bench.turns import Contest, alternate

__all__ = ["QUICK_SIZES", "SIZES", "Contest", "KernelRow", "alternate", "contests", "measure_kernels"]
