"""Defines the values that a `ModelSpec` may hold, and checks single ones, which come from a file and may be of any type."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PLANES = ("gray", "phase_symmetry")  # that a network's input may consist of
NORMALIZATIONS = ("constants", "zscore", "minmax", "percentile")
ACTIVATIONS = ("none", "sigmoid", "softmax", "tanh", "argmax", "yolo")
OVERLAPS = ("greatest", "last")
INPUT_LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC", "HW", "NHW", "NCWH")
OUTPUT_LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC", "NHW", "HW", "NCWH", "CWH", "NWH", "WH")
AXES = ("hw", "wh")  # of a picture: rows first, or width before height
INPUT_DTYPES = ("float32", "float16", "float64", "uint8")
MAX_FRAMES = 64  # stacked as channels
MAX_NAME_LENGTH = 255  # characters in the name of a network, a class or a port
MAX_GRAY_LEVEL = 1e9  # bound of mean and std in gray levels: their quotients fit into a 32-bit float
_MARKUP = re.compile(r"\[[a-z#/@][^\[]*?\]")  # tags of Rich, https://rich.readthedocs.io/en/stable/markup.html


@dataclass(frozen=True, slots=True)
class StateSpec:
    """Describes one recurrent state of a network."""

    input: str
    """The name of the network's input that reads the state."""
    output: str
    """The name of the network's output that writes the next state."""
    shape: tuple[int, ...]
    """(views, C, h, w)."""


def as_tuple(value: Any) -> Any:
    """Convert lists, at any depth, to tuples."""
    return tuple(as_tuple(item) for item in value) if isinstance(value, list) else value


def is_tuple_of(values: Any, is_right: Callable[[Any], bool]) -> bool:
    """Return whether a value is a tuple whose items all satisfy `is_right`."""
    return isinstance(values, tuple) and all(map(is_right, values))


def is_name(value: Any) -> bool:
    """Return whether a value is one line of printable text: names appear in messages and on images."""
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable()


def is_shown_name(value: Any) -> bool:
    """Return whether a value may name a model or a class: a console of Rich would take some text in brackets for markup."""
    return is_name(value) and not _MARKUP.search(value)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_GRAY_LEVEL  # False for NaN


def abridged(value: Any) -> str:
    """Return a value's repr for a message, cut to MAX_NAME_LENGTH characters."""
    text = repr(value)
    return text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 3]}..."
