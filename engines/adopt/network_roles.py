"""Finds which input of a network is the image, which are recurrent states or constants, and which outputs are answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rtseg.engines.adopt.network_graph import NetworkGraph, Shape, name_of, shape_of
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.spec_values import StateSpec
from rtseg.errors import ModelError

_DIRECTIONS = {"in", "out", "input", "output", "prev", "previous", "next", "new", "past", "present", "old", "cur", "current"}
_REMEDY = "name its memory by --state INPUT:OUTPUT, or its value by --input NAME=VALUE"


@dataclass(frozen=True)
class NetworkRoles:
    """Holds what each input and output of a network is for."""

    image: Any
    """The input that takes the picture."""
    states: tuple[StateSpec, ...]
    """The recurrent states; an open shape is empty."""
    constants: tuple[tuple[str, float], ...]
    """The inputs that always have one value."""
    answers: Mapping[str, Any]
    """The tensors that are no states, by the name of their output."""


def find_roles(graph: NetworkGraph, stated: StatedFacts, *, only_stated: bool = False) -> NetworkRoles:
    """Return the roles of all inputs and outputs. only_stated: find no further states. Raises ModelError."""
    inputs = {name_of(port): port for port in graph.inputs}
    outputs = {name_of(port): port for port in graph.model.outputs}
    _check_stated(graph, stated, inputs, outputs)
    states = [_with_shape(state, inputs[state.input]) for state in stated.states]
    constants = {name for name, _ in stated.constants}
    left = [name for name in inputs if name not in {state.input for state in states} | constants]
    free = [name for name in outputs if name not in {state.output for state in states}]
    if only_stated and stated.spec and stated.spec.image_input not in left:
        raise ModelError(f"{graph.path} has no input {stated.spec.image_input!r}, which its description names: export it again")
    image = _image_of(graph, left, free, inputs, outputs, stated)
    left.remove(image)
    if left and only_stated:
        raise ModelError(f"{graph.path} also takes {left}, which its description does not name: {_REMEDY}")
    pairs = _pairs(left, free, inputs, outputs)
    if len(pairs) < len(left):
        unknown = [name for name in left if name not in pairs]
        raise ModelError(f"{graph.path} also takes {unknown}, and no output clearly writes what they read: {_REMEDY}")
    states += [_with_shape(StateSpec(name, pairs[name], ()), inputs[name]) for name in left]
    written = {state.output for state in states}
    answers = {name: tensor for name, tensor in graph.outputs.items() if name not in written}
    return NetworkRoles(inputs[image], tuple(states), stated.constants, answers)


def _check_stated(graph: NetworkGraph, stated: StatedFacts, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    wrong = [state.input for state in stated.states if state.input not in inputs]
    wrong += [state.output for state in stated.states if state.output and state.output not in outputs]
    wrong += [name for name, _ in stated.constants if name not in inputs]
    if wrong:
        raise ModelError(
            f"{graph.path} has no {wrong[0]!r}: it takes {', '.join(inputs)} and gives {', '.join(outputs)}; {_REMEDY}"
        )


def _with_shape(state: StateSpec, port: Any) -> StateSpec:
    """Return a state with the shape of its input, where that is known and not a 1 for every axis, which stands for any."""
    shape = shape_of(port)
    is_open = shape is None or -1 in shape or set(shape) <= {1}
    return state if state.shape or is_open or shape is None else replace(state, shape=shape)


def _image_of(
    graph: NetworkGraph,
    left: list[str],
    free: list[str],
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    stated: StatedFacts,
) -> str:
    """Return the name of the input that takes the picture."""
    if stated.spec and stated.spec.image_input in left:
        return stated.spec.image_input
    flat = [name for name in left if len(shape_of(inputs[name]) or (0,) * 4) >= 2]
    candidates = [name for name in flat if not any(_stem(name) == _stem(other) for other in free)] or flat
    if len(candidates) > 1:
        candidates = [name for name in candidates if _is_picture(shape_of(inputs[name]))] or candidates
    if len(candidates) > 1:
        paired = _by_shape(candidates, free, inputs, outputs)
        candidates = [name for name in candidates if name not in paired] or candidates
    if len(candidates) != 1:
        shown = {name: shape_of(port) for name, port in inputs.items()}
        raise ModelError(f"{graph.path} takes {shown}, and none of them is clearly the picture: {_REMEDY}")
    return candidates[0]


def _is_picture(shape: Shape | None) -> bool:
    """Return whether a shape may be that of a picture: three or four axes, of which one is 1 or 3 or open."""
    return shape is None or (len(shape) in (3, 4) and any(shape[axis] in (1, 3, -1) for axis in (1, len(shape) - 1)))


def _pairs(left: list[str], free: list[str], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the output that writes each state, by its input: of one stem, else the only one of its shape."""
    pairs = {}
    for name in left:
        same = [other for other in free if _stem(other) == _stem(name) and _may_be_state(inputs[name], outputs[other])]
        if len(same) == 1:
            pairs[name] = same[0]
    taken = set(pairs.values())
    others = [name for name in free if name not in taken]
    return pairs | _by_shape([name for name in left if name not in pairs], others, inputs, outputs)


def _by_shape(names: list[str], free: list[str], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the pairs of an input and an output whose shape nothing else has."""
    pairs = {}
    for name in names:
        shape = shape_of(inputs[name])
        same = [other for other in free if shape is not None and shape_of(outputs[other]) == shape]
        rivals = [other for other in names if shape_of(inputs[other]) == shape]
        if len(same) == len(rivals) == 1:
            pairs[name] = same[0]
    return pairs


def _may_be_state(port: Any, output: Any) -> bool:
    """Return whether a state that `output` writes fits an input; an input of ones fits any shape of its rank."""
    ours, theirs = shape_of(port), shape_of(output)
    if ours is None or theirs is None or set(ours) <= {1, -1}:
        return ours is None or theirs is None or len(ours) == len(theirs)
    return len(ours) == len(theirs) and all(-1 in pair or pair[0] == pair[1] for pair in zip(ours, theirs, strict=True))


def _stem(name: str) -> str:
    """Return a port's name without what says that it is read or written, as "h" for "h_in", "h_out" and "r1" for "r1i"."""
    words = [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if word]
    kept = [re.sub(r"(?<=\d)[io]$|(?<=[a-z])(in|out)$", "", word) for word in words if word not in _DIRECTIONS]
    kept = [{"h0": "h", "hn": "h", "c0": "c", "cn": "c"}.get(word, word) for word in kept]
    return "_".join(kept) or name
