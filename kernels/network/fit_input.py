"""Turns a frame into a network's input in one pass: crop, color to gray, resize, normalize by constants or by the picture.

Gray is BT.601 luma, 0.299 R + 0.587 G + 0.114 B. Each axis is resized separately, as in resize.py.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import inf, isfinite
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.network.fit import Box, Fit, check_inside, letterbox
from rtseg.kernels.network.fit_rows import (
    BLUE,
    GREEN,
    RED,
    Plan,
    copy_rows,
    enlarge_rows,
    normalization_table,
    shrink_rows,
)
from rtseg.kernels.network.picture_statistics import (
    LEVELS,
    PERCENTILES,
    STATISTICS,
    add_statistics,
    check_statistics,
    picture_scaling,
    rescale,
    rescale_rows,
    scaling_of,
)
from rtseg.kernels.network.resize import Floats, resize_runs, resize_taps, resize_weights
from rtseg.kernels.network.row_sums import MAX_UINT16_SUMS
from rtseg.kernels.runtime.arrays import as_read_only, check_image, check_out, copy_to_out, out_or_empty
from rtseg.kernels.runtime.cases import images
from rtseg.kernels.runtime.cpu import run_row_bands
from rtseg.kernels.runtime.cuda import c_floats, c_ints, launch
from rtseg.kernels.runtime.device_array import out_or_device_array, scratch_array
from rtseg.kernels.runtime.registry import KernelCase, kernel


def _cases() -> Iterator[KernelCase]:
    for name, image in images():
        height, width = image.shape[:2]
        for size in [(16, 12), (64, 72)]:
            fit = letterbox((0, 0, height, width), size)
            yield KernelCase(f"{name} to {size} grey", (image, fit, (50.0,), (40.0,)))
            yield KernelCase(f"{name} to {size} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0)))
        crop = letterbox((height // 3, width // 4, height - height // 3, width - width // 4 - width // 5), (24, 24))
        yield KernelCase(f"{name} cropped", (image, crop, (0.0,), (255.0,)))
        yield KernelCase(f"{name} stretched", (image, Fit((0, 0, height, width), (9, 40), (1, 2, 7, 30)), (0.0,), (255.0,)))
        for down, along in [(3, 2), (2, 3), (3, 4), (4, 5), (16, 16), (17, 16)]:  # the last blocks overflow 16 bits
            box = (0, 0, height // down * down, width // along * along)
            if min(box[2:]):
                fit = Fit(box, (height // down + 1, width // along + 2), (1, 0, height // down, width // along))
                yield KernelCase(f"{name} in blocks of {down}x{along} grey", (image, fit, (50.0,), (40.0,)))
                yield KernelCase(
                    f"{name} in blocks of {down}x{along} rgb", (image, fit, (50.0, 60.0, 70.0), (40.0, 50.0, 60.0))
                )
        yield KernelCase(f"{name} of its own size", (image, letterbox((0, 0, height, width), (height, width)), (9.0,), (40.0,)))
        framed = letterbox((0, 0, height, width), (24, 30))
        for statistics in STATISTICS:
            how = {"statistics": statistics, "percentiles": (2.0, 95.0)}
            yield KernelCase(f"{name} by its {statistics}", (image, framed, (0.5,), (0.5,)), how)
            yield KernelCase(f"{name} cropped, by its {statistics}, rgb", (image, crop, (0.2, 0.3, 0.4), (0.9, 1.0, 1.1)), how)
    tall = np.full((2 * (MAX_UINT16_SUMS + 3), 3), 255, np.uint8)
    yield KernelCase("more rows than 16 bits add up", (tall, Fit((0, 0, *tall.shape), (2, 2), (0, 0, 2, 2)), (0.0,), (255.0,)))


def _check(
    image: Image,
    fit: Fit,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    statistics: str = "",
    percentiles: Sequence[float] = PERCENTILES,
    out: Floats | None = None,
) -> None:
    check_image(image)
    check_inside("the crop", fit.box, image.shape)
    _check_normalization(tuple(mean), tuple(std))
    check_statistics(statistics, percentiles)
    check_out(out, (1, len(mean), *fit.size), np.float32)


@lru_cache(maxsize=32)  # a stream's values are checked once
def _check_normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if (
        len(mean) not in (1, 3)
        or len(mean) != len(std)
        or not all(isfinite(m) and 0 < s < inf for m, s in zip(mean, std, strict=True))
    ):
        raise ConfigError(f"mean {mean} and std {std}: give one positive std and one mean for each of 1 or 3 channels")


@kernel(cases=_cases, atol=1e-4, check=_check)
def fit_input(
    image: Image,
    fit: Fit,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    statistics: str = "",
    percentiles: Sequence[float] = PERCENTILES,
    out: Floats | None = None,
) -> Floats:
    """Return the part of a frame inside fit.box as a network's input (1, C, H, W) float32, C = len(mean).

    image: (H, W) gray or (H, W, 3) RGB uint8; for C = 1 RGB becomes gray, for C = 3 gray is repeated. mean, std: gray levels
    0 to 255, one per channel; the result is (value - mean) / std, and black outside fit.inner. statistics: "", or one of
    STATISTICS: the picture is first normalized by its own statistics inside fit.inner, and mean and std are in units of the
    result. percentiles: those that become 0 and 1 for "percentile". Raises ImageError, ConfigError.
    """
    top, left, height, width = fit.box
    crop = image[top : top + height, left : left + width].reshape(height, width, -1).astype(np.float64)
    if crop.shape[2] == 3 and len(mean) == 1:
        crop = crop @ np.array([[RED], [GREEN], [BLUE]])
    rows, columns = resize_weights(height, fit.inner[2]), resize_weights(width, fit.inner[3])
    planes = rows @ crop.transpose(2, 0, 1) @ columns.T
    result = np.zeros((1, len(mean), *fit.size))
    result[0, :, fit.inner[0] : fit.inner[0] + fit.inner[2], fit.inner[1] : fit.inner[1] + fit.inner[3]] = planes
    if statistics:
        scaling = picture_scaling(np.broadcast_to(planes, (len(mean), *planes.shape[1:])), statistics, percentiles)
        return copy_to_out(rescale(result, scaling, statistics, mean, std).astype(np.float32), out)
    normal = (result - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    return copy_to_out(normal.astype(np.float32), out)


@fit_input.backend("numba")
def _fit_input_numba(
    image: Image,
    fit: Fit,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    statistics: str = "",
    percentiles: Sequence[float] = PERCENTILES,
    out: Floats | None = None,
) -> Floats:
    result, flat = out_or_empty(out, (1, len(mean), *fit.size), np.float32), as_read_only(image).reshape(-1)
    levels = ((0.0,) * len(mean), (1.0,) * len(mean)) if statistics else (tuple(mean), tuple(std))
    plan, sums_dtype = _plan(fit.box, fit.inner, *levels)
    channels = flat.size // (image.shape[0] * image.shape[1])
    stride = channels * image.shape[1]
    rows, counts = np.empty((fit.inner[2], 4) if statistics else (0, 4)), list[Any]()

    def band(first: int, end: int) -> None:
        if fit.inner[2:] == fit.box[2:]:
            copy_rows(flat, channels, stride, plan, result[0], first, end)
        elif fit.inner[2] > fit.box[2]:
            enlarge_rows(flat, channels, stride, plan, result[0], first, end)
        else:
            sums = np.empty(fit.box[3] * channels, sums_dtype)
            shrink_rows(flat, stride, plan, sums, result[0], first, end)
        if statistics:
            counts.append(np.zeros(LEVELS, np.int64))
            add_statistics(result[0], fit.inner, first, end, rows, counts[-1])

    run_row_bands(fit.inner[2], fit.inner[3] + fit.box[3] * fit.box[2] // fit.inner[2], band)
    if statistics:
        size = len(mean) * fit.inner[2] * fit.inner[3]
        _rescale_numba(result, scaling_of(rows, np.sum(counts, axis=0), size, statistics, percentiles), statistics, mean, std)
    return result


def _rescale_numba(
    result: Floats, scaling: tuple[float, float], statistics: str, mean: Sequence[float], std: Sequence[float]
) -> None:
    """Scale levels (1, C, H, W) in place, as `rescale` does."""
    low, spread = scaling
    gains = np.array([[1 / (spread * s) for s in std], [-(low / spread + m) / s for m, s in zip(mean, std, strict=True)]])
    limits = (-inf, inf) if statistics == "zscore" else (low, low + spread)
    run_row_bands(result.shape[2], result.shape[3], lambda first, end: rescale_rows(result[0], gains, *limits, first, end))


@lru_cache(maxsize=32)
def _plan(box: Box, inner: Box, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Plan, type[np.unsignedinteger]]:
    """Return the values that stay constant over a stream, and the dtype of row sums."""
    (rows, height), (columns, width) = resize_runs(box[2], inner[2]), resize_taps(box[3], inner[3])
    wide = np.uint16 if box[2] <= MAX_UINT16_SUMS * inner[2] else np.uint32
    return (box, inner, rows, columns, normalization_table(mean, std, height, width)), wide


@fit_input.backend("cuda")
def _fit_input_cuda(
    image: Image,
    fit: Fit,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    statistics: str = "",
    percentiles: Sequence[float] = PERCENTILES,
    out: Floats | None = None,
) -> Any:
    result = out_or_device_array(out, (1, len(mean), *fit.size), np.float32, image)
    channels, planes = image.shape[2] if len(image.shape) == 3 else 1, len(mean)
    box, inner = c_ints(fit.box), c_ints(fit.inner)
    levels = ((0.0,) * planes, (1.0,) * planes) if statistics else (mean, std)
    launch("fit_input", image, image.shape[1], channels, box, inner, *fit.size, *map(c_floats, levels), planes, result)
    if statistics:
        scaling = scratch_array(result, (2,), np.float32)
        shares = c_floats([share / 100 for share in percentiles])
        kind = STATISTICS.index(statistics)
        launch("picture_statistics", result, planes, *fit.size, inner, kind, shares, scaling)
        launch("rescale", result, planes, *fit.size, kind, scaling, c_floats(mean), c_floats(std))
    return result
