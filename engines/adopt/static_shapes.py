"""Gives the open axes of a network the sizes of one picture, and its recurrent states their shapes."""

from dataclasses import replace

import numpy as np

from rtseg.engines.adopt.network_graph import NetworkGraph, name_of, shape_of
from rtseg.engines.adopt.network_roles import NetworkRoles
from rtseg.engines.adopt.picture_input import PictureInput
from rtseg.engines.openvino_runtime import ov
from rtseg.engines.spec_values import StateSpec
from rtseg.errors import ModelError


def fix_shapes(graph: NetworkGraph, picture: PictureInput, roles: NetworkRoles) -> tuple[StateSpec, ...]:
    """Reshape the graph in place to one picture, and return its states with their shapes. Raises ModelError.

    A state of open shape, or of ones that stand for any shape, takes the shape that the network writes after one run.
    """
    known = {picture.name: picture.shape} | {name: _sides(graph, name) for name, _ in roles.constants}
    is_open = [state for state in roles.states if not state.shape]
    if is_open:
        written = _written_shapes(graph, known, roles)
        states = tuple(state if state.shape else replace(state, shape=written[state.output]) for state in roles.states)
    else:
        states = roles.states
    _reshape(graph, known | {state.input: state.shape for state in states})
    return states


def _sides(graph: NetworkGraph, name: str) -> tuple[int, ...]:
    port = next(port for port in graph.inputs if name_of(port) == name)
    return tuple(max(side, 1) for side in shape_of(port) or ())


def _reshape(graph: NetworkGraph, shapes: dict[str, tuple[int, ...]]) -> None:
    current = {name_of(port): shape_of(port) for port in graph.inputs}
    if all(current[name] == shape for name, shape in shapes.items()) and all(
        -1 not in (shape_of(port) or (-1,)) for port in graph.model.outputs
    ):
        return
    ports = {name_of(port): port for port in graph.inputs}
    try:
        graph.model.reshape({ports[name]: ov.PartialShape(list(shape)) for name, shape in shapes.items()})
    except RuntimeError:
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ModelError(
            f"{graph.path} cannot be run with {shown}: give another --size, one that all its layers divide evenly"
        ) from None


def _written_shapes(graph: NetworkGraph, known: dict[str, tuple[int, ...]], roles: NetworkRoles) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output after a run with states of zeros, of 1 where their shape is open."""
    sides = {state.input: state.shape or _sides_or_ones(graph, state.input) for state in roles.states}
    constants = dict(roles.constants)
    feed = {}
    for port in graph.inputs:
        name = name_of(port)
        feed[name] = np.full((known | sides)[name], constants.get(name, 0), port.get_element_type().to_dtype())
    try:
        request = ov.Core().compile_model(graph.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        request.infer({place: feed[name_of(port)] for place, port in enumerate(graph.inputs)})
    except RuntimeError:
        raise ModelError(
            f"{graph.path} cannot be run with a memory of zeros of one value each: export it with states of fixed shapes"
        ) from None
    return {name_of(port): tuple(request.get_output_tensor(place).shape) for place, port in enumerate(graph.model.outputs)}


def _sides_or_ones(graph: NetworkGraph, name: str) -> tuple[int, ...]:
    port = next(port for port in graph.inputs if name_of(port) == name)
    shape = shape_of(port)
    if shape is None:
        raise ModelError(f"{graph.path} has a memory {name!r} of any number of axes: export it with states of fixed shapes")
    return tuple(max(side, 1) for side in shape)
