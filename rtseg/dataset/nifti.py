"""NIfTI files of ultrasound pictures, one or a sequence, read by nibabel."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from rtseg.errors import DatasetError, MissingExtra
from rtseg.frame import Image, Spacing

try:
    import nibabel
    from nibabel.spatialimages import SpatialImage
except ImportError:
    raise MissingExtra("a NIfTI file", "volumes") from None


def size_of(path: Path) -> tuple[int, Spacing]:
    """How many frames a file of (x, y[, t]) holds, and the millimetres a pixel (down, along). Raises DatasetError."""
    volume = _opened(path)
    along, down = (float(mm) for mm in volume.header.get_zooms()[:2])
    if not (along > 0 and down > 0):
        raise DatasetError(f"{path} has pixels of {down} x {along} mm: mend its header")
    return volume.shape[2] if len(volume.shape) > 2 else 1, (down, along)


def read_plane(path: Path, frame: int) -> Image:
    """One frame (H, W) uint8: what is not of 0 to 255 is refused. Raises DatasetError."""
    plane = _pixels(path)[..., frame]
    if not (np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 255):
        raise DatasetError(f"{path} holds grey levels from {plane.min()} to {plane.max()}: scale them to 0..255")
    return np.ascontiguousarray(plane.T.astype(np.uint8))


@lru_cache(maxsize=4)  # an image's and its mask's frames are read one after the other
def _pixels(path: Path) -> np.ndarray:
    """All frames of a file, (x, y, t)."""
    try:
        pixels = np.asarray(_opened(path).dataobj)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path} is damaged ({error}): copy it again") from None
    return pixels.reshape(*pixels.shape[:2], -1)


def _opened(path: Path) -> SpatialImage:
    try:
        volume = nibabel.load(path)
    except (OSError, ValueError, nibabel.filebasedimages.ImageFileError) as error:
        raise DatasetError(f"{path} cannot be read as NIfTI ({error}): copy it again, or remove it") from None
    if not isinstance(volume, SpatialImage) or len(volume.shape) not in (2, 3) or 0 in volume.shape:
        raise DatasetError(f"{path} is no picture or sequence of pictures: remove it, or save it as (x, y) or (x, y, t)")
    return volume
