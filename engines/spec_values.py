"""Defines the values that a `ModelSpec` may hold, and checks single ones, which come from a file and may be of any type."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

PLANES = ("gray", "phase_symmetry")  # that a network's input may consist of
NORMALIZATIONS = ("constants", "zscore", "minmax", "percentile")
ACTIVATIONS = ("none", "sigmoid", "softmax", "tanh", "argmax", "yolo")
OVERLAPS = ("greatest", "last")
STATE_ROLES = ("memory", "mask", "prompt", "weights")
WRITTEN_ROLES = ("prompt", "weights")  # of states that the network itself need not write
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
    """Describes one state of a network, which passes from frame to frame."""

    input: str
    """The name of the network's input that reads the state."""
    output: str
    """The name of the network's output that writes the next state; "" for a state that only `Engine.write` changes."""
    shape: tuple[int, ...]
    """(views, C, h, w)."""
    role: str = "memory"
    """One of STATE_ROLES, which says who writes the state and which resets zero it: "memory" is the network's own, "mask" the
    last mask, which the network or the user writes, "prompt" what the user points at, "weights" adapted parameters."""


def as_tuple(value: Any) -> Any:
    """Convert lists, at any depth, to tuples."""
    return tuple(as_tuple(item) for item in value) if isinstance(value, list) else value


def state_of(values: Mapping[str, Any]) -> StateSpec:
    """Make a state from plain values, as in JSON; unknown keys of later versions are ignored. Raises TypeError."""
    return StateSpec(**{one.name: as_tuple(values[one.name]) for one in fields(StateSpec) if one.name in values})


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
