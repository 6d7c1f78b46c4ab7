"""Loads third-party torch networks for export: a TorchScript file, or a factory function and a state dict."""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rtseg.engines.base import ModelSpec, StateSpec
from rtseg.engines.convert.tool_errors import as_model_error, cause_line
from rtseg.engines.spec_values import STATE_ROLES, WRITTEN_ROLES, abridged
from rtseg.engines.torch import check_parameters, load_script
from rtseg.engines.validation.examination import examine
from rtseg.errors import ConfigError, MissingExtra, ModelError

try:
    import torch
    from torch import Tensor, nn
except ImportError:
    raise MissingExtra("another's network", "train") from None

_NESTED = (
    "state_dict",
    "model_state_dict",
    "model",
    "network",
    "net",
    "network_weights",
)  # keys under which training tools store the weights
_PARALLEL = "module."  # the prefix that DataParallel adds to each name


def load_third_party_network(
    checkpoint: Path | str, factory: str = "", *, spec: ModelSpec | None = None, trusted: bool = False
) -> nn.Module:
    """Load a network that returns logits, ready to run. Raises ConfigError, ModelError.

    checkpoint: a state dict for `factory`, or without one a TorchScript file; it is first examined in a child process.
    factory: "package.module:name" of a function without arguments that builds the network. spec: the description of a
    TorchScript network; with it, the examination also runs the network. trusted: see `load_engine`.
    """
    if not factory:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # torch recommends torch.export, published files use TorchScript
            frozen: nn.Module = torch.jit.freeze(load_script(checkpoint, spec, trusted=trusted))  # folds BatchNorms
        return frozen
    network = _call_factory(factory)
    if Path(checkpoint).is_file():
        examine(Path(checkpoint), "weights", trusted=trusted)
    _load_weights(network, read_weights(checkpoint), checkpoint)
    check_parameters(network, str(checkpoint))
    return _TupleOutput(_replace_batchnorm(network).eval())


def state_specs(network: nn.Module, size: tuple[int, int]) -> tuple[StateSpec, ...]:
    """Return the states of a network, from its method initial_states(n, (H, W)); empty without that method.

    Their roles are those of its attribute state_roles, one for each state, and "memory" without it. The network returns new
    values of the roles memory and mask, or of those that its attribute state_is_returned says. Its attribute state_names names
    their inputs NAME_in and their outputs NAME_out. Raises ModelError.
    """
    tell: Callable[..., tuple[Tensor, ...]] | None = getattr(network, "initial_states", None)
    with as_model_error(f"the network's initial_states(1, {size}) fails", "let it give a tensor of zeros for each state"):
        states = as_tensors(tell(1, size) if tell else ())
    roles = tuple(getattr(network, "state_roles", ("memory",) * len(states)))
    if len(roles) != len(states) or not set(roles) <= set(STATE_ROLES):
        raise ModelError(
            f"the network's state_roles are {abridged(roles)}: give each of its {len(states)} states one of "
            f"{', '.join(STATE_ROLES)}"
        )
    returned = tuple(getattr(network, "state_is_returned", (role not in WRITTEN_ROLES for role in roles)))
    if len(returned) != len(states):
        raise ModelError(
            f"the network's state_is_returned has {len(returned)} values: give one for each of its {len(states)} states"
        )
    names = tuple(getattr(network, "state_names", (f"state_{place}" for place in range(len(states)))))
    if len(names) != len(states):
        raise ModelError(f"the network's state_names are {abridged(names)}: give one for each of its {len(states)} states")
    return tuple(
        StateSpec(f"{name}_in", f"{name}_out" if has_output else "", tuple(state.shape), role)
        for name, state, role, has_output in zip(names, states, roles, returned, strict=True)
    )


def as_tensors(answer: Any) -> tuple[Tensor, ...]:
    """Convert a network's output, a tensor or a sequence of tensors, to a tuple. Raises ModelError."""
    parts = tuple(answer) if isinstance(answer, tuple | list) else (answer,)
    strange = [type(part).__name__ for part in parts if not isinstance(part, Tensor)]
    if strange:
        raise ModelError(f"the network returns a {strange[0]}: let its factory return one that gives logits, *states")
    return parts


