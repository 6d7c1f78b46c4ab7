"""From a torch network to one ONNX file that every engine takes: static shapes, named states, its description inside."""

import warnings
from pathlib import Path

import numpy as np

from rtseg.engines.base import METADATA_KEY, ModelSpec
from rtseg.engines.whole import whole
from rtseg.errors import MissingExtra, ModelError

try:
    import onnx
    import onnxruntime
except ImportError:
    raise MissingExtra("an export", "onnx") from None
try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("an export", "train") from None

OPSET = 17
CHECKED_STEPS = 50  # recurrent steps over which the file must follow the network
TOLERANCE = 1e-3  # of a logit or a state, whose values are of the order of 1 to 10


def export(network: nn.Module, spec: ModelSpec, path: Path | str) -> float:
    """Write `network`, called as logits, *states = network(image, *states), to `path`, whole or not at all.

    Returns the largest absolute difference to torch over CHECKED_STEPS recurrent steps. Raises ModelError where that is above
    TOLERANCE, or the network does not fit its spec.
    """
    path, network = Path(path), network.eval()
    with whole(path, ".export-") as part:
        _write(network, spec, part)
        difference = _difference(network, spec, part)
        if not difference <= TOLERANCE:
            raise ModelError(f"{path.name} strays from torch by {difference:.2g} in {CHECKED_STEPS} steps: report the network")
    return difference


def _write(network: nn.Module, spec: ModelSpec, path: Path) -> None:
    """The graph with folded BatchNorm, and the spec in its metadata."""
    inputs = _zeros(spec)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch announces its other exporter, whose graphs are harder on TensorRT
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
    """The largest absolute difference between file and network, each carrying its own states through random frames."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    image, *ours = _zeros(spec)
    theirs, worst = [state.numpy() for state in ours], 0.0
    for _ in range(CHECKED_STEPS):
        frame = rng.standard_normal(image.shape, np.float32)
        with torch.no_grad():
            logits, *ours = network(torch.from_numpy(frame), *ours)
        fed = dict(zip((state.input for state in spec.states), theirs, strict=True))
        result, *theirs = session.run(None, {spec.image_input: frame, **fed})
        _check_shapes(spec, result, theirs)
        pairs = zip((logits, *ours), (result, *theirs), strict=True)
        worst = max(worst, *(float(np.abs(one.numpy() - other).max()) for one, other in pairs))
    return worst


def _check_shapes(spec: ModelSpec, logits: np.ndarray, states: list[np.ndarray]) -> None:
    channels = 1 if len(spec.classes) == 1 else len(spec.classes) + 1
    if logits.ndim != 4 or logits.shape[:2] not in {(1, channels), (1, len(spec.classes) + 1)}:
        raise ModelError(f"logits are {logits.shape} for the classes {spec.classes}: give a channel each, background first")
    wrong = [state.input for state, value in zip(spec.states, states, strict=True) if value.shape != tuple(state.shape)]
    if wrong:
        raise ModelError(f"state {wrong[0]!r} has another shape than its spec: describe it as the network returns it")


def _zeros(spec: ModelSpec) -> tuple[Tensor, ...]:
    """An image and the states, all zeros."""
    return torch.zeros(1, spec.channels, *spec.size), *(torch.zeros(state.shape) for state in spec.states)
