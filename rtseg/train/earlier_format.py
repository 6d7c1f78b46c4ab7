"""Reads the settings and weights of networks as they were named before networks were composed of named parts."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from rtseg.errors import ConfigError

KEYS = ("size", "cell", "scales")  # of [network], now encoder, memory and decoder
_UNET = "UNet"  # size of MONAI's U-Net
_PREFIXES = {  # of weights, and their new ones
    "shortcuts.": "neck.shortcuts.",
    "bridge.": "neck.bridge.",
    "context.": "neck.context.",
    "memory.": "memory.16.cell.",
    "fine.": "memory.4.",
    **{f"{part}.": f"memory.4.{part}." for part in ("inward", "cell", "outward")},  # of `fine` in exported files
    "decoder.": "decoder.stages.",
    "last.": "decoder.stages.2.",
    "head.": "heads.mask.conv.",
    "net.conv_0.": "encoder.0.",
    **{f"net.down_{place}.": f"encoder.{place}." for place in range(1, 5)},
    **{f"net.upcat_{place}.": f"decoder.stages.{4 - place}." for place in range(1, 5)},
    "net.final_conv.": "heads.mask.conv.",
}

T = TypeVar("T")


def current_settings(network: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return a [network] table with encoder, memory and decoder in place of size, cell and scales. Raises ConfigError."""
    earlier = {key: network[key] for key in KEYS if key in network}
    if not earlier:
        return network
    both = {"encoder", "memory", "decoder"} & network.keys()
    if both:
        raise ConfigError(f"{where} gives {min(both)} and the earlier key {next(iter(earlier))}: leave the earlier one out")
    size, cell, scales = earlier.get("size", "S"), earlier.get("cell", "gru"), earlier.get("scales", 1)
    if cell not in (("none",) if size == _UNET else ("gru", "lstm")):
        raise ConfigError(f"{where} has size {size!r} with cell {cell!r}: give gru or lstm, or none for {_UNET} alone")
    if type(scales) is not int or scales not in ((1,) if size == _UNET else (1, 2)):
        raise ConfigError(f"{where}, scales is {scales!r}: give 1 or 2, and 1 for a size without a memory")
    memory = () if size == _UNET else (f"{cell}@16", f"{cell}@4")[:scales]
    parts = {"encoder": str(size).lower(), "memory": memory, "decoder": "unet" if size == _UNET else "add"}
    return {**{key: value for key, value in network.items() if key not in KEYS}, **parts}


def current_weights(weights: Mapping[str, T]) -> dict[str, T]:
    """Return weights by the names of a `Composition`; their order, by which an optimizer refers to them, stays."""
    return {_current_name(name): value for name, value in weights.items()}


def are_earlier(names: Iterable[str]) -> bool:
    """Return whether weights or modules have the names of before."""
    return any(name.partition(".")[0] in ("head", "net") for name in names)


def _current_name(name: str) -> str:
    """Return the present name of a weight or a module."""
    whole = f"{name}."  # so that a module has its own prefix
    before = next((prefix for prefix in _PREFIXES if whole.startswith(prefix)), "")
    return (_PREFIXES.get(before, "") + whole.removeprefix(before)).removesuffix(".")