class _TupleOutput(nn.Module):
    """Wraps a network so that all of its outputs are tensors, by name or in order."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        if hasattr(network, "initial_states"):
            self.initial_states = network.initial_states
        for name in ("state_names", "state_roles", "state_is_returned"):
            if hasattr(network, name):
                setattr(self, name, getattr(network, name))

    def forward(self, x: Tensor, *states: Tensor) -> Any:
        answer = self.network(x, *states)
        if isinstance(answer, tuple | list):
            answer = [part for part in answer if part is not None]  # as of SegResNetVAE, whose loss is for training
        return answer if isinstance(answer, Mapping) else as_tensors(answer)


class _ScaleShift(nn.Module):
    """Replaces a trained BatchNorm by x * scale + shift, which engines fold into the convolution before it."""

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


def _call_factory(factory: str) -> nn.Module:
    module, _, name = factory.partition(":")
    if not name:
        raise ConfigError(f"{factory!r} names no network: give package.module:function")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, so that the user's own modules are found
    try:
        network = getattr(import_module(module), name)()
    except Exception as error:  # the user's code can raise anything
        raise ConfigError(
            f"{factory!r} builds no network ({cause_line(error)}): name a function without arguments that runs by itself"
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{factory!r} gives a {type(network).__name__}: let it return a torch.nn.Module")
    return network


def read_weights(checkpoint: Path | str) -> Mapping[str, Any]:
    """Read a state dict from a file, without running code from a pickle. Raises ModelError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about files that it then refuses
            values = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{checkpoint} holds no weights ({error.strerror}): name the file of a state dict") from None
    except Exception:  # noqa: BLE001  torch.load raises arbitrary exceptions, and advises to run code from the file
        raise ModelError(
            f"{checkpoint} holds no weights (it is no state dict): save them with torch.save(network.state_dict(), FILE), or a "
            f"whole network as TorchScript, which needs no MODULE:FACTORY"
        ) from None
    for key in _NESTED:
        values = values[key] if isinstance(values, Mapping) and isinstance(values.get(key), Mapping) else values
    if not isinstance(values, Mapping):
        raise ModelError(f"{checkpoint} holds a {type(values).__name__}: save a state dict, torch.save(network.state_dict())")
    return {name.removeprefix(_PARALLEL): value for name, value in values.items()}


def _load_weights(network: nn.Module, weights: Mapping[str, Any], checkpoint: Path | str) -> None:
    try:
        network.load_state_dict(_own_weights(network, weights, checkpoint))
    except RuntimeError as error:
        first = [line.strip() for line in str(error).splitlines()][1:2]
        raise ModelError(
            f"{checkpoint} does not fit the network ({first[0] if first else error}): give the factory's own"
        ) from None


def _own_weights(network: nn.Module, weights: Mapping[str, Any], checkpoint: Path | str) -> Mapping[str, Any]:
    """Return the weights by the network's own names, without the prefix that a trainer's class adds to them.

    Raises ModelError where several networks in the file have these names.
    """
    names = list(network.state_dict())
    if not names or names[0] in weights:
        return weights
    prefixes = [key.removesuffix(names[0]) for key in weights if key.endswith(f".{names[0]}")]
    fitting = [prefix for prefix in prefixes if all(prefix + name in weights for name in names)]
    if len(fitting) > 1:
        raise ModelError(
            f"{checkpoint} holds several networks that fit ({', '.join(map(repr, fitting))}): save the weights of one of them"
        )
    return {name: weights[fitting[0] + name] for name in names} if fitting else weights


def _replace_batchnorm(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm by a scale and a shift: torch's export folds only those directly after a convolution."""
    if isinstance(network, nn.BatchNorm2d):
        return _ScaleShift(network)
    for name, part in network.named_children():
        setattr(network, name, _replace_batchnorm(part))
    return network
