"""Reads the folder of a MONAI bundle: its network, its labels, and how its pictures are normalized. Expressions are not run.

The MONAI Bundle format, https://docs.monai.io/en/stable/mb_specification.html. Only classes of monai.networks.nets are built.
"""

import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rtseg.engines.adopt.answer import BACKGROUND
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.convert.monai_transforms import kind_of, normalization_of, picture_axes, transforms_of
from rtseg.engines.convert.safe_checkpoint import read_checkpoint
from rtseg.engines.convert.third_party import load_third_party_network
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.convert.torch_source import TorchSource, input_channels
from rtseg.errors import MissingExtra, ModelError

try:
    from monai.bundle.config_parser import ConfigParser
    from monai.networks import nets
    from torch import nn
except ImportError:
    raise MissingExtra("a MONAI bundle", "train") from None

MAX_BYTES, MAX_VALUES = 1 << 20, 20_000  # of a configuration of YAML
_CONFIGS = ("inference", "evaluate", "train")
_NETWORKS = ("network_def", "network", "net")
_NESTED = ("state_dict", "model_state_dict", "model", "network", "net")


def read_bundle(folder: Path, stated: StatedFacts | None = None) -> tuple[TorchSource, StatedFacts]:
    """Return the network of a bundle with its weights, and what the bundle states about it.

    stated: by the user, which wins over the bundle. Raises ModelError.
    """
    stated = stated or StatedFacts()
    metadata, config = _json(folder / "configs" / "metadata.json"), _config(folder)
    form = metadata.get("network_data_format", {})
    picture, answer = (_first(form.get(side, {})) for side in ("inputs", "outputs"))
    network = _network(folder, config)
    channels = int(picture.get("num_channels") or input_channels(network))
    transforms = transforms_of(config, _PREPROCESSING)
    size = _size(folder, picture, transforms)
    classes, multi_label = _classes(answer, transforms=transforms_of(config, _POSTPROCESSING))
    scale = None if stated.says_how_to_normalize else normalization_of(folder, transforms, channels)
    axes = stated.axes or picture_axes(folder, transforms)
    facts = StatedFacts(
        size=size[::-1] if axes == "wh" else size,
        classes=classes,
        mean=scale.mean if scale else (),
        std=scale.std if scale else (),
        normalization=scale.kind if scale else "",
        percentiles=scale.percentiles if scale else (0.5, 99.5),
        is_multi_label=multi_label,
        axes=axes,
    )
    return TorchSource(network, channels, size), facts


_PREPROCESSING = ("preprocessing", "preprocess", "pre_transforms", "val_transforms")
_POSTPROCESSING = ("postprocessing", "postprocess", "post_transforms")


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({type(error).__name__}): give the folder of a MONAI bundle") from None
    return values if isinstance(values, dict) else {}


def _config(folder: Path) -> dict[str, Any]:
    for name in _CONFIGS:
        for suffix in (".json", ".yaml", ".yml"):
            path = folder / "configs" / f"{name}{suffix}"
            if path.is_file():
                return _json(path) if suffix == ".json" else _yaml(path)
    return {}


