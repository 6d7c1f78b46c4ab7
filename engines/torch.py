"""Runs networks with eager PyTorch, the reference for the fast engines (extra `train`)."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Array, Floats, ModelSpec, check_write
from rtseg.engines.validation.examination import examine
from rtseg.errors import EngineError, MissingExtra, ModelError
from rtseg.frame import Image, Labels

try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("the torch engine", "train") from None


class TorchEngine:
    """Runs a torch network, called as logits, *states = network(image, *states), on the CPU.

    threads: torch's number of threads in this process; 0 leaves it unchanged. Raises ModelError where a weight is NaN or
    infinite.
    """

    name = "torch"

    def __init__(self, network: nn.Module, spec: ModelSpec, *, threads: int = 0) -> None:
        check_parameters(network, f"the network of {spec.name!r}")
        self._network: nn.Module | None = network.eval()
        self.spec = spec
        if threads:
            torch.set_num_threads(threads)

    def initial_state(self) -> tuple[Tensor, ...]:
        """Return states of zeros."""
        return tuple(torch.zeros(port.shape) for port in self.spec.states)

    def upload(self, image: Image) -> Array:
        """Return the image unchanged: it is on the CPU already."""
        return image

    def infer(self, x: Array, state: tuple[Tensor, ...]) -> tuple[Array, tuple[Tensor, ...]]:
        """Run the network, see `Engine.infer`. Raises EngineError."""
        if self._network is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        try:
            with torch.inference_mode():
                answer: Any = self._network(torch.from_numpy(x), *state)
        except (RuntimeError, TypeError) as error:
            raise EngineError(
                f"torch failed on {self.spec.name!r} ({_reason(error)}): check its --size and its states"
            ) from error
        logits, *written = answer if isinstance(answer, tuple | list) else (answer,)
        if len(written) != len(self.spec.updated_states):
            raise EngineError(
                f"the network of {self.spec.name!r} returns {len(written)} states and its description names "
                f"{len(self.spec.updated_states)}: check its --state"
            )
        rest = iter(written)
        after = [next(rest) if port.output else kept for port, kept in zip(self.spec.states, state, strict=True)]
        return logits.numpy(), tuple(after)

    def write(self, state: tuple[Tensor, ...], name: str, values: Floats) -> tuple[Tensor, ...]:
        """Return the states with one replaced, see `Engine.write`. Raises ConfigError."""
        place, checked = check_write(self.spec, name, values)
        return (*state[:place], torch.from_numpy(checked), *state[place + 1 :])

    def download(self, labels: Array) -> Labels:
        """Return the labels unchanged: they are on the CPU already."""
        return np.asarray(labels)

    def close(self) -> None:
        """Release the network; closing twice is harmless."""
        self._network = None


def load_script(path: Path | str, spec: ModelSpec | None = None, *, trusted: bool = False) -> nn.Module:
    """Load a TorchScript file after its examination in a child process. Raises ModelError.

    spec: the network's description; with it, the examination also runs the network. trusted: see `load_engine`.
    """
    if Path(path).is_file():
        examine(Path(path), "torchscript", spec, trusted=trusted)
    return read_script(path)


def read_script(path: Path | str) -> nn.Module:
    """Read a TorchScript file and check its weights, without an examination. Raises ModelError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # torch recommends torch.export, published files use TorchScript
            network: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{path} is no TorchScript network ({_reason(error)}): save it with torch.jit.save") from error
    check_parameters(network, str(path))
    return network.eval()


def check_parameters(network: nn.Module, name: str) -> None:
    """Raise ModelError where a weight is NaN or infinite, or a buffer is NaN; attention masks are buffers with infinity."""
    for key, weight in network.named_parameters():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise ModelError(f"{name} has NaN or infinity in its weights {key!r}: train it again")
    for key, buffer in network.named_buffers():
        if buffer.is_floating_point() and torch.isnan(buffer).any():
            raise ModelError(f"{name} has NaN in its buffer {key!r}: train it again")


def _reason(error: Exception) -> str:
    """Return the last non-empty line of torch's message, which follows its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
