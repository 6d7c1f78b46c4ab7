"""The CUDA backends of the filters, by the names of the table in cuda.py."""

from typing import Any

import numpy as np

from rtseg.frame import Image
from rtseg.kernels.bilateral import bilateral
from rtseg.kernels.cuda import floats, launch, stream_of
from rtseg.kernels.device_array import DeviceArray, apart, room_on_device
from rtseg.kernels.frost import frost
from rtseg.kernels.kuan import kuan
from rtseg.kernels.lee import lee
from rtseg.kernels.median import median
from rtseg.kernels.non_local_means import non_local_means
from rtseg.kernels.perona_malik import STEP as PERONA_MALIK_STEP
from rtseg.kernels.perona_malik import perona_malik
from rtseg.kernels.srad import OFFSET, noises, srad
from rtseg.kernels.srad import STEP as SRAD_STEP


@median.backend("cuda")
def _median(image: Image, size: int = 5, *, out: Image | None = None) -> Any:
    return _filtered("median", image, out, size)


@lee.backend("cuda")
def _lee(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return _filtered("pull", image, out, size, noise**2, 1.0)


@kuan.backend("cuda")
def _kuan(image: Image, size: int = 7, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return _filtered("pull", image, out, size, noise**2, 1 / (1 + noise**2))


@frost.backend("cuda")
def _frost(image: Image, size: int = 5, damping: float = 2.0, *, out: Image | None = None) -> Any:
    return _filtered("frost", image, out, size, damping)


@bilateral.backend("cuda")
def _bilateral(image: Image, size: int = 5, contrast: float = 30.0, reach: float = 2.0, *, out: Image | None = None) -> Any:
    return _filtered("bilateral", image, out, size, contrast, reach)


@non_local_means.backend("cuda")
def _non_local_means(image: Image, strength: float = 4.0, search: int = 5, *, out: Image | None = None) -> Any:
    return _filtered("non_local_means", image, out, strength, search)


@srad.backend("cuda")
def _srad(image: Image, iterations: int = 10, noise: float = 0.15, *, out: Image | None = None) -> Any:
    return _diffused("srad", image, out, OFFSET, floats(noises(iterations, noise)), iterations, SRAD_STEP / 4)


@perona_malik.backend("cuda")
def _perona_malik(image: Image, iterations: int = 10, edge: float = 20.0, *, out: Image | None = None) -> Any:
    return _diffused("perona_malik", image, out, edge, iterations, PERONA_MALIK_STEP)


def _filtered(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a grey image."""
    result = room_on_device(out, image.shape, np.uint8, image)
    launch(name, apart(image, result), *image.shape, *how, result)
    return result


def _diffused(name: str, image: Image, out: Image | None, *how: object) -> Any:
    """Launch a filter of a grey image that needs two planes of floats to work in."""
    between = DeviceArray((2, *image.shape), np.float32, stream_of(image))
    return _filtered(name, image, out, *how, between)
