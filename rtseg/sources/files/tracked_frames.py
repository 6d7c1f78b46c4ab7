"""Parses the per-frame fields of PLUS and 3D Slicer: the frame's time, the tracked poses and the spacing.

The fields are `Seq_Frame0007_Timestamp` (seconds), `_ImageStatus`, `_ProbeToTrackerTransform` (16 numbers, row by row) and
`_ProbeToTrackerTransformStatus`, in MetaImage and NRRD alike (PlusLib's documentation, "Sequence file").
"""

import math
import re
from itertools import pairwise
from statistics import median

from rtseg.frame import Matrix, Origin, Spacing

_FIELD = re.compile(r"Seq_Frame(\d{1,9})_(\w+)")
_TRANSFORM = "Transform"
_FROM_IMAGE = "ImageTo"  # prefix of the transforms that place the image itself
_SPACINGS = ("Spacing", "ElementSpacing", "ImageSpacing", "PixelSpacing")  # (along, down[, across]) in mm


class TrackedFrames:
    """Holds the fields of a sequence's frames."""

    def __init__(self) -> None:
        self._fields: dict[int, dict[str, str]] = {}
        self._listed: list[float] = []

    def add_field(self, key: str, value: str) -> bool:
        """Store a header's field if it is one of a frame's; return whether it is."""
        found = _FIELD.fullmatch(key)
        if found:
            self._fields.setdefault(int(found[1]), {})[found[2]] = value
        return bool(found)

    def add_times(self, seconds: list[float]) -> None:
        """Store each frame's time, where the file lists them in one field."""
        self._listed = seconds

    @property
    def indices(self) -> list[int]:
        """Return the indices of the frames that have fields, in order."""
        return sorted(self._fields)

    def has_picture(self, index: int) -> bool:
        """Return whether a frame has pixels: PLUS marks those that came without."""
        return self._fields.get(index, {}).get("ImageStatus", "OK").upper() == "OK"

    def origin(self, index: int) -> Origin | None:
        """Return the metadata of a frame; None where it has none."""
        fields, seconds = self._fields.get(index), self._seconds(index)
        if not fields and seconds is None:
            return None
        transforms = _transforms(fields or {})
        matrix = next((transforms[name] for name in sorted(transforms) if name.startswith(_FROM_IMAGE)), None)
        return Origin(timestamp_ns=None if seconds is None else round(seconds * 1e9), matrix=matrix, transforms=transforms)

    def scale(self, index: int) -> Spacing | None:
        """Return the lengths (down, along) of a pixel's sides by the transform of the image; None where there is none."""
        origin = self.origin(index) if index in self._fields else None
        matrix = origin.matrix if origin else None
        if matrix is None:
            return None
        along, down = (math.hypot(*(matrix[row][column] for row in range(3))) for column in (0, 1))
        return _plausible(along, down)

    def spacing(self, index: int) -> Spacing | None:
        """Return the spacing (down, along) that is stated for a frame, as stored; None where there is none."""
        fields = self._fields.get(index, {})
        for name in _SPACINGS:
            numbers = _numbers(fields.get(name, ""))
            if len(numbers) in (2, 3):
                return _plausible(numbers[0], numbers[1])
        return None

    def fps(self) -> float | None:
        """Return frames a second, by the median step of the timestamps; None where they give no rate."""
        times = [seconds for index in self._timed() if (seconds := self._seconds(index)) is not None]
        steps = [after - before for before, after in pairwise(times) if after > before]
        rate = 1 / median(steps) if steps else math.nan
        return round(rate, 6) if 0 < rate <= 1000 else None

    def presentation_times(self, frames: int) -> dict[int, int]:
        """Return each picture's time in nanoseconds from the first one's; none unless all have times, which increase.

        frames: how many the file has.
        """
        if frames > len(self._timed()):
            return {}
        times = {index: self._seconds(index) for index in range(frames) if self.has_picture(index)}
        known = [seconds for seconds in times.values() if seconds is not None]
        if len(known) < len(times) or any(after <= before for before, after in pairwise(known)):
            return {}
        return {index: round((seconds - known[0]) * 1e9) for index, seconds in zip(times, known, strict=True)}

    def notes(self, frames: int) -> list[str]:
        """Return words about what is missing or contradictory. frames: how many the file has."""
        absent = sum(not self.has_picture(index) for index in self.indices if index < frames)
        invalid = sum(_has_invalid_transform(fields) for fields in self._fields.values())
        beyond = sum(index >= frames for index in self._fields)
        has_times = any(self._seconds(index) is not None for index in self._timed())
        lacks_order = has_times and frames > 1 and not self.presentation_times(frames)
        return [
            *([f"has no picture for {absent} of its {frames} frames (ImageStatus): they are left out"] if absent else []),
            *([f"has no valid transform for {invalid} of its {frames} frames: those are left out"] if invalid else []),
            *([f"describes {beyond} frames more than the {frames} that it holds"] if beyond else []),
            *(["has timestamps that are missing or do not increase: not used"] if lacks_order else []),
        ]

    def _timed(self) -> list[int]:
        return sorted({*self._fields, *range(len(self._listed))})

    def _seconds(self, index: int) -> float | None:
        stated = _seconds(self._fields.get(index, {}))
        return stated if stated is not None or index >= len(self._listed) else self._listed[index]


def _seconds(fields: dict[str, str]) -> float | None:
    numbers = _numbers(fields.get("Timestamp", ""))
    return numbers[0] if len(numbers) == 1 and abs(numbers[0]) < 1e10 else None


def _plausible(along: float, down: float) -> Spacing | None:
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 else None


def _has_invalid_transform(fields: dict[str, str]) -> bool:
    return any(key.endswith(f"{_TRANSFORM}Status") and value.upper() != "OK" for key, value in fields.items())


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
