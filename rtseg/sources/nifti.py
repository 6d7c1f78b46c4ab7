"""NIfTI-1 sequences (.nii, .nii.gz), frame by frame.

Written here and not taken from nibabel, which unpacks a .nii.gz from its beginning for every frame. The format: nifti1.h,
nifti.nimh.nih.gov.
"""

import struct
import zlib
from pathlib import Path

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import existing
from rtseg.sources.inflating import Inflating
from rtseg.sources.orientation import Orientation
from rtseg.sources.sequence import Sequence
from rtseg.sources.stored import MOST_SIDE, Stored, open_stored
from rtseg.sources.tracked import TrackedFrames

_HEADER_BYTES, _RGB = 348, 128
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", _RGB: "u1", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # by the unit of space: metres, millimetres, micrometres
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}  # by the unit of time


def open_nifti(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> Sequence:
    """The frames of a NIfTI of (x, y, t) or (x, y, 1, t): x along a row, y down a column, as they are stored.

    Pixels other than 8 bits are scaled from the least to the greatest value of the recording. Spacing and rate are known where
    their units are. Raises SourceError, SourceNotFound, ConfigError.
    """
    path = existing(Path(where))
    packed = path.suffix.lower() == ".gz"
    try:
        with path.open("rb") as file:
            header = (Inflating(file) if packed else file).read(_HEADER_BYTES)
        stored, told_fps, told_mm = _described(header, path, packed)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    except (struct.error, zlib.error, ValueError, OverflowError) as error:
        raise SourceError(f"{path} is no NIfTI-1 that can be read ({error}): save it again as .nii or .nii.gz") from error
    return open_stored(stored, Orientation(), TrackedFrames(), fps if fps is not None else told_fps, spacing_mm or told_mm)


def _described(header: bytes, path: Path, packed: bool) -> tuple[Stored, float | None, Spacing | None]:
    """Where the frames lie, their rate and their pixel size."""
    order = "<" if header[:4] == struct.pack("<i", _HEADER_BYTES) else ">"
    if struct.unpack_from(order + "i", header)[0] != _HEADER_BYTES or header[344:348] != b"n+1\0":
        raise SourceError(f"{path} is no NIfTI-1 in one file: save it again as .nii or .nii.gz")
    count, *sizes = struct.unpack_from(order + "8h", header, 40)
    kind, steps = struct.unpack_from(order + "h", header, 70)[0], struct.unpack_from(order + "8f", header, 76)
    starts, slope = struct.unpack_from(order + "2f", header, 108)
    width, height, depth, times = (*sizes[: max(count, 0)], 1, 1, 1, 1)[:4]
    frames = max(depth, times)
    if not (2 <= count <= 4 and min(sizes[:count]) > 0 and max(width, height) <= MOST_SIDE and frames == depth * times):
        raise SourceError(f"{path} has a size of {sizes[: max(count, 0)]}: a recording is (x, y, t)")
    if kind not in _TYPES or slope < 0 or not _HEADER_BYTES <= starts < 1 << 24:
        raise SourceError(f"{path} has pixels of kind {kind}, scaled by {slope:g}: save them as numbers from dark to bright")
    shape = (height, width, 3) if kind == _RGB else (height, width)
    stored = Stored(path, int(starts), False, np.dtype(order + _TYPES[kind]), shape, frames, all_packed=packed)
    return stored, _rate(steps[4], header[123], times), _spacing(steps, header[123])


def _rate(step: float, units: int, times: int) -> float | None:
    seconds = step * _SECONDS.get(units & 0x38, 0.0)
    return 1 / seconds if times > 1 and 1e-3 <= seconds <= 60 else None


def _spacing(steps: tuple[float, ...], units: int) -> Spacing | None:
    along, down = (round(abs(step) * _MILLIMETRES.get(units & 7, 0.0), 6) for step in steps[1:3])  # they have 32 bits
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None
