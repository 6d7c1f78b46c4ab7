"""Exports a torch network to one ONNX file for every engine, with static shapes, named states and its spec as metadata."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.convert.third_party import as_tensors
from rtseg.engines.convert.tool_errors import as_model_error
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
TOLERANCE = 1e-3  # absolute, for logits and states with values of the order of 1 to 10


def export(network: nn.Module, spec: ModelSpec, path: Path | str) -> float:
    """Export `network`, called as logits, *states = network(image, *states), to `path` atomically.

    Returns the largest absolute difference to torch over CHECKED_STEPS recurrent steps. Raises ModelError where the difference
    exceeds TOLERANCE, the network does not match its spec or cannot be exported, or its outputs are probabilities.
    """
    path, network = Path(path), network.eval()
    with atomic_onnx_path(path, ".export-") as part:
        _check_runs(network, spec)
        with as_model_error("torch cannot write the network as ONNX", f"build it of what ONNX has in opset {OPSET}"):
            _write(network, spec, part)
        difference = _difference(network, spec, part)
        if not difference <= TOLERANCE:
            raise ModelError(f"{path.name} strays from torch by {difference:.2g} in {CHECKED_STEPS} steps: report the network")
    return difference


def _check_runs(network: nn.Module, spec: ModelSpec) -> None:
    """Run the network once in torch, so that a mismatch is reported before the exporter fails. Raises ModelError."""
    if not isinstance(network, torch.jit.ScriptModule) and any(
        isinstance(p, torch.jit.ScriptModule) for p in network.modules()
    ):
        raise ModelError(
            "TorchScript cannot be mirrored: give the network as MODULE:FACTORY with its weights, or not --mirrored"
        )
    image, *states = _zeros(spec)
    logits, *given = _run_torch(network, image, *states)
    if len(given) != len(states):
        raise ModelError(
            f"the network gives {1 + len(given)} tensors, and not {1 + len(states)}, its logits and its states: let it give "
            f"its logits alone, or let it tell its memory by a method initial_states(n, size), which TorchScript loses"
        )
    _check_shapes(spec, logits, given)


def _run_torch(network: nn.Module, image: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """Run the network in torch; return logits, *states. Raises ModelError."""
    remedy = (
        "give --mean and --std with a value for each channel of its input, the --size that it takes, and for a memory "
        "MODULE:FACTORY of a network with a method initial_states(n, size)"
    )
    with as_model_error(f"torch cannot run the network on a frame of {tuple(image.shape)}", remedy), torch.no_grad():
        answer = network(image, *states)
    return as_tensors(answer)


def _write(network: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Write the ONNX graph with folded BatchNorms and the spec in its metadata. Raises ModelError."""
    inputs = _zeros(spec)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch recommends its newer exporter, whose graphs suit TensorRT less
        torch.onnx.export(
            network,
            inputs,
            str(path),
            input_names=[spec.image_input, *(state.input for state in spec.states)],
            output_names=[spec.logits_output, *(state.output for state in spec.states)],
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


def _difference(network: nn.Module, spec: ModelSpec, path: Path) -> float:
    """Return the largest absolute difference between file and network. Raises ModelError for NaN and probabilities."""
    worst, probable = 0.0, _ends_in_sigmoid(spec, path)
    for ours, theirs in _run_both(network, spec, path):
        _check_finite(ours, theirs)
        worst = max(worst, *(float(np.abs(one - other).max()) for one, other in zip(ours, theirs, strict=True)))
        probable &= ours[0].shape[1] == 1 and bool(ours[0].min() >= 0 and ours[0].max() <= 1)
    if probable:
        raise ModelError("its answers are probabilities, all within 0 and 1: leave the sigmoid out, rtseg wants logits")
    return worst


def _run_both(network: nn.Module, spec: ModelSpec, path: Path) -> Iterator[tuple[list[Values], list[Values]]]:
    """Yield (network's, file's) [logits, *states] over random frames, each continuing from its own states."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    image, *ours = _zeros(spec)
    theirs = [state.numpy() for state in ours]
    for _ in range(CHECKED_STEPS):
        frame = rng.standard_normal(image.shape, np.float32)
        logits, *ours = _run_torch(network, torch.from_numpy(frame), *ours)
        fed = dict(zip((state.input for state in spec.states), theirs, strict=True))
        result, *theirs = session.run(None, {spec.image_input: frame, **fed})
        yield [values.numpy() for values in (logits, *ours)], [result, *theirs]


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
    wrong = [told.input for told, state in zip(spec.states, states, strict=True) if tuple(state.shape) != tuple(told.shape)]
    if wrong:
        raise ModelError(f"state {wrong[0]!r} has another shape than its spec: describe it as the network returns it")


def _zeros(spec: ModelSpec) -> tuple[Tensor, ...]:
    """Return an image and states of zeros."""
    return torch.zeros(1, spec.channels, *spec.size), *(torch.zeros(state.shape) for state in spec.states)
