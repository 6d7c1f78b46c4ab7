"""Converts the values of a mask file to labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.errors import DatasetError
from rtseg.frame import Labels

Values: TypeAlias = npt.NDArray[Any]  # (H, W), of any numeric dtype

_MAX_LABELS = 8  # more distinct values than these, and than the classes, are no labels
_NEAR = 0.01  # tolerance for whole numbers in a scaled float mask
_WHITE = (255, 65535)  # in 8 and in 16 bits


def check_whole_numbers(values: Values, path: Path) -> Values:
    """Round a mask's values (H, W) to whole numbers. Raises DatasetError for fractions and negative values."""
    rounded = np.rint(values) if values.dtype.kind == "f" else values
    if rounded.min() >= 0 and (rounded is values or _are_near(values, rounded)):
        return rounded
    raise DatasetError(f"{path} holds values that are no labels: save it as whole numbers from 0")


def _are_near(values: Values, rounded: Values) -> bool:
    return bool(np.isfinite(values).all() and np.abs(values - rounded).max() <= _NEAR)


def to_labels(values: Values, n_classes: int, path: Path) -> Labels:
    """Convert whole numbers to labels (H, W) uint8; a single class may be drawn in white. Raises DatasetError."""
    most = int(values.max())
    if most in _WHITE and np.count_nonzero(values) == np.count_nonzero(values == most):
        if n_classes > 1:
            raise DatasetError(f"{path} holds 0 and {most} with {n_classes} classes: save the labels 0..{n_classes}")
        return (values > 0).astype(np.uint8)
    if most > n_classes:
        _refuse_smoothed(values, n_classes, path)
        raise DatasetError(f"{path} holds the value {most}, and there are {n_classes} classes: list them all")
    return values.astype(np.uint8)


def _refuse_smoothed(values: Values, n_classes: int, path: Path) -> None:
    """Raise DatasetError for a mask with more values than labels, which smoothing or resizing has left at its edges."""
    distinct = len(np.unique(values))
    if distinct > max(n_classes + 1, _MAX_LABELS):
        raise DatasetError(
            f"{path} holds {distinct} values up to {int(values.max())}, as one with smoothed (antialiased) or resized edges: "
            f"draw or resize it without smoothing (nearest neighbor), with the labels 0..{n_classes} alone"
        )


def fill_outline(outline: Values, path: Path) -> Labels:
    """Fill the outline of an ellipse, also if the image border cuts it; return 255 inside and on it, else 0.

    Raises DatasetError if the outline encloses nothing.
    """
    drawn = (outline > 0).astype(np.uint8)
    contours, _ = cv2.findContours(drawn, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inside = cv2.drawContours(np.zeros_like(drawn), contours, -1, 255, cv2.FILLED).astype(np.uint8, copy=False)
    ellipse = _ellipse(contours, inside)
    if 2 * np.count_nonzero(inside) < np.count_nonzero(ellipse):  # an open outline: only the line itself was filled
        inside = ellipse
    if np.count_nonzero(inside) < 2 * sum(map(len, contours)):
        raise DatasetError(f"{path} shows an outline that goes round nothing: draw it closed")
    return inside


def _ellipse(contours: Sequence[Any], inside: Labels) -> Labels:
    """Return the ellipse fitted to an outline, filled within the picture, with the outline; zeros if none fits."""
    points = np.concatenate(contours) if contours else np.zeros((0, 1, 2), np.int32)
    fit = cv2.fitEllipseDirect(points) if len(points) >= 5 else ((0.0, 0.0), (0.0, 0.0), 0.0)
    if not 0 < min(fit[1]) <= max(fit[1]) < 4 * max(inside.shape):  # also rejects NaN
        return np.zeros_like(inside)
    return cv2.ellipse(inside.copy(), fit, 255, cv2.FILLED).astype(np.uint8, copy=False)
