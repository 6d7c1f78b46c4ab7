"""Decide by the directions of a volume's axes how its planes lie: mirrored, turned, or with rows and columns exchanged."""

import math
from collections.abc import Sequence

from rtseg.sources.files.orientation import Orientation

_ALONG_AXIS = 0.999  # least cosine of a direction that counts as that of an axis
_LETTERS = {"R": (0, 1.0), "L": (0, -1.0), "A": (1, 1.0), "P": (1, -1.0), "I": (2, 1.0), "S": (2, -1.0)}  # of MetaImage

ROTATED = "has axes that point the other way, both: its pictures are shown as they are stored"


def plane_orientation(along: Sequence[float], down: Sequence[float]) -> tuple[Orientation, str]:
    """Return how to turn a stored plane upright, and words about it.

    along, down: directions in space of a row and of a column. A row belongs to the first axis of space and a column to the
    second. One axis that points the other way mirrors the picture, and is undone. If both do the picture is turned by half a
    circle: programs write so for pictures that stand upright, and it is shown as stored. Oblique planes are left as they are.
    """
    row, column = _axis(along), _axis(down)
    if row is None or column is None or {row[0], column[0]} != {0, 1}:
        return Orientation(), ""
    is_exchanged = row[0] == 1
    first, second = (column, row) if is_exchanged else (row, column)
    signs = first[1] < 0, second[1] < 0
    if all(signs):
        return Orientation(is_exchanged=is_exchanged), ROTATED
    orientation = Orientation(is_mirrored=signs[0], is_upside_down=signs[1], is_exchanged=is_exchanged)
    what = [
        *(["rows and columns exchanged"] if is_exchanged else []),
        *(["left and right mirrored"] if signs[0] else []),
        *(["top and bottom mirrored"] if signs[1] else []),
    ]
    return orientation, f"is stored with {' and '.join(what)}, by its axes: its pictures are turned back" if what else ""


def anatomical_directions(letters: str) -> list[list[float]]:
    """Return the directions of the axes by MetaImage's AnatomicalOrientation, such as RAI; none for unknown letters."""
    if not letters or any(letter not in _LETTERS for letter in letters.upper()):
        return []
    found = [_LETTERS[letter] for letter in letters.upper()]
    return [[sign if axis == place else 0.0 for place in range(3)] for axis, sign in found]


def _axis(direction: Sequence[float]) -> tuple[int, float] | None:
    """Return the axis of space that a direction runs along, and its sign; None for an oblique or missing one."""
    length = math.hypot(*direction) if direction else 0.0
    if not (math.isfinite(length) and length > 0):
        return None
    cosines = [part / length for part in direction]
    axis = max(range(len(cosines)), key=lambda place: abs(cosines[place]))
    return (axis, cosines[axis]) if abs(cosines[axis]) >= _ALONG_AXIS else None
