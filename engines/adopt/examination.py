"""Examines a network file: what it takes and gives, from its graph, from what is stated, and from its values."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rtseg.engines.adopt.answer import NetworkAnswer, checked_channels, class_names, examine_answer
from rtseg.engines.adopt.network_graph import NetworkGraph, dtype_of, name_of, shape_of
from rtseg.engines.adopt.network_roles import NetworkRoles, find_roles
from rtseg.engines.adopt.normalization import Normalization
from rtseg.engines.adopt.picture_input import PictureInput, examine_picture
from rtseg.engines.adopt.probing import resolved
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.adopt.static_shapes import fix_shapes
from rtseg.engines.model_spec import METADATA_KEY, ModelSpec
from rtseg.engines.ports import check_ports
from rtseg.engines.spec_values import StateSpec
from rtseg.errors import ModelError


@dataclass(frozen=True)
class Examination:
    """Holds what was found out about one network file."""

    graph: NetworkGraph
    """Its graph, with the shapes of one picture."""
    picture: PictureInput
    """How it takes its picture."""
    answer: NetworkAnswer
    """What its answer means."""
    states: tuple[StateSpec, ...]
    """Its recurrent states."""
    spec: ModelSpec
    """Its description; without a known normalization its mean and std are those of 0..1."""
    normalization: Normalization | None
    """How its picture is normalized; None where neither the graph nor the user says so."""
    is_described: bool
    """Whether the file holds a description of its own."""
    is_as_described: bool
    """Whether the file's own description says the same."""
    was_static: bool
    """Whether the file itself has one shape for every input and output."""
    is_background_stated: bool = True
    """Whether the file or the user says which channel is the background."""
    is_activation_stated: bool = False
    """Whether the user says what the network applies to its answer."""
    masks_dice: float | None = None
    """The Dice against the user's masks; None without these."""

    def summary(self) -> str:
        """Return what was found in one line."""
        spec, how = self.spec, self.normalization
        reason = f", {how.why}" if how and how.why and how.how == "stated" else ""
        scale = f"{how.name} ({how.how}{reason})" if how else "unknown"
        picture = f"{spec.size[0]}x{spec.size[1]} {'gray' if spec.channels == 1 else spec.channel_order.upper()} {spec.layout}"
        return (
            f"input {spec.image_input!r} {picture}, normalization {scale}; output {spec.logits_output!r}, "
            f"{_ACTIVATION_WORDS[spec.activation]}, {len(spec.classes)} class{'es' * (len(spec.classes) > 1)}"
        )


_ACTIVATION_WORDS = {
    "none": "logits",
    "sigmoid": "sigmoid inside",
    "softmax": "softmax inside",
    "tanh": "tanh inside",
    "argmax": "argmax inside",
    "yolo": "boxes and mask prototypes",
}


def examine_network(path: Path, stated: StatedFacts | None = None) -> Examination:
    """Examine a network file. Raises ModelError.

    stated: what the user says, in place of what the file's own description says.
    """
    graph = NetworkGraph(path)
    is_own = stated is None and METADATA_KEY in graph.metadata
    if METADATA_KEY in graph.metadata and (stated is None or stated.spec is None):
        stated = StatedFacts.of(ModelSpec.from_metadata(graph.metadata, path)).overridden_by(stated)
    try:
        return _examine(graph, stated or StatedFacts(), is_own=is_own)
    except ModelError:
        if is_own and stated and stated.spec and stated.spec.is_plain:
            _check_described(graph, stated.spec)
        raise


def _check_described(graph: NetworkGraph, spec: ModelSpec) -> None:
    """Raise the ModelError of a description that does not fit the file, where that is what is wrong."""
    inputs = {name_of(port): shape_of(port) for port in graph.inputs}
    outputs = {name_of(port): shape_of(port) for port in graph.model.outputs}
    if all(shape is not None and -1 not in shape for shape in (*inputs.values(), *outputs.values())):
        check_ports(spec, {k: v or () for k, v in inputs.items()}, {k: v or () for k, v in outputs.items()})


