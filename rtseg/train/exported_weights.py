"""Makes a checkpoint to start from out of an exported model: `python -m rtseg.train.exported_weights MODEL CONFIG OUT`.

An export folds each BatchNorm into its convolution. Here the folded weights are loaded, and each BatchNorm gets the statistics
that its input has on pictures of the training half: the network computes the same as the file, and can be trained further.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from rtseg.errors import ConfigError, ModelError
from rtseg.evaluation.dataset import open_dataset, split
from rtseg.models import Composition
from rtseg.output.private_file import make_folder
from rtseg.text.log_records import get_logger
from rtseg.train.checkpoint import build_network, write_checkpoint
from rtseg.train.clips import ClipSampler
from rtseg.train.config import TrainConfig, read_config
from rtseg.train.earlier_format import are_earlier, current_weights
from rtseg.train.network_input import clip_input

_log = get_logger(__name__)

_BATCHES, _BATCH = 4, 24  # random pictures for the statistics
_SUBJECTS = 200  # of which they are drawn


def load_exported(network: Composition, path: Path | str) -> int:
    """Load the convolutions of an exported network of the same kind, and make each BatchNorm add the folded bias only.

    Convolutions of another shape, as those for other classes, keep their values. Returns the number of those that were loaded.
    Raises ModelError.
    """
    modules, loaded = dict(network.named_modules()), 0
    for called, weight, bias in _convolutions(path):
        name = next((name for name in modules if _is_end(called, name) or _is_end(name, called)), "")
        convolution = modules.get(name)
        if not isinstance(convolution, nn.Conv2d) or convolution.weight.shape != weight.shape:
            continue
        norm = modules.get(_next(name))
        with torch.no_grad():
            convolution.weight.copy_(weight)
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
                norm.bias.copy_(bias if bias is not None else torch.zeros_like(norm.bias))
            elif convolution.bias is not None and bias is not None:
                convolution.bias.copy_(bias)
        loaded += 1
    if 2 * loaded < sum(isinstance(module, nn.Conv2d) for module in modules.values()):
        raise ModelError(f"{path} is of another kind of network: give a model of the training's encoder and decoder")
    return loaded


def calibrate_norms(network: Composition, batches: list[Tensor]) -> None:
    """Give each BatchNorm the statistics of its input over clips (T, N, C, H, W); the network's function stays the same."""
    inputs: dict[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]] = {}

    def gather(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        inputs.setdefault(norm, []).append((given[0].mean((0, 2, 3)), given[0].square().mean((0, 2, 3))))

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(gather) for norm in norms]
    network.eval()
    with torch.no_grad():
        for batch in batches:
            network.clip(batch)
        for norm, moments in inputs.items():
            mean, square = (torch.stack(values).mean(0) for values in zip(*moments, strict=True))
            _keep_function(norm, mean, (square - mean.square()).clamp(min=1e-6))
    for hook in hooks:
        hook.remove()


def _keep_function(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Replace the running statistics of a BatchNorm, and its weights so that it maps as before."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    slope = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    norm.bias.add_(slope * (mean - norm.running_mean))
    norm.weight.copy_(slope * torch.sqrt(variance + norm.eps))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def _convolutions(path: Path | str) -> Iterator[tuple[str, Tensor, Tensor | None]]:
    """Yield the module name in the file, the weight and the bias of each exported convolution. Raises ModelError."""
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # noqa: BLE001  protobuf raises errors of several kinds
        raise ModelError(f"{path} cannot be read ({error!r}): give an .onnx file that `rtseg export` wrote") from None
    values = {one.name: torch.from_numpy(np.array(numpy_helper.to_array(one))) for one in graph.initializer}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in values:
            bias = values[node.input[2]] if len(node.input) > 2 else None
            found[_module_name(node.name)] = values[node.input[1]], bias
    yield from ((name, *folded) for name, folded in (current_weights(found) if are_earlier(found) else found).items())


def _module_name(node: str) -> str:
    """Return the name of the torch module of a node, as encoder.0.0.0 for /encoder.0/encoder.0.0/encoder.0.0.0/Conv."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if part == "network" and not parts:  # of a mirrored export
            continue
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)


def _is_end(end: str, name: str) -> bool:
    """Return whether a module's name ends in another: a file names a module by those that called it, which may not own it."""
    return bool(end) and f".{name}".endswith(f".{end}")


def _next(name: str) -> str:
    """Return the name of the module behind one in a Sequential."""
    before, _, place = name.rpartition(".")
    return f"{before}.{int(place) + 1}" if place.isdigit() else ""


def _training_clips(config: TrainConfig) -> list[Tensor]:
    """Return random pictures (1, N, C, H, W) of the training half. Raises DatasetError."""
    cases = split(open_dataset(config.data.folder), config.data.held_out)[0]
    rng = np.random.default_rng(config.schedule.seed)
    chosen = [cases[place] for place in rng.permutation(len(cases))[:_SUBJECTS]]
    sampler = ClipSampler(chosen, config.classes, config.size, config.data, 0.0)
    drawn = [[sampler.draw(rng, 1).frames for _ in range(_BATCH)] for _ in range(_BATCHES)]
    return [clip_input(np.stack(frames, 1), config) for frames in drawn]


def main(model: str, config_path: str, out: str) -> None:
    """Write the checkpoint, and log how many convolutions it took over. Raises ConfigError, DatasetError, ModelError."""
    config = read_config(config_path)
    config = replace(config, network=replace(config.network, start=""))
    if Path(out).exists():
        raise ConfigError(f"{out} exists: name another file")
    make_folder(Path(out).parent)
    network = build_network(config)
    loaded = load_exported(network, model)
    calibrate_norms(network, _training_clips(config))
    write_checkpoint(Path(out), config, {"average": network.state_dict()})
    _log.info("%s holds %s convolutions of %s", out, loaded, model)


if __name__ == "__main__":
    main(*sys.argv[1:4])
