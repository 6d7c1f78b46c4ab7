"""Blends each class over the image in its color, with an opaque inner contour, in one pass."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError
from rtseg.frame import Image, Labels
from rtseg.kernels.labels.inner_contour import MAX_WIDTH, contour_scratch, inner_contour, mark_contour
from rtseg.kernels.labels.regions import SPAN, STRIDE, skip_equal
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_count,
    check_image,
    check_out,
    check_plane,
    check_range,
    copy_to_out,
    out_or_empty,
)
from rtseg.kernels.runtime.cases import images, label_maps
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

Palette = npt.NDArray[np.uint8]  # (K, 3) RGB

ScaledColors = npt.NDArray[np.uint16]
PaletteRows = tuple[Image, ScaledColors]  # (K, 3 * W)

_COPY_SPEEDUP = 2  # pixels that are copied in the time of one that is blended
OPAQUE = 256  # an opacity of 1 in fixed point
ALIGN = np.uint64(127)  # loops over whole strides leave no remainder, which would not vectorize
BACKGROUND, ONE, THREE = np.uint8(0), np.uint64(1), np.uint64(3)  # unsigned: an index has no sign to check


def _cases() -> Iterator[KernelCase]:
    palette = np.random.default_rng(6).integers(0, 256, (3, 3), np.uint8)
    for image_name, image in images():
        for label_name, labels in label_maps(image.shape):
            for opacity, contour in [(0.0, 2), (0.4, 0), (0.55, 1), (1.0, 3)]:
                yield KernelCase(
                    f"{image_name}, {label_name}, {opacity}, {contour}", (image, labels, palette, opacity, contour)
                )


def _check(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> None:
    check_image(image)
    check_plane("a label map", labels)
    if tuple(labels.shape) != tuple(image.shape[:2]):
        raise ImageError(f"labels {tuple(labels.shape)} do not fit an image {tuple(image.shape)}: give both the same size")
    check_plane("a palette", palette)
    if palette.shape[1] != 3:
        raise ImageError(f"a palette is (K, 3) RGB, not {tuple(palette.shape)}: give one colour a row")
    check_range("the opacity", opacity, 0, 1)
    check_count("the contour's width", contour, 0, MAX_WIDTH)
    check_out(out, (*image.shape[:2], 3), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def blend(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Image:
    """Blend a label map over an image: (H, W, 3) RGB uint8.

    image: (H, W) gray or (H, W, 3) RGB uint8. labels: (H, W) uint8; 0 leaves the pixel as it is, i + 1 takes palette[i].
    palette: (K, 3) uint8; labels beyond it wrap around. opacity: of the fill, in [0, 1], in steps of 1/256. contour: the width
    of the opaque inner contour in pixels, as in `inner_contour`. `out` may be an RGB `image`. Raises ImageError, ConfigError.
    """
    base = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
    parts = np.where(inner_contour.reference(labels, contour) > 0, OPAQUE, np.where(labels > 0, round(opacity * OPAQUE), 0))[
        ..., None
    ]
    colours = palette[(labels.astype(np.intp) - 1) % len(palette)].astype(np.int64)
    return copy_to_out(((base * (OPAQUE - parts) + colours * parts + OPAQUE // 2) // OPAQUE).astype(np.uint8), out)


@blend.backend("numba")
def _blend_numba(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Image:
    result = out_or_empty(out, (*image.shape[:2], 3), np.uint8)
    flat, marks, part = result.reshape(len(result), -1), as_read_only(labels), round(opacity * OPAQUE)
    paints = _palette_rows(palette.tobytes(), part, labels.shape[1])

    def band(first: int, end: int) -> None:
        if result is not image:
            _copy(image[first:end], result[first:end])
        rim, spare = np.zeros(labels.shape[1], np.uint8), contour_scratch(labels.shape[1])
        _blend_rows(marks, paints, OPAQUE - part, contour, rim, spare, flat, first, end)

    run_row_bands(labels.shape[0], labels.shape[1] // _COPY_SPEEDUP, band)
    return result


def _copy(image: Image, rgb: Image) -> None:
    """Copy a gray or RGB image to RGB, with the memory copies of NumPy and OpenCV."""
    if image.ndim == 3:
        np.copyto(rgb, image)
    else:
        cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2RGB, dst=rgb)


@lru_cache(maxsize=8)
def _palette_rows(palette: bytes, part: int, width: int) -> PaletteRows:
    """Return a row of each color (K, 3 * W): as the contour shows it, and scaled by the opacity for the fill."""
    colours = np.tile(np.frombuffer(palette, np.uint8).reshape(-1, 3), width)
    return as_read_only(colours), as_read_only(colours * np.uint16(part) + np.uint16(OPAQUE // 2))


@compiled
def _blend_rows(
    labels: Labels,
    paints: PaletteRows,
    left: int,
    contour: int,
    rim: Labels,
    spare: Labels,
    result: Image,
    first: int,
    end: int,
) -> None:
    """Blend the runs of one label and one opacity into rows first..end of result (H, 3 * W)."""
    opaque, thin = paints
    width = np.uint64(labels.shape[1])
    for y in range(first, end):
        row, target = labels[y], result[y]
        start = _next_label(row, np.uint64(0))
        if start < width and contour > 0:
            before, behind = start & ~ALIGN, min((_after_last_label(row) + ALIGN) & ~ALIGN, width)
            mark_contour(labels, y, contour, int(before), int(behind), spare, rim)
        while start < width:
            stop, colour = _next_change(row, rim, start), (row[start] - 1) % opaque.shape[0]
            if rim[start]:
                _copy_color(target, start, stop, opaque[colour])
            else:
                _blend_color(target, start, stop, np.uint16(left), thin[colour])
            start = _next_label(row, stop)


@compiled
def _next_label(row: Labels, start: np.uint64) -> np.uint64:
    """Return the first labeled pixel at or after `start`, or the row's length."""
    size = np.uint64(row.size)
    if start == size or row[start]:
        return start
    for stride in (size, STRIDE, SPAN):  # after most runs the row has no more labels
        start = skip_equal(row, start, BACKGROUND, stride)
    while start < size and row[start] == 0:
        start += ONE
    return start


