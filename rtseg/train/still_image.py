"""Loads a picture with its ground truth, downscaled once for the clips that are made from it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.evaluation.dataset import Case, Classes, count_of

STILL_LONG_SIDE_PX = 320  # long side of a cached still: enough to zoom into an input of 256 pixels by a quarter
_ZOOM_IN = 1.25  # long side of a cached still over that of a larger input


@dataclass(frozen=True, slots=True)
class StillImage:
    """Holds a downscaled picture with its ground truth."""

    subject: str
    image: npt.NDArray[np.uint8]  # (h, w)
    truth: npt.NDArray[np.uint8]  # (K, h, w): share of class k in a pixel, of 255


def still_side(size: tuple[int, int]) -> int:
    """Return the long side in pixels of the stills for a network's input (H, W)."""
    return max(STILL_LONG_SIDE_PX, round(_ZOOM_IN * max(size)))


def load_still(case: Case, classes: Classes, long_side: int = STILL_LONG_SIDE_PX) -> StillImage:
    """Load a case and resize its long side to `long_side` pixels. Raises DatasetError."""
    labels = case.image_and_labels(classes)[1]
    planes = [(labels == label + 1).astype(np.uint8) * np.uint8(255) for label in range(count_of(classes))]
    image, *truth = (resize_long_side(plane, long_side) for plane in (case.grey(), *planes))
    return StillImage(case.subject, image, np.stack(truth))


def load_empty_still(case: Case, n_classes: int, long_side: int = STILL_LONG_SIDE_PX) -> StillImage:
    """Load the picture of a case that shows none of the classes, whatever its mask says. Raises DatasetError."""
    image = resize_long_side(case.grey(), long_side)
    return StillImage(case.subject, image, np.zeros((n_classes, *image.shape), np.uint8))


def resize_long_side(plane: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """Resize a plane (H, W) so that its long side has `long_side` pixels."""
    scale = long_side / max(plane.shape)
    size = max(1, round(plane.shape[1] * scale)), max(1, round(plane.shape[0] * scale))
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR).astype(np.uint8, copy=False)
