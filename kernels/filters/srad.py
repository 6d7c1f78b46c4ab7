"""Reduces speckle by speckle reducing anisotropic diffusion (SRAD).

Y. Yu, S. Acton, "Speckle reducing anisotropic diffusion", IEEE Transactions on Image Processing 11(11), 2002, eq. 31 to 38:
q^2 = (|grad I|^2 / (2 I^2) - (lap I / I)^2 / 16) / (1 + lap I / (4 I))^2, c = 1 / (1 + (q^2 - q0^2) / (q0^2 (1 + q0^2))),
I += step / 4 * div(c grad I), and the speckle's own q0 falls with time t as exp(-t / 6).
"""

from collections.abc import Iterator
from math import exp
from typing import Any

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.filters.diffusion import Doubles, Floats, differences, diffuse, repeat_edge
from rtseg.kernels.runtime.arrays import check_count, check_out, check_plane, check_range, copy_to_out, round_to_uint8
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, fused
from rtseg.kernels.runtime.cuda import c_floats
from rtseg.kernels.runtime.device_array import launch_diffusion
from rtseg.kernels.runtime.registry import KernelCase, kernel

STEP = 0.5  # of time; up to 1 is stable
DECAY = 1 / 6  # of q0, per unit of time
OFFSET = 1.0  # gray levels: the equation divides by the intensity


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for iterations, noise in [(10, 0.25), (1, 0.5), (3, 0.05), (0, 1.0)]:
            yield KernelCase(f"{name}, {iterations}, {noise}", (image, iterations, noise))


def _check(image: Image, iterations: int = 10, noise: float = 0.15, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_count("the number of iterations", iterations, 0, 1000)
    check_range("the speckle's coefficient of variation", noise, 0.01, 10)
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def srad(image: Image, iterations: int = 10, noise: float = 0.15, *, out: Image | None = None) -> Image:
    """Reduce the speckle of a gray image (H, W) uint8 and preserve its edges; the result has the same shape and dtype.

    iterations: of 0.5 units of time each; more of them smooth more. noise: q0 at the start, the coefficient of variation of
    speckle in uniform tissue, about 0.15 in 8-bit B-mode; a higher one blurs weaker edges. Raises ImageError, ConfigError.
    """
    values = image.astype(np.float64) + OFFSET
    for squared_noise in noise_schedule(iterations, noise):
        values = _step(values, squared_noise)
    return copy_to_out(round_to_uint8(values - OFFSET), out)


def noise_schedule(iterations: int, noise: float) -> list[float]:
    """Return the speckle's squared coefficient of variation at each iteration."""
    return [max((noise * exp(-DECAY * STEP * iteration)) ** 2, 1e-6) for iteration in range(iterations)]


def _step(values: Doubles, noise: float) -> Doubles:
    above, below, left, right = differences(values)
    squared_gradient = (above**2 + below**2 + left**2 + right**2) / values**2
    laplacian = (above + below + left + right) / values
    variation = (squared_gradient / 2 - laplacian**2 / 16) / (1 + laplacian / 4) ** 2
    share = np.clip(1 / (1 + (variation - noise) / (noise * (1 + noise))), 0, 1)
    padded = np.pad(share, ((0, 1), (0, 1)), mode="edge")
    flow: Doubles = share * (above + left) + padded[1:, :-1] * below + padded[:-1, 1:] * right
    return values + STEP / 4 * flow


@srad.backend("numba")
def _srad_numba(image: Image, iterations: int = 10, noise: float = 0.15, *, out: Image | None = None) -> Image:
    return diffuse(image, OFFSET, noise_schedule(iterations, noise), STEP / 4, _step_rows, out)


@allocating
def _step_rows(now: Floats, then: Floats, noise: np.float32, step: np.float32, first: int, end: int) -> None:
    """Compute rows first..end of one step, with the coefficients of two rows in scratch memory."""
    here, under = np.zeros(now.shape[1], np.float32), np.zeros(now.shape[1], np.float32)
    _coefficients(now, first, noise, here)
    for y in range(first, end):
        next_row = min(y + 1, now.shape[0] - 1)
        _coefficients(now, next_row, noise, under)
        row, up, down, target = now[y], now[max(y - 1, 0)], now[next_row], then[y]
        for x in range(row.size - 2):
            value = row[x + 1]
            flow = here[x + 1] * ((up[x + 1] - value) + (row[x] - value))
            flow += under[x + 1] * (down[x + 1] - value) + here[x + 2] * (row[x + 2] - value)
            target[x + 1] = value + step * flow
        repeat_edge(target)
        here, under = under, here


@fused
def _coefficients(now: Floats, y: int, noise: np.float32, share: Floats) -> None:
    """Write the diffusion coefficients of row y to share[1:-1]; share[-1] is only multiplied by a zero gradient.

    Numerator and denominator are multiplied by 16 I^2 (1 + lap I / (4 I))^2, the square of the neighbors' sum, so that one
    division replaces the equation's four.
    """
    row, up, down = now[y], now[max(y - 1, 0)], now[min(y + 1, now.shape[0] - 1)]
    one = np.float32(1)
    scale, rest = one / (noise * (one + noise)), one - one / (one + noise)
    for x in range(row.size - 2):
        value = row[x + 1]
        a, b, c, d = up[x + 1] - value, down[x + 1] - value, row[x] - value, row[x + 2] - value
        laplacian = a + b + c + d
        mean = laplacian + np.float32(4) * value
        variation = np.float32(8) * (a * a + b * b + c * c + d * d) - laplacian * laplacian
        share[x + 1] = min(mean * mean / (rest * mean * mean + scale * variation), one)


@srad.backend("cuda")
def _srad_cuda(image: Image, iterations: int = 10, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return launch_diffusion("srad", image, out, OFFSET, c_floats(noise_schedule(iterations, noise)), iterations, STEP / 4)
