"""Parses a table of a TOML file into a frozen dataclass."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args, get_origin

from rtseg.errors import ConfigError

T = TypeVar("T")


def parse_table(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Make a dataclass from a table of known keys and values of the fields' types. Raises ConfigError.

    where: the table's origin, for error messages.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is a table of settings, not {values!r}")
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ConfigError(f"{where} has no setting {unknown[0]!r}: there are {', '.join(known)}")
    missing = [name for name, item in known.items() if _required(item) and name not in values]
    if missing:
        raise ConfigError(f"{where} lacks {missing[0]!r}: add it")
    return kind(**{name: _typed(values[name], known[name].type, f"{where}, {name}") for name in values})


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _typed(value: Any, kind: Any, where: str) -> Any:
    """Convert a TOML value to a field's type: lists to tuples, and whole numbers to floats where needed."""
    if get_origin(kind) is dict:
        kind = dict
    items = get_args(kind)  # of tuple[int, int] or tuple[str, ...]
    if items:
        length = "" if Ellipsis in items else f" of {len(items)}"
        if not isinstance(value, list | tuple) or (length and len(value) != len(items)):
            raise ConfigError(f"{where} is {value!r}: give a list{length}")
        return tuple(_typed(item, items[0], where) for item in value)
    value = _as_float(value) if kind is float and type(value) is int else value
    if type(value) is not kind:
        raise ConfigError(f"{where} is {value!r}: give a value of type {kind.__name__}")
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
