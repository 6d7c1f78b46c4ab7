"""Finds the outputs of a network that have the form of a segmentation, and chooses among several."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rtseg.engines.adopt.network_graph import WEIGHTED, NetworkGraph, Shape, shape_of
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.adopt.value_bounds import ValueRange
from rtseg.engines.adopt.value_range import value_range
from rtseg.errors import ModelError

MAX_CLASSES = 254
_SCALES = range(1, 65)  # of the picture's sides over those of a mask, or of a mask's over the picture's
_OTHER_THINGS = {  # words in the names of outputs that are no mask
    "att", "attention", "aux", "auxiliary", "border", "bound", "boundary", "box", "boxes", "center", "centers", "contour",
    "depth", "dist", "distance", "edge", "edges", "embed", "embedding", "feat", "feature", "features", "flow", "heatmap",
    "hm", "normal", "normals", "offset", "offsets", "recon", "reconstruction", "reg", "sdf", "sigma", "skeleton",
    "uncertainty", "var", "variance", "wh",
}  # fmt: skip


@dataclass(frozen=True)
class MaskCandidate:
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


def choose_mask(
    graph: NetworkGraph, answers: Mapping[str, Any], size: tuple[int, int], stated: StatedFacts
) -> tuple[MaskCandidate, str]:
    """Return the output that holds the mask, and why it is that one. size: (H, W) of the picture. Raises ModelError."""
    shown = ", ".join(f"{name} {_shown(shape_of(tensor))}" for name, tensor in answers.items())
    wanted = dict(answers)
    if stated.output:
        if stated.output not in answers:
            raise ModelError(f"{graph.path} has no output {stated.output!r}: give --output one of {', '.join(answers)}")
        wanted = {stated.output: answers[stated.output]}
    candidates = [one for name, tensor in wanted.items() if (one := _candidate(name, tensor, size, stated))]
    if not candidates:
        border = any(_has_other_scale(tensor, size, stated) for tensor in wanted.values())
        remedy = (
            ", which leaves out its border or has another shape: export it with padded convolutions, or resized to the picture"
            if border
            else ", and no mask: give a network that segments"
        )
        raise ModelError(f"{graph.path} gives {shown} for a picture of {size[0]}x{size[1]}{remedy}")
    fitting = [one for one in candidates if not stated.classes or one.channels in _counts(stated)] or candidates
    named_otherwise = [one for one in fitting if _names_another_thing(one.name)]
    if len(candidates) == len(named_otherwise) and not stated.output and stated.spec is None:
        raise ModelError(
            f"{graph.path} gives {shown}, which is no mask by its name: say --output {candidates[0].name} if it is one"
        )
    chosen, why = _choose(graph, [one for one in fitting if one not in named_otherwise] or fitting, stated)
    if chosen is None:
        raise ModelError(f"{graph.path} gives {shown}, of which several may be the mask: name the one with --output")
    left_out = f" ({', '.join(one.name for one in named_otherwise)} by name no mask)" if named_otherwise else ""
    return chosen, why + (left_out if chosen not in named_otherwise else "")


def _candidate(name: str, tensor: Any, size: tuple[int, int], stated: StatedFacts) -> MaskCandidate | None:
    """Return the output as a candidate, if its shape is that of a mask at the picture's size or a fraction of it."""
    shape = shape_of(tensor)
    if shape is None or -1 in shape or 0 in shape:
        return None
    is_resized = _is_resized(tensor)
    fitting = [
        layout for layout in _layouts(shape, stated) if _is_mask(dict(zip(layout, shape, strict=True)), size, is_resized)
    ]
    if not fitting:
        return None
    bounds = value_range(tensor)
    layout = next((one for one in fitting if _count(one, shape) in _counts(stated)), fitting[0])
    return MaskCandidate(name, tensor, layout, bounds.labels or _count(layout, shape), bounds)


