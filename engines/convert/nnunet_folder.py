"""Reads a folder of nnU-Net v2: its plans, its labels and the weights of a 2D configuration.

Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation, Nature Methods, 2021.
The network is built by dynamic_network_architectures, if that is installed, else by MONAI's DynUNet with the weights renamed.
"""

import json
import math
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rtseg.engines.adopt.normalization import Normalization, named_normalization
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.convert.safe_checkpoint import read_checkpoint
from rtseg.engines.convert.tool_errors import as_model_error
from rtseg.engines.convert.torch_source import TorchSource
from rtseg.errors import MissingExtra, ModelError

try:
    from torch import nn
except ImportError:
    raise MissingExtra("a folder of nnU-Net", "train") from None

_CONFIGURATION = "2d"
_CHECKPOINTS = (
    "fold_all/checkpoint_final.pth",
    "fold_*/checkpoint_final.pth",
    "fold_*/checkpoint_best.pth",
    "checkpoint_final.pth",
)
_PACKAGE = "dynamic_network_architectures"
_ALLOWED = ("torch.nn.", f"{_PACKAGE}.architectures.")  # modules whose classes a plan may name


def read_nnunet(folder: Path) -> tuple[TorchSource, StatedFacts]:
    """Return the network of a folder with its weights, and what the folder states about it. Raises ModelError."""
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    plan = _plan(folder, plans)
    has_regions = any(isinstance(value, list) for value in dataset.get("labels", {}).values())
    classes = _regions(folder, dataset) if has_regions else _classes(folder, dataset)
    channels = len(dataset.get("channel_names") or dataset.get("modality") or {"0": ""})
    size = _size(plan)
    if len(size) != 2:
        raise ModelError(f"{folder} segments volumes (patches of {size}): give the folder of a 2d configuration")
    if channels not in (1, 3):
        raise ModelError(f"{folder} takes {channels} channels: rtseg gives one gray or three color channels")
    weights = _weights(folder)
    network = _network(folder, plan, channels, len(classes) + (not has_regions), weights)
    scale = _normalization(folder, plan, channels)
    if list(plans.get("transpose_forward", [0, 1, 2])) != [0, 1, 2]:
        raise ModelError(f"{folder} was trained on turned pictures (transpose_forward): train it on pictures with rows first")
    facts = StatedFacts(
        size=(size[0], size[1]),
        classes=classes if has_regions else ("background", *classes),
        mean=scale.mean,
        std=scale.std,
        normalization=scale.kind,
        activation="none",
        is_multi_label=has_regions and len(classes) > 1,
        overlap="last" if has_regions else "",
    )
    return TorchSource(network, channels, (size[0], size[1])), facts


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({type(error).__name__}): give the folder that nnU-Net wrote") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds no description: give the folder that nnU-Net wrote")
    return values


def _plan(folder: Path, plans: Mapping[str, Any]) -> dict[str, Any]:
    """Return the 2D configuration, with what it inherits."""
    configurations = plans.get("configurations", {})
    wanted = [name for name in configurations if f"__{name}" in folder.name] or [_CONFIGURATION]
    if wanted[0] not in configurations:
        raise ModelError(f"{folder} has the configurations {list(configurations)} and no 2d one: train nnU-Net with 2d")
    plan: dict[str, Any] = {}
    name = wanted[0]
    for _ in range(8):
        plan = {**configurations.get(name, {}), **plan}
        name = configurations.get(name, {}).get("inherits_from", "")
    if "patch_size" not in plan:
        raise ModelError(f"{folder / 'plans.json'} has no patch_size: give the folder that nnU-Net wrote")
    return plan


