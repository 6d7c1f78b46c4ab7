"""Holds the parts of a network and its initial weights, as a training's configuration names them."""

import math
from dataclasses import dataclass
from typing import Any

from rtseg.errors import ConfigError
from rtseg.models import DECODERS, ENCODERS, HEADS
from rtseg.models.composition import MASK, level_strides, memory_places


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Holds the parts of a network by their names in the registries of rtseg.models, and its initial weights."""

    encoder: str = "s"
    memory: tuple[str, ...] = ("gru@16",)  # each with the stride of its level, lowest first; "mask" for the last mask
    decoder: str = "add"
    heads: tuple[str, ...] = (MASK,)  # heads beside the mask's only teach the features
    deep: bool = False  # continue the encoder to 1/32 for a larger receptive field (encoders that have a deep level)
    imagenet: bool = False  # start the encoder from ImageNet weights (encoders that have some)
    frozen: int = 0  # levels of the encoder, from the first on, that keep their initial weights
    start: str = ""  # a last.pt of another training, whose matching weights are loaded after ImageNet's
    encoder_rate: float = 1.0  # the encoder's share of the learning rate
    dropout: float = 0.0  # share of the lowest level's channels dropped in training, for small datasets


def size_step(network: NetworkConfig) -> int:
    """Return the number of which the sides of the network's input are multiples. Raises ConfigError."""
    return level_strides(network.encoder)[-1] * (2 if network.deep else 1)


def network_problem(network: NetworkConfig) -> str:
    """Return a description of the first invalid setting, or an empty string."""
    try:
        encoder = _find_parts(network)
    except ConfigError as error:
        return f"[network] {error}"
    if MASK not in network.heads or len(set(network.heads)) < len(network.heads):
        return f"[network] heads are {network.heads}: give {MASK!r}, and others once each"
    if network.deep and not getattr(encoder, "deep_features", 0):
        return f"[network] deep is for encoders with a deep level, as lite0: leave it out for {network.encoder!r}"
    if network.imagenet and not hasattr(encoder, "load_imagenet"):
        return f"[network] imagenet is for encoders with such weights, as lite0: leave it out for {network.encoder!r}"
    return _number_problem(network, len(encoder.features))


def _find_parts(network: NetworkConfig) -> Any:
    """Find all parts, and return the encoder's class. Raises ConfigError."""
    memory_places(network.memory, network.encoder)
    DECODERS.find(network.decoder)
    for name in network.heads:
        HEADS.find(name)
    return ENCODERS.find(network.encoder)


def _number_problem(network: NetworkConfig, levels: int) -> str:
    if not 0 <= network.frozen <= levels:
        return f"[network] frozen is {network.frozen}: give a number of levels, {levels} at most"
    if network.frozen and not (network.imagenet or network.start):
        return "[network] frozen levels keep their initial weights: set imagenet or start too"
    if not (0 < network.encoder_rate < math.inf and 0 <= network.dropout < 1):
        return "[network] encoder_rate is above 0 and finite, and dropout lies in 0..1, 1 left out"
    return ""
