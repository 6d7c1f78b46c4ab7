"""Times each kernel alternately with the best alternative implementation and with a memory copy."""

from rtseg.bench.kernels.cases import kernel_comparisons
from rtseg.bench.kernels.paired_timing import KernelComparison, paired_medians
from rtseg.bench.kernels.rows import QUICK_SIZES, SIZES, KernelRow, measure_kernels

__all__ = ["QUICK_SIZES", "SIZES", "KernelComparison", "KernelRow", "kernel_comparisons", "measure_kernels", "paired_medians"]
