"""Read what a viewer's page sends when somebody points at its picture."""

import json
import math
from dataclasses import dataclass
from typing import Any

from rtseg.errors import ConfigError
from rtseg.session.prompts import Point

_PLACES = {"point": 2, "other_point": 2, "box": 4}  # the kinds of places, and their numbers
_FORM = '{"name": "object", "picture": 12, "point": [0.5, 0.5]}, or instead of "point" "other_point" or "box"'


@dataclass(frozen=True, slots=True)
class PointerEvent:
    """Holds a place at which a viewer points, in shares of the picture's width and height."""

    name: str
    """Name of the object."""
    picture: int | None
    """Number of the picture; None: the newest."""
    point: Point | None = None
    """A point on the object."""
    other_point: Point | None = None
    """A point that does not belong to it."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, width and height of a box about it."""


def parse_pointer_event(body: bytes) -> PointerEvent:
    """Parse a request to point at something. Raises ConfigError."""
    values = _parse_object(body)
    kinds = [kind for kind in _PLACES if kind in values]
    picture = values.get("picture")
    if len(kinds) != 1 or set(values) - {"name", "picture", *_PLACES}:
        raise ConfigError(f"the request points at nothing, or at too much: send {_FORM}")
    if picture is not None and (not isinstance(picture, int) or isinstance(picture, bool)):
        raise ConfigError("the number of the picture is none: send a whole number, or null for the newest")
    (kind,) = kinds
    numbers = values[kind]
    if not isinstance(numbers, list) or len(numbers) != _PLACES[kind] or not all(map(_is_finite, numbers)):
        raise ConfigError(f"{kind} is not {_PLACES[kind]} finite numbers: send shares of the picture's width and height")
    place: Any = tuple(map(float, numbers))
    return PointerEvent(_name(values), picture, **{kind: place})


def parse_forgotten_name(body: bytes) -> str:
    """Parse a request to forget an object, and return its name. Raises ConfigError."""
    return _name(_parse_object(body))


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the request is no JSON: send {_FORM}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"the request is no JSON object: send {_FORM}")
    return values


def _name(values: dict[str, Any]) -> str:
    name = values.get("name")
    if not isinstance(name, str):
        raise ConfigError("the object has no name: send one line of text")
    return name.strip()


def _is_finite(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond those of a float
        return False
