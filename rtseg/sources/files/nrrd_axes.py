"""Decide what each axis of an NRRD is: a side of the picture, its colors, or time."""

from collections.abc import Mapping, Sequence
from typing import Any

_TIMES, _COLORS = frozenset({"list", "time"}), frozenset({"rgb-color", "3-color", "rgba-color", "4-color"})
_VECTORS = frozenset({"vector", "3-vector", "4-vector", "covariant-vector"})
_SIDES = frozenset({"domain", "space", "none", "???", ""})
_SINGLE = frozenset({"stub", "scalar"})
_TIME_LABELS, _TIME_UNITS = frozenset({"t", "time", "frame", "frames"}), frozenset({"s", "sec", "ms", "us"})
_LEAST_SIDE = 5  # pixels of a picture, where nothing but its size tells a side from colors

SIDE, COLOR, TIME = "s", "c", "t"


def nrrd_axes(header: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return each axis's meaning, the fastest axis first, and words where it was guessed.

    The meanings are SIDE, COLOR, TIME, and "?" for what no picture has. Kinds decide, then labels and units, then sizes: of
    three sides the last is time.
    """
    sizes = [int(size) for size in header["sizes"]]
    kinds = [str(kind).lower() for kind in header.get("kinds") or [""] * len(sizes)]
    labels = [str(label).lower().strip() for label in header.get("labels") or [""] * len(sizes)]
    units = [str(unit).lower().strip() for unit in header.get("units") or [""] * len(sizes)]
    facts = zip(kinds, sizes, labels, units, strict=True)
    axes, note = [_meaning(*fact) for fact in facts], ""
    sides = [place for place, axis in enumerate(axes) if axis == SIDE and sizes[place] > 1]
    if TIME not in axes and COLOR not in axes and len(sides) == 3 and _looks_colored(sizes, sides, kinds):
        axes[sides[0]] = COLOR
        note = f"states no kinds of its axes ({' '.join(map(str, sizes))}): the first is read as red, green and blue"
    elif TIME not in axes and len(sides) == 4 and COLOR not in axes and _looks_colored(sizes, sides, kinds):
        axes[sides[0]], axes[sides[3]] = COLOR, TIME
        note = f"states no kinds of its axes ({' '.join(map(str, sizes))}): the first is read as red, green and blue"
    elif TIME not in axes and len(sides) == 3:
        axes[sides[-1]] = TIME
        if COLOR not in axes and sizes[sides[-1]] == 3 and not any(kinds):
            note = "states no kinds of its axes: the last, of 3, is read as time and not as red, green and blue"
    if any(kind in _VECTORS and size > 1 for kind, size in zip(kinds, sizes, strict=True)):
        note = f"has an axis of kind vector: it is read as {'colors' if COLOR in axes else 'time'}"
    return axes, note


def _meaning(kind: str, size: int, label: str, unit: str) -> str:
    if kind in _TIMES:
        return TIME
    if size == 1 or kind in _SINGLE:
        return SIDE if size == 1 else "?"
    if kind in _COLORS:
        return COLOR
    if kind in _VECTORS:
        return COLOR if size in (3, 4) else TIME
    if kind not in _SIDES:
        return "?"
    return TIME if label in _TIME_LABELS or unit in _TIME_UNITS else SIDE


def _looks_colored(sizes: Sequence[int], sides: Sequence[int], kinds: Sequence[str]) -> bool:
    """Return whether the fastest of several sides can only be colors: three values, in front of a picture."""
    first, *picture = (sizes[place] for place in sides)
    is_unknown = all(kinds[place] in {"", "none", "???"} for place in sides)
    return is_unknown and first == 3 and min(picture[:2]) >= _LEAST_SIDE
