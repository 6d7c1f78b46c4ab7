"""Computes overlap, pixel accuracy and border distance between a mask and the ground truth.

If ground truth and prediction are both empty, they agree: overlap 1, distance 0. If only one is empty, the overlap is 0 and the
distance is the diagonal of the image, which exceeds the distance of any two pixels. A missed structure must count more than a
badly found one; leaving it out would reward every miss. BraTS uses the diagonal too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError, ImageError
from rtseg.frame import Mask, Spacing

PIXELS: Spacing = (1.0, 1.0)  # distances in pixels
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True, slots=True)
class Scores:
    """Holds the metrics of one mask against its ground truth."""

    truth_px: int  # area of the ground truth in pixels
    predicted_px: int  # area of the prediction in pixels
    dice: float  # in [0, 1]
    iou: float  # in [0, 1]
    precision: float  # in [0, 1]
    recall: float  # in [0, 1]
    hausdorff: float  # Hausdorff distance in pixels, or in mm if a spacing was given
    hd95: float  # its 95th percentile, in the same unit
    accuracy: float  # share of all pixels of the image that are right, background included, in [0, 1]
    f1: float  # F1 of the class against all other pixels, which is its Dice coefficient, in [0, 1]


def score(truth: Mask, predicted: Mask, spacing: Spacing = PIXELS) -> Scores:
    """Compute every metric of two (H, W) bool masks.

    spacing: millimeters a pixel (down, along), for distances in mm. Raises ImageError, ConfigError.
    """
    distances = border_distances(truth, predicted, spacing)
    return Scores(
        truth_px=_area(truth),
        predicted_px=_area(predicted),
        dice=dice(truth, predicted),
        iou=iou(truth, predicted),
        precision=precision(truth, predicted),
        recall=recall(truth, predicted),
        hausdorff=_max_percentile(distances, 100),
        hd95=_max_percentile(distances, 95),
        accuracy=accuracy(truth, predicted),
        f1=f1(truth, predicted),
    )


def dice(truth: Mask, predicted: Mask) -> float:
    """Return the Dice coefficient 2 |T and P| / (|T| + |P|) = 2 TP / (2 TP + FP + FN), L. R. Dice, Ecology 1945.

    Raises ImageError.
    """
    return _share(2 * _common(truth, predicted), _area(truth) + _area(predicted))


def iou(truth: Mask, predicted: Mask) -> float:
    """Return the intersection over union |T and P| / |T or P| = TP / (TP + FP + FN), P. Jaccard, 1901. Raises ImageError."""
    common = _common(truth, predicted)
    return _share(common, _area(truth) + _area(predicted) - common)


def precision(truth: Mask, predicted: Mask) -> float:
    """Return the precision |T and P| / |P| = TP / (TP + FP), or 0 if only the prediction is empty. Raises ImageError."""
    return _share_of_mask(predicted, _common(truth, predicted), truth)


def recall(truth: Mask, predicted: Mask) -> float:
    """Return the recall (sensitivity) |T and P| / |T| = TP / (TP + FN), or 0 if only the ground truth is empty.

    Raises ImageError.
    """
    return _share_of_mask(truth, _common(truth, predicted), predicted)


def accuracy(truth: Mask, predicted: Mask) -> float:
    """Return the pixel accuracy (TP + TN) / (TP + TN + FP + FN) over every pixel of the image. Raises ImageError.

    The background counts, so that a small structure that is missed altogether still leaves an accuracy near 1.
    """
    _check(truth, predicted)
    return _share(_area(truth == predicted), truth.size)


def f1(truth: Mask, predicted: Mask) -> float:
    """Return the F1 score 2 P R / (P + R) of precision P and recall R, which is the Dice coefficient. Raises ImageError.

    Both equal 2 TP / (2 TP + FP + FN) for one class against the rest; it is 1 for two empty masks and 0 if only one is empty.
    """
    return dice(truth, predicted)


def hausdorff(truth: Mask, predicted: Mask, spacing: Spacing = PIXELS) -> float:
    """Return the Hausdorff distance of the borders: the largest distance of a border pixel from the other mask's border.

    Huttenlocher et al., PAMI 1993. spacing: millimeters a pixel (down, along), for a distance in mm.
    Raises ImageError, ConfigError.
    """
    return _max_percentile(border_distances(truth, predicted, spacing), 100)


def hd95(truth: Mask, predicted: Mask, spacing: Spacing = PIXELS) -> float:
    """Return the 95th-percentile Hausdorff distance, the larger of both directions (as in MONAI; Taha and Hanbury 2015).

    spacing: millimeters a pixel (down, along), for a distance in mm. Raises ImageError, ConfigError.
    """
    return _max_percentile(border_distances(truth, predicted, spacing), 95)


def border_distances(truth: Mask, predicted: Mask, spacing: Spacing = PIXELS) -> tuple[npt.NDArray[np.float64], ...]:
    """Return the distance of each border pixel of one mask from the other's border, in both directions: (N,) and (M,).

    A border pixel has a background pixel or the image's edge above, below or beside it. Raises ImageError, ConfigError.
    """
    _check(truth, predicted, spacing)
    if not truth.any() and not predicted.any():
        return np.zeros(1), np.zeros(1)
    if not truth.any() or not predicted.any():
        diagonal = math.hypot(truth.shape[0] * spacing[0], truth.shape[1] * spacing[1])
        return np.full(1, diagonal), np.full(1, diagonal)
    left, top, width, height = cv2.boundingRect((truth | predicted).astype(np.uint8))  # outside of it is only background
    true, found = (_border(mask[top : top + height, left : left + width]) for mask in (truth, predicted))
    return _nearest(true, found, spacing), _nearest(found, true, spacing)


def summary(values: Sequence[float], tail: int) -> dict[str, float]:
    """Return the mean, median, `tail`-th percentile, standard deviation and number of values.

    tail: percentile of the worst side, 5 for an overlap and 95 for a distance. Without values, all but n are NaN.
    """
    names = ("mean", "median", f"p{tail}", "std")
    if not values:
        return dict.fromkeys(names, math.nan) | {"n": 0}
    figures = (np.mean(values), np.median(values), np.percentile(values, tail), np.std(values))
    return dict(zip(names, map(float, figures), strict=True)) | {"n": len(values)}


def _common(truth: Mask, predicted: Mask) -> int:
    _check(truth, predicted)
    return _area(truth & predicted)


def _area(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _share_of_mask(mask: Mask, common: int, other: Mask) -> float:
    return _share(common, _area(mask)) if mask.any() or not other.any() else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _max_percentile(distances: tuple[npt.NDArray[np.float64], ...], percent: float) -> float:
    return max(float(np.percentile(directed, percent)) for directed in distances)


def _border(mask: Mask) -> Mask:
    inside = cv2.erode(mask.astype(np.uint8), _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask & (inside == 0))


def _nearest(border: Mask, other: Mask, spacing: Spacing) -> npt.NDArray[np.float64]:
    """Return the distance from each pixel of `border` to the nearest pixel of `other`: (N,), exact for any spacing.

    Distances are found along columns first and then across them, nearest columns first, until no farther column can improve
    the result (Saito and Toriwaki 1994). cv2.distanceTransform supports square pixels only.
    """
    rows, columns = np.nonzero(border)
    along = _along_columns_squared(other, spacing[0])
    squared = along[rows, columns]
    for offset in range(1, border.shape[1]):
        across = (offset * spacing[1]) ** 2
        active = np.flatnonzero(squared > across)
        if not active.size:
            break
        for side in (columns[active] - offset, columns[active] + offset):
            beside = side.clip(
                0, border.shape[1] - 1
            )  # beyond the image: the outermost column again, which cannot improve the result
            squared[active] = np.minimum(squared[active], along[rows[active], beside] + across)
    return np.sqrt(squared)


def _along_columns_squared(border: Mask, spacing: float) -> npt.NDArray[np.float64]:
    """Return each pixel's squared distance to the nearest pixel of `border` in its column, or inf without one: (H, W)."""
    rows = np.arange(border.shape[0], dtype=np.float64)[:, None]
    above = np.maximum.accumulate(np.where(border, rows, -np.inf), axis=0)
    below = np.minimum.accumulate(np.where(border, rows, np.inf)[::-1], axis=0)[::-1]
    return np.square(np.minimum(rows - above, below - rows) * spacing)


def _check(truth: Mask, predicted: Mask, spacing: Spacing = PIXELS) -> None:
    for mask in (truth, predicted):
        if mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
            raise ImageError(
                f"a mask is a (H, W) bool array and not empty, not {mask.dtype} {mask.shape}: compare labels to a class"
            )
    if truth.shape != predicted.shape:
        raise ImageError(f"the truth is {truth.shape} and the prediction {predicted.shape}: bring both to the frame's size")
    if not all(0 < step < math.inf for step in spacing):
        raise ConfigError(f"a spacing of {spacing} mm is not above zero: give the millimetres a pixel, down and along")
