"""Exports a torch network to one ONNX file for every engine, with static shapes, named states and its spec as metadata."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.adopt.examination import examine_network
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.convert.torch_source import FlattenedOutputs, flattened
from rtseg.engines.model_file import atomic_onnx_path
from rtseg.errors import MissingExtra, ModelError

try:
    import onnx

    from rtseg.engines.onnx_runtime import onnxruntime
except ImportError:
    raise MissingExtra("an export", "onnx") from None
try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("an export", "train") from None

Values = npt.NDArray[Any]
OPSET = 17
PROBABILITY_OPS = {"Clip", "HardSigmoid", "Sigmoid", "Softmax"}  # ops that return probabilities
RANGE_KEEPING_OPS = {
    "Add",
    "Cast",
    "Concat",
    "Div",
    "Identity",
    "Mul",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Unsqueeze",
}
CHECKED_STEPS = 50  # recurrent steps over which the file must follow the network
TOLERANCE = 2e-2  # of the variation of a tensor between frames


def export(network: nn.Module, spec: ModelSpec, path: Path | str, *, output: str = "") -> float:
    """Export `network`, called as logits, *states = network(image, *states), to `path` atomically.

    A network may return further tensors, also in a dictionary, before its states: they leave torch by name, and the spec in the
    file says which one a session reads. output: its name; "": the one that comes last in the graph. Returns the largest
    difference to torch over CHECKED_STEPS recurrent steps, relative to how much each tensor varies between frames. Raises
    ModelError where that exceeds TOLERANCE, the network does not match its spec or cannot be exported, or its outputs are
    probabilities.
    """
    path, network = Path(path), network.eval()
    with atomic_onnx_path(path, ".export-") as part:
        names = _check_runs(network, spec, output)
        exported = network if isinstance(network, torch.jit.ScriptModule) else FlattenedOutputs(network)
        with as_model_error("torch cannot write the network as ONNX", f"build it of what ONNX has in opset {OPSET}"):
            _write(exported, spec, part, names)
        spec = _with_output(spec, part, names, output)
        difference = _difference(exported, spec, part, names)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{path.name} strays from torch by {difference:.2g} of the variation between frames in {CHECKED_STEPS} steps: "
                f"report the network"
            )
    return difference


def _check_runs(network: nn.Module, spec: ModelSpec, output: str) -> list[str]:
    """Run the network once in torch, so that a mismatch is reported before the exporter fails. Raises ModelError.

    Returns the names of its outputs without the states.
    """
    if not isinstance(network, torch.jit.ScriptModule) and any(
        isinstance(p, torch.jit.ScriptModule) for p in network.modules()
    ):
        raise ModelError(
            "TorchScript cannot be mirrored: give the network as MODULE:FACTORY with its weights, or not --mirrored"
        )
    image, *states = _example(spec)
    named = _run_torch(network, image, *states)
    written = len(spec.updated_states)
    names = list(named)[: max(1, len(named) - written)]
    given = list(named.values())[len(names) :]
    if len(given) != written:
        raise ModelError(
            f"the network gives {len(named)} tensors, and not {1 + written}, its logits and its states: let it give its "
            f"logits before its states, or let it tell its memory by a method initial_states(n, size), which TorchScript loses"
        )
    if output and output not in names:
        raise ModelError(f"the network gives {', '.join(names)} and no {output!r}: name one of these with --output")
    if len(names) == 1:
        names = [spec.logits_output]
        _check_shapes(spec, next(iter(named.values())), given)
    return names


def _run_torch(network: nn.Module, image: Tensor, *states: Tensor) -> dict[str, Tensor]:
    """Run the network in torch; return its tensors by name, the states last. Raises ModelError."""
    remedy = (
        "give --mean and --std with a value for each channel of its input, the --size that it takes, and for a memory "
        "MODULE:FACTORY of a network with a method initial_states(n, size)"
    )
    with as_model_error(f"torch cannot run the network on a frame of {tuple(image.shape)}", remedy), torch.no_grad():
        answer = network(image, *states)
    return flattened(answer)


def _write(network: nn.Module, spec: ModelSpec, path: Path, names: Sequence[str] = ()) -> None:
    """Write the ONNX graph with folded BatchNorms and the spec in its metadata. Raises ModelError.

    names: of the outputs before the states.
    """
    inputs = _example(spec)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch recommends its newer exporter, whose graphs suit TensorRT less
        torch.onnx.export(
            network,
            inputs,
            str(path),
            input_names=[spec.image_input, *(state.input for state in spec.states)],
            output_names=[*(names or [spec.logits_output]), *(state.output for state in spec.updated_states)],
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(path)
    left = [node.name for node in model.graph.node if node.op_type == "BatchNormalization"]
    if left:
        raise ModelError(f"BatchNorm {left[0]} could not be folded: let it follow a convolution directly")
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _with_output(spec: ModelSpec, path: Path, names: Sequence[str], output: str) -> ModelSpec:
    """Return the spec with the output that a session reads, and write it into the file. Raises ModelError."""
    if len(names) == 1:
        return spec
    facts = replace(StatedFacts.of(spec), output=output)
    chosen = examine_network(path, replace(facts, spec=None)).spec.logits_output
    spec = replace(spec, logits_output=chosen, further_outputs=tuple(name for name in names if name != chosen))
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return spec


def _difference(network: nn.Module, spec: ModelSpec, path: Path, names: Sequence[str]) -> float:
    """Return the largest relative difference between file and network. Raises ModelError for NaN and probabilities."""
    probable, place = _ends_in_sigmoid(spec, path), names.index(spec.logits_output)
    seen, worst = list[list[Values]](), list[float]()
    for ours, theirs in _run_both(network, spec, path):
        _check_finite(ours, theirs)
        seen.append(ours)
        differences = [float(np.abs(one - other).max(initial=0)) for one, other in zip(ours, theirs, strict=True)]
        worst = [max(pair) for pair in zip(differences, worst or differences, strict=True)]
        logits = ours[place]
        probable &= logits.ndim == 4 and logits.shape[1] == 1 and bool(logits.min() >= 0 and logits.max() <= 1)
    if probable:
        raise ModelError("its answers are probabilities, all within 0 and 1: leave the sigmoid out, rtseg wants logits")
    return max(value / _variation(frames) for value, frames in zip(worst, zip(*seen, strict=True), strict=True))


def _variation(frames: Sequence[Values]) -> float:
    """Return how much the values of a tensor vary between frames, or in one, whichever is more; never quite 0."""
    values = np.stack(frames)
    return max(float(values.std(0).mean()), 1e-3 * float(values.std()), 1e-6 * float(np.abs(values).max()), 1e-30)


def _run_both(network: nn.Module, spec: ModelSpec, path: Path) -> Iterator[tuple[list[Values], list[Values]]]:
    """Yield (network's, file's) [logits, *states] over random frames, each continuing from its own states.

    States that only the user writes hold other random values in each frame.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    image, *_ = _example(spec)
    ours = {state.input: np.zeros(state.shape, np.float32) for state in spec.states}
    theirs, carried = dict(ours), [state.input for state in spec.updated_states]
    count = len(session.get_outputs()) - len(carried)
    for _ in range(CHECKED_STEPS):
        frame = rng.standard_normal(image.shape, np.float32)
        written = {one.input: rng.standard_normal(one.shape, np.float32) for one in spec.states if not one.output}
        ours, theirs = ours | written, theirs | written
        states = (torch.from_numpy(ours[state.input]) for state in spec.states)
        answers = [values.numpy() for values in _run_torch(network, torch.from_numpy(frame), *states).values()]
        results = session.run(None, {spec.image_input: frame, **theirs})
        ours |= dict(zip(carried, answers[count:], strict=True))
        theirs |= dict(zip(carried, results[count:], strict=True))
        yield answers, results


