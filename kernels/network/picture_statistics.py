"""Normalizes a network's input by statistics of the picture itself: z-score, min-max, or between two percentiles.

The statistics are those of all planes inside the fit, in gray levels after the resize, so that neither the letterbox nor what
surrounds the sector counts. Isensee et al., nnU-Net, Nature Methods 18, 2021 (z-score); MONAI's ScaleIntensity and
ScaleIntensityRangePercentiles (min-max and percentiles).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.kernels.network.fit import Box
from rtseg.kernels.network.resize import Floats
from rtseg.kernels.runtime.cpu import compiled

STATISTICS = ("zscore", "minmax", "percentile")
PERCENTILES = (0.5, 99.5)  # of nnU-Net's clipping
MIN_SPREAD = 2.0  # gray levels: a picture that varies less is divided by this instead
LEVELS = 256
LEVEL_OFFSET = 0.4637  # a value is of the level floor(value + this): averages of small blocks do not lie on the edge

Rows = npt.NDArray[np.float64]  # (rows, 4): sum, sum of squares, least, greatest of each row
Counts = npt.NDArray[np.int64]  # (LEVELS,): how many values are of each level


def check_statistics(statistics: str, percentiles: Sequence[float]) -> None:
    """Raise ConfigError for unknown statistics, or percentiles that are not in order."""
    if statistics and statistics not in STATISTICS:
        raise ConfigError(f"the picture's statistics are {statistics!r}: give one of {', '.join(STATISTICS)}, or none")
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ConfigError(f"the percentiles are {tuple(percentiles)}: give two from 0 to 100, the lower first")


def picture_scaling(planes: npt.NDArray[np.floating], statistics: str, percentiles: Sequence[float]) -> tuple[float, float]:
    """Return what is subtracted from a picture and what it is divided by, in gray levels.

    planes: (C, h, w) gray levels, of which all values count.
    """
    values = np.asarray(planes, np.float64)
    rows = np.array([[values.sum(), np.square(values).sum(), values.min(), values.max()]])
    return scaling_of(rows, level_counts(values), values.size, statistics, percentiles)


def level_counts(values: npt.NDArray[np.floating]) -> Counts:
    """Return how many values are of each gray level."""
    levels = np.clip(np.floor(values + LEVEL_OFFSET), 0, LEVELS - 1).astype(np.int64)
    counts: Counts = np.bincount(levels.ravel(), minlength=LEVELS)
    return counts


def scaling_of(rows: Rows, counts: Counts, size: int, statistics: str, percentiles: Sequence[float]) -> tuple[float, float]:
    """Return what is subtracted and divided by, from the statistics of rows; size: the number of values."""
    if statistics == "zscore":
        mean = float(rows[:, 0].sum()) / size
        variance = float(rows[:, 1].sum()) / size - mean * mean
        return mean, max(MIN_SPREAD, max(0.0, variance) ** 0.5)
    low, high = float(rows[:, 2].min()), float(rows[:, 3].max())
    if statistics == "percentile":
        below = np.cumsum(counts)
        shares = np.float64(np.float32(np.asarray(percentiles) / 100))  # as the GPU gets them
        ranks = np.clip(np.ceil(shares * size), 1, size)
        low, high = (float(np.searchsorted(below, rank)) for rank in ranks)
    return low, max(MIN_SPREAD, high - low)


def rescale(
    levels: npt.NDArray[np.floating],
    scaling: tuple[float, float],
    statistics: str,
    mean: Sequence[float],
    std: Sequence[float],
) -> npt.NDArray[np.floating]:
    """Scale planes (1, C, H, W) of gray levels, then return (value - mean) / std; all but a z-score is clipped to 0..1."""
    scaled = (levels - scaling[0]) / scaling[1]
    if statistics != "zscore":
        scaled = scaled.clip(0, 1)
    result: npt.NDArray[np.floating] = (scaled - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    return result


@compiled
def add_statistics(result: Floats, inner: Box, first: int, end: int, rows: Rows, counts: Counts) -> None:
    """Write the statistics of rows first..end of the inner box, and add their levels to `counts`. result: (C, H, W)."""
    top, left, _, width = inner
    for y in range(first, end):
        total, squares, low, high = 0.0, 0.0, np.inf, -np.inf
        for plane in range(result.shape[0]):
            for x in range(left, left + width):
                value = np.float64(result[plane, top + y, x])
                total += value
                squares += value * value
                low, high = min(low, value), max(high, value)
                counts[min(max(int(np.floor(value + LEVEL_OFFSET)), 0), LEVELS - 1)] += 1
        rows[y, 0], rows[y, 1], rows[y, 2], rows[y, 3] = total, squares, low, high


@compiled
def rescale_rows(result: Floats, gains: Any, low: float, high: float, first: int, end: int) -> None:
    """Scale rows first..end of result (C, H, W) in place: clip to low..high, times the gain and plus the shift of the plane.

    gains: (2, C), gain and shift.
    """
    for plane in range(result.shape[0]):
        gain, shift = np.float32(gains[0, plane]), np.float32(gains[1, plane])
        for y in range(first, end):
            line = result[plane, y]
            for x in range(line.size):
                line[x] = min(max(line[x], np.float32(low)), np.float32(high)) * gain + shift
