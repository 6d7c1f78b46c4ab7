"""Reduces speckle with the Kuan filter: uniform tissue takes its local mean, stronger structure stays.

D. Kuan et al., "Adaptive noise smoothing filter for images with signal-dependent noise", IEEE TPAMI 7(2), 1985:
out = mean + k (value - mean), k = (1 - Cu^2 / Ci^2) / (1 + Cu^2), Ci = local deviation / local mean, Cu = that of speckle.
"""

from typing import Any

from rtseg.frame import Image
from rtseg.kernels.filters.moments import check_mmse, mmse_cases, mmse_estimate, mmse_filter
from rtseg.kernels.runtime.arrays import copy_to_out, round_to_uint8
from rtseg.kernels.runtime.device_array import launch_filter
from rtseg.kernels.runtime.registry import kernel


@kernel(cases=mmse_cases, atol=1, check=check_mmse)
def kuan(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Image:
    """Reduce the speckle of a gray image (H, W) uint8; the result has the same shape and dtype.

    size: of the window in pixels, odd, 3 to 15. noise: Cu, the coefficient of variation of speckle in uniform tissue, about
    0.15 in 8-bit B-mode; a higher one smooths more, 0 changes nothing. Raises ImageError, ConfigError.
    """
    return copy_to_out(round_to_uint8(mmse_estimate(image, size, noise, 1 / (1 + noise**2))), out)


@kuan.backend("numba")
def _kuan_numba(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Image:
    return mmse_filter(image, size, noise, 1 / (1 + noise**2), out)


@kuan.backend("cuda")
def _kuan_cuda(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return launch_filter("pull", image, out, size, noise**2, 1 / (1 + noise**2))
