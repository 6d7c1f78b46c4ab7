"""Writes any torch network as an ONNX file with all of its outputs, named, so that it can be examined and adopted."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.convert.third_party import state_specs
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.spec_values import StateSpec
from rtseg.errors import MissingExtra, ModelError

try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("a torch network", "train") from None

OPSET = 17
IMAGE = "image"


@dataclass(frozen=True)
class TorchSource:
    """Holds a torch network that is ready to run, and what its folder states about it."""

    network: nn.Module
    """Called as answer, or several, = network(image, *states)."""
    channels: int
    """The channels of its input."""
    size: tuple[int, int]
    """(H, W) of its input."""


def written_onnx(source: TorchSource, path: Path) -> "TorchNetwork":
    """Write a network with all of its outputs as ONNX; return it as the original to compare with. Raises ModelError."""
    network = source.network.eval()
    states = state_specs(network, source.size)
    image = torch.randn(1, source.channels, *source.size, generator=torch.Generator().manual_seed(0))
    inputs = (image, *(torch.zeros(state.shape) for state in states))
    remedy = "give the --size that it takes, and --mean and --std with a value for each channel"
    with as_model_error(f"torch cannot run the network on a picture of {tuple(image.shape)}", remedy), torch.no_grad():
        answer = network(*inputs)
    if isinstance(network, torch.jit.ScriptModule) and isinstance(answer, Mapping):
        raise ModelError(
            f"the TorchScript network returns a dictionary ({', '.join(map(str, answer))}), which torch cannot write as ONNX: "
            f"trace it in a module that returns the mask, or give its weights with --factory"
        )
    named = flattened(answer)
    names = _with_states(named, states)
    exported = network if isinstance(network, torch.jit.ScriptModule) else FlattenedOutputs(network)
    failed = "torch cannot write the network as ONNX"
    with as_model_error(failed, f"build it of what ONNX has in opset {OPSET}"), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch recommends its newer exporter, whose graphs suit TensorRT less
        torch.onnx.export(
            exported,
            inputs,
            str(path),
            input_names=[IMAGE, *(state.input for state in states)],
            output_names=names,
            opset_version=OPSET,
            dynamo=False,
        )
    return TorchNetwork(network, names, states)


def _with_states(named: Mapping[str, Tensor], states: Sequence[StateSpec]) -> list[str]:
    """Return the names of the outputs, of which the last ones write the states."""
    names, states = list(named), [state for state in states if state.output]
    if len(names) <= len(states):
        raise ModelError(f"the network gives {len(names)} tensors for {len(states)} states: let it return its answer, *states")
    return [*names[: len(names) - len(states)], *(state.output for state in states)]


def flattened(answer: Any, name: str = "") -> dict[str, Tensor]:
    """Return the tensors of an answer by name: the keys of a dictionary, else output_0, output_1 and so on.

    A single tensor is named logits. Raises ModelError.
    """
    if isinstance(answer, Tensor):
        return {name or "logits": answer}
    if isinstance(answer, Mapping):
        parts = [(f"{name}_{key}" if name else str(key), part) for key, part in answer.items()]
    elif isinstance(answer, tuple | list):
        parts = [(f"{name or 'output'}_{place}" if place or name else "output_0", part) for place, part in enumerate(answer)]
        parts = [(name or "logits", answer[0])] if len(answer) == 1 else parts
    else:
        raise ModelError(f"the network returns a {type(answer).__name__}: let its factory return one that gives tensors")
    found: dict[str, Tensor] = {}
    for key, part in parts:
        found |= flattened(part, key) if part is not None else {}
    return found


class FlattenedOutputs(nn.Module):
    """Wraps a network so that it returns all of its tensors in one tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.train(network.training)  # an export restores the mode of the wrapper, with that of all parts

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(flattened(self.network(*inputs)).values())


class TorchNetwork:
    """Runs a torch network by the names of its exported inputs and outputs."""

    name = "torch"

    def __init__(self, network: nn.Module, names: Sequence[str], states: Sequence[StateSpec]) -> None:
        self._network, self._names = network, names
        self._inputs = [IMAGE, *(state.input for state in states)]

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return all outputs by name."""
        with torch.no_grad():
            answer = self._network(*(torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs))
        return {name: part.numpy() for name, part in zip(self._names, flattened(answer).values(), strict=True)}

    def share(self) -> "TorchNetwork":
        """Return itself, since torch runs one network in several threads."""
        return self

    def close(self) -> None:
        """Do nothing: torch releases the network by itself."""


def input_channels(network: nn.Module) -> int:
    """Return the channels that a network's first convolution takes. Raises ModelError."""
    for key, weight in network.named_parameters():
        if weight.ndim == 4:
            return int(weight.shape[1])
        if weight.ndim == 5:
            raise ModelError(f"the network is a 3D one ({key!r} is {tuple(weight.shape)}): give a 2D network")
    raise ModelError("the network has no convolution: give --mean and --std with a value for each channel of its input")