def _layouts(shape: Shape, stated: StatedFacts) -> tuple[str, ...]:
    if stated.axes == "wh":
        return {4: ("NCWH",), 3: ("NWH", "CWH"), 2: ("WH",)}.get(len(shape), ())
    return {4: ("NCHW", "NHWC"), 3: ("NHW", "CHW", "HWC"), 2: ("HW",)}.get(len(shape), ())


def _count(layout: str, shape: Shape) -> int:
    return shape[layout.index("C")] if "C" in layout else 1


def _counts(stated: StatedFacts) -> tuple[int, ...]:
    """Return the numbers of channels that the stated classes allow."""
    count = len(stated.classes)
    return (count, count + 1) if count else tuple(range(1, MAX_CLASSES + 2))


def _is_mask(sides: dict[str, int], size: tuple[int, int], is_resized: bool) -> bool:
    """Return whether sides are those of a mask of the whole picture: at its size, or at a whole multiple or part of it.

    A U-Net without padding gives 388 pixels for 572: its mask leaves out the picture's border, unless it is resized.
    """
    height, width = sides["H"], sides["W"]
    if sides.get("N", 1) != 1 or not 1 <= sides.get("C", 1) <= MAX_CLASSES + 1 or min(height, width) < 2:
        return False
    if is_resized and _is_alike(height, width, size):
        return True
    return any(
        (height == size[0] * scale and width == size[1] * scale)
        or (height in _parts(size[0], scale) and width in _parts(size[1], scale))
        for scale in _SCALES
    )


def _parts(side: int, scale: int) -> tuple[int, int]:
    """Return a side over a scale, rounded down and up."""
    return side // scale, -(-side // scale)


def _is_alike(height: int, width: int, size: tuple[int, int]) -> bool:
    """Return whether the sides have nearly the ratio of the picture's."""
    ratio = height / size[0]
    return 1 / 64 <= ratio <= 16 and abs(width - ratio * size[1]) <= max(1.0, ratio * 2)


def _has_other_scale(tensor: Any, size: tuple[int, int], stated: StatedFacts) -> bool:
    """Return whether an output would be a mask, but for its scale."""
    shape = shape_of(tensor)
    if shape is None or -1 in shape or len(shape) not in (3, 4):
        return False
    sides = [dict(zip(layout, shape, strict=True)) for layout in _layouts(shape, stated)]
    return any(one.get("N", 1) == 1 and min(one["H"], one["W"]) > 3 and _is_close(one, size) for one in sides)


def _is_close(sides: Mapping[str, int], size: tuple[int, int]) -> bool:
    down, along = sides["H"] / size[0], sides["W"] / size[1]
    return 0.3 < down <= 4 and 0.3 < along <= 4


def _is_resized(output: Any) -> bool:
    """Return whether an output is resized after the last layer with weights, so that it covers the picture by design."""
    node = output.get_node()
    while node.get_input_size() and node.get_type_name() not in WEIGHTED | {"StridedSlice", "Slice", "Pad"}:
        if node.get_type_name() == "Interpolate":
            return True
        node = node.input_value(0).get_node()
    return False


def _names_another_thing(name: str) -> bool:
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return any(word in _OTHER_THINGS for word in words)


def _choose(graph: NetworkGraph, candidates: Sequence[MaskCandidate], stated: StatedFacts) -> tuple[MaskCandidate | None, str]:
    """Return the candidate that depends on the work of all others, as the last of deep supervision does."""
    if len(candidates) == 1:
        return candidates[0], f"output {candidates[0].name!r} is the only mask"
    above = {one.name: graph.ancestors(one.tensor) for one in candidates}
    weights = {name: {node for node, op in nodes.items() if op.get_type_name() in WEIGHTED} for name, nodes in above.items()}
    is_one_kind = len({one.channels for one in candidates}) == 1  # a picture beside a mask has other channels
    for one in candidates if is_one_kind else ():
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


def _shown(shape: Shape | None) -> str:
    return "of any shape" if shape is None else f"({', '.join('?' if side < 0 else str(side) for side in shape)})"
