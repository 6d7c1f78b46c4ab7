"""Times the kernels on pictures of several sizes and reports a row for each."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import median as middle
from typing import Any

import numpy as np

from rtseg.bench.kernels.cases import kernel_comparisons
from rtseg.bench.kernels.paired_timing import Call, KernelComparison, min_cpu_time_on_one_core, time_in_turns

SIZES = ((256, 256), (720, 1280), (1080, 1920))  # (H, W)
QUICK_SIZES = ((256, 256),)


@dataclass(frozen=True, slots=True)
class KernelRow:
    """Holds the results of one kernel on one size of picture, beside an alternative implementation."""

    kernel: str  # name of the kernel
    height: int  # of the picture, in pixels
    width: int  # of the picture, in pixels
    theirs: str  # description of the alternative
    ours_ms: float  # median over alternating turns
    theirs_ms: float  # median over alternating turns
    ratio: float  # theirs over ours; above 1 where ours is faster
    gigabytes_per_s: float  # bytes that must be read and written once, over our time
    of_copy: float  # our bytes a second as a share of those of a plain copy
    copies: float  # our time over that of a plain copy of an RGB frame of this size, timed alternately
    best_ratio: float  # `ratio` of the fastest turns
    best_copies: float  # `copies` of the fastest turns
    core_ratio: float  # `ratio` of the minimum CPU times on one core, least affected by other load
    core_copies: float  # `copies` of the minimum CPU times on one core

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values, rounded to four decimals."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


def measure_kernels(sizes: Sequence[tuple[int, int]] = SIZES, only: Sequence[str] = ()) -> list[KernelRow]:
    """Time the kernels on pictures of these sizes, (H, W); this takes minutes.

    only: names of the kernels to time; empty: all.
    """
    rows = []
    for shape in sizes:
        copy = partial(np.copyto, np.ones((*shape, 3), np.uint8), np.ones((*shape, 3), np.uint8))
        for comparison in kernel_comparisons(shape):
            if not only or comparison.kernel in only:
                rows.append(_row(comparison, shape, copy))
    return rows


def _row(comparison: KernelComparison, shape: tuple[int, int], copy: Call) -> KernelRow:
    our_turns, their_turns = time_in_turns(comparison)
    beside_copy = replace(comparison, their_call=copy)  # timed separately, because a copy evicts the caches of the next call
    our_others, copy_turns = time_in_turns(beside_copy)
    ours, theirs, copies = middle(our_turns), middle(their_turns), middle(our_others) / middle(copy_turns)
    reached = comparison.traffic_bytes / ours  # bytes a nanosecond are gigabytes a second
    of_copy = comparison.traffic_bytes / (6 * shape[0] * shape[1]) / copies
    figures = (ours / 1e6, theirs / 1e6, theirs / ours, reached, of_copy, copies)
    best = min(their_turns) / min(our_turns), min(our_others) / min(copy_turns)
    (our_core, their_core), (our_other, copy_core) = min_cpu_time_on_one_core(comparison), min_cpu_time_on_one_core(beside_copy)
    core = their_core / max(our_core, 1), our_other / max(copy_core, 1)
    return KernelRow(comparison.kernel, *shape, comparison.theirs, *figures, *best, *core)
