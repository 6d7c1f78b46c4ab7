"""NIfTI files of ultrasound pictures and of masks, one or a sequence."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from rtseg.errors import DatasetError, SourceError
from rtseg.frame import Image, Spacing
from rtseg.nifti import Plane, Volume, open_volume

_MOST_MM = 10.0  # a pixel: more is a unit that was mistaken


def size_of(path: Path) -> tuple[int, Spacing | None]:
    """How many frames a file of (x, y[, t]) holds, and the millimetres a pixel (down, along). Raises DatasetError.

    A header without a unit is taken to mean millimetres; pixels of 1 by 1 are what a header holds that nobody filled in.
    """
    volume = _volume(path)
    down, along = volume.spacing_mm or volume.steps
    if not (0 < along < _MOST_MM and 0 < down < _MOST_MM):
        raise DatasetError(f"{path} has pixels of {down:g} x {along:g} mm: mend its header")
    return volume.frames, None if (down, along) == (1, 1) else (down, along)


def frames_of(path: Path) -> int:
    """How many frames a file holds. Raises DatasetError."""
    return _volume(path).frames


def read_image(path: Path, frame: int) -> Image:
    """One frame (H, W) uint8: what is not of 0 to 255 is refused. Raises DatasetError."""
    plane = _planes(path)[frame]
    if not (np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 255) or _is_of_0_to_1(plane):
        raise DatasetError(f"{path} holds grey levels from {plane.min()} to {plane.max()}: scale them to 0..255")
    return np.ascontiguousarray(plane.astype(np.uint8))


def read_mask(path: Path, frame: int) -> Plane:
    """One frame (H, W) of the file's own values. Raises DatasetError."""
    return _planes(path)[frame]


def _is_of_0_to_1(plane: Plane) -> bool:
    return bool(plane.dtype.kind == "f" and 0 < plane.max() <= 1)


@lru_cache(maxsize=4)  # an image's and its mask's frames are read one after the other
def _planes(path: Path) -> list[Plane]:
    try:
        return list(_volume(path).pixels())
    except SourceError as error:
        raise DatasetError(str(error)) from None


def _volume(path: Path) -> Volume:
    try:
        volume = open_volume(path)
    except SourceError as error:
        raise DatasetError(str(error)) from None
    if len(volume.shape) > 2:
        raise DatasetError(f"{path} is in colour: save it as grey levels")
    return volume
