"""Reads NIfTI files of ultrasound pictures and masks, single or in sequence."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from rtseg.errors import DatasetError, SourceError
from rtseg.frame import Image, Spacing
from rtseg.nifti import Plane, Volume, open_volume

_MAX_PIXEL_MM = 10.0  # maximum pixel size; more indicates a wrong unit


def frames_and_spacing(path: Path) -> tuple[int, Spacing | None]:
    """Return the number of frames of a file of (x, y[, t]), and the millimeters a pixel (down, along), None if unknown.

    A header without a unit is read as millimeters; pixels of 1 by 1 mean that the header was not filled in.
    Raises DatasetError.
    """
    volume = _volume(path)
    down, along = volume.spacing_mm or volume.steps
    if not (0 < along < _MAX_PIXEL_MM and 0 < down < _MAX_PIXEL_MM):
        raise DatasetError(f"{path} has pixels of {down:g} x {along:g} mm: mend its header")
    return volume.frames, None if (down, along) == (1, 1) else (down, along)


def plane_size(path: Path) -> tuple[int, int]:
    """Return the (H, W) of a file's frames. Raises DatasetError."""
    shape = _volume(path).shape
    return shape[0], shape[1]


def frame_count(path: Path) -> int:
    """Return the number of frames of a file. Raises DatasetError."""
    return _volume(path).frames


def read_image(path: Path, frame: int) -> Image:
    """Read one frame (H, W) uint8. Raises DatasetError for values outside 0 to 255, or of 0 to 1 in floats."""
    plane = _planes(path)[frame]
    if not (np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 255) or _is_of_0_to_1(plane):
        raise DatasetError(f"{path} holds grey levels from {plane.min()} to {plane.max()}: scale them to 0..255")
    return np.ascontiguousarray(plane.astype(np.uint8))


def read_mask(path: Path, frame: int) -> Plane:
    """Read one frame (H, W) of the file's unconverted values. Raises DatasetError."""
    return _planes(path)[frame]


def _is_of_0_to_1(plane: Plane) -> bool:
    return bool(plane.dtype.kind == "f" and 0 < plane.max() <= 1)


@lru_cache(maxsize=4)  # frames of an image and of its mask are read alternately
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
