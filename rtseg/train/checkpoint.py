"""Saves and loads the state of a training, to resume it or to make a model of it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from rtseg.engines.base import ModelSpec
from rtseg.engines.convert.third_party import state_specs
from rtseg.errors import ConfigError
from rtseg.models import Composition
from rtseg.output.atomic_file import write_or_refuse
from rtseg.train.config import TrainConfig, from_values
from rtseg.train.earlier_format import current_weights

_FORMAT = 2
_EARLIER_FORMAT = 1  # with the weights' names of before
_NETWORKS = ("average", "network")  # values that hold a network's weights


def build_network(config: TrainConfig) -> Composition:
    """Return the untrained network of a config; it has one logit for one class, else one more for the background.

    Raises ConfigError.
    """
    network, n_logits = config.network, 1 if len(config.classes) == 1 else len(config.classes) + 1
    return Composition(
        n_logits,
        network.encoder,
        network.memory,
        network.decoder,
        network.heads,
        deep=network.deep,
        dropout=network.dropout,
        frozen=network.frozen,
        channels=max(1, len(config.planes)),
    )


def initial_network(config: TrainConfig) -> Composition:
    """Return the initial network of a training, with weights of ImageNet or another training if configured.

    Raises ConfigError, ModelError, MissingExtra.
    """
    network = build_network(config)
    encoder: Any = network.encoder
    if config.network.imagenet:
        encoder.load_imagenet()
    if config.network.start:
        _transfer_weights(network, config.network.start)
    _check_fit(network, config)
    return network


@torch.no_grad()
def _check_fit(network: Composition, config: TrainConfig) -> None:
    """Run one empty frame, because parts of other packages may not fit together. Raises ConfigError."""
    frame = torch.zeros(1, max(1, len(config.planes)), *config.size)
    try:
        network.eval()(frame, *network.initial_states(1, config.size))
    except Exception as error:  # noqa: BLE001  other people's code may raise anything
        parts = config.network.encoder, *config.network.memory, config.network.decoder
        raise ConfigError(f"{', '.join(parts)} do not fit together on {config.size} ({error}): choose others") from None
    network.train()


def _transfer_weights(network: Composition, path: str) -> None:
    """Load the averaged weights of another training whose names and shapes match. Raises ConfigError."""
    values, own = read_checkpoint(path)[1], network.state_dict()
    with damage_as_config_error(path):
        given = values["average"].items()
        fitting = {name: value for name, value in given if name in own and own[name].shape == value.shape}
    if len(fitting) < len(own) / 2:
        raise ConfigError(f"{path} is of another kind of network: start from one of the same encoder and decoder")
    network.load_state_dict(own | fitting)


def write_checkpoint(path: Path, config: TrainConfig, values: Mapping[str, Any]) -> None:
    """Write a training's values and config atomically. Raises SinkError."""
    write_values(path, {"format": _FORMAT, "config": asdict(config), **values})


def write_values(path: Path, values: Mapping[str, Any]) -> None:
    """Write a dictionary of torch atomically. Raises SinkError."""
    data = io.BytesIO()  # torch.save does not distinguish a full disk from other errors
    torch.save(dict(values), data)
    write_or_refuse(path, data.getvalue())


def read_checkpoint(path: Path | str) -> tuple[TrainConfig, dict[str, Any]]:
    """Read the config and values of a checkpoint. Raises ConfigError."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(values, dict) or values.get("format") not in (_FORMAT, _EARLIER_FORMAT):
            raise ValueError("another format")
        if values["format"] == _EARLIER_FORMAT:
            values |= {name: current_weights(values[name]) for name in _NETWORKS if isinstance(values.get(name), Mapping)}
        return from_values(values.pop("config"), str(path)), values
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a last.pt that `rtseg train` wrote") from None
    except Exception:  # noqa: BLE001  torch.load raises any exception, and its messages recommend unsafe options
        raise ConfigError(f"{path} is no checkpoint of a training: name a last.pt that `rtseg train` wrote") from None


@contextmanager
def damage_as_config_error(path: Path | str) -> Iterator[None]:
    """Convert errors of missing or mismatched values in a checkpoint to ConfigError."""
    try:
        yield
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError):
        raise ConfigError(
            f"{path} is damaged, or of another version of rtseg: name a whole last.pt, or train again into another folder"
        ) from None


def load_trained(path: Path | str) -> tuple[Composition, ModelSpec]:
    """Load the averaged network of a checkpoint in evaluation mode, and its spec. Raises ConfigError."""
    config, values = read_checkpoint(path)
    network = build_network(config)
    with damage_as_config_error(path):
        network.load_state_dict(values["average"])
    return network.eval(), make_spec(network, config)


def make_spec(network: Composition, config: TrainConfig) -> ModelSpec:
    """Return the spec that is stored in the model's file."""
    states = state_specs(network, config.size)
    kept = config.single, config.ellipse
    described = config.name, config.size, config.classes, config.mean, config.std, states, *kept
    spec = ModelSpec(*described, planes=config.planes, outline_px=config.outline_px)
    return replace(spec, codes=config.codes, measures=config.measures)
