"""Reduces speckle with the Lee filter: uniform tissue takes its local mean, stronger structure stays.

J.-S. Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE TPAMI 2(2), 1980:
out = mean + k (value - mean), k = 1 - Cu^2 / Ci^2, Ci = local deviation / local mean, Cu = that of pure speckle.
"""

from typing import Any

from rtseg.frame import Image
from rtseg.kernels.filters.moments import check_mmse, mmse_cases, mmse_estimate, mmse_filter
from rtseg.kernels.runtime.arrays import copy_to_out, round_to_uint8
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import kernel


@kernel(cases=mmse_cases, atol=1, check=check_mmse)
def lee(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Image:
    """Reduce the speckle of a gray image (H, W) uint8; the result has the same shape and dtype.

    size: of the window in pixels, odd, 3 to 15. noise: Cu, the coefficient of variation of speckle in uniform tissue, about
    0.15 in 8-bit B-mode; a higher one smooths more, 0 changes nothing. Raises ImageError, ConfigError.
    """
    return copy_to_out(round_to_uint8(mmse_estimate(image, size, noise, 1)), out)


@lee.backend("numba")
def _lee_numba(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Image:
    return mmse_filter(image, size, noise, 1, out)


@lee.backend("cuda")
def _lee_cuda(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return launch_filter("pull", image, out, size, noise**2, 1.0)