def _ends_in_sigmoid(spec: ModelSpec, path: Path) -> bool:
    """Return whether a sigmoid, softmax or clip produces the logits, directly or through ops that keep the value range.

    The values alone do not decide this: the logits of a barely trained network can also lie within 0 and 1.
    """
    makers = {output: node for node in onnx.load(path).graph.node for output in node.output}
    node = makers.get(spec.logits_output)
    while node is not None and node.op_type in RANGE_KEEPING_OPS:
        node = makers.get(node.input[0])
    return node is not None and node.op_type in PROBABILITY_OPS


def _check_finite(ours: list[Values], theirs: list[Values]) -> None:
    if not all(np.isfinite(values).all() for values in ours):
        raise ModelError("the network gives NaN or infinity: train it again, and give the --mean and --std that it learnt with")
    if not all(np.isfinite(values).all() for values in theirs):
        raise ModelError("the file gives NaN or infinity where torch does not: report the network")


def _check_shapes(spec: ModelSpec, logits: Tensor, states: list[Tensor]) -> None:
    channels, found = 1 if len(spec.classes) == 1 else len(spec.classes) + 1, tuple(logits.shape)
    if len(found) != 4 or found[:2] not in {(1, channels), (1, len(spec.classes) + 1)}:
        raise ModelError(f"logits are {found} for the classes {spec.classes}: give a channel each, background first")
    pairs = zip(spec.updated_states, states, strict=True)
    wrong = [told.input for told, state in pairs if tuple(state.shape) != tuple(told.shape)]
    if wrong:
        raise ModelError(f"state {wrong[0]!r} has another shape than its spec: describe it as the network returns it")


def _example(spec: ModelSpec) -> tuple[Tensor, ...]:
    """Return a random image, on which tracing sees no symmetry that other images lack, and states of zeros."""
    image = torch.randn(1, spec.channels, *spec.size, generator=torch.Generator().manual_seed(0))
    return image, *(torch.zeros(state.shape) for state in spec.states)
