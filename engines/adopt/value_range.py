"""Bounds the values of a network's tensor by interval arithmetic over the operations that compute it.

A final sigmoid, softmax, clip or a hand-written 1 / (1 + exp(-x)) all give 0..1, whatever they are called, and a convolution
gives any value. Moore, Interval Analysis, 1966.
"""

from dataclasses import replace
from math import inf, isinf
from typing import Any

import numpy as np

from rtseg.engines.adopt.range_rules import RULES
from rtseg.engines.adopt.value_bounds import ANY, UNKNOWN, ValueRange, named, side_of

DEPTH = 60  # operations followed back from an output


_TRUTH = {
    *("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "IsNaN"),
    *("LogicalAnd", "LogicalOr", "LogicalNot", "LogicalXor"),
}
_BOUNDS = {  # of operations whose bounds do not depend on their input
    "HardSigmoid": (0, 1),
    "HSigmoid": (0, 1),
    "Softmax": (0, 1),
    "SoftMax": (0, 1),
    "SoftSign": (-1, 1),
    "Sin": (-1, 1),
    "Cos": (-1, 1),
    "Atan": (-1.5708, 1.5708),
    "NormalizeL2": (-1, 1),
    "LogSoftmax": (-inf, 0),
    **dict.fromkeys(_TRUTH, (0, 1)),
}
_PASSING = {  # operations whose values are values of their first input, or lie between them
    *("Convert", "ConvertLike", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Slice", "StridedSlice", "Gather", "GatherND"),
    *("Split", "VariadicSplit", "Tile", "Broadcast", "Identity", "ReduceMax", "ReduceMin", "ReduceMean", "MaxPool", "AvgPool"),
    *(
        "DepthToSpace",
        "SpaceToDepth",
        "Interpolate",
        "Result",
        "GatherElements",
        "Reverse",
        "ReverseSequence",
        "AdaptiveAvgPool",
    ),
    *("AdaptiveMaxPool", "AdaptiveAvgPool", "ShuffleChannels", "BatchToSpace", "SpaceToBatch", "Dropout", "Ceiling", "Round"),
}
_LINEAR = {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData", "MatMul"}
_ANY_VALUE = {
    "Swish",
    "HSwish",
    "Gelu",
    "Elu",
    "Selu",
    "PRelu",
    "Mish",
    "MVN",
    "BatchNormInference",
    "GroupNormalization",
}
_SOFTMAX = {"Softmax", "SoftMax"}
_EXTREME = {"ReduceMax", "ReduceMin", "MaxPool", "AdaptiveMaxPool"}


Known = dict[tuple[str, int], ValueRange]  # by name of a node and index of its output


def value_range(output: Any, depth: int = DEPTH, known: Known | None = None) -> ValueRange:
    """Return bounds of an OpenVINO output's values; any value where its operation is not known."""
    known = {} if known is None else known
    key = output.get_node().get_friendly_name(), output.get_index()
    if key not in known:
        known[key] = _bounded(output, depth, known)
    return known[key]


def follows_sigmoid(output: Any) -> bool:
    """Return whether a tensor is that of a sigmoid, moved about or resized at most, so that its channels are independent."""
    node = output.get_node()
    while node.get_type_name() in _PASSING:
        node = node.input_value(0).get_node()
    return node.get_type_name() in ("Sigmoid", "HardSigmoid", "HSigmoid")


def is_truth(output: Any) -> bool:
    """Return whether a tensor is that of a comparison, moved about at most, so that its integers are 0 and 1."""
    node = output.get_node()
    while node.get_type_name() in _PASSING:
        node = node.input_value(0).get_node()
    return node.get_type_name() in _TRUTH


def _bounded(output: Any, depth: int, known: Known) -> ValueRange:
    node = output.get_node()
    kind = node.get_type_name()
    if kind == "Constant":
        return _of_constant(node)
    if kind == "Parameter":
        return ANY
    if depth == 0:
        return UNKNOWN
    if kind in _BOUNDS:
        summed = side_of(node.output(0), int(node.get_attributes().get("axis", 1))) if kind in _SOFTMAX else 0
        found = ValueRange(*_BOUNDS[kind], True, summed, kind == "LogSoftmax", source=named(node))
    elif kind == "TopK":
        found = _of_top_k(node, output.get_index(), depth, known)
    elif kind in _PASSING:
        found = value_range(node.input_value(0), depth - 1, known)
        found = replace(found, sums_to_one=found.sums_to_one if _keeps_sums(node) else 0)
    elif kind in RULES:
        found = RULES[kind](node, [value_range(one, depth - 1, known) for one in node.input_values()])
    elif kind in _LINEAR:
        found = _of_linear(node, depth - 1, known)
    else:
        found = ANY if kind in _ANY_VALUE else UNKNOWN
    return found if found.source or found.is_unbounded or kind in _PASSING else replace(found, source=named(node))


def _keeps_sums(node: Any) -> bool:
    """Return whether a node that moves values keeps all along the axis that adds up: one that leaves out some does not."""
    if node.get_type_name() in _EXTREME:
        return False
    before, after = node.input_value(0).get_partial_shape(), node.output(0).get_partial_shape()
    is_resizing = node.get_type_name() in ("Interpolate", "AvgPool", "AdaptiveAvgPool", "Tile", "Broadcast")
    return is_resizing or (before.is_static and after.is_static and _volume(before) == _volume(after))


def _volume(shape: Any) -> int:
    return int(np.prod([side.get_length() for side in shape], dtype=np.int64))


def _of_constant(node: Any) -> ValueRange:
    values = np.asarray(node.data)
    if not values.size or values.dtype.kind not in "fiub":
        return ANY
    return ValueRange(float(values.min()), float(values.max()), True)


def _of_top_k(node: Any, index: int, depth: int, known: Known) -> ValueRange:
    """Return the range of TopK: the indices of the greatest value are labels."""
    if index == 0:
        return replace(value_range(node.input_value(0), depth - 1, known), sums_to_one=0)
    attributes, shape = node.get_attributes(), node.input_value(0).get_partial_shape()
    axis = int(attributes.get("axis", 1)) % max(1, shape.rank.get_length() if shape.rank.is_static else 4)
    side, count = shape[axis], value_range(node.input_value(1), 1)
    if side.is_dynamic or attributes.get("mode") != "max" or count.high != 1:
        return UNKNOWN
    return ValueRange(0, side.get_length() - 1, True, labels=side.get_length(), source=f"ArgMax {node.get_friendly_name()!r}")


def _of_linear(node: Any, depth: int, known: Known) -> ValueRange:
    """Return the range of a convolution or product: from its weights where its input is bounded, else any value."""
    values, weights = value_range(node.input_value(0), depth, known), _constant(node.input_value(1))
    if weights is None or isinf(values.low) or isinf(values.high):
        return ANY
    kind = node.get_type_name()
    if kind == "MatMul" or "Backprop" in kind:
        total = np.abs(weights).sum() * max(abs(values.low), abs(values.high))
        return ValueRange(0 if weights.min() >= 0 <= values.low else -total, total, True) if values.low < values.high else ANY
    axes = tuple(range(2, weights.ndim)) if kind == "GroupConvolution" else tuple(range(1, weights.ndim))
    rising, falling = np.maximum(weights, 0).sum(axes), np.minimum(weights, 0).sum(axes)
    low, high = min(values.low, 0), max(values.high, 0)  # zeros are padded
    bounds = float((rising * low + falling * high).min()), float((rising * high + falling * low).max())
    return ValueRange(*bounds, True, source=values.source)


def _constant(output: Any) -> Any:
    """Return the values of a constant, behind conversions and scales of integers; None for a computed tensor."""
    node = output.get_node()
    while node.get_type_name() in ("Convert", "Reshape"):
        node = node.input_value(0).get_node()
    return np.asarray(node.data, np.float64) if node.get_type_name() == "Constant" else None
