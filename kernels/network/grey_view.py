"""Resizes a box of a frame to an 8-bit gray image, as input for a filter.

The axes are resized as in resize.py, and gray is that of fit_input.py.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.network.fit import Box, Fit, check_inside
from rtseg.kernels.network.fit_input import fit_input
from rtseg.kernels.runtime.arrays import check_image, check_out, copy_to_out, round_to_uint8
from rtseg.kernels.runtime.cases import images
from rtseg.kernels.runtime.cuda import c_ints, launch
from rtseg.kernels.runtime.device_array import copy_if_same_memory, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

Size = tuple[int, int]

UNNORMALIZED = ((0.0,), (1.0,))  # mean and std that leave gray levels unchanged


def _cases() -> Iterator[KernelCase]:
    for name, image in images():
        height, width = image.shape[:2]
        crop = (height // 3, width // 4, height - height // 3, width - width // 4 - width // 5)
        for box, size in [((0, 0, height, width), (height, width)), (crop, (7, 6)), (crop, (16, 40))]:
            yield KernelCase(f"{name}, {box} to {size}", (image, box, size))


def _check(image: Image, box: Box, size: Size, *, out: Image | None = None) -> None:
    check_image(image)
    if len(size) != 2 or min(size) < 1:
        raise ConfigError(f"a view of {size} is empty: give (height, width) in pixels")
    check_inside("the crop", _fit(box, size).box, image.shape)
    check_out(out, tuple(size), np.uint8)


def _fit(box: Box, size: Size) -> Fit:
    return Fit(box, size, (0, 0, *size))


@kernel(cases=_cases, atol=1, check=_check)
def grey_view(image: Image, box: Box, size: Size, *, out: Image | None = None) -> Image:
    """Return the box of a frame as a gray image of `size` (H, W): uint8, rounded.

    image: (H, W) gray or (H, W, 3) RGB uint8. box: top, left, height, width in pixels. Raises ImageError, ConfigError.
    """
    return copy_to_out(round_to_uint8(fit_input.reference(image, _fit(box, size), *UNNORMALIZED)[0, 0]), out)


@grey_view.backend("numba")
def _grey_view_numba(image: Image, box: Box, size: Size, *, out: Image | None = None) -> Image:
    return copy_to_out(round_to_uint8(fit_input(image, _fit(box, size), *UNNORMALIZED)[0, 0]), out)


@grey_view.backend("cuda")
def _grey_view_cuda(image: Image, box: Box, size: Size, *, out: Image | None = None) -> Any:
    result = out_or_device_array(out, size, np.uint8, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    launch("grey_view", copy_if_same_memory(image, result), image.shape[1], channels, c_ints(box), *size, result)
    return result
