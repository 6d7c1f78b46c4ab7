"""PyTorch, eager: the reference that the fast engines are measured against (extra `train`)."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Array, ModelSpec
from rtseg.errors import EngineError, MissingExtra, ModelError
from rtseg.frame import Image, Labels

try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("the torch engine", "train") from None


class TorchEngine:
    """Runs a torch network, called as logits, *states = network(image, *states), on the CPU.

    threads: of torch in this whole process, 0 leaves them as they are.
    """

    name = "torch"

    def __init__(self, network: nn.Module, spec: ModelSpec, *, threads: int = 0) -> None:
        self._network: nn.Module | None = network.eval()
        self.spec = spec
        if threads:
            torch.set_num_threads(threads)

    def initial_state(self) -> tuple[Tensor, ...]:
        """The memory of nothing: all zeros."""
        return tuple(torch.zeros(port.shape) for port in self.spec.states)

    def upload(self, image: Image) -> Array:
        """The image itself: the CPU has it already."""
        return image

    def infer(self, x: Array, state: tuple[Tensor, ...]) -> tuple[Array, tuple[Tensor, ...]]:
        """Run the network: see Engine.infer. Raises EngineError."""
        if self._network is None:
            raise EngineError(f"the engine of {self.spec.name!r} is closed: load it again")
        try:
            with torch.inference_mode():
                answer: Any = self._network(torch.from_numpy(x), *state)
        except (RuntimeError, TypeError) as error:
            raise EngineError(
                f"torch failed on {self.spec.name!r} ({_reason(error)}): check its --size and its states"
            ) from error
        logits, *states = answer if isinstance(answer, tuple | list) else (answer,)
        return logits.numpy(), tuple(states)

    def download(self, labels: Array) -> Labels:
        """The labels themselves: the CPU has them already."""
        return np.asarray(labels)

    def close(self) -> None:
        """Give the network back; closing twice is harmless."""
        self._network = None


def load_script(path: Path | str) -> nn.Module:
    """A TorchScript network of a file. Raises ModelError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch wants torch.export; others' files are TorchScript
            network: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{path} is no TorchScript network ({_reason(error)}): save it with torch.jit.save") from error
    return network.eval()


def _reason(error: Exception) -> str:
    """The last line of torch's message that says something: it prints its own stack above it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
