"""Finds how a network's pictures are normalized by what its own first operations subtract, divide, or have learnt."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.network_graph import NetworkGraph, constant_of
from rtseg.engines.adopt.normalization import Normalization

_MOVING = {"Convert", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Pad", "Broadcast", "Tile", "Concat", "Interpolate"}
_FLIPPING = {"Gather", "StridedSlice", "Reverse"}


def of_integers(channels: int) -> Normalization:
    """Return the normalization of an input of uint8, which takes gray levels as they are."""
    return Normalization((0.0,) * channels, (1.0,) * channels, how="from graph", why="its input is uint8")


def normalization_from_graph(graph: NetworkGraph, port: Any, channels: int) -> Normalization | None:
    """Return the normalization that leaves the rest to the graph's own first operations; None where these say nothing."""
    gain, shift = np.ones(channels), np.zeros(channels)
    first = ""
    for node in graph.path_from(port):
        kind = node.get_type_name()
        if kind in _MOVING or kind in _FLIPPING:
            continue
        if kind == "MVN" and not first:
            return _scaled(1.0, channels, "an instance normalization follows, so that the scale does not matter")
        step = _affine(node, channels)
        if step is None:
            break
        gain, shift = gain * step[0], shift * step[0] + step[1]
        first = first or f"{kind} {node.get_friendly_name()!r}"
        if kind == "BatchNormInference":
            return _from_statistics(node, channels, first)
    if not first:
        return None
    fitting = [top for top in (1.0, 255.0) if _is_normal(gain, shift, top)]
    if len(fitting) != 1:
        return None
    return _scaled(fitting[0], channels, f"it normalizes 0..{fitting[0]:g} itself, from {first} on")


def _scaled(top: float, channels: int, why: str) -> Normalization:
    return Normalization((0.0,) * channels, (255.0 / top,) * channels, how="from graph", why=why)


def _is_normal(gain: npt.NDArray[np.float64], shift: npt.NDArray[np.float64], top: float) -> bool:
    """Return whether inputs of 0..top become values as networks take them: spread over 0.4 to 8, and not far from 0."""
    ends = np.stack([shift, gain * top + shift])
    return bool((np.abs(ends[1] - ends[0]) > 0.4).all() and np.abs(ends).max() < 8)


def _affine(node: Any, channels: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return the gain and shift per channel of a node that subtracts, adds, multiplies or divides constants."""
    kind = node.get_type_name()
    if kind == "BatchNormInference":
        return np.ones(channels), np.zeros(channels)
    if kind not in ("Add", "Subtract", "Multiply", "Divide"):
        return None
    values = constant_of(node.input_value(1))
    is_first = values is None
    values = constant_of(node.input_value(0)) if is_first else values
    if values is None or values.size not in (1, channels) or (is_first and kind in ("Subtract", "Divide")):
        return None
    one = np.broadcast_to(values.ravel(), channels).astype(float)
    match kind:
        case "Add":
            return np.ones(channels), one
        case "Subtract":
            return np.ones(channels), -one
        case "Multiply":
            return one, np.zeros(channels)
        case _:
            return (1 / one, np.zeros(channels)) if (one != 0).all() else None


def _from_statistics(node: Any, channels: int, first: str) -> Normalization | None:
    """Return the range of a network's input by what its first BatchNorm learnt of it; None where that fits several."""
    parts = [constant_of(node.input_value(place)) for place in (3, 4)]
    if any(part is None for part in parts):
        return None
    mean, deviation = np.abs(parts[0]), np.sqrt(np.maximum(parts[1], 0))
    learnt = f"{first} has learnt a mean of {mean.max():.3g} and a deviation of {deviation.max():.3g}"
    if mean.max() > 4 and 5 < deviation.max() < 130 and mean.max() < 256:
        return _scaled(
            255.0, channels, f"{first} has learnt a mean of {mean.max():.3g} and a deviation of {deviation.max():.3g}"
        )
    if 0.01 < mean.max() < 1 and 0.02 < deviation.max() < 0.5 and (parts[0] > 0).all():
        return _scaled(1.0, channels, learnt)
    return None
