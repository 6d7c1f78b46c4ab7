"""Diffuses a gray image in steps: shared by SRAD and Perona-Malik."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import as_read_only, out_or_empty
from rtseg.kernels.runtime.cpu import compiled, run_row_bands

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
RowStep = Callable[[Floats, Floats, np.float32, np.float32, int, int], None]  # now, then, strength, step, first, end


def differences(values: Doubles) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return the neighbors above, below, left and right minus each value (H, W); 0 at the edge."""
    padded = np.pad(values, 1, mode="edge")
    above, below, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
    return above - values, below - values, left - values, right - values


def diffuse(image: Image, offset: float, strengths: Sequence[float], step: float, rows: RowStep, out: Image | None) -> Image:
    """Run the compiled loop `rows` once per strength, and return the image as uint8.

    offset: added to the gray levels in between. step: of time. rows: reads and writes (H, W + 2) float32, whose outer columns
    repeat the edge.
    """
    height, width = image.shape
    result, source = out_or_empty(out, image.shape, np.uint8), as_read_only(image)
    now, then = np.empty((height, width + 2), np.float32), np.empty((height, width + 2), np.float32)
    run_row_bands(height, width, lambda first, end: _load(source, np.float32(offset), now, first, end))
    for strength in strengths:
        run_row_bands(height, 4 * width, lambda first, end: rows(now, then, np.float32(strength), np.float32(step), first, end))  # noqa: B023
        now, then = then, now
    run_row_bands(height, width, lambda first, end: _store(now, np.float32(offset), result, first, end))
    return result


@compiled
def repeat_edge(row: Floats) -> None:
    """Fill the outer columns of a row (W + 2,) with their neighbors."""
    row[0], row[-1] = row[1], row[-2]


@compiled
def _load(image: Image, offset: np.float32, values: Floats, first: int, end: int) -> None:
    for y in range(first, end):
        source, target = image[y], values[y, 1:]
        for x in range(source.size):
            target[x] = np.float32(source[x]) + offset
        repeat_edge(values[y])


@compiled
def _store(values: Floats, offset: np.float32, result: Image, first: int, end: int) -> None:
    for y in range(first, end):
        source, target = values[y, 1:], result[y]
        for x in range(target.size):
            level = source[x] - offset + np.float32(0.5)
            target[x] = np.uint8(min(max(level, np.float32(0)), np.float32(255)))