@compiled
def _after_last_label(row: Labels) -> np.uint64:
    """Return the end of the row's last label, or 0."""
    end = _skip_back(row, _skip_back(row, np.uint64(row.size), STRIDE), SPAN)
    while end > 0 and row[end - ONE] == 0:
        end -= ONE
    return end


@compiled
def _skip_back(row: Labels, end: np.uint64, stride: np.uint64) -> np.uint64:
    """Return the end of the last stride before `end` that holds a label, or 0."""
    while end > 0:
        found, start = np.uint8(0), max(end, stride) - stride
        for x in range(start, end):
            found = np.uint8(found | row[x])
        if found:
            return end
        end = start
    return end


@compiled
def _next_change(row: Labels, rim: Labels, start: np.uint64) -> np.uint64:
    """Return the end of the run from `start` on that has one label and is either all contour or all fill."""
    stop = _skip_equal(row, rim, start, _skip_equal(row, rim, start, start + ONE, STRIDE), SPAN)
    while stop < np.uint64(row.size) and row[stop] == row[start] and rim[stop] == rim[start]:
        stop += ONE
    return stop


@compiled
def _skip_equal(row: Labels, rim: Labels, start: np.uint64, stop: np.uint64, stride: np.uint64) -> np.uint64:
    """Return the start of the first stride from `stop` on that differs from pixel `start` in label or in contour."""
    size, label, kind = np.uint64(row.size), row[start], rim[start]
    while stop < size:
        found, end = np.uint8(0), min(stop + stride, size)
        for x in range(stop, end):
            found = np.uint8(found | (row[x] ^ label) | (rim[x] ^ kind))
        if found:
            return stop
        stop = end
    return stop


@compiled
def _copy_color(target: Image, start: np.uint64, stop: np.uint64, colours: Image) -> None:
    for x in range(THREE * start, THREE * stop):
        target[x] = colours[x]


@compiled
def _blend_color(target: Image, start: np.uint64, stop: np.uint64, left: np.uint16, colours: ScaledColors) -> None:
    """Scale the image by `left` 256ths, and add the scaled color."""
    for x in range(THREE * start, THREE * stop):
        target[x] = np.uint16(target[x] * left + colours[x]) >> np.uint16(8)


@blend.backend("cuda")
def _blend_cuda(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Any:
    result = out_or_device_array(out, (*image.shape[:2], 3), np.uint8, image)
    channels = image.shape[2] if len(image.shape) == 3 else 1
    colours = np.ascontiguousarray(palette) if isinstance(palette, np.ndarray) else palette
    part = round(opacity * OPAQUE)
    launch("blend", image, channels, labels, *labels.shape, colours, palette.shape[0], part, contour, result)
    return result
