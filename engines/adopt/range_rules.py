"""Bounds the result of single operations from the bounds of their inputs."""

from collections.abc import Callable, Sequence
from math import exp, inf, isinf, isnan, log, log1p, tanh
from typing import Any

import numpy as np

from rtseg.engines.adopt.value_bounds import UNKNOWN, ValueRange, named, side_of

Operands = Sequence[ValueRange]
Rule = Callable[[Any, Operands], ValueRange]  # of a node and the ranges of its inputs


def _hull(ranges: Sequence[ValueRange]) -> ValueRange:
    bounding = max(ranges, key=lambda one: one.high - one.low)
    return ValueRange(
        min(one.low for one in ranges), max(one.high for one in ranges), all(one.is_certain for one in ranges),
        source=bounding.source,
    )  # fmt: skip


def _monotone(change: Callable[[float], float]) -> Rule:
    def bound(_node: Any, operands: Operands) -> ValueRange:
        (values, *_) = operands
        return ValueRange(change(values.low), change(values.high), True, source=values.source)

    return bound


def _exp(value: float) -> float:
    return exp(min(value, 700.0)) if value < inf else inf


def _sigmoid(value: float) -> float:
    return 1 / (1 + _exp(-value)) if value > -inf else 0.0


def _softplus(value: float) -> float:
    return value if value > 30 else log1p(_exp(value))


def _squashing(change: Callable[[float], float]) -> Rule:
    """Return the rule of a rising function with bounds of its own, which names itself as what bounds the values."""

    def bound(node: Any, operands: Operands) -> ValueRange:
        (values, *_) = operands
        return ValueRange(change(values.low), change(values.high), True, source=named(node))

    return bound


def _of_logarithm(node: Any, operands: Operands) -> ValueRange:
    (values, *_) = operands
    if values.high <= 0:
        return UNKNOWN
    ends = (log(values.low) if values.low > 0 else -inf, log(values.high) if values.high < inf else inf)
    return ValueRange(*ends, True, is_logarithm=bool(values.sums_to_one), source=values.source or named(node))


def _of_arithmetic(combine: Callable[[float, float], float]) -> Rule:
    """Return the rule of an operation whose extremes are at the ends of both operands."""

    def bound(_node: Any, operands: Operands) -> ValueRange:
        ours, theirs = operands[:2]
        ends = [combine(a, b) for a in (ours.low, ours.high) for b in (theirs.low, theirs.high)]
        certain = ours.is_certain and theirs.is_certain
        if any(map(isnan, ends)):
            return ValueRange(is_certain=certain)
        source = ours.source or theirs.source
        constant = next((one for one in (ours, theirs) if one.low == one.high), None)
        kept = ours if constant is theirs else theirs
        same = constant is not None and (min(ends), max(ends)) == (kept.low, kept.high)
        return ValueRange(min(ends), max(ends), certain, kept.sums_to_one if same else 0, source=source)

    return bound


def _times(a: float, b: float) -> float:
    return 0.0 if 0 in (a, b) else a * b


def _of_division(node: Any, operands: Operands) -> ValueRange:
    """Return the range of a quotient; x / sum(x) with x of one sign lies in 0..1 and adds up to 1."""
    ours, theirs = operands[:2]
    divisor = node.input_value(1).get_node()
    while divisor.get_type_name() in ("Add", "Maximum", "Clamp", "Broadcast", "Reshape", "Unsqueeze"):  # a small constant
        divisor = divisor.input_value(0).get_node()
    if divisor.get_type_name() in ("ReduceSum", "ReduceL1") and ours.low >= 0:
        summed = divisor.input_value(0)
        if _same(summed, node.input_value(0)):
            return ValueRange(0, 1, True, _summed_values(summed, divisor), source=named(node))
    if theirs.low <= 0 <= theirs.high:
        return UNKNOWN
    ends = [_divided(a, b) for a in (ours.low, ours.high) for b in (theirs.low, theirs.high)]
    return ValueRange(min(ends), max(ends), ours.is_certain and theirs.is_certain, source=ours.source or theirs.source)


