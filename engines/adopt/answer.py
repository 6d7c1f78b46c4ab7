"""Finds which output of a network is its segmentation, and what its values mean."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rtseg.engines.adopt.network_graph import WEIGHTED, NetworkGraph, Shape, dtype_of, shape_of
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.adopt.value_bounds import ValueRange
from rtseg.engines.adopt.value_range import follows_sigmoid, value_range
from rtseg.errors import ModelError

MAX_CLASSES = 254
_BACKGROUND = ("background", "bg", "_background_", "__background__")
_STRIDES = (8, 16, 32)  # of the three grids of YOLO


@dataclass(frozen=True)
class NetworkAnswer:
    """Describes the output that a session reads."""

    name: str
    """The name of the output."""
    layout: str
    """Its axes, one of OUTPUT_LAYOUTS."""
    channels: int
    """K, its channels; for class indices the number of classes with the background."""
    activation: str
    """As in `ModelSpec`."""
    bounds: ValueRange
    """What the graph says about its values."""
    is_open: bool
    """Whether only its values can tell the activation."""
    why: str
    """What led to the choice of output and activation."""
    prototypes: str = ""
    """As in `ModelSpec`."""


@dataclass(frozen=True)
class _Candidate:
    """Holds an output that has the form of a segmentation."""

    name: str
    """The name of the output."""
    tensor: Any
    """Its values in the graph."""
    layout: str
    """Its axes."""
    channels: int
    """Its channels, or the classes of its indices."""
    bounds: ValueRange
    """What the graph says about its values."""


def examine_answer(
    graph: NetworkGraph, answers: Mapping[str, Any], size: tuple[int, int], stated: StatedFacts
) -> NetworkAnswer:
    """Return the output to read. graph: with the shapes of one picture. size: (H, W) of the picture. Raises ModelError."""
    if instances := _yolo(answers, size):
        return instances
    found = [_candidate(name, tensor, size, stated) for name, tensor in answers.items()]
    candidates = [one for one in found if one]
    shown = ", ".join(f"{name} {_shown(shape_of(tensor))}" for name, tensor in answers.items())
    if stated.output:
        if stated.output not in answers:
            raise ModelError(f"{graph.path} has no output {stated.output!r}: give --output one of {', '.join(answers)}")
        candidates = [one for one in candidates if one.name == stated.output]
    if not candidates:
        raise ModelError(
            f"{graph.path} gives {shown} for a picture of {size[0]}x{size[1]}, and no mask: give a network that segments"
        )
    fitting = [one for one in candidates if _fits(one, stated)] or candidates
    chosen, why = _choose(graph, fitting, stated)
    if chosen is None:
        raise ModelError(f"{graph.path} gives {shown}, of which several may be the mask: name the one with --output")
    activation, is_open = _activation(graph, chosen)
    return NetworkAnswer(
        chosen.name,
        chosen.layout,
        chosen.channels,
        activation,
        chosen.bounds,
        is_open,
        f"{why}; {_meaning(chosen, activation)}",
    )


def class_names(graph: NetworkGraph, answer: NetworkAnswer, stated: StatedFacts) -> tuple[tuple[str, ...], bool]:
    """Return the classes without the background, and whether each channel is a class. Raises ModelError."""
    classes, channels = stated.classes or _named_classes(graph, answer), answer.channels
    if len(classes) == channels > 1 and classes[0].lower() in _BACKGROUND:
        classes = classes[1:]
    independent = "sigmoid" in (answer.activation, stated.activation) or stated.is_multi_label
    if not classes:
        if independent and channels > 1:
            raise ModelError(
                f"{graph.path} gives {channels} channels with a probability each: name the classes with --classes, with "
                f"background first if that is one of them"
            )
        return tuple(f"class {place}" for place in range(1, max(channels, 2))), False
    if answer.activation == "yolo":
        if len(classes) != channels:
            raise ModelError(f"{graph.path} finds {channels} classes: give as many names with --classes")
        return classes, False
    if len(classes) == channels and (channels == 1 or independent):
        return classes, channels > 1
    if len(classes) + 1 != channels:
        raise ModelError(
            f"{graph.path} gives {channels} channels and --classes names {len(classes)}: "
            f"name the classes without the background"
        )
    return classes, False


def checked_channels(graph: NetworkGraph, answer: NetworkAnswer, classes: tuple[str, ...], multi_label: bool) -> None:
    """Raise ModelError where logits without a background channel could be either of two things."""
    if answer.activation == "none" and len(classes) == answer.channels > 1 and not multi_label:
        raise ModelError(
            f"{graph.path} gives a channel for each of {', '.join(classes)} and none for the background: say --multi-label if "
            f"each is a sigmoid's, else name the first one background"
        )


def _yolo(answers: Mapping[str, Any], size: tuple[int, int]) -> NetworkAnswer | None:
    """Return the answer of an Ultralytics -seg network: boxes (1, 4 + classes + P, N) and prototypes (1, P, h, w)."""
    shapes = {name: shape_of(tensor) or () for name, tensor in answers.items()}
    boxes = [name for name, shape in shapes.items() if len(shape) == 3]
    prototypes = [name for name, shape in shapes.items() if len(shape) == 4]
    if len(boxes) != 1 or len(prototypes) != 1:
        return None
    _, rows, places = shapes[boxes[0]]
    classes = rows - 4 - shapes[prototypes[0]][1]
    if classes < 1 or places != sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES):
        return None
    why = f"{boxes[0]!r} holds boxes and {prototypes[0]!r} mask prototypes, as Ultralytics writes them"
    return NetworkAnswer(boxes[0], "NCHW", classes, "yolo", ValueRange(), False, why, prototypes[0])


def _candidate(name: str, tensor: Any, size: tuple[int, int], stated: StatedFacts) -> _Candidate | None:
    """Return the output as a candidate, if its shape is that of a mask at the picture's size or a fraction of it."""
    shape = shape_of(tensor)
    if shape is None or -1 in shape or 0 in shape:
        return None
    layouts = {4: ("NCHW", "NHWC"), 3: ("NHW", "CHW", "HWC"), 2: ("HW",)}.get(len(shape), ())
    fitting = [layout for layout in layouts if _is_mask(dict(zip(layout, shape, strict=True)), size)]
    if not fitting:
        return None
    bounds = value_range(tensor)
    layout = next((one for one in fitting if _count(one, shape) in _counts(stated)), fitting[0])
    return _Candidate(name, tensor, layout, bounds.labels or _count(layout, shape), bounds)


