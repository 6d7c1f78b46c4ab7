"""The CUDA backends of the kernels around the network, by the names of the table in cuda.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Labels
from rtseg.kernels.argmax_labels import argmax_labels
from rtseg.kernels.blend import OPAQUE, Palette, blend
from rtseg.kernels.confidence import class_confidence, has_nonfinite, probability
from rtseg.kernels.cuda import floats, ints, launch, library, stream_of
from rtseg.kernels.device_array import DeviceArray, apart, room_on_device
from rtseg.kernels.fit import Fit
from rtseg.kernels.fit_input import fit_input
from rtseg.kernels.inner_contour import inner_contour
from rtseg.kernels.logits import Floats, cut, inside
from rtseg.kernels.smooth import smooth


@fit_input.backend("cuda")
def _fit_input(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> Any:
    result = room_on_device(out, (1, len(mean), *fit.size), np.float32, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    box, inner = ints(fit.box), ints(fit.inner)
    launch("fit_input", image, image.shape[1], channels, box, inner, *fit.size, floats(mean), floats(std), len(mean), result)
    return result


@argmax_labels.backend("cuda")
def _argmax_labels(
    logits: Floats, fit: Fit, shape: tuple[int, int], *, threshold: float = 0.5, out: Labels | None = None
) -> Any:
    result = room_on_device(out, shape, np.uint8, logits)
    geometry = map(ints, (fit.box, fit.inner, fit.size, logits.shape[2:], inside(fit, logits.shape)))
    launch("argmax_labels", logits, logits.shape[1], *geometry, float(cut(threshold)), *shape, result)
    return result


@probability.backend("cuda")
def _probability(logits: Floats, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, logits.shape, np.float32, logits)
    launch("probability", logits, logits.shape[1], logits.shape[2] * logits.shape[3], result)
    return result


@class_confidence.backend("cuda")
def _class_confidence(logits: Floats, fit: Fit, *, threshold: float = 0.5) -> Any:
    result = DeviceArray((max(1, logits.shape[1] - 1),), np.float32, stream_of(logits))
    sums = DeviceArray((library().size("class_confidence_scratch"),), np.uint8, result.stream)
    launch("class_confidence", logits, *logits.shape[1:], ints(inside(fit, logits.shape)), float(cut(threshold)), sums, result)
    return result


@has_nonfinite.backend("cuda")
def _has_nonfinite(array: npt.NDArray[np.floating]) -> bool:
    flag = DeviceArray((1,), np.int32, stream_of(array))
    launch("has_nonfinite", array, int(np.prod(array.shape)), array.dtype.itemsize, flag)
    return bool(flag.numpy()[0])


@smooth.backend("cuda")
def _smooth(current: Floats, previous: Floats, weight: float, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, current.shape, np.float32, current)
    launch("smooth", current, previous, weight, int(np.prod(current.shape)), result)
    return result


@inner_contour.backend("cuda")
def _inner_contour(labels: Labels, width: int, *, out: Labels | None = None) -> Any:
    result = room_on_device(out, labels.shape, np.uint8, labels)
    launch("inner_contour", apart(labels, result), *labels.shape, width, result)
    return result


@blend.backend("cuda")
def _blend(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Any:
    result = room_on_device(out, (*image.shape[:2], 3), np.uint8, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    colours = np.ascontiguousarray(palette) if isinstance(palette, np.ndarray) else palette
    part = round(opacity * OPAQUE)
    launch("blend", image, channels, labels, *labels.shape, colours, palette.shape[0], part, contour, result)
    return result
