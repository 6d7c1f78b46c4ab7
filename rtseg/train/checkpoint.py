"""A training on disk: what is needed to go on with it, and to make a model of it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from rtseg.engines.base import ModelSpec, StateSpec
from rtseg.errors import ConfigError
from rtseg.models import BASELINE, RecurrentUNet, VideoNetwork
from rtseg.models.imagenet import load_imagenet
from rtseg.train.config import TrainConfig, from_values
from rtseg.train.whole import write_whole

_FORMAT = 1


def build(config: TrainConfig) -> VideoNetwork:
    """The network that a config describes, untrained: one logit for one class, else the background's too."""
    n_logits = 1 if len(config.classes) == 1 else len(config.classes) + 1
    if config.network.size == BASELINE:
        from rtseg.models.baseline import BaselineUNet

        return BaselineUNet(n_logits)
    network = config.network
    return RecurrentUNet(n_logits, network.size, network.cell, network.scales, network.deep, network.dropout)


def begin(config: TrainConfig) -> VideoNetwork:
    """The network that a training starts from: `build`'s, taught by ImageNet or another training if the config says so."""
    network = build(config)
    if config.network.imagenet:
        load_imagenet(network.encoder)
    if config.network.start:
        _take_over(network, config.network.start)
    return network


def _take_over(network: VideoNetwork, path: str) -> None:
    """Give a network the averaged weights of another training, as far as their shapes are its own."""
    values, own = read_checkpoint(path)[1], network.state_dict()
    with expected_whole(path):
        given = values["average"].items()
        fitting = {name: value for name, value in given if name in own and own[name].shape == value.shape}
    if len(fitting) < len(own) / 2:
        raise ConfigError(f"{path} is of another kind of network: start from one of the same size and cell")
    network.load_state_dict(own | fitting)


def write_checkpoint(path: Path, config: TrainConfig, values: Mapping[str, Any]) -> None:
    """Write a training's values beside its config, whole or not at all. Raises SinkError."""
    data = io.BytesIO()  # torch does not tell a full disk from any other fault of its writer
    torch.save({"format": _FORMAT, "config": asdict(config), **values}, data)
    write_whole(path, data.getvalue())


def read_checkpoint(path: Path | str) -> tuple[TrainConfig, dict[str, Any]]:
    """What `write_checkpoint` wrote. Raises ConfigError."""
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise ValueError("another format")
        return from_values(values.pop("config"), str(path)), values
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a last.pt that `rtseg train` wrote") from None
    except Exception:  # noqa: BLE001  torch.load raises whatever the bytes lead it to, in words that advise what is unsafe
        raise ConfigError(f"{path} is no checkpoint of a training: name a last.pt that `rtseg train` wrote") from None


@contextmanager
def expected_whole(path: Path | str) -> Iterator[None]:
    """Tell of what a checkpoint lacks, or holds in another shape, while its values are taken over. Raises ConfigError."""
    try:
        yield
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError):
        raise ConfigError(
            f"{path} is damaged, or of another version of rtseg: name a whole last.pt, or train again into another folder"
        ) from None


def trained(path: Path | str) -> tuple[VideoNetwork, ModelSpec]:
    """The averaged network of a checkpoint, ready to run, and its description. Raises ConfigError."""
    config, values = read_checkpoint(path)
    network = build(config)
    with expected_whole(path):
        network.load_state_dict(values["average"])
    return network.eval(), describe(network, config)


def describe(network: VideoNetwork, config: TrainConfig) -> ModelSpec:
    """The spec that travels in the model's file."""
    states = tuple(
        StateSpec(f"state_{place}_in", f"state_{place}_out", tuple(state.shape))
        for place, state in enumerate(network.initial_states(1, config.size))
    )
    kept = config.single, config.ellipse
    return ModelSpec(config.name, config.size, config.classes, config.mean, config.std, states, *kept)
