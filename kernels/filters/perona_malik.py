"""Smooths gray images by anisotropic diffusion that stops at edges.

P. Perona, J. Malik, "Scale-space and edge detection using anisotropic diffusion", IEEE TPAMI 12(7), 1990:
I += step * sum over the 4 neighbors of g(d) d, d = neighbor - I, g(d) = 1 / (1 + (d / edge)^2), which favors wide regions.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.filters.diffusion import Floats, differences, diffuse, repeat_edge
from rtseg.kernels.runtime.arrays import check_count, check_out, check_plane, check_range, copy_to_out, round_to_uint8
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import fused
from rtseg.kernels.runtime.device_array import launch_diffusion
from rtseg.kernels.runtime.registry import KernelCase, kernel

STEP = 0.2  # of time; up to 0.25 is stable


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for iterations, edge in [(10, 20.0), (1, 5.0), (3, 200.0), (0, 20.0)]:
            yield KernelCase(f"{name}, {iterations}, {edge}", (image, iterations, edge))


def _check(image: Image, iterations: int = 10, edge: float = 20.0, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_count("the number of iterations", iterations, 0, 1000)
    check_range("the edge's height in grey levels", edge, 0.1, 1e4)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def perona_malik(image: Image, iterations: int = 10, edge: float = 20.0, *, out: Image | None = None) -> Image:
    """Smooth a gray image (H, W) uint8 and preserve its edges; the result has the same shape and dtype.

    iterations: of 0.2 units of time each; more of them smooth more. edge: the step in gray levels that counts as an edge;
    a higher one smooths more. Raises ImageError, ConfigError.
    """
    values = image.astype(np.float64)
    for _ in range(iterations):
        values = values + STEP * sum(step / (1 + (step / edge) ** 2) for step in differences(values))
    return copy_to_out(round_to_uint8(values), out)


@perona_malik.backend("numba")
def _perona_malik_numba(image: Image, iterations: int = 10, edge: float = 20.0, *, out: Image | None = None) -> Image:
    return diffuse(image, 0.0, [edge**-2] * iterations, STEP, _step_rows, out)


@fused
def _step_rows(now: Floats, then: Floats, sharpness: np.float32, step: np.float32, first: int, end: int) -> None:
    """Compute rows first..end of one step, with a common denominator: a division costs as much as all the rest."""
    one = np.float32(1)
    for y in range(first, end):
        row, up, down, target = now[y], now[max(y - 1, 0)], now[min(y + 1, now.shape[0] - 1)], then[y]
        for x in range(row.size - 2):
            value = row[x + 1]
            a, b, c, d = up[x + 1] - value, down[x + 1] - value, row[x] - value, row[x + 2] - value
            under_a, under_b = one + a * a * sharpness, one + b * b * sharpness
            under_c, under_d = one + c * c * sharpness, one + d * d * sharpness
            upright, level = a * under_b + b * under_a, c * under_d + d * under_c
            under_upright, under_level = under_a * under_b, under_c * under_d
            target[x + 1] = value + step * (upright * under_level + level * under_upright) / (under_upright * under_level)
        repeat_edge(target)


@perona_malik.backend("cuda")
def _perona_malik_cuda(image: Image, iterations: int = 10, edge: float = 20.0, *, out: Image | None = None) -> Any:
    return launch_diffusion("perona_malik", image, out, edge, iterations, STEP)
