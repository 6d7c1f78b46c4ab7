"""Runs a network on noise and on a generated picture, to see what its values are where the graph does not tell."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.answer import NetworkAnswer
from rtseg.engines.adopt.network_graph import NetworkGraph, name_of
from rtseg.engines.adopt.network_roles import NetworkRoles
from rtseg.engines.adopt.picture_input import PictureInput
from rtseg.engines.openvino_runtime import ov
from rtseg.errors import ModelError

SUM_TOLERANCE = 2e-2  # of probabilities in float16 and INT8

Values = npt.NDArray[np.float32]


def resolved(
    graph: NetworkGraph, roles: NetworkRoles, picture: PictureInput, answer: NetworkAnswer, stated: str
) -> NetworkAnswer:
    """Return an answer whose activation its values tell, if it was open; `stated` where these cannot.

    Raises ModelError where nothing tells it.
    """
    if not answer.is_open:
        return answer
    values = _run(graph, roles, picture, answer)
    if answer.activation == "none" and not all(_are_probabilities(one) for one in values):
        if answer.channels == 1 and not stated:
            _check_logits(graph, answer, values)
        return replace(answer, is_open=False)
    axis = answer.layout.index("C") if "C" in answer.layout else None
    if axis is not None and answer.channels > 1 and all(_add_up(one, axis) for one in values):
        why = f"{answer.why}; on noise its channels add up to 1"
        return replace(answer, activation="softmax", is_open=False, why=why)
    if answer.activation == "none" and stated:
        return replace(answer, activation=stated, is_open=False, why=f"{answer.why}, as stated")
    if answer.activation == "none":
        raise ModelError(
            f"{graph.path} gives values of 0 to 1 on every input in {answer.name!r}, and its nodes do not tell whether these "
            f"are probabilities: say so with `rtseg adopt {graph.path.name} --activation sigmoid` (or none, for logits)"
        )
    return replace(answer, is_open=False)


def _check_logits(graph: NetworkGraph, answer: NetworkAnswer, values: list[Values]) -> None:
    """Raise ModelError where values are of one sign, as levels or distances are and logits are not.

    NaN says nothing about a sign: the session ends at the first frame that has it.
    """
    low, high = min(float(one.min()) for one in values), max(float(one.max()) for one in values)
    if low >= 0 or high <= 0:
        raise ModelError(
            f"{graph.path} gives values of {low:.3g} to {high:.3g} in {answer.name!r} on noise, and its nodes do not tell what "
            f"they mean: export it with logits or a Sigmoid at its end"
        )


def _are_probabilities(values: Values) -> bool:
    return bool(values.min() >= -1e-4 and values.max() <= 1 + 1e-4)


def _add_up(values: Values, axis: int) -> bool:
    return _are_probabilities(values) and bool(np.abs(values.sum(axis) - 1).max() < SUM_TOLERANCE)


def _run(graph: NetworkGraph, roles: NetworkRoles, picture: PictureInput, answer: NetworkAnswer) -> list[Values]:
    try:
        request = ov.Core().compile_model(graph.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        place = [name_of(port) for port in graph.model.outputs].index(answer.name)
        found = []
        for image in probes(picture.shape):
            request.infer(_feed(graph, roles, picture, image))
            found.append(np.array(request.get_output_tensor(place).data, np.float32))
    except RuntimeError as error:
        raise ModelError(f"{graph.path} cannot be run ({str(error).splitlines()[-1]}): export it again") from error
    return found


def _feed(graph: NetworkGraph, roles: NetworkRoles, picture: PictureInput, image: Values) -> dict[int, Any]:
    constants = dict(roles.constants)
    feed = {}
    for place, port in enumerate(graph.inputs):
        dtype, shape = port.get_element_type().to_dtype(), tuple(port.get_shape())
        is_image = name_of(port) == picture.name
        if is_image and dtype == np.uint8:
            image = np.clip(image * 60 + 90, 0, 255)
        feed[place] = image.astype(dtype) if is_image else np.full(shape, constants.get(name_of(port), 0), dtype)
    return feed


def probes(shape: tuple[int, ...]) -> Iterator[Values]:
    """Yield inputs of a shape: noise around 0, strong noise, values of 0..1, gray levels, and a smooth picture."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(shape).astype(np.float32)
    yield noise
    yield 6 * noise
    yield rng.random(shape).astype(np.float32)
    yield (255 * rng.random(shape)).astype(np.float32)
    flat = np.cumsum(noise.reshape(-1))
    yield ((flat - flat.mean()) / max(float(flat.std()), 1e-6)).reshape(shape).astype(np.float32)
