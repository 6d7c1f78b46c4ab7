"""Parses the per-frame fields of PLUS and 3D Slicer: the frame's time and the tracked poses.

The fields are `Seq_Frame0007_Timestamp` (seconds), `_ImageStatus`, `_ProbeToTrackerTransform` (16 numbers, row by row) and
`_ProbeToTrackerTransformStatus`, in MetaImage and NRRD alike (PlusLib's documentation, "Sequence file").
"""

import math
import re
from itertools import pairwise
from statistics import median

from rtseg.frame import Matrix, Origin

_FIELD = re.compile(r"Seq_Frame(\d{1,9})_(\w+)")
_TRANSFORM = "Transform"
_FROM_IMAGE = "ImageTo"  # prefix of the transforms that place the image itself


class TrackedFrames:
    """Holds the fields of a sequence's frames."""

    def __init__(self) -> None:
        self._fields: dict[int, dict[str, str]] = {}

    def add_field(self, key: str, value: str) -> bool:
        """Store a header's field if it is one of a frame's; return whether it is."""
        found = _FIELD.fullmatch(key)
        if found:
            self._fields.setdefault(int(found[1]), {})[found[2]] = value
        return bool(found)

    def has_picture(self, index: int) -> bool:
        """Return whether a frame has pixels: PLUS marks those that came without."""
        return self._fields.get(index, {}).get("ImageStatus", "OK").upper() == "OK"

    def origin(self, index: int) -> Origin | None:
        """Return the metadata of a frame; None where it has none."""
        fields = self._fields.get(index)
        if not fields:
            return None
        transforms = _transforms(fields)
        matrix = next((transforms[name] for name in sorted(transforms) if name.startswith(_FROM_IMAGE)), None)
        seconds = _seconds(fields)
        return Origin(timestamp_ns=None if seconds is None else round(seconds * 1e9), matrix=matrix, transforms=transforms)

    def fps(self) -> float | None:
        """Return frames a second, by the median step of the timestamps; None where they give no rate."""
        times = [seconds for index in sorted(self._fields) if (seconds := _seconds(self._fields[index])) is not None]
        steps = [after - before for before, after in pairwise(times) if after > before]
        rate = 1 / median(steps) if steps else math.nan
        return round(rate, 6) if 0 < rate <= 1000 else None


def _seconds(fields: dict[str, str]) -> float | None:
    numbers = _numbers(fields.get("Timestamp", ""))
    return numbers[0] if len(numbers) == 1 and abs(numbers[0]) < 1e10 else None


def _transforms(fields: dict[str, str]) -> dict[str, Matrix]:
    """Return the valid transforms by name; one of a tool out of sight is outdated and has a status other than OK."""
    named = {key.removesuffix(_TRANSFORM): _matrix(value) for key, value in fields.items() if key.endswith(_TRANSFORM)}
    valid = {name for name in named if fields.get(f"{name}{_TRANSFORM}Status", "OK").upper() == "OK"}
    return {name: matrix for name, matrix in named.items() if matrix and name in valid}


def _matrix(text: str) -> Matrix | None:
    numbers = _numbers(text)
    return tuple(tuple(numbers[row : row + 4]) for row in range(0, 16, 4)) if len(numbers) == 16 else None


def _numbers(text: str) -> list[float]:
    """Return the numbers of a field; none where one of them is not a finite number."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
