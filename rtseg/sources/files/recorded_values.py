"""Parses and checks the values in the lines of a recording."""

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.frame import Spacing

TIME_LIMIT = 1 << 63  # nanoseconds: 292 years
MAX_VALUES = 1 << 20  # of one state
MAX_WRITES = 16  # of one frame
MAX_OBJECTS = 64  # that are followed at once
MAX_ASPECT = 1000.0  # of a pixel's width over its height, and its inverse


def integer_value(value: Any) -> int | None:
    """Return an integer of at most 63 bits, None for None. Raises ValueError."""
    number = None if value is None else int(value)
    if number is not None and abs(number) >= TIME_LIMIT:
        raise ValueError("a time of its origin has more than 63 bits")
    return number


def time_value(value: Any, name: str) -> int:
    """Return a count of frames or of nanoseconds. Raises ValueError if it is negative or has more than 63 bits."""
    number = int(value)
    if not 0 <= number < TIME_LIMIT:
        raise ValueError(f"its {name} is {value!r:.40}, which is not between 0 and 2^63")
    return number


def spacing_value(value: Any) -> Spacing | None:
    """Return a spacing (down, along), None for None."""
    return None if value is None else (float(value[0]), float(value[1]))


def checked_spacing(value: Any) -> Spacing | None:
    """Return a frame's spacing. Raises ValueError unless both numbers are positive."""
    spacing = spacing_value(value)
    if spacing is not None and not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise ValueError(f"its spacing_mm is {value!r:.40}, which is not possible")
    return spacing


def aspect_value(value: Any) -> float:
    """Return a pixel aspect, 1 where an earlier recording lacks it. Raises ValueError if it is not possible."""
    aspect = 1.0 if value is None else float(value)
    if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
        raise ValueError(f"its pixel_aspect is {value!r:.40}, which is not possible")
    return aspect


def matrix_value(rows: Any) -> tuple[tuple[float, ...], ...]:
    """Return a matrix row by row."""
    return tuple(tuple(float(value) for value in row) for row in rows)


def optional_time(values: Mapping[str, Any], name: str) -> int | None:
    """Return the time with this name, None where the line lacks it. Raises ValueError as `time_value` does."""
    return None if values.get(name) is None else time_value(values[name], name)


def object_places(values: Any) -> dict[str, int]:
    """Return the place of each followed object by name; none for None. Raises ValueError."""
    places = {str(name): int(place) for name, place in ({} if values is None else values).items()}
    if len(places) > MAX_OBJECTS or len(set(places.values())) < len(places):
        raise ValueError(f"it follows {len(places)} objects, of which each has a place and {MAX_OBJECTS} are the most")
    if not all(name.isprintable() and 0 < len(name) < 256 and 0 <= place < MAX_OBJECTS for name, place in places.items()):
        raise ValueError("an object that it follows has no name or no place")
    return places


@dataclass(frozen=True, slots=True)
class StateValues:
    """Holds values that were written into a state of the network."""

    name: str
    """Name of the input that reads the state."""
    values: npt.NDArray[np.float32]
    """What was written."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the array's bytes, little-endian, compressed by zlib, in base64."""
        packed = zlib.compress(self.values.astype("<f4").tobytes())
        return {"name": self.name, "shape": self.values.shape, "zlib": base64.b64encode(packed).decode()}


def all_state_values(writes: Sequence[Mapping[str, Any]]) -> tuple[StateValues, ...]:
    """Return what was written with a frame. Raises ValueError where it is damaged, or more than MAX_WRITES states."""
    if len(writes) > MAX_WRITES:
        raise ValueError(f"it writes {len(writes)} states, and {MAX_WRITES} are the most")
    return tuple(state_values(write) for write in writes)


def state_values(written: Mapping[str, Any]) -> StateValues:
    """Return what `StateValues.to_json` wrote. Raises ValueError where it is damaged or has more than MAX_VALUES values."""
    shape = tuple(int(side) for side in written["shape"])
    if not shape or min(shape) < 1 or math.prod(shape) > MAX_VALUES:
        raise ValueError(f"it writes a state of the shape {shape!s:.40}")
    size = 4 * math.prod(shape)
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(written["zlib"], validate=True), size + 1)
    except zlib.error:
        raise ValueError("what it writes into a state is damaged") from None
    if len(unpacked) != size:
        raise ValueError("what it writes into a state is cut off")
    return StateValues(str(written["name"]), np.frombuffer(unpacked, "<f4").astype(np.float32).reshape(shape))
