"""Compares the inputs and outputs of a network with its `ModelSpec`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from rtseg.engines.model_spec import ModelSpec
from rtseg.errors import ModelError

Ports: TypeAlias = Mapping[str, tuple[int, ...]]  # name and shape of a network's inputs or outputs


def complete_spec(spec: ModelSpec, inputs: Ports, outputs: Ports) -> ModelSpec:
    """Complete the user's spec with the port names and state shapes of the actual network.

    The only input that is no state becomes the image, and the first output that is no state the logits. A name that exists
    is kept. A state without a shape takes the shape of its input.
    """
    states = tuple(replace(state, shape=state.shape or inputs.get(state.input, ())) for state in spec.states)
    images = [name for name in inputs if name not in {state.input for state in states}]
    answers = [name for name in outputs if name not in {state.output for state in states}]
    image = spec.image_input if spec.image_input in images or len(images) != 1 else images[0]
    logits = spec.logits_output if spec.logits_output in answers or not answers else answers[0]
    return replace(spec, states=states, image_input=image, logits_output=logits)


def check_dtypes(spec: ModelSpec, dtypes: Mapping[str, str]) -> None:
    """Raise ModelError unless every input and output of the spec is float32. dtypes: NumPy dtype names by port."""
    carried = [name for state in spec.states for name in (state.input, state.output) if name]
    for name in (spec.image_input, spec.logits_output, *carried):
        if dtypes.get(name, "float32") != "float32":
            raise ModelError(f"the network's {name!r} is {dtypes[name]}: export it again with float32 inputs and outputs")


def check_ports(spec: ModelSpec, inputs: Ports, outputs: Ports) -> None:
    """Raise ModelError unless a network has the inputs and outputs of its spec, and runs as it is."""
    if not spec.is_plain:
        raise ModelError(
            f"the network of {spec.name!r} answers {spec.activation} in {spec.output_layout}, which only `load_engine` adapts: "
            f"load it by that, or with --engine openvino or onnx"
        )
    channels = len(spec.classes) + 1
    wanted = {spec.image_input: (1, spec.channels, *spec.size)} | {state.input: state.shape for state in spec.states}
    for name, shape in wanted.items():
        _check_port(inputs, name, shape)
    for state in spec.states:
        if state.output:
            _check_port(outputs, state.output, state.shape)
    logits = outputs.get(spec.logits_output, ())
    if set(inputs) != set(wanted) or len(logits) != 4 or logits[1] not in ((1, 2) if channels == 2 else (channels,)):
        raise ModelError(
            f"the network of {spec.name!r} takes {dict(inputs)} and gives {dict(outputs)}, which is not what its description "
            f"says: export it again with `rtseg export`"
        )


def _check_port(ports: Ports, name: str, shape: tuple[int, ...]) -> None:
    if name not in ports:
        raise ModelError(
            f"the network has {dict(ports)} and no {name!r} {shape}: export it again with `rtseg export`, or name its memory "
            f"by --state INPUT:OUTPUT"
        )
    if ports[name] != shape:
        raise ModelError(f"the network has {ports[name]} where {name!r} {shape} should be: export it again with `rtseg export`")
