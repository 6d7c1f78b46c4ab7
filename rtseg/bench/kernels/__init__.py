"""Times each kernel alternately with the best alternative implementation and with a memory copy."""

from rtseg.bench.kernels.cases import contests
from rtseg.bench.kernels.paired_timing import Contest, alternate
from rtseg.bench.kernels.rows import QUICK_SIZES, SIZES, KernelRow, measure_kernels

__all__ = ["QUICK_SIZES", "SIZES", "Contest", "KernelRow", "alternate", "contests", "measure_kernels"]