def _examine(graph: NetworkGraph, stated: StatedFacts, *, is_own: bool) -> Examination:
    was_static = is_static(graph)
    roles = find_roles(graph, stated, only_stated=is_own)
    picture = examine_picture(graph, roles.image, stated)
    states = fix_shapes(graph, picture, roles)
    answer = examine_answer(graph, _answers(graph, roles), picture.size, _with_own_output(stated, roles, is_own=is_own))
    answer = resolved(graph, roles, picture, answer, stated.activation)
    names = class_names(graph, answer, stated)
    checked_channels(graph, answer, names)
    normalization = _normalization(picture, stated)
    base = stated.spec or ModelSpec(stated.name or graph.path.stem, picture.size, names.classes, (0.0,), (255.0,))
    known = normalization or Normalization((0.0,) * picture.channels, (255.0,) * picture.channels)
    spec = replace(
        base,
        size=picture.size,
        classes=names.classes,
        mean=known.mean,
        std=known.std,
        normalization=known.kind,
        percentiles=known.percentiles,
        states=states,
        image_input=picture.name,
        logits_output=answer.name,
        activation=answer.activation,
        layout=picture.layout,
        output_layout=answer.layout,
        channel_order=picture.channel_order,
        dtype=picture.dtype,
        frames=picture.frames,
        constants=roles.constants,
        is_multi_label=names.is_multi_label,
        overlap=stated.overlap or base.overlap,
        background=stated.spec.background if stated.spec else names.background,
        further_outputs=tuple(name for name in roles.answers if name not in (answer.name, answer.prototypes)),
        prototypes=answer.prototypes,
    )
    is_same = is_own and spec == stated.spec
    is_background_stated = is_own or stated.spec is not None or names.is_stated or names.is_multi_label
    facts = is_own, is_same, was_static, is_background_stated, bool(stated.activation or stated.spec)
    return Examination(graph, picture, answer, states, spec, normalization, *facts)


def _answers(graph: NetworkGraph, roles: NetworkRoles) -> dict[str, Any]:
    return {name: tensor for name, tensor in graph.outputs.items() if name in roles.answers}


def _with_own_output(stated: StatedFacts, roles: NetworkRoles, *, is_own: bool) -> StatedFacts:
    """Return the facts with the output that the file's own description, or a name other than the default, states."""
    if stated.output or stated.spec is None:
        return stated
    name = stated.spec.logits_output
    is_stated = is_own or name != ModelSpec.__dataclass_fields__["logits_output"].default
    return replace(stated, output=name) if is_stated and (is_own or name in roles.answers) else stated


def _normalization(picture: PictureInput, stated: StatedFacts) -> Normalization | None:
    """Return the stated normalization, else that of the graph. Raises ModelError for another number of channels."""
    if not stated.says_how_to_normalize:
        return picture.normalization
    mean = stated.mean or (0.0,) * picture.channels
    std = stated.std or (1.0,) * picture.channels
    if len(mean) == 1 and picture.channels == 3:
        mean, std = mean * 3, std * 3
    if len(mean) != picture.channels:
        raise ModelError(
            f"--mean has {len(mean)} values and the network's {picture.name!r} {picture.channels} channels: give one for each"
        )
    given = Normalization(mean, std, stated.normalization or "constants", stated.percentiles)
    graph = picture.normalization
    if graph is None or (graph.mean, graph.std, graph.kind) == (given.mean, given.std, given.kind):
        return given
    if picture.dtype == "uint8":
        raise ModelError(
            f"the network's {picture.name!r} takes uint8, which are gray levels as they are: "
            f"give --normalization 0..255, or none"
        )
    return replace(given, why=f"although the graph takes {graph.name}: {graph.why}")


def is_static(graph: NetworkGraph) -> bool:
    """Return whether all inputs and outputs have one shape."""
    return all(shape is not None and -1 not in shape for shape in map(shape_of, [*graph.inputs, *graph.model.outputs]))


def has_float_ports(graph: NetworkGraph) -> bool:
    """Return whether all inputs and outputs are float32."""
    return all(dtype_of(port) == "float32" for port in [*graph.inputs, *graph.model.outputs])