def _size(plan: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the sides of a whole picture at the resolution of the training, else those of a patch.

    nnU-Net segments a picture in patches at its own resolution: a picture shrunk to one patch would show all things smaller.
    """
    patch, median = (tuple(int(side) for side in plan.get(key, ())) for key in ("patch_size", "median_image_size_in_voxels"))
    if len(patch) != 2 or len(median) != 2:
        return patch
    strides = plan.get("architecture", {}).get("arch_kwargs", {}).get("strides") or plan.get("pool_op_kernel_sizes") or []
    steps = [math.prod(int(stride[axis] if isinstance(stride, list) else stride) for stride in strides) for axis in (0, 1)]
    return tuple(max(side, -(-whole // step) * step) for side, whole, step in zip(patch, median, steps, strict=True))


def _classes(folder: Path, dataset: Mapping[str, Any]) -> tuple[str, ...]:
    labels = dataset.get("labels", {})
    ordered = sorted((int(value), name) for name, value in labels.items() if name != "ignore")
    if [value for value, _ in ordered] != list(range(len(ordered))) or len(ordered) < 2:
        raise ModelError(f"{folder / 'dataset.json'} has the labels {labels}: they must be numbered from 0, the background")
    return tuple(name for _, name in ordered[1:])


def _regions(folder: Path, dataset: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of regions, one for each channel, of which later ones are drawn over earlier ones."""
    labels, order = dataset["labels"], dataset.get("regions_class_order")
    names = tuple(name for name, value in labels.items() if name != "ignore" and value not in (0, [0]))
    if not isinstance(order, list) or len(order) != len(names) or len(set(order)) != len(order):
        raise ModelError(
            f"{folder / 'dataset.json'} has {len(names)} regions and the regions_class_order {order}: give a label for each"
        )
    return names


def _weights(folder: Path) -> Mapping[str, Any]:
    found = [path for pattern in _CHECKPOINTS for path in sorted(folder.glob(pattern))]
    if not found:
        raise ModelError(f"{folder} has no fold_0/checkpoint_final.pth: train nnU-Net to the end, or copy the folds too")
    values = read_checkpoint(found[0])
    weights = values.get("network_weights")
    if not isinstance(weights, Mapping):
        raise ModelError(f"{found[0]} holds no network_weights: give the folder that nnU-Net v2 wrote")
    return {name.removeprefix("module.").removeprefix("_orig_mod."): value for name, value in weights.items()}


def _normalization(folder: Path, plan: Mapping[str, Any], channels: int) -> Normalization:
    schemes = plan.get("normalization_schemes", ["ZScoreNormalization"])
    if len(set(schemes)) != 1:
        raise ModelError(f"{folder} normalizes its channels in different ways ({schemes}): rtseg normalizes all in one way")
    if any(plan.get("use_mask_for_norm", [])):
        raise ModelError(f"{folder} normalizes inside a mask of nonzero voxels: rtseg normalizes inside the sector")
    names = {"ZScoreNormalization": "zscore", "RescaleTo01Normalization": "minmax", "RGBTo01Normalization": "0..1"}
    names |= {"NoNormalization": "0..255"}
    if schemes[0] not in names:
        raise ModelError(f"{folder} normalizes by {schemes[0]}, which no picture of 0..255 has: give --normalization")
    return named_normalization(names[schemes[0]], channels)


def _network(folder: Path, plan: Mapping[str, Any], channels: int, outputs: int, weights: Mapping[str, Any]) -> nn.Module:
    name, options = _architecture(folder, plan)
    try:
        import_module(_PACKAGE)
    except ImportError:
        from rtseg.engines.convert.dynunet_weights import dynunet

        if not name.endswith(".PlainConvUNet"):
            raise ModelError(
                f"{folder} is a {name.rpartition('.')[2]}: install the package that builds it, "
                f"`pip install --no-deps dynamic_network_architectures`"
            ) from None
        return dynunet(folder, options, channels, outputs, weights)
    with as_model_error(f"the network of {folder} cannot be built", "give the folder that nnU-Net v2 wrote"):
        built: nn.Module = _class(name)(
            input_channels=channels, num_classes=outputs, deep_supervision=False, **{k: _value(v) for k, v in options.items()}
        )
        built.load_state_dict(dict(weights))
    return built.eval()


def _architecture(folder: Path, plan: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the class and the arguments of a network, in the form of plans since nnU-Net 2.4."""
    if "architecture" in plan:
        described = plan["architecture"]
        options = dict(described["arch_kwargs"])
        imported = described.get("_kw_requires_import", [])
        return described["network_class_name"], {k: _Imported(v) if k in imported and v else v for k, v in options.items()}
    try:
        stages = len(plan["conv_kernel_sizes"])
        widest, base = int(plan["unet_max_num_features"]), int(plan["UNet_base_num_features"])
        options = {
            "n_stages": stages,
            "features_per_stage": [min(base * 2**stage, widest) for stage in range(stages)],
            "conv_op": _Imported("torch.nn.Conv2d"),
            "kernel_sizes": plan["conv_kernel_sizes"],
            "strides": plan["pool_op_kernel_sizes"],
            "n_conv_per_stage": plan["n_conv_per_stage_encoder"],
            "n_conv_per_stage_decoder": plan["n_conv_per_stage_decoder"],
            "conv_bias": True,
            "norm_op": _Imported("torch.nn.InstanceNorm2d"),
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "nonlin": _Imported("torch.nn.LeakyReLU"),
            "nonlin_kwargs": {"inplace": True},
        }
        return f"{_PACKAGE}.architectures.unet.{plan['UNet_class_name']}", options
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / 'plans.json'} does not describe the network ({error}): give plans of nnU-Net v2") from None


class _Imported(str):
    """Marks the name of a class that a plan wants imported."""

    __slots__ = ()


def _value(value: Any) -> Any:
    return _class(value) if isinstance(value, _Imported) else value


def _class(name: str) -> Any:
    """Import a class of torch.nn or of nnU-Net's own architectures; nothing else may be named. Raises ModelError."""
    module, _, kind = name.rpartition(".")
    if not name.startswith(_ALLOWED) or not re.fullmatch(r"[\w.]+", name):
        raise ModelError(f"the plans name {name!r}, which is no part of a network: give plans of nnU-Net v2")
    found = getattr(import_module(module), kind, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ModelError(f"the plans name {name!r}, which is no network layer: give plans of nnU-Net v2")
    return found
