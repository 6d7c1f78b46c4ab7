"""Defines the bounds of a tensor's values."""

from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Bounds the values of one tensor."""

    low: float = -inf
    """The least value."""
    high: float = inf
    """The greatest value."""
    is_certain: bool = False
    """Whether the bounds follow from known operations; unknown ones are taken to give any value."""
    sums_to_one: int = 0
    """How many values along one axis add up to 1, as after a softmax; 0 where they do not, or an unknown number does."""
    is_logarithm: bool = False
    """Whether the values are logarithms of values that add up to 1."""
    labels: int = 0
    """For class indices: how many classes there are; 0 for other values."""
    source: str = ""
    """The operation and name of the node that bounds the values."""

    @property
    def is_probability(self) -> bool:
        """Return whether all values lie in 0..1, and are not all the same."""
        return self.low >= -1e-6 and self.low < self.high <= 1 + 1e-6

    @property
    def is_unbounded(self) -> bool:
        """Return whether the values may be of both signs and of any size."""
        return self.low == -inf and self.high == inf


UNKNOWN = ValueRange()
ANY = ValueRange(is_certain=True)


def side_of(output: Any, axis: int) -> int:
    """Return the length of an axis of a tensor; 0 where it is open."""
    shape = output.get_partial_shape()
    if shape.rank.is_dynamic or not -shape.rank.get_length() <= axis < shape.rank.get_length():
        return 0
    side = shape[axis % shape.rank.get_length()]
    return 0 if side.is_dynamic else int(side.get_length())


def named(node: Any) -> str:
    """Return the operation and the name of a node, for messages."""
    return f"{node.get_type_name()} {node.get_friendly_name()!r}"