def _summed_values(summed: Any, reduction: Any) -> int:
    """Return how many values a reduction over one axis adds up; 0 for several axes."""
    axes = np.asarray(getattr(reduction.input_value(1).get_node(), "data", ())).ravel()
    return side_of(summed, int(axes[0])) if axes.size == 1 else 0


def _divided(a: float, b: float) -> float:
    return 0.0 if isinf(b) else a / b


def _same(one: Any, other: Any) -> bool:
    return bool(one.get_node().get_friendly_name() == other.get_node().get_friendly_name())


def _of_clamp(node: Any, operands: Operands) -> ValueRange:
    (values, *_), attributes = operands, node.get_attributes()
    low, high = float(attributes["min"]), float(attributes["max"])
    inside = values.low >= low and values.high <= high
    return values if inside else ValueRange(max(values.low, low), min(values.high, high), True, source=named(node))


def _of_extreme(choose: Callable[..., float]) -> Rule:
    def bound(node: Any, operands: Operands) -> ValueRange:
        ours, theirs = operands[:2]
        return ValueRange(
            choose(ours.low, theirs.low), choose(ours.high, theirs.high), ours.is_certain or theirs.is_certain,
            source=named(node),
        )  # fmt: skip

    return bound


def _of_power(node: Any, operands: Operands) -> ValueRange:
    values, exponent = operands[:2]
    power = exponent.low if exponent.low == exponent.high else None
    if power is None:
        return UNKNOWN
    if values.low >= 0 and power > 0:
        return ValueRange(values.low**power, values.high**power, True, source=values.source)
    if values.low > 0:
        return ValueRange(_divided(1.0, values.high**-power), 1 / values.low**-power, True, source=values.source)
    return ValueRange(0, inf, True, source=named(node)) if power % 2 == 0 and power > 0 else UNKNOWN


def _of_magnitude(node: Any, operands: Operands) -> ValueRange:
    (values, *_) = operands
    return ValueRange(0, max(abs(values.low), abs(values.high)), True, source=named(node))


def _of_quantization(_node: Any, operands: Operands) -> ValueRange:
    """Return the range of FakeQuantize: that of its input, since calibrated limits say nothing about the meaning."""
    values, *_, low, high = operands
    if isinf(values.low) and isinf(values.high):
        return values
    return ValueRange(max(values.low, min(low.low, values.low)), min(values.high, high.high + 1e-2), True, source=values.source)


RULES: dict[str, Rule] = {
    "Relu": _monotone(lambda value: max(value, 0.0)),
    "Exp": _monotone(_exp),
    "Log": _of_logarithm,
    "Sigmoid": _squashing(_sigmoid),
    "Tanh": _squashing(tanh),
    "SoftPlus": _squashing(_softplus),
    "Sqrt": lambda _node, operands: UNKNOWN if operands[0].low < 0 else _monotone(lambda value: value**0.5)(_node, operands),
    "Negative": lambda _node, operands: _negated(operands[0]),
    "Add": _of_arithmetic(lambda a, b: a + b),
    "Subtract": _of_arithmetic(lambda a, b: a - b),
    "Multiply": _of_arithmetic(_times),
    "Divide": _of_division,
    "Minimum": _of_extreme(min),
    "Maximum": _of_extreme(max),
    "Clamp": _of_clamp,
    "Power": _of_power,
    "Abs": _of_magnitude,
    "Concat": lambda _node, operands: _hull(operands),
    "Select": lambda _node, operands: _hull(operands[1:]),
    "Pad": lambda _node, operands: _hull([operands[0], ValueRange(0, 0, True)]),
    "ScatterNDUpdate": lambda _node, operands: _hull([operands[0], operands[2]]),
    "ScatterElementsUpdate": lambda _node, operands: _hull([operands[0], operands[2]]),
    "FakeQuantize": _of_quantization,
}


def _negated(values: ValueRange) -> ValueRange:
    return ValueRange(-values.high, -values.low, values.is_certain, source=values.source)
