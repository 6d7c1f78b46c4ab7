"""The overlay: each class is laid over the picture in its colour, with an opaque inner contour, in one pass."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError
from rtseg.frame import Image, Labels
from rtseg.kernels.cases import images, label_maps
from rtseg.kernels.cores import by_rows, compiled
from rtseg.kernels.inner_contour import WIDEST, inner_contour, mark_rim
from rtseg.kernels.memory import check_count, check_image, check_out, check_plane, check_range, placed, readable, room
from rtseg.kernels.registry import Case, kernel

Palette = npt.NDArray[np.uint8]  # (K, 3) RGB

OPAQUE = 256  # opacity is counted in parts of this


def _cases() -> Iterator[Case]:
    palette = np.random.default_rng(6).integers(0, 256, (3, 3), np.uint8)
    for image_name, image in images():
        for label_name, labels in label_maps(image.shape):
            for opacity, contour in [(0.0, 2), (0.4, 0), (0.55, 1), (1.0, 3)]:
                yield Case(f"{image_name}, {label_name}, {opacity}, {contour}", (image, labels, palette, opacity, contour))


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
    check_count("the contour's width", contour, 0, WIDEST)
    check_out(out, (*image.shape[:2], 3), np.uint8)


@kernel(cases=_cases, atol=0, check=_check)
def blend(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Image:
    """The picture (H, W, 3) RGB uint8 with its label map laid over it.

    image: (H, W) grey or (H, W, 3) RGB. labels: (H, W), 0 stays as it is, i + 1 takes palette[i]; labels beyond the palette
    (K, 3) wrap round it. opacity: of the fill, in [0, 1], counted in 256ths; the inner contour, `contour` pixels wide as
    in inner_contour, is opaque. `out` may be an RGB image itself. Raises ImageError, ConfigError.
    """
    base = np.repeat(image[..., None], 3, 2) if image.ndim == 2 else image
    parts = np.where(inner_contour.truth(labels, contour) > 0, OPAQUE, np.where(labels > 0, round(opacity * OPAQUE), 0))[
        ..., None
    ]
    colours = palette[(labels.astype(np.intp) - 1) % len(palette)].astype(np.int64)
    return placed(((base * (OPAQUE - parts) + colours * parts + OPAQUE // 2) // OPAQUE).astype(np.uint8), out)


@blend.backend("numba")
def _blend_numba(
    image: Image, labels: Labels, palette: Palette, opacity: float, contour: int = 2, *, out: Image | None = None
) -> Image:
    result = room(out, (*image.shape[:2], 3), np.uint8)
    source = readable(image).reshape(len(image), -1)
    flat = result.reshape(len(result), -1)
    marks, colours, part = readable(labels), readable(palette), round(opacity * OPAQUE)
    by_rows(
        labels.shape[0],
        labels.shape[1],
        lambda first, end: _blend_rows(source, marks, colours, part, contour, flat, first, end),
    )
    return result


@compiled
def _blend_rows(
    image: Image,  # (H, W) or (H, 3 * W)
    labels: Labels,
    palette: Palette,
    part: int,
    contour: int,
    result: Image,  # (H, 3 * W)
    first: int,
    end: int,
) -> None:
    """Rows first..end: the picture is copied, then the runs of one label and one opacity are laid over it."""
    width = labels.shape[1]
    rim = np.zeros(width, np.uint8)
    spare = np.empty((4, width), np.uint8)
    for y in range(first, end):
        source, target, row = image[y], result[y], labels[y]
        if source.size == width:
            for x in range(width):
                target[3 * x] = target[3 * x + 1] = target[3 * x + 2] = source[x]
        else:
            for x in range(3 * width):
                target[x] = source[x]
        start = _next_label(row, 0)
        if start < width and contour > 0:
            mark_rim(labels, y, contour, spare, rim)
        while start < width:
            stop = start + 1
            while stop < width and row[stop] == row[start] and rim[stop] == rim[start]:
                stop += 1
            _fill(target[3 * start : 3 * stop], palette[(row[start] - 1) % palette.shape[0]], OPAQUE if rim[start] else part)
            start = _next_label(row, stop)


@compiled
def _next_label(row: Labels, start: int) -> int:
    """Where the first label at or after `start` is, or the row's length; steps over the background in strides."""
    while start + 32 <= row.size:
        found = np.uint8(0)
        for x in range(start, start + 32):
            found |= row[x]
        if found:
            break
        start += 32
    while start < row.size and row[start] == 0:
        start += 1
    return start


@compiled
def _fill(pixels: Image, colour: Image, part: int) -> None:
    """Lay a colour (3,) over pixels (3 * n,) at `part` 256ths."""
    rest = np.uint16(OPAQUE - part)
    red = np.uint16(colour[0] * part + OPAQUE // 2)
    green = np.uint16(colour[1] * part + OPAQUE // 2)
    blue = np.uint16(colour[2] * part + OPAQUE // 2)
    for x in range(pixels.size // 3):
        pixels[3 * x] = (pixels[3 * x] * rest + red) >> np.uint16(8)
        pixels[3 * x + 1] = (pixels[3 * x + 1] * rest + green) >> np.uint16(8)
        pixels[3 * x + 2] = (pixels[3 * x + 2] * rest + blue) >> np.uint16(8)