def _count(layout: str, shape: Shape) -> int:
    return shape[layout.index("C")] if "C" in layout else 1


def _counts(stated: StatedFacts) -> tuple[int, ...]:
    """Return the numbers of channels that the stated classes allow."""
    count = len(stated.classes)
    return (count, count + 1) if count else tuple(range(1, MAX_CLASSES + 2))


def _is_mask(sides: dict[str, int], size: tuple[int, int]) -> bool:
    height, width = sides["H"], sides["W"]
    if sides.get("N", 1) != 1 or not 1 <= sides.get("C", 1) <= MAX_CLASSES + 1 or min(height, width) < 2:
        return False
    ratio = height / size[0]
    return 1 / 64 <= ratio <= 16 and abs(width - ratio * size[1]) <= max(1.0, ratio * 2)


def _fits(one: _Candidate, stated: StatedFacts) -> bool:
    return not stated.classes or one.channels in _counts(stated)


def _choose(graph: NetworkGraph, candidates: list[_Candidate], stated: StatedFacts) -> tuple[_Candidate | None, str]:
    """Return the candidate that depends on the work of all others, as the last of deep supervision does."""
    if len(candidates) == 1:
        return candidates[0], f"output {candidates[0].name!r} is the only mask"
    above = {one.name: graph.ancestors(one.tensor) for one in candidates}
    weights = {name: {node for node, op in nodes.items() if op.get_type_name() in WEIGHTED} for name, nodes in above.items()}
    for one in candidates:
        others = [other for other in candidates if other is not one]
        if all(_is_deeper(weights[one.name], weights[other.name], above, one.name, other.name) for other in others):
            return one, f"output {one.name!r} comes last, after the work of {len(others)} others"
    named = [one for one in candidates if stated.spec and one.name == stated.spec.logits_output]
    return (named[0], f"output {named[0].name!r} is named in the description") if named else (None, "")


def _is_deeper(ours: set[str], theirs: set[str], above: Mapping[str, Mapping[str, Any]], name: str, other: str) -> bool:
    """Return whether one output is computed from the features of another: that one has its head alone for itself."""
    only_ours, only_theirs = len(ours - theirs), len(theirs - ours)
    if not only_theirs and not only_ours:
        return len(above[name]) > len(above[other]) and set(above[other]) < set(above[name])
    return only_ours >= only_theirs + 2 or (not only_theirs and only_ours > 0)


def _activation(graph: NetworkGraph, chosen: _Candidate) -> tuple[str, bool]:
    """Return the activation of an answer, and whether its values must still tell it. Raises ModelError."""
    bounds, single = chosen.bounds, chosen.channels == 1
    if bounds.labels:
        return "argmax", False
    if bounds.is_probability:
        if bounds.sums_to_one and not single:
            return "softmax", False
        return "sigmoid", not single and not follows_sigmoid(chosen.tensor)
    kind = dtype_of(chosen.tensor)
    if not kind.startswith(("float", "bfloat")):
        raise ModelError(
            f"{graph.path} gives {kind} in {chosen.name!r}, which are no class indices of an ArgMax: export it without that"
        )
    if bounds.is_logarithm and not single:
        return "none", False
    if single and (bounds.low, bounds.high) == (-1, 1):
        return "tanh", False
    if bounds.low < 0 < bounds.high:
        return "none", not bounds.is_certain
    if not single and bounds.low < bounds.high:
        return "none", not bounds.is_certain  # the greatest channel wins all the same
    raise ModelError(
        f"{graph.path} gives values of {bounds.low:g} to {bounds.high:g} in {chosen.name!r}, by "
        f"{bounds.source or 'its last nodes'}, which are neither logits nor probabilities: export it without that node"
    )


def _meaning(chosen: _Candidate, activation: str) -> str:
    after = f" after {chosen.bounds.source}" if chosen.bounds.source and activation != "none" else ""
    what = {
        "none": "logits",
        "sigmoid": "probabilities",
        "softmax": "probabilities that add up to 1",
        "tanh": "values of -1 to 1",
        "argmax": "class indices",
    }.get(activation, activation)
    return f"its values are {what}{after}"


def _shown(shape: Shape | None) -> str:
    return "of any shape" if shape is None else f"({', '.join('?' if side < 0 else str(side) for side in shape)})"


def _named_classes(graph: NetworkGraph, answer: NetworkAnswer) -> tuple[str, ...]:
    """Return the class names in the metadata of Ultralytics, {0: 'nerve', ...}; empty where there are none."""
    try:
        names = ast.literal_eval(graph.metadata.get("names", ""))
        ordered = tuple(str(names[key]) for key in sorted(names)) if isinstance(names, dict) else tuple(map(str, names))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ()
    return ordered if len(ordered) == answer.channels else ()