def _yaml(path: Path) -> dict[str, Any]:
    """Read a configuration of YAML with MONAI, which reads plain values only. Raises ModelError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError
        values = ConfigParser.load_config_file(path)
    except Exception as error:  # noqa: BLE001  the exceptions of YAML share no other base, and it is an optional package
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__}): write it as {path.stem}.json, or adopt models/model.ts"
        ) from None
    _check_count(path, values)
    return values if isinstance(values, dict) else {}


def _check_count(path: Path, values: Any) -> None:
    """Raise ModelError where references to earlier parts, which YAML has, make a short file long."""
    left, seen = [values], 0
    while left:
        seen += 1
        if seen > MAX_VALUES:
            raise ModelError(f"{path} holds more than {MAX_VALUES} values: write it as {path.stem}.json without references")
        part = left.pop()
        left += list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else []


def _first(ports: Any) -> dict[str, Any]:
    """Return the description of the first port that has one."""
    found = [value for value in ports.values() if isinstance(value, dict)] if isinstance(ports, dict) else []
    return found[0] if found else {}


def _network(folder: Path, config: Mapping[str, Any]) -> nn.Module:
    """Return the network with its weights: that of the configuration, else the TorchScript file of the bundle."""
    described = next((config[name] for name in _NETWORKS if isinstance(config.get(name), dict)), None)
    weights = next(
        (folder / "models" / name for name in ("model.pt", "model.pth") if (folder / "models" / name).is_file()), None
    )
    if described is None or weights is None:
        script = folder / "models" / "model.ts"
        if script.is_file():
            return load_third_party_network(script)
        raise ModelError(f"{folder} has no network_def with models/model.pt, and no models/model.ts: give a whole bundle")
    values: Any = read_checkpoint(weights)
    for key in _NESTED:
        values = values[key] if isinstance(values.get(key), Mapping) else values
    with as_model_error(f"the network of {folder} cannot be built", "give a bundle whose model.pt fits its network_def"):
        network = _built(folder, _resolved(described, config))
        network.load_state_dict({name.removeprefix("module."): value for name, value in values.items()})
    return network.eval()


def _built(folder: Path, described: Mapping[str, Any]) -> nn.Module:
    target = str(described.get("_target_", ""))
    name = target.rpartition(".")[2]
    kind = getattr(nets, name, None) if re.fullmatch(r"(monai\.networks\.nets\.([a-z_0-9]+\.)?)?\w+", target) else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise ModelError(f"{folder} builds {target!r}, which is no network of monai.networks.nets: adopt it as MODULE:FUNCTION")
    import_module("monai.networks.nets")
    network: nn.Module = kind(**{key: value for key, value in described.items() if not key.startswith("_")})
    return network


def _resolved(value: Any, config: Mapping[str, Any], depth: int = 16) -> Any:
    """Return a value with its references replaced; expressions, which are code, are refused. Raises ModelError."""
    if depth == 0:
        raise ModelError("the bundle's references go in a circle: write the values out")
    if isinstance(value, dict):
        return {key: _resolved(part, config, depth - 1) for key, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, config, depth - 1) for part in value]
    if isinstance(value, str) and value.startswith("$"):
        raise ModelError(f"the bundle's network needs the expression {value!r}, which is code and is not run: write its value")
    if isinstance(value, str) and value.startswith("@"):
        found: Any = config
        for key in re.split(r"::|#", value[1:]):
            found = found[int(key) if isinstance(found, list) else key]
        return _resolved(found, config, depth - 1)
    return value


def _size(folder: Path, picture: Mapping[str, Any], transforms: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    shape: Any = picture.get("spatial_shape", [])
    for one in transforms:
        if kind_of(one) in ("Resize", "ResizeWithPadOrCrop", "SpatialPad", "CenterSpatialCrop") and one.get("spatial_size"):
            shape = one["spatial_size"]
    if isinstance(shape, list) and len(shape) == 3:
        raise ModelError(f"{folder} segments volumes of {shape}: give a 2D network")
    if not (isinstance(shape, list) and len(shape) == 2 and all(isinstance(side, int) and side > 0 for side in shape)):
        raise ModelError(f"{folder} takes pictures of any size ({shape}): give the one that it was trained with, --size HxW")
    return shape[0], shape[1]


def _classes(answer: Mapping[str, Any], *, transforms: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """Return the class names, the background among them if it has a channel, and whether each goes through a sigmoid."""
    named = answer.get("channel_def", {})
    names = [str(named[key]) for key in sorted(named, key=lambda key: int(key) if str(key).isdigit() else 0)]
    is_sigmoid = any(kind_of(one) == "Activations" and one.get("sigmoid") for one in transforms)
    channels = int(answer.get("num_channels") or len(names) or 1)
    has_background = bool(names) and names[0].lower() in BACKGROUND
    if has_background and len(names) > channels:
        names = names[1:]
    return tuple(names), is_sigmoid and not has_background and len(names) == channels > 1
