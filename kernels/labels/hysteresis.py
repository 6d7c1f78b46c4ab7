"""Applies hysteresis thresholding: weak pixels count where they are connected to strong ones.

J. Canny, "A computational approach to edge detection", IEEE TPAMI 8(6), 1986, section on thresholding.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Labels
from rtseg.kernels.labels.regions import Indices, Runs, find_regions, label_regions, paint_runs
from rtseg.kernels.runtime.arrays import as_read_only, check_out, check_plane, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import logits
from rtseg.kernels.runtime.cpu import allocating
from rtseg.kernels.runtime.device_array import int_scratch_planes, launch_map
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]


def _cases() -> Iterator[KernelCase]:
    for shape in [(1, 1), (1, 9), (8, 1), (23, 37)]:
        for name, plane in logits(1, shape):
            yield KernelCase(f"{name} {shape}", (plane[0, 0], -1.0, 2.0))
    yield KernelCase("equal thresholds", (np.arange(12, dtype=np.float32).reshape(3, 4), 5.0, 5.0))


def _check(values: Floats, low: float, high: float, *, out: Labels | None = None) -> None:
    check_plane("a map of probabilities or logits", values, np.float32)
    if not low <= high:
        raise ConfigError(f"the thresholds are {low} and {high}: give the lower one first")
    check_out(out, tuple(values.shape), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def hysteresis(values: Floats, low: float, high: float, *, out: Labels | None = None) -> Labels:
    """Mark the pixels of at least `low` in 8-connected regions that reach `high`: (H, W) uint8, 0 or 1.

    values: (H, W) float32, probabilities or logits; NaN is below every threshold. Raises ImageError, ConfigError.
    """
    weak, strong = values >= np.float32(low), values >= np.float32(high)
    regions = label_regions(weak.astype(np.uint8), diagonal=True)
    return copy_to_out((weak & np.isin(regions, regions[strong])).astype(np.uint8), out)


@hysteresis.backend("numba")
def _hysteresis_numba(values: Floats, low: float, high: float, *, out: Labels | None = None) -> Labels:
    result = out_or_empty(out, values.shape, np.uint8)
    np.greater_equal(values, np.float32(low), out=result, casting="unsafe")
    runs, rows, roots = find_regions(result, diagonal=True)
    colours = np.empty(len(runs), np.uint8)
    _choose_strong(as_read_only(values), np.float32(high), runs, rows, roots, colours)
    paint_runs(runs, rows, as_read_only(colours), True, result)
    return result


@allocating
def _choose_strong(values: Floats, high: np.float32, runs: Runs, rows: Indices, roots: Indices, colours: Labels) -> None:
    strong = np.zeros(roots.size, np.uint8)
    for y in range(values.shape[0]):
        for run in range(rows[y], rows[y + 1]):
            x = runs[run, 0]
            while runs[run, 2] and not strong[roots[run]] and x < runs[run, 1]:
                strong[roots[run]] = values[y, x] >= high
                x += 1
    for run in range(roots.size):
        colours[run] = strong[roots[run]] if runs[run, 2] else 0


@hysteresis.backend("cuda")
def _hysteresis_cuda(values: Floats, low: float, high: float, *, out: Labels | None = None) -> Any:
    return launch_map("hysteresis", values, out, low, high, *int_scratch_planes(values, 2))
