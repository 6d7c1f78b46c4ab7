"""NIfTI files of ultrasound pictures and of masks, one or a sequence."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from rtseg.errors import DatasetError, SourceError
from rtseg.frame import Image, Spacing
from rtseg.nifti import Plane, Volume, open_volume


def size_of(path: Path) -> tuple[int, Spacing]:
    """How many frames a file of (x, y[, t]) holds, and the millimetres a pixel (down, along). Raises DatasetError."""
    volume = _volume(path)
    down, along = volume.steps
    if not (along > 0 and down > 0):
        raise DatasetError(f"{path} has pixels of {down} x {along} mm: mend its header")
    return volume.frames, (down, along)


def read_plane(path: Path, frame: int) -> Image:
    """One frame (H, W) uint8: what is not of 0 to 255 is refused. Raises DatasetError."""
    plane = _planes(path)[frame]
    if not (np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 255):
        raise DatasetError(f"{path} holds grey levels from {plane.min()} to {plane.max()}: scale them to 0..255")
    return np.ascontiguousarray(plane.astype(np.uint8))


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
