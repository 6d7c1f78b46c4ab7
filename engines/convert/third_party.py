"""Other people's torch networks, made ready for export: a TorchScript file, or a factory and a state dict."""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rtseg.engines.base import ModelSpec, StateSpec
from rtseg.engines.convert.tool_errors import cause, stage
from rtseg.engines.torch import check_parameters, load_script
from rtseg.engines.validation.examination import examine
from rtseg.errors import ConfigError, MissingExtra, ModelError

try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("another's network", "train") from None

_NESTED = ("state_dict", "model_state_dict", "model")  # where trainers keep the weights among their own values
_PARALLEL = "module."  # what DataParallel puts before each name


def foreign_network(
    checkpoint: Path | str, factory: str = "", *, spec: ModelSpec | None = None, trusted: bool = False
) -> nn.Module:
    """A network that gives logits, ready to run. Raises ConfigError, ModelError.

    factory: "package.module:name" of a function without arguments that builds it, whose weights the checkpoint holds; without
    one the checkpoint is TorchScript. The checkpoint is tried in a child process first, see load_engine for `trusted`; spec:
    what a TorchScript network takes, so that it can be run there.
    """
    if not factory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch wants torch.export; others' files are TorchScript
            frozen: nn.Module = torch.jit.freeze(load_script(checkpoint, spec, trusted=trusted))  # folds BatchNorms
        return frozen
    network = _built(factory)
    if Path(checkpoint).is_file():
        examine(Path(checkpoint), "weights", trusted=trusted)
    _fill(network, read_weights(checkpoint), checkpoint)
    check_parameters(network, str(checkpoint))
    return _Answers(_without_batchnorm(network).eval())


def states_of(network: nn.Module, size: tuple[int, int]) -> tuple[StateSpec, ...]:
    """The memory of a network that tells it by a method initial_states(n, (H, W)), as rtseg's own do; others have none.

    Raises ModelError.
    """
    tell: Callable[..., tuple[Tensor, ...]] | None = getattr(network, "initial_states", None)
    with stage(f"the network's initial_states(1, {size}) fails", "let it give a tensor of zeros for each state"):
        states = tensors(tell(1, size) if tell else ())
    return tuple(StateSpec(f"state_{place}_in", f"state_{place}_out", tuple(state.shape)) for place, state in enumerate(states))


def tensors(answer: Any) -> tuple[Tensor, ...]:
    """What a network answers as a tuple, whatever it is by itself. Raises ModelError."""
    parts = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    strange = [type(part).__name__ for part in parts if not isinstance(part, Tensor)]
    if strange:
        raise ModelError(f"the network returns a {strange[0]}: let its factory return one that gives logits, *states")
    return parts


class _Answers(nn.Module):
    """A network whose answer is a tuple, whatever it is by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        if hasattr(network, "initial_states"):
            self.initial_states = network.initial_states

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        return tensors(self.network(x, *states))


class _Scaled(nn.Module):
    """A BatchNorm that has learnt: x * scale + shift, which engines fold into the convolution before it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:
            raise ModelError("a BatchNorm without statistics needs a batch: train it with track_running_stats=True")
        ones = torch.ones_like(variance)
        scale = (norm.weight if norm.affine else ones) / torch.sqrt(variance + norm.eps)
        shift = (norm.bias if norm.affine else 0 * ones) - mean * scale
        self.register_buffer("scale", scale.detach().reshape(1, -1, 1, 1))
        self.register_buffer("shift", shift.detach().reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def _built(factory: str) -> nn.Module:
    module, _, name = factory.partition(":")
    if not name:
        raise ConfigError(f"{factory!r} names no network: give package.module:function")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does: the function stands where the user stands
    try:
        network = getattr(import_module(module), name)()
    except Exception as error:  # the user's own code raises whatever it likes
        raise ConfigError(
            f"{factory!r} builds no network ({cause(error)}): name a function without arguments that runs by itself"
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{factory!r} gives a {type(network).__name__}: let it return a torch.nn.Module")
    return network


def read_weights(checkpoint: Path | str) -> Mapping[str, Any]:
    """Return the state dict of a file, which runs none of the code that a pickle may hold. Raises ModelError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it then refuses
            values = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{checkpoint} holds no weights ({error.strerror}): name the file of a state dict") from None
    except Exception:  # noqa: BLE001  torch.load raises whatever the bytes lead it to, and advises to run what is in them
        raise ModelError(
            f"{checkpoint} holds no weights (it is no state dict): save them with torch.save(network.state_dict(), FILE), or a "
            f"whole network as TorchScript, which needs no MODULE:FACTORY"
        ) from None
    for key in _NESTED:
        values = values[key] if isinstance(values, Mapping) and isinstance(values.get(key), Mapping) else values
    if not isinstance(values, Mapping):
        raise ModelError(f"{checkpoint} holds a {type(values).__name__}: save a state dict, torch.save(network.state_dict())")
    return {name.removeprefix(_PARALLEL): value for name, value in values.items()}


def _fill(network: nn.Module, weights: Mapping[str, Any], checkpoint: Path | str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = [line.strip() for line in str(error).splitlines()][1:2]
        raise ModelError(
            f"{checkpoint} does not fit the network ({first[0] if first else error}): give the factory's own"
        ) from None


def _without_batchnorm(network: nn.Module) -> nn.Module:
    """The network with every BatchNorm as a scale and a shift: torch's export folds only those right after a convolution."""
    if isinstance(network, nn.BatchNorm2d):
        return _Scaled(network)
    for name, part in network.named_children():
        setattr(network, name, _without_batchnorm(part))
    return network
