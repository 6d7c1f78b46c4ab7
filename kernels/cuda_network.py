"""The CUDA backends of the kernels around the network, by the names of the table in cuda.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Labels
from rtseg.kernels.argmax_labels import argmax_labels
from rtseg.kernels.blend import OPAQUE, Palette, blend
from rtseg.kernels.carried import Field, carried
from rtseg.kernels.confidence import class_confidence, has_nonfinite, probability
from rtseg.kernels.cuda import floats, ints, launch, library, stream_of
from rtseg.kernels.device_array import DeviceArray, apart, room_on_device
from rtseg.kernels.fit import Box, Fit
from rtseg.kernels.fit_input import fit_input
from rtseg.kernels.grey_view import Size, grey_view
from rtseg.kernels.inner_contour import inner_contour
from rtseg.kernels.logits import Floats, cut, inside
from rtseg.kernels.smooth import smooth
from rtseg.kernels.steady import smoothed, steadied


@fit_input.backend("cuda")
def _fit_input(image: Image, fit: Fit, mean: Sequence[float], std: Sequence[float], *, out: Floats | None = None) -> Any:
    result = room_on_device(out, (1, len(mean), *fit.size), np.float32, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    box, inner = ints(fit.box), ints(fit.inner)
    launch("fit_input", image, image.shape[1], channels, box, inner, *fit.size, floats(mean), floats(std), len(mean), result)
    return result


@grey_view.backend("cuda")
def _grey_view(image: Image, box: Box, size: Size, *, out: Image | None = None) -> Any:
    result = room_on_device(out, size, np.uint8, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    launch("grey_view", apart(image, result), image.shape[1], channels, ints(box), *size, result)
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


@smoothed.backend("cuda")
def _smoothed(logits: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, logits.shape, np.float32, logits)
    launch("smoothed", logits, past, weights, *_classes_and_nodes(logits), result)
    return result


@steadied.backend("cuda")
def _steadied(logits: Floats, probabilities: Floats, past: Floats, weights: Floats, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, logits.shape, np.float32, logits)
    launch("steadied", logits, probabilities, past, weights, *_classes_and_nodes(logits), result)
    return result


def _classes_and_nodes(logits: Floats) -> tuple[int, int]:
    return logits.shape[1], logits.shape[2] * logits.shape[3]


@carried.backend("cuda")
def _carried(planes: Floats, field: Field, *, out: Floats | None = None) -> Any:
    result = room_on_device(out, planes.shape, np.float32, planes)
    launch("carried", apart(planes, result), field, *planes.shape[1:], result)
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
